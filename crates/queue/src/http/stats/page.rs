//! The text page, in nsqd's columns.

use std::fmt::Write;
use std::time::Duration;

use telemetry::nsq;

use super::super::text;
use super::process::{health, memory_rows, not_shown};
use crate::snapshot::{self, ChannelStats, ClientStats, Snapshot, TopicStats};
use crate::statsd::Memory;

/// The page; `started` is in seconds since 1970.
pub(super) fn render(snapshot: &Snapshot, started: i64, memory: Option<&Memory>) -> String {
    let mut out = String::with_capacity(1024);
    // Writing to a string cannot fail.
    let _ = write_page(&mut out, snapshot, started, memory);
    out
}

fn write_page(
    out: &mut String,
    snapshot: &Snapshot,
    started: i64,
    memory: Option<&Memory>,
) -> std::fmt::Result {
    let uptime = Duration::from_nanos(u64::try_from(snapshot.now - snapshot.started).unwrap_or(0));
    writeln!(out, "{}", config::nsqd::version_line("nsqd"))?;
    writeln!(out, "start_time {}\nuptime {}", text::rfc3339(started), text::duration(uptime))?;
    writeln!(out, "\nHealth: {}", health(snapshot))?;
    if let Some(damage) = &snapshot.damage {
        writeln!(out, "Damage: {damage}")?;
    }
    snapshot.conditions.iter().try_for_each(|condition| write_condition(out, condition))?;
    if let Some(count) = not_shown(snapshot) {
        writeln!(out, "   and {count} more")?;
    }
    if let Some(memory) = memory {
        writeln!(out, "\nMemory:")?;
        for (name, value) in memory_rows(memory) {
            writeln!(out, "   {name:<25}\t{value}")?;
        }
    }
    match snapshot.topics.as_deref().unwrap_or_default() {
        [] => writeln!(out, "\nTopics: None")?,
        topics => {
            write!(out, "\nTopics:")?;
            topics.iter().try_for_each(|topic| write_topic(out, topic, snapshot.now))?;
        }
    }
    match snapshot.producers.as_deref().unwrap_or_default() {
        [] => writeln!(out, "\nProducers: None"),
        producers => {
            writeln!(out, "\nProducers:")?;
            producers.iter().try_for_each(|client| write_client(out, "   ", client, snapshot.now))
        }
    }
}

/// Writes a line about a condition; beyond nsqd.
fn write_condition(out: &mut String, condition: &snapshot::Condition) -> std::fmt::Result {
    let snapshot::Condition { topic, channel, what, why, since } = condition;
    let name =
        [topic.as_str(), channel.as_str()].into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>();
    writeln!(out, "   [{:<15}] {what}: {why}, since {}", name.join("/"), snapshot::utc(*since))
}

fn write_topic(out: &mut String, topic: &TopicStats, now: i64) -> std::fmt::Result {
    write!(out, "\n{}[{:<15}] ", if topic.paused { "*P " } else { "   " }, topic.name)?;
    write_figures(out, topic.row().figures())?;
    writeln!(out, "e2e%: {}", latency(&topic.latency.1))?;
    topic.channels.iter().try_for_each(|channel| write_channel(out, channel, now))
}

fn write_channel(out: &mut String, channel: &ChannelStats, now: i64) -> std::fmt::Result {
    write!(out, "{}[{:<25}] ", if channel.paused { "   *P " } else { "      " }, channel.name)?;
    write_figures(out, channel.row().figures())?;
    writeln!(out, "e2e%: {}", latency(&channel.latency.1))?;
    channel.clients.iter().flatten().try_for_each(|client| write_client(out, "        ", client, now))
}

fn write_figures(out: &mut String, figures: impl Iterator<Item = nsq::Placed>) -> std::fmt::Result {
    nsq::on_page(figures).try_for_each(|(label, width, value)| write!(out, "{label}: {value:<width$} "))
}

/// Writes a line about a client: its publications if it has any, otherwise its consumption.
fn write_client(out: &mut String, indent: &str, client: &ClientStats, now: i64) -> std::fmt::Result {
    let port = client.remote_address.rsplit_once(':').map_or("", |(_, port)| port);
    let name = format!("{}:{port} {}", client.identity.hostname, client.identity.user_agent);
    let seconds = u64::try_from(now / 1_000_000_000 - client.connected_at).unwrap_or(0);
    let connected = text::duration(Duration::from_secs(seconds));
    write!(out, "{indent}[V2 {name:<21}] ")?;
    if client.published.is_empty() {
        write!(
            out,
            "state: {} inflt: {:<4} rdy: {:<4} fin: {:<8} re-q: {:<8} msgs: {:<8} ",
            client.state, client.in_flight, client.ready, client.finished, client.requeued, client.messages,
        )?;
    } else {
        let total: u64 = client.published.iter().map(|(_, count)| count).sum();
        let topics: Vec<String> =
            client.published.iter().map(|(topic, count)| format!("{topic}={count}")).collect();
        write!(out, "msgs: {total:<8} topics: {} ", topics.join(","))?;
    }
    writeln!(out, "connected: {connected}")
}

fn latency(quantiles: &[(f64, u64)]) -> String {
    quantiles.iter().map(|(_, ns)| text::latency(*ns)).collect::<Vec<_>>().join(", ")
}
