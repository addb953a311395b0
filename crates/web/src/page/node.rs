//! A queue with its topics and channels.

use axum::body::Body;
use axum::http::Response;
use http::{Asked, HttpRefusal, Query};
use maud::{Markup, html};
use ui::Level;
use ui::parts::{badge, empty, note, scroll};
use ui::text::clean;

use super::action::done;
use super::channel::consumers;
use super::nodes::log_level;
use super::numbers::{count, counted, split};
use super::pools::of_node;
use super::topic::{channel_cells, channel_head};
use super::{Page, at, controls};
use crate::api::views::{NoNode, NodeView};
use crate::api::{Api, Warnings, word};
use crate::fleet::{ChannelStats, Gathered, NodePools, TopicStats, Unavailable};

pub(crate) async fn node(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let name = word(&asked, 0);
    let query = asked.query()?;
    let title = format!("Node {name}");
    let page = Page::new(api, "nodes", &title).under("Nodes", at(api, &["nodes"]));
    let mut warnings = Warnings::default();
    let node = match api.gather_node(name, &mut warnings).await {
        Ok(node) => node,
        Err(NoNode::Unknown) => {
            if let Some(content) = without_queue(api, name, &query, &mut warnings).await {
                return Ok(page.answer(&asked.headers, &warnings, content));
            }
            let next =
                html! { "It is not registered any more. " a href=(at(api, &["nodes"])) { "All nodes" } };
            return Ok(page.answer(&asked.headers, &warnings, empty("Nobody knows this node.", next)));
        }
        Err(NoNode::Unavailable(reason)) => return Ok(page.unavailable(&asked.headers, &warnings, &reason)),
    };
    let pools = of_name(api, name, &mut warnings).await;
    let content = html! {
        @if let Some(text) = query.text("did").and_then(done) { (note(Level::Well, text)) }
        p #facts .facts data-live { (counted(node.total_messages, "message")) " so far · " (counted(node.total_clients, "consumer")) }
        div.actions { (log_level(api, Some(name))) }
        @if let Some(pools) = pools.filter(|pools| !pools.pools.is_empty()) { (of_node(api, &pools)) }
        section #topics data-live {
            h2 { "Topics" small { "a tombstone hides a topic of this node from consumers for a while and deletes it here" } }
            @if node.topics.is_none() { (empty("It has no topics.", html! { "Publishers make them." })) }
            @for topic in node.topics.iter().flatten() { (of_topic(api, topic, &node)) }
        }
    };
    Ok(page.answer(&asked.headers, &warnings, content))
}

/// The pools of a node. One that shows none is shown all the same.
async fn of_name(api: &Api, name: &str, warnings: &mut Warnings) -> Option<NodePools> {
    let nodes = match api.gather_pools(warnings).await {
        Ok(nodes) => nodes,
        Err(Unavailable(why)) => {
            let nothing = Gathered { value: (), warnings: vec![why] };
            let _ = warnings.take(Ok(nothing));
            return None;
        }
    };
    nodes.iter().find(|node| node.node == name).cloned()
}

/// The page of a nuthatch without a queue.
async fn without_queue(api: &Api, name: &str, query: &Query, warnings: &mut Warnings) -> Option<Markup> {
    let node = of_name(api, name, warnings).await?;
    Some(html! {
        @if let Some(text) = query.text("did").and_then(done) { (note(Level::Well, text)) }
        p #facts .facts data-live { (clean(&node.hostname)) " · nuthatch " (clean(&node.version)) " · without a queue" }
        div.actions { (log_level(api, Some(name))) }
        (of_node(api, &node))
    })
}

fn of_topic(api: &Api, topic: &TopicStats, node: &NodeView) -> Markup {
    let channels = topic.channels.as_deref().unwrap_or_default();
    html! {
        div.card {
            h2 {
                a href=(at(api, &["topics", &topic.topic_name])) { (clean(&topic.topic_name)) }
                small {
                    (count(topic.depth)) " waiting for a channel (" (split(topic.memory_depth, topic.backend_depth)) ") · "
                    (count(topic.message_count)) " so far"
                }
                @if topic.paused { (badge(Level::Notice, "paused")) }
                @if node.tombstoned.contains(&topic.topic_name) { (badge(Level::Notice, "tombstoned")) }
            }
            @if !channels.is_empty() {
                (scroll(&format!("Channels of {}", clean(&topic.topic_name)), html! {
                    table {
                        (channel_head("Channel", false))
                        tbody {
                            @for channel in channels {
                                tr {
                                    th scope="row" { a href=(at(api, &["topics", &topic.topic_name, &channel.channel_name])) { (clean(&channel.channel_name)) } }
                                    (channel_cells(channel))
                                }
                            }
                        }
                    }
                }))
                @for channel in channels { (clients(api, topic, channel)) }
            }
            div.actions { (controls::tombstone(api, topic, &node.node)) }
        }
    }
}

/// Consumers of a channel of the node, in a fold.
fn clients(api: &Api, topic: &TopicStats, channel: &ChannelStats) -> Markup {
    let all = channel.clients.as_deref().unwrap_or_default();
    let label =
        format!("Consumers of {}, channel {}", clean(&topic.topic_name), clean(&channel.channel_name));
    html! {
        @if !all.is_empty() {
            details {
                summary { (counted(all.len() as i64, "consumer")) " of " (clean(&channel.channel_name)) }
                (scroll(&label, consumers(api, all)))
            }
        }
    }
}
