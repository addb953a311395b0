//! A channel on all queues, with its consumers.

use axum::body::Body;
use axum::http::Response;
use http::{Asked, HttpRefusal};
use maud::{Markup, html};
use ui::Level;
use ui::chart::{Unit, chart};
use ui::format::{duration, rate};
use ui::parts::{badge, empty, note, scroll};
use ui::series::growth;
use ui::text::clean;

use super::action::done;
use super::numbers::{count, latency, split, unsigned};
use super::topic::{channel_cells, channel_head, graphs, state};
use super::{Page, at, controls, full_in, series, settings};
use crate::api::{Api, Warnings, word};
use crate::fleet::{ChannelStats, ClientStats};

/// Time from which on a message that a consumer holds is a warning, in milliseconds.
const LONG_MS: u64 = 300_000;

pub(crate) async fn channel(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let (topic, name) = (word(&asked, 0), word(&asked, 1));
    let query = asked.query()?;
    let title = format!("Channel {name}");
    let page = Page::new(api, "topics", &title).about(topic, None);
    let mut warnings = Warnings::default();
    let channel = match api.gather_channel(topic, name, &mut warnings).await {
        Ok(Some(channel)) => channel,
        Ok(None) => {
            let next =
                html! { "It may have been deleted. " a href=(at(api, &["topics", topic])) { "Its topic" } };
            return Ok(page.answer(&asked.headers, &warnings, empty("No queue has this channel.", next)));
        }
        Err(reason) => return Ok(page.unavailable(&asked.headers, &warnings, &reason)),
    };
    let content = html! {
        @if let Some(text) = query.text("did").and_then(done) { (note(Level::Well, text)) }
        p #state .facts data-live { (facts(api, topic, &channel)) }
        div.actions { (controls::of_channel(api, topic, &channel)) }
        (charts(api, topic, &channel))
        (graphs(api, topic, Some(name), &["message_count", "depth", "in_flight_count"]))
        section #consumers data-live {
            h2 { "Consumers" }
            @let clients = channel.clients.as_deref().unwrap_or_default();
            @if clients.is_empty() {
                (empty("Nobody consumes this channel.", html! { "Start a consumer, or look whether it fails to connect: its log names the address it tries." }))
            } @else {
                (scroll("Consumers", consumers(api, clients)))
            }
        }
        section #numbers data-live {
            h2 { (if api.site.host.is_some() { "Numbers" } else { "Nodes" }) }
            (scroll("Numbers", nodes(api, &channel)))
        }
        (settings::of_channel(api, topic, &channel).await)
        (latency(channel.e2e_processing_latency.as_ref()))
    };
    Ok(page.answer(&asked.headers, &warnings, content))
}

fn facts(api: &Api, topic: &str, channel: &ChannelStats) -> Markup {
    let grows = growth(series(api, &["topic", topic, &channel.channel_name], "backlog").as_deref());
    html! {
        (state(channel)) " "
        (count(channel.depth)) " waiting (" (split(channel.memory_depth, channel.backend_depth)) ") · " (count(channel.in_flight_count)) " in flight · "
        (count(channel.deferred_count)) " deferred · " (count(channel.message_count)) " so far"
        @if let Some(grows) = grows {
            @if grows >= 0.5 { " · " (badge(Level::Warning, &format!("grows {}/s", rate(grows)))) }
            @if let Some((level, full)) = full_in(api, topic) { " · its topic: " (badge(level, &full)) }
            @if grows <= -0.5 && channel.depth > 0 { " · empty in " (duration((unsigned(channel.depth) as f64 / -grows * 1000.0) as u64)) " at this rate" }
        }
        @for (number, words) in [
            (channel.dead_count, "dead letters"), (channel.expired_count, "expired"), (channel.dropped_count, "dropped: full"),
            (channel.lost_count, "lost on disk"),
        ] {
            @if number > 0 { " · " (badge(Level::Warning, &format!("{} {words}", count(number)))) }
        }
    }
}

