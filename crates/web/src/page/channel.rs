//! A channel on all queues, with its consumers.

use axum::body::Body;
use axum::http::Response;
use http::{Asked, HttpRefusal};

use super::html::Html;
use super::topic::{CHANNEL_COLUMNS, buttons, channel_numbers, graphs, latency};
use super::{at, note, page, unavailable};
use crate::api::{Api, Warnings, word};
use crate::fleet::{ClientStats, TopicStats};

pub(crate) async fn channel(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let (topic, name) = (word(&asked, 0), word(&asked, 1));
    let title = format!("Channel {name} of {topic}");
    let mut warnings = Warnings::default();
    let mut html = Html::default();
    let channel = match api.gather_channel(topic, name, &mut warnings).await {
        Ok(Some(channel)) => channel,
        Ok(None) => {
            html.append(note("no queue has this channel"));
            return Ok(page(api, &title, &warnings, html));
        }
        Err(reason) => return Ok(unavailable(api, &title, &warnings, &reason)),
    };
    html.raw("<p>Topic ").link(&at(api, &["topics", topic]), topic).raw("</p>\n");
    let own = TopicStats { topic_name: topic.to_owned(), ..TopicStats::default() };
    buttons(api, &own, Some(&channel), &mut html);
    graphs(api, topic, Some(name), &["message_count", "depth", "in_flight_count"], &mut html);
    let mut columns = CHANNEL_COLUMNS;
    columns[0] = "Node";
    html.raw("<h2>Nodes</h2>\n").table(&columns);
    for node in channel.nodes.iter().flatten() {
        html.raw("<tr><td>").link(&at(api, &["nodes", &node.node]), &node.node).raw("</td>");
        channel_numbers(node, &mut html);
        html.raw("</tr>\n");
    }
    html.raw("<tr><td><b>all</b></td>");
    channel_numbers(&channel, &mut html);
    html.raw("</tr></table>\n<h2>Consumers</h2>\n");
    clients(channel.clients.as_deref().unwrap_or_default(), &mut html);
    latency(channel.e2e_processing_latency.as_ref(), &mut html);
    Ok(page(api, &title, &warnings, html))
}

fn clients(clients: &[ClientStats], html: &mut Html) {
    if clients.is_empty() {
        html.append(note("nobody consumes this channel"));
        return;
    }
    html.table(&[
        "Consumer",
        "Node",
        "Library",
        "#RDY",
        "#In flight",
        "#Finished",
        "#Requeued",
        "#Messages",
        "Connected for",
        "With",
    ]);
    for client in clients {
        html.raw("<tr><td>").text(&client.client_id).raw("<br>").text(&client.remote_address);
        html.raw(["", " (same region)", " (other region)"][usize::from(client.distance().min(2))])
            .raw("</td>");
        html.cell(&client.node)
            .cell(&client.user_agent)
            .count(client.ready_count)
            .count(client.in_flight_count);
        html.count(client.finish_count).count(client.requeue_count).count(client.message_count);
        html.cell(&duration(client.connected / 1_000_000_000)).cell(&features(client)).raw("</tr>\n");
    }
    html.raw("</table>\n");
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

/// Seconds in a readable form.
fn duration(seconds: i64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest} s"),
        (0, minutes) => format!("{minutes} min {rest} s"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}
