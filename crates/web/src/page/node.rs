//! A queue with its topics and channels.

use axum::body::Body;
use axum::http::Response;
use http::{Asked, HttpRefusal};

use super::html::Html;
use super::{Button, at, note, page, unavailable};
use crate::api::views::NoNode;
use crate::api::{Api, Warnings, word};

pub(crate) async fn node(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let name = word(&asked, 0);
    let title = format!("Node {name}");
    let mut warnings = Warnings::default();
    let node = match api.gather_node(name, &mut warnings).await {
        Ok(node) => node,
        Err(NoNode::Unknown) => return Ok(page(api, &title, &warnings, note("nobody knows this node"))),
        Err(NoNode::Unavailable(reason)) => return Ok(unavailable(api, &title, &warnings, &reason)),
    };
    let mut html = Html::default();
    html.raw("<p>Messages: ").number(node.total_messages).raw(", consumers: ").number(node.total_clients);
    html.raw("</p>\n").table(&["Topic", "Channel", "#Depth", "#In flight", "#Messages", "#Consumers", ""]);
    for topic in node.topics.iter().flatten() {
        html.raw("<tr><td>").link(&at(api, &["topics", &topic.topic_name]), &topic.topic_name);
        html.raw("</td><td></td>").count(topic.depth).raw("<td></td>").count(topic.message_count);
        html.raw("<td></td><td>");
        let button = Button {
            words: "Tombstone",
            change: "tombstone",
            topic: &topic.topic_name,
            channel: None,
            node: Some(name),
            loses: true,
        };
        button.write(api, &mut html);
        html.raw("</td></tr>\n");
        for channel in topic.channels.iter().flatten() {
            html.raw("<tr><td></td><td>");
            html.link(&at(api, &["topics", &topic.topic_name, &channel.channel_name]), &channel.channel_name);
            html.raw("</td>")
                .count(channel.depth)
                .count(channel.in_flight_count)
                .count(channel.message_count);
            html.count(channel.client_count).raw("<td></td></tr>\n");
        }
    }
    html.raw("</table>\n<p>A tombstone hides a topic of this queue from consumers for a while and deletes it here.</p>\n");
    Ok(page(api, &title, &warnings, html))
}
