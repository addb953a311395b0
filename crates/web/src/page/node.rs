//! A queue with its topics and channels.

use axum::body::Body;
use axum::http::Response;
use http::{Asked, HttpRefusal};
use maud::{Markup, html};
use ui::Level;
use ui::parts::{badge, empty, note, scroll};
use ui::text::clean;

use super::action::done;
use super::numbers::{count, counted};
use super::pools::of_node;
use super::{Page, at, controls};
use crate::api::views::NoNode;
use crate::api::{Api, Warnings, word};
use crate::fleet::{Gathered, TopicStats, Unavailable};

pub(crate) async fn node(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let name = word(&asked, 0);
    let query = asked.query()?;
    let title = format!("Node {name}");
    let page = Page::new(api, "nodes", &title).under("Nodes", at(api, &["nodes"]));
    let mut warnings = Warnings::default();
    let node = match api.gather_node(name, &mut warnings).await {
        Ok(node) => node,
        Err(NoNode::Unknown) => {
            let next =
                html! { "It is not registered any more. " a href=(at(api, &["nodes"])) { "All nodes" } };
            return Ok(page.answer(&asked.headers, &warnings, empty("Nobody knows this node.", next)));
        }
        Err(NoNode::Unavailable(reason)) => return Ok(page.unavailable(&asked.headers, &warnings, &reason)),
    };
    // A node that shows no pools is shown all the same.
    let pools = api.fleet().pools_of(name).await;
    let pools = pools.unwrap_or_else(|Unavailable(why)| Gathered { value: None, warnings: vec![why] });
    let pools = warnings.take(Ok(pools)).ok().flatten();
    let content = html! {
        @if let Some(text) = query.text("did").and_then(done) { (note(Level::Well, text)) }
        p #facts .facts data-live { (counted(node.total_messages, "message")) " so far · " (counted(node.total_clients, "consumer")) }
        @if let Some(pools) = pools.filter(|pools| !pools.pools.is_empty()) { (of_node(api, &pools)) }
        section #topics data-live {
            h2 { "Topics" small { "a tombstone hides a topic of this node from consumers for a while and deletes it here" } }
            @if node.topics.is_none() { (empty("It has no topics.", html! { "Publishers make them." })) }
            @for topic in node.topics.iter().flatten() { (of_topic(api, topic, name)) }
        }
    };
    Ok(page.answer(&asked.headers, &warnings, content))
}

fn of_topic(api: &Api, topic: &TopicStats, node: &str) -> Markup {
    html! {
        div.card {
            h2 {
                a href=(at(api, &["topics", &topic.topic_name])) { (clean(&topic.topic_name)) }
                small { (count(topic.depth)) " waiting for a channel · " (count(topic.message_count)) " so far" }
                @if topic.paused { (badge(Level::Notice, "paused")) }
            }
            @if topic.channels.as_ref().is_some_and(|channels| !channels.is_empty()) {
                (scroll(&format!("Channels of {}", clean(&topic.topic_name)), html! {
                    table {
                        thead { tr {
                            th scope="col" { "Channel" } th.n scope="col" { "Waiting" } th.n scope="col" { "In flight" }
                            th.n.wide scope="col" { "Messages" } th.n scope="col" { "Consumers" }
                        } }
                        tbody {
                            @for channel in topic.channels.iter().flatten() {
                                tr {
                                    th scope="row" { a href=(at(api, &["topics", &topic.topic_name, &channel.channel_name])) { (clean(&channel.channel_name)) } }
                                    td.n { (count(channel.depth)) } td.n { (count(channel.in_flight_count)) }
                                    td.n.wide { (count(channel.message_count)) } td.n { (count(channel.client_count)) }
                                }
                            }
                        }
                    }
                }))
            }
            div.actions { (controls::tombstone(api, topic, node)) }
        }
    }
}
