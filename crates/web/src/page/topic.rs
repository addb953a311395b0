//! A topic on all queues.

use axum::body::Body;
use axum::http::Response;
use http::{Asked, HttpRefusal};
use maud::{Markup, html};
use ui::Level;
use ui::chart::{Unit, chart, spark};
use ui::format::{bytes, duration, rate};
use ui::parts::{badge, empty, note, scroll};
use ui::series::growth;
use ui::text::clean;

use super::action::done;
use super::numbers::{backlog, count, latency, split, unsigned};
use super::{Page, at, controls, full_in, series, settings};
use crate::api::{Api, Warnings, word};
use crate::fleet::{ChannelStats, Publisher, TopicStats};

/// Publishers shown.
const PUBLISHERS: usize = 50;

pub(crate) async fn topic(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let name = word(&asked, 0);
    let query = asked.query()?;
    let title = format!("Topic {name}");
    let page = Page::new(api, "topics", &title).under("Topics", at(api, &["topics"]));
    let mut warnings = Warnings::default();
    let topic = match api.gather_topic(name, true, &mut warnings).await {
        Ok(topic) => topic,
        Err(reason) => return Ok(page.unavailable(&asked.headers, &warnings, &reason)),
    };
    let Some(nodes) = &topic.nodes else {
        let next = html! { "It may have been deleted. " a href=(at(api, &["topics"])) { "All topics" } };
        return Ok(page.answer(&asked.headers, &warnings, empty("No queue has this topic.", next)));
    };
    let content = html! {
        @if let Some(text) = query.text("did").and_then(done) { (note(Level::Well, text)) }
        p #state .facts data-live { (facts(api, &topic)) }
        div.actions { (controls::of_topic(api, &topic)) }
        (charts(api, &topic))
        (graphs(api, name, None, &["message_count", "depth"]))
        section #channels data-live {
            h2 { "Channels" }
            @if topic.channels.as_ref().is_none_or(Vec::is_empty) {
                (empty("No channel.", html! { "Messages wait in the topic until a consumer subscribes or a channel is added above." }))
            } @else {
                (scroll("Channels", channels(api, &topic)))
            }
        }
        section #publishers data-live {
            h2 { "Publishers" small { "connected over TCP, and over HTTP lately; the busiest first" } }
            @if topic.publishers.is_empty() {
                p.facts { "No client that is connected has published here, and nobody over HTTP lately." }
            } @else { (scroll("Publishers", publishers(&topic.publishers, api.site.host.is_none()))) }
        }
        @if api.site.host.is_none() { section #nodes data-live { h2 { "Nodes" } (scroll("Nodes", table(api, nodes, &topic))) } }
        (settings::of_topic(api, &topic).await)
        (latency(topic.e2e_processing_latency.as_ref()))
    };
    Ok(page.answer(&asked.headers, &warnings, content))
}

fn facts(api: &Api, topic: &TopicStats) -> Markup {
    let grows = growth(series(api, &["topic", &topic.topic_name], "backlog").as_deref());
    html! {
        @if topic.paused { (badge(Level::Notice, "paused")) " " }
        (count(topic.message_count)) " published · " (count(topic.depth)) " waiting for a channel (" (split(topic.memory_depth, topic.backend_depth)) ")"
        @if topic.stored_bytes > 0 { " · " (bytes(unsigned(topic.stored_bytes))) " of journal"
            @if topic.bytes_max > 0 { " (" (bytes(unsigned(topic.bytes_max))) " at most)" }
        }
        @if let Some(grows) = grows.filter(|grows| *grows >= 0.5) { " · " (badge(Level::Warning, &format!("grows {}/s", rate(grows)))) }
        @if let Some((level, full)) = full_in(api, &topic.topic_name) { " · " (badge(level, &full)) }
        @if topic.rejected_count > 0 { " · " (badge(Level::Warning, &format!("{} refused: full", count(topic.rejected_count)))) }
        @if topic.dropped_count > 0 { " · " (badge(Level::Warning, &format!("{} dropped: full", count(topic.dropped_count)))) }
    }
}

