//! `/metrics`: every counter, and after them what only the process or the queue knows.
//!
//! Names that exporters in every language use (`process_…`) are used here too.

use telemetry::Kind;
use telemetry::render::prometheus::Text;

use crate::facts::Facts;
use crate::status::{ChannelStatus, QueueStatus, Status, TopicStatus};

/// The families that are not in the registry, to follow its page.
pub(crate) fn families(facts: &Facts, status: &Status) -> String {
    let mut text = Text::default();
    process(&mut text, facts, status);
    if let Some(queue) = &status.queue {
        topics(&mut text, queue);
        channels(&mut text, queue);
    }
    text.finish()
}

fn process(text: &mut Text, facts: &Facts, status: &Status) {
    let labels = [("version", facts.version)];
    text.family("nuthatch_build_info", Kind::Gauge, "version of the program").sample(&labels, 1);
    let uptime = facts.started.elapsed().as_secs();
    let mut gauge = |name: &str, help: &str, value: Option<u64>| {
        if let Some(value) = value {
            text.family(name, Kind::Gauge, help).sample(&[], value);
        }
    };
    gauge("nuthatch_uptime_seconds", "seconds since the start", Some(uptime));
    gauge("nuthatch_healthy", "1 if /health says so", Some(u64::from(status.healthy)));
    gauge("nuthatch_ready", "1 if /ready says so", Some(u64::from(status.ready)));
    gauge(
        "nuthatch_troubles",
        "what is wrong now, as the page counts it",
        Some(status.troubles.len() as u64),
    );
    let budget = status.memory.budget_bytes;
    gauge("nuthatch_memory_budget_bytes", "most bytes held for requests and replies", Some(budget));
    let process = status.process;
    gauge("process_resident_memory_bytes", "resident memory", process.rss_bytes);
    gauge("process_open_fds", "open file descriptors", process.open_fds);
    gauge("process_max_fds", "most file descriptors", process.fds_max);
    gauge("process_threads", "threads", process.threads);
    let help = "start of the process";
    text.family("process_start_time", Kind::Timestamp, help).sample(&[], facts.started_ms * 1000);
}

/// A family of topics or channels: name, kind, help, value.
type Column<T> = (&'static str, Kind, &'static str, fn(&T) -> u64);

const OF_TOPICS: [Column<TopicStatus>; 6] = [
    ("messages", Kind::Counter, "messages published", |topic| topic.messages_total),
    ("depth", Kind::Gauge, "messages that wait in the topic for want of a channel", |topic| topic.depth),
    ("stored_bytes", Kind::Gauge, "bytes of the topic's journal", |topic| topic.stored_bytes),
    ("rejected", Kind::Counter, "messages refused because the topic was full", |topic| topic.rejected_total),
    ("dropped", Kind::Counter, "messages dropped because the topic was full", |topic| topic.dropped_total),
    ("paused", Kind::Gauge, "1 if the topic is paused", |topic| u64::from(topic.paused)),
];

const OF_CHANNELS: [Column<ChannelStatus>; 12] = [
    ("depth", Kind::Gauge, "messages that wait for a consumer", |channel| channel.depth),
    ("in_flight", Kind::Gauge, "messages in consumers' hands", |channel| channel.in_flight),
    ("deferred", Kind::Gauge, "messages that wait for their time", |channel| channel.deferred),
    ("consumers", Kind::Gauge, "consumers", |channel| channel.consumers),
    ("paused", Kind::Gauge, "1 if the channel is paused", |channel| u64::from(channel.paused)),
    ("finished", Kind::Counter, "messages finished", |channel| channel.finished_total),
    ("requeued", Kind::Counter, "messages given back", |channel| channel.requeued_total),
    ("timed_out", Kind::Counter, "deliveries that ran into their timeout", |channel| channel.timed_out_total),
    ("dead", Kind::Counter, "messages set aside after too many attempts", |channel| channel.dead_total),
    ("expired", Kind::Counter, "messages dropped because they were too old", |channel| channel.expired_total),
    ("dropped", Kind::Counter, "messages dropped because the topic was full", |channel| {
        channel.dropped_total
    }),
    ("lost", Kind::Counter, "messages that can no longer be read from the disk", |channel| {
        channel.lost_total
    }),
];

fn topics(text: &mut Text, queue: &QueueStatus) {
    text.family("nuthatch_queue_connections", Kind::Gauge, "connections of publishers and consumers")
        .sample(&[], queue.connections);
    text.family(
        "nuthatch_queue_memory_bytes",
        Kind::Gauge,
        "memory of topics and channels, which counts against max_memory",
    )
    .sample(&[], queue.memory_bytes);
    for (name, kind, help, value) in OF_TOPICS {
        let mut family = text.family(&format!("nuthatch_topic_{name}"), kind, help);
        for topic in &queue.topics {
            family.sample(&[("topic", &topic.name)], value(topic));
        }
    }
}

fn channels(text: &mut Text, queue: &QueueStatus) {
    for (name, kind, help, value) in OF_CHANNELS {
        let mut family = text.family(&format!("nuthatch_channel_{name}"), kind, help);
        for topic in &queue.topics {
            for channel in &topic.channels {
                family.sample(&[("topic", &topic.name), ("channel", &channel.name)], value(channel));
            }
        }
    }
}
