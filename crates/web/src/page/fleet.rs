//! Pages over the whole fleet: topics, queues, messages by channel, topics without producers.

use axum::body::Body;
use axum::http::Response;
use http::{Asked, HttpRefusal};

use super::html::Html;
use super::{Button, at, note, page, unavailable};
use crate::api::{Api, Warnings};
use crate::fleet::Producer;

type Answer = Result<Response<Body>, HttpRefusal>;

pub(crate) async fn topics(api: &Api, _: Asked) -> Answer {
    let mut warnings = Warnings::default();
    let topics = match warnings.take(api.fleet().topics().await) {
        Ok(topics) => topics,
        Err(reason) => return Ok(unavailable(api, "Topics", &warnings, &reason)),
    };
    let mut html = Html::default();
    if topics.is_empty() {
        html.append(note("no topics yet"));
    } else {
        html.table(&["Topic"]);
        for topic in &topics {
            html.raw("<tr><td>").link(&at(api, &["topics", topic]), topic).raw("</td></tr>\n");
        }
        html.raw("</table>\n");
    }
    create_form(api, &mut html);
    Ok(page(api, "Topics", &warnings, html))
}

/// Form that creates a topic or channel.
fn create_form(api: &Api, html: &mut Html) {
    html.raw("<h2>Create</h2>\n<form method=\"post\" action=\"").text(&at(api, &["action"]));
    html.raw("\"><input type=\"hidden\" name=\"change\" value=\"create\">");
    html.raw("<label>Topic <input name=\"topic\" required maxlength=\"64\"></label> ");
    html.raw("<label>Channel (if wanted) <input name=\"channel\" maxlength=\"64\"></label> ");
    html.raw("<button>Create</button></form>\n");
}

pub(crate) async fn nodes(api: &Api, _: Asked) -> Answer {
    let mut warnings = Warnings::default();
    let nodes = match warnings.take(api.fleet().producers().await) {
        Ok(nodes) => nodes,
        Err(reason) => return Ok(unavailable(api, "Nodes", &warnings, &reason)),
    };
    let mut html = Html::default();
    if nodes.is_empty() {
        html.append(note("no queue is registered"));
        return Ok(page(api, "Nodes", &warnings, html));
    }
    html.table(&["Node", "Machine", "#TCP port", "Version", "Zone", "#Topics", "Registered with"]);
    for node in &nodes {
        let address = node.http_address();
        html.raw("<tr><td>").link(&at(api, &["nodes", &address]), &address).raw("</td>");
        html.cell(&node.hostname).count(node.tcp_port).raw("<td>").text(&node.version);
        html.raw(if node.out_of_date { " (out of date)" } else { "" }).raw("</td>");
        html.cell(&format!("{} {}", node.topology_region, node.topology_zone));
        html.count(i64::try_from(node.topics.as_ref().map_or(0, Vec::len)).unwrap_or(i64::MAX));
        html.raw("<td>");
        registrations(node, api.fleet().lookups(), &mut html);
        html.raw("</td></tr>\n");
    }
    html.raw("</table>\n");
    Ok(page(api, "Nodes", &warnings, html))
}

fn registrations(node: &Producer, lookups: usize, html: &mut Html) {
    let registered = node.remote_addresses.iter().flatten();
    for address in registered.clone() {
        html.text(address).raw("<br>");
    }
    let count = registered.count();
    if lookups > 0 && count != lookups {
        html.raw("<b>").text(&format!("{count} registrations, {lookups} lookups")).raw("</b>");
    }
}

pub(crate) async fn counter(api: &Api, _: Asked) -> Answer {
    let mut warnings = Warnings::default();
    let counts = match api.gather_counts(&mut warnings).await {
        Ok(counts) => counts,
        Err(reason) => return Ok(unavailable(api, "Counter", &warnings, &reason)),
    };
    let total = counts.values().fold(0_i64, |sum, count| sum.saturating_add(count.message_count));
    let mut html = Html::default();
    html.raw("<p>Messages processed: <b>").number(total).raw("</b></p>\n");
    html.table(&["Topic", "Channel", "Node", "#Messages"]);
    for count in counts.values() {
        html.raw("<tr><td>")
            .link(&at(api, &["topics", &count.topic_name]), &count.topic_name)
            .raw("</td><td>");
        html.link(&at(api, &["topics", &count.topic_name, &count.channel_name]), &count.channel_name);
        html.raw("</td>").cell(&count.node).count(count.message_count).raw("</tr>\n");
    }
    html.raw("</table>\n");
    Ok(page(api, "Counter", &warnings, html))
}

pub(crate) async fn lookup(api: &Api, _: Asked) -> Answer {
    let mut warnings = Warnings::default();
    let inactive = match api.gather_inactive(&mut warnings).await {
        Ok(inactive) => inactive,
        Err(reason) => return Ok(unavailable(api, "Lookup", &warnings, &reason)),
    };
    let mut html = Html::default();
    if !api.fleet().has_lookups() {
        html.append(note("no lookup is asked: queues are named by --nsqd-http-address"));
    } else if inactive.is_empty() {
        html.raw("<p>Every topic has a producer.</p>\n");
    } else {
        html.raw("<p>Topics that the lookups know and no queue has.</p>\n").table(&["Topic", "Channels", ""]);
        for (topic, channels) in &inactive {
            html.raw("<tr>").cell(topic).raw("<td>");
            for channel in channels.iter().flatten() {
                html.text(channel).raw(" ");
                delete(topic, Some(channel)).write(api, &mut html);
            }
            html.raw("</td><td>");
            delete(topic, None).write(api, &mut html);
            html.raw("</td></tr>\n");
        }
        html.raw("</table>\n");
    }
    create_form(api, &mut html);
    Ok(page(api, "Lookup", &warnings, html))
}

fn delete<'a>(topic: &'a str, channel: Option<&'a str>) -> Button<'a> {
    Button { words: "Delete", change: "delete", topic, channel, node: None, loses: true }
}