fn charts(api: &Api, topic: &TopicStats) -> Markup {
    let draw = |title: &str, unit, measure: &str, now: Option<i64>| {
        let points = series(api, &["topic", &topic.topic_name], measure);
        chart(title, unit, points.as_deref(), now.map(|now| unsigned(now) as f32))
    };
    html! {
        @if api.site.host.is_some() {
            div #charts .charts data-live {
                (draw("Published", Unit::PerSecond, "published", None))
                (draw("Waiting in the topic and its channels", Unit::Count, "backlog", Some(backlog(topic))))
            }
        }
    }
}

fn channels(api: &Api, topic: &TopicStats) -> Markup {
    html! {
        table {
            (channel_head("Channel", api.site.host.is_some()))
            tbody {
                @for channel in topic.channels.iter().flatten() {
                    tr.(if lonely(channel) { "warning" } else { "" }) {
                        th scope="row" { a href=(at(api, &["topics", &topic.topic_name, &channel.channel_name])) { (clean(&channel.channel_name)) } }
                        @if api.site.host.is_some() {
                            td.wide { (spark("waiting", Unit::Count, series(api, &["topic", &topic.topic_name, &channel.channel_name], "backlog").as_deref())) }
                        }
                        (channel_cells(channel))
                    }
                }
            }
        }
    }
}

/// True if messages wait and nobody consumes.
pub(super) fn lonely(channel: &ChannelStats) -> bool {
    channel.depth > 0 && channel.client_count == 0 && !channel.paused
}

/// Headings of [`channel_cells`], preceded by a name and, for this process, by the last hour.
pub(super) fn channel_head(first: &str, with_series: bool) -> Markup {
    html! {
        thead { tr {
            th scope="col" { (first) }
            @if with_series { th.wide scope="col" { "Last hour" } }
            th.n scope="col" { "Waiting" } th.n.wide scope="col" { "In memory, on disk" } th.n scope="col" { "In flight" }
            th.n.wide scope="col" { "Deferred" } th.n.wide scope="col" { "Requeued" } th.n.wide scope="col" { "Timed out" }
            th.n.wide scope="col" { "Dead" } th.n.wide scope="col" { "Messages" } th.n scope="col" { "Consumers" } th scope="col" { "State" }
        } }
    }
}

/// Cells with the numbers of a channel.
pub(super) fn channel_cells(channel: &ChannelStats) -> Markup {
    html! {
        td.n { (count(channel.depth)) }
        td.n.wide { (count(channel.memory_depth)) ", " (count(channel.backend_depth)) }
        td.n { (count(channel.in_flight_count)) }
        @for number in [channel.deferred_count, channel.requeue_count, channel.timeout_count, channel.dead_count, channel.message_count] {
            td.n.wide { (count(number)) }
        }
        td.n { (count(channel.client_count)) }
        td { (state(channel)) }
    }
}

/// State of a channel.
pub(super) fn state(channel: &ChannelStats) -> Markup {
    html! {
        @if channel.paused { (badge(Level::Notice, "paused")) }
        @else if lonely(channel) { (badge(Level::Warning, "nobody consumes")) }
    }
}