fn charts(api: &Api, topic: &str, channel: &ChannelStats) -> Markup {
    let draw = |title: &str, unit, measure: &str, now: Option<i64>| {
        let points = series(api, &["topic", topic, &channel.channel_name], measure);
        chart(title, unit, points.as_deref(), now.map(|now| unsigned(now) as f32))
    };
    html! {
        @if api.site.host.is_some() {
            div #charts .charts data-live {
                (draw("Waiting", Unit::Count, "backlog", Some(channel.depth)))
                (draw("Finished", Unit::PerSecond, "finished", None))
                (draw("In flight", Unit::Count, "in_flight", Some(channel.in_flight_count)))
            }
        }
    }
}

fn nodes(api: &Api, channel: &ChannelStats) -> Markup {
    html! {
        table {
            (channel_head("Node", false))
            tbody {
                @for node in channel.nodes.iter().flatten() {
                    tr {
                        th scope="row" {
                            @if api.site.host.is_some() { (clean(&node.node)) } @else { a href=(at(api, &["nodes", &node.node])) { (clean(&node.node)) } }
                        }
                        (channel_cells(node))
                    }
                }
            }
            @if channel.nodes.as_ref().is_some_and(|nodes| nodes.len() > 1) { tfoot { tr { th scope="row" { "All" } (channel_cells(channel)) } } }
        }
    }
}

/// The table of consumers.
pub(super) fn consumers(api: &Api, clients: &[ClientStats]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Consumer" } @if api.site.host.is_none() { th.wide scope="col" { "Node" } }
                th.n scope="col" title="messages it takes at a time" { "RDY" } th.n scope="col" { "In flight" }
                th.n.wide scope="col" title="time that it has held the message whose timeout is next" { "Held for" } th.n scope="col" { "Finished" }
                th.n.wide scope="col" { "Requeued" } th.n.wide scope="col" { "Messages" } th.wide scope="col" { "Connected" }
                th.wide scope="col" { "Library" } th.wide scope="col" { "Zone" } th.wide scope="col" { "With" } th scope="col" { "State" }
            } }
            tbody {
                @for client in clients {
                    @let never = client.message_count > 0 && client.finish_count == 0 && client.requeue_count == 0;
                    tr.(if never { "warning" } else { "" }) {
                        th scope="row" { (clean(&client.client_id)) " " small { (clean(&client.remote_address)) } }
                        @if api.site.host.is_none() { td.wide { (clean(&client.node)) } }
                        td.n { (count(client.ready_count)) } td.n { (count(client.in_flight_count)) }
                        td.n.wide { (client.held_ms.map_or_else(|| "–".into(), duration)) } td.n { (count(client.finish_count)) }
                        td.n.wide { (count(client.requeue_count)) } td.n.wide { (count(client.message_count)) }
                        td.wide { (ui::parts::moment(unsigned(client.connect_ts).saturating_mul(1000))) }
                        td.wide { (clean(&client.user_agent)) }
                        td.wide {
                            (clean(&client.topology_region)) " " (clean(&client.topology_zone))
                            (["", " (same region)", " (other region)"][usize::from(client.distance().min(2))])
                        }
                        td.wide { (clean(&features(client))) }
                        td {
                            @if client.ready_count == 0 { (badge(Level::Notice, "not ready")) }
                            @if let Some(held) = client.held_ms.filter(|held| !never && *held >= LONG_MS) {
                                (badge(Level::Warning, &format!("holds a message for {}", duration(held))))
                            }
                            @if never { (badge(Level::Warning, "takes and never finishes")) }
                        }
                    }
                }
            }
        }
    }
}

fn features(client: &ClientStats) -> String {
    let mut features = Vec::new();
    if client.tls {
        features.push(format!("{} {}", client.tls_version, client.tls_cipher_suite));
    }
    for (there, name) in [(client.snappy, "snappy"), (client.deflate, "deflate")] {
        features.extend(there.then(|| name.to_owned()));
    }
    if client.authed {
        features.push(format!("as {}", client.auth_identity));
    }
    if client.sample_rate > 0 {
        features.push(format!("{} % of the messages", client.sample_rate));
    }
    features.join(", ")
}
