//! A topic on all queues.

use axum::body::Body;
use axum::http::Response;
use http::{Asked, HttpRefusal};

use super::html::Html;
use super::{Button, at, note, page, unavailable};
use crate::api::{Api, Warnings, word};
use crate::fleet::{ChannelStats, Latency, TopicStats};

pub(crate) async fn topic(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let name = word(&asked, 0);
    let title = format!("Topic {name}");
    let mut warnings = Warnings::default();
    let topic = match api.gather_topic(name, &mut warnings).await {
        Ok(topic) => topic,
        Err(reason) => return Ok(unavailable(api, &title, &warnings, &reason)),
    };
    let mut html = Html::default();
    let Some(nodes) = &topic.nodes else {
        html.append(note("no queue has this topic"));
        return Ok(page(api, &title, &warnings, html));
    };
    buttons(api, &topic, None, &mut html);
    graphs(api, name, None, &["message_count", "depth"], &mut html);
    html.raw("<h2>Nodes</h2>\n").table(&COLUMNS);
    for node in nodes {
        html.raw("<tr><td>").link(&at(api, &["nodes", &node.node]), &node.node);
        numbers(node, &mut html);
    }
    html.raw("<tr><td><b>all</b>");
    numbers(&topic, &mut html);
    html.raw("</table>\n<h2>Channels</h2>\n").table(&CHANNEL_COLUMNS);
    for channel in topic.channels.iter().flatten() {
        html.raw("<tr><td>").link(&at(api, &["topics", name, &channel.channel_name]), &channel.channel_name);
        html.raw("</td>");
        channel_numbers(channel, &mut html);
        html.raw("</tr>\n");
    }
    html.raw("</table>\n");
    latency(topic.e2e_processing_latency.as_ref(), &mut html);
    Ok(page(api, &title, &warnings, html))
}

const COLUMNS: [&str; 7] = ["Node", "Machine", "#Depth", "#Memory", "#Disk", "#Messages", "State"];

fn numbers(topic: &TopicStats, html: &mut Html) {
    html.raw("</td>").cell(&topic.hostname).count(topic.depth).count(topic.memory_depth);
    html.count(topic.backend_depth).count(topic.message_count).cell(state(topic.paused)).raw("</tr>\n");
}

/// Columns of [`channel_numbers`], preceded by a name.
pub(super) const CHANNEL_COLUMNS: [&str; 11] = [
    "Channel",
    "#Depth",
    "#Memory",
    "#Disk",
    "#In flight",
    "#Deferred",
    "#Requeued",
    "#Timed out",
    "#Messages",
    "#Consumers",
    "State",
];

/// Cells with the numbers of a channel.
pub(super) fn channel_numbers(channel: &ChannelStats, html: &mut Html) {
    html.count(channel.depth).count(channel.memory_depth).count(channel.backend_depth);
    html.count(channel.in_flight_count).count(channel.deferred_count).count(channel.requeue_count);
    html.count(channel.timeout_count).count(channel.message_count).count(channel.client_count);
    html.cell(state(channel.paused));
}

fn state(paused: bool) -> &'static str {
    if paused { "paused" } else { "" }
}

/// Buttons for a topic, or for a channel of it.
pub(super) fn buttons(api: &Api, topic: &TopicStats, channel: Option<&ChannelStats>, html: &mut Html) {
    let paused = channel.map_or(topic.paused, |channel| channel.paused);
    let (name, channel) = (topic.topic_name.as_str(), channel.map(|channel| channel.channel_name.as_str()));
    let button = |words, change, loses| Button { words, change, topic: name, channel, node: None, loses };
    let pause = if paused { button("Unpause", "unpause", false) } else { button("Pause", "pause", false) };
    for button in [pause, button("Empty", "empty", true), button("Delete", "delete", true)] {
        button.write(api, html);
    }
    html.raw("\n");
}

/// Quantiles of the time from publication to FIN.
pub(super) fn latency(latency: Option<&Latency>, html: &mut Html) {
    let quantiles = latency.and_then(|latency| latency.percentiles.as_ref()).filter(|all| !all.is_empty());
    let Some(quantiles) = quantiles else { return };
    html.raw("<h2>End to end latency, ms</h2>\n").table(&["#Quantile", "#Least", "#Average", "#Greatest"]);
    for quantile in quantiles {
        let number = |name: &str| quantile.get(name).copied().unwrap_or(0.0);
        html.raw("<tr><td class=\"n\">").text(&number("quantile").to_string()).raw("</td>");
        for name in ["min", "average", "max"] {
            html.raw("<td class=\"n\">").text(&format!("{:.3}", number(name) / 1e6)).raw("</td>");
        }
        html.raw("</tr>\n");
    }
    html.raw("</table>\n");
}

/// URL without its user and password, since pages are public.
fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    format!("{scheme}://{place}{}", tail.trim_end_matches('/'))
}

/// Graphs of the last two hours, if graphite is configured.
pub(super) fn graphs(api: &Api, topic: &str, channel: Option<&str>, keys: &[&'static str], html: &mut Html) {
    let graphite = &api.settings.graphite;
    if graphite.url.is_empty() {
        return;
    }
    let render = if graphite.proxied {
        at(api, &["render"])
    } else {
        format!("{}/render", without_user(graphite.url.reveal()))
    };
    let path = channel.map_or(format!("topic.{topic}"), |channel| format!("topic.{topic}.channel.{channel}"));
    html.raw("<p>");
    for key in keys {
        let format = if *key == "message_count" { &graphite.counter_format } else { &graphite.gauge_format };
        let prefix = graphite.statsd_prefix.replacen("%s", "*", 1);
        let prefix = if prefix.is_empty() || prefix.ends_with('.') { prefix } else { format!("{prefix}.") };
        let series = format!("{prefix}{path}.{key}");
        let series = if format.is_empty() { series } else { format.replacen("%s", &series, 1) };
        let target = http::query::escape_query(&format!("sumSeries({series})"));
        html.raw("<img alt=\"").text(key).raw("\" loading=\"lazy\" src=\"");
        html.text(&format!(
            "{render}?width=400&height=120&from=-2hours&until=now&title={key}&target={target}"
        ));
        html.raw("\"> ");
    }
    html.raw("</p>\n");
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