/// The busiest publishers.
fn publishers(all: &[Publisher], with_nodes: bool) -> Markup {
    let mut all: Vec<&Publisher> = all.iter().collect();
    all.sort_by(|a, b| b.per_second().total_cmp(&a.per_second()));
    html! {
        table {
            thead { tr {
                th scope="col" { "Client" } th scope="col" { "Address" } th.n scope="col" title="on the mean, since it connected; over HTTP since its first message" { "Publishes" }
                th.n scope="col" { "Messages" } th.n.wide scope="col" { "For" } th.wide scope="col" { "Library" }
                @if with_nodes { th.wide scope="col" { "Node" } }
            } }
            tbody {
                @for one in all.iter().take(PUBLISHERS) {
                    tr {
                        th scope="row" { (clean(&one.client_id)) @if one.hostname != one.client_id { " " small { (clean(&one.hostname)) } } }
                        td { (clean(&one.remote_address)) @if one.over_http { " " small { "HTTP" } } }
                        td.n { (rate(one.per_second())) "/s" }
                        td.n { (count(one.count)) }
                        td.n.wide { (duration(unsigned(one.connected_seconds).saturating_mul(1000))) }
                        td.wide { (clean(&one.user_agent)) }
                        @if with_nodes { td.wide { (clean(&one.node)) } }
                    }
                }
            }
        }
    }
}

fn table(api: &Api, nodes: &[TopicStats], all: &TopicStats) -> Markup {
    let row = |name: Markup, topic: &TopicStats| {
        html! {
            tr {
                th scope="row" { (name) } td.wide { (clean(&topic.hostname)) } td.n { (count(topic.depth)) }
                td.n.wide { (count(topic.memory_depth)) } td.n.wide { (count(topic.backend_depth)) } td.n { (count(topic.message_count)) }
                td.n.wide { (topic.channels.as_ref().map_or(0, Vec::len)) }
                td { @if topic.paused { (badge(Level::Notice, "paused")) } }
            }
        }
    };
    html! {
        table {
            thead { tr {
                th scope="col" { "Node" } th.wide scope="col" { "Machine" } th.n scope="col" { "Depth" } th.n.wide scope="col" { "Memory" }
                th.n.wide scope="col" { "Disk" } th.n scope="col" { "Messages" } th.n.wide scope="col" { "Channels" } th scope="col" { "State" }
            } }
            tbody { @for node in nodes { (row(html! { a href=(at(api, &["nodes", &node.node])) { (clean(&node.node)) } }, node)) } }
            tfoot { (row(html! { "All" }, all)) }
        }
    }
}

/// URL without its user and password, since pages are public.
fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    format!("{scheme}://{place}{}", tail.trim_end_matches('/'))
}

/// Graphs of the last two hours, if graphite is configured.
pub(super) fn graphs(api: &Api, topic: &str, channel: Option<&str>, keys: &[&'static str]) -> Markup {
    let graphite = &api.settings.graphite;
    if graphite.url.is_empty() {
        return html! {};
    }
    let render = if graphite.proxied {
        at(api, &["render"])
    } else {
        format!("{}/render", without_user(graphite.url.reveal()))
    };
    let path = channel.map_or(format!("topic.{topic}"), |channel| format!("topic.{topic}.channel.{channel}"));
    let source = |key: &str| {
        let format = if key == "message_count" { &graphite.counter_format } else { &graphite.gauge_format };
        let prefix = graphite.statsd_prefix.replacen("%s", "*", 1);
        let prefix = if prefix.is_empty() || prefix.ends_with('.') { prefix } else { format!("{prefix}.") };
        let series = format!("{prefix}{path}.{key}");
        let series = if format.is_empty() { series } else { format.replacen("%s", &series, 1) };
        let target = http::query::escape_query(&format!("sumSeries({series})"));
        format!("{render}?width=400&height=120&from=-2hours&until=now&title={key}&target={target}")
    };
    html! { p { @for key in keys { img alt=(key) loading="lazy" src=(source(key)); " " } } }
}

#[cfg(test)]
mod tests {
    use super::without_user;

    #[test]
    fn pages_show_no_password() {
        for (url, shown) in [
            ("http://joe:p@ss@g:1/x/", "http://g:1/x"),
            ("https://g", "https://g"),
            ("http://g/a@b", "http://g/a@b"),
            ("g:1", "g:1"),
        ] {
            assert_eq!(without_user(url), shown);
        }
    }
}
