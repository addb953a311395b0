//! The queue: waiting messages, throughput, and consumers.

use serde::Serialize;

use super::window::Window;
use crate::queue::{ChannelReport, Condition, EngineReport, QueueReport, TopicReport};

/// The queue.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct QueueStatus {
    /// False if it did not answer in time; the other fields are empty then.
    pub answers: bool,
    /// The problem, if any.
    pub fault: Option<String>,
    /// Damage found and not acknowledged yet.
    pub damage: Option<String>,
    /// Problems one by one, for the troubles.
    #[serde(skip)]
    pub conditions: Vec<Condition>,
    /// Connections of publishers and consumers.
    pub connections: u64,
    /// Failed logins of users over TCP since the start.
    pub login_failures: u64,
    /// Bytes used by topics and channels, against `max_memory`.
    pub memory_bytes: u64,
    /// Limit on these bytes; 0 for none.
    pub memory_bytes_max: u64,
    /// Free bytes of the file system with the journals; none if not known.
    pub disk_free_bytes: Option<u64>,
    /// The engine that keeps topics outside this process, if there is one.
    pub engine: Option<EngineReport>,
    /// Topics, sorted by name.
    pub topics: Vec<TopicStatus>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TopicStatus {
    /// Its name.
    pub name: String,
    /// True if it is paused.
    pub paused: bool,
    /// Messages waiting in the topic itself, for lack of a channel.
    pub depth: u64,
    /// Messages published.
    pub messages_total: u64,
    /// Recent publish rate.
    pub messages_per_second: f64,
    /// Change per second of messages waiting in it and its channels; negative if they become fewer.
    pub backlog_growth_per_second: f64,
    /// Size of its journal, in bytes.
    pub stored_bytes: u64,
    /// Limit on this size; 0 for none of its own.
    pub bytes_max: u64,
    /// Messages refused because the topic was full.
    pub rejected_total: u64,
    /// Recent rate of these.
    pub rejected_per_second: f64,
    /// Messages dropped because the topic was full.
    pub dropped_total: u64,
    /// Recent rate of these.
    pub dropped_per_second: f64,
    /// Its channels, sorted by name.
    pub channels: Vec<ChannelStatus>,
    /// Values in the order of [`TopicReport::ROWS`].
    #[serde(skip)]
    pub values: Vec<u64>,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChannelStatus {
    /// Its name.
    pub name: String,
    /// True if it is paused.
    pub paused: bool,
    /// Messages waiting for a consumer.
    pub depth: u64,
    /// Change of the depth per second; negative if it falls.
    pub depth_growth_per_second: f64,
    /// Messages held by consumers.
    pub in_flight: u64,
    /// Messages waiting for their due time.
    pub deferred: u64,
    /// Consumers.
    pub consumers: u64,
    /// Messages that came in.
    pub messages_total: u64,
    /// Rate of incoming messages.
    pub messages_per_second: f64,
    /// Rate of finished messages.
    pub finished_per_second: f64,
    /// Messages finished.
    pub finished_total: u64,
    /// Messages requeued (REQ).
    pub requeued_total: u64,
    /// Recent requeue rate.
    pub requeued_per_second: f64,
    /// Deliveries that timed out.
    pub timed_out_total: u64,
    /// Recent timeout rate.
    pub timed_out_per_second: f64,
    /// Messages moved to dead letters after too many attempts.
    pub dead_total: u64,
    /// Recent rate of these.
    pub dead_per_second: f64,
    /// Messages dropped because they were too old.
    pub expired_total: u64,
    /// Messages dropped because the topic was full.
    pub dropped_total: u64,
    /// Messages that can no longer be read from the disk.
    pub lost_total: u64,
    /// Values in the order of [`ChannelReport::ROWS`].
    #[serde(skip)]
    pub values: Vec<u64>,
}

impl TopicStatus {
    /// Messages waiting in the topic and in its channels.
    pub fn backlog(&self) -> u64 {
        self.depth + self.channels.iter().map(|channel| channel.depth).sum::<u64>()
    }
}

impl QueueStatus {
    /// Messages waiting in all topics and channels.
    pub fn backlog(&self) -> u64 {
        self.topics.iter().map(TopicStatus::backlog).sum()
    }

    /// Status from two reports. Without `before` all rates are zero. `now` is None if there was no answer.
    pub(super) fn between(
        before: Option<&QueueReport>,
        now: Option<&QueueReport>,
        window: Window,
    ) -> QueueStatus {
        let Some(now) = now else { return QueueStatus::default() };
        // Recovered messages are no recent activity.
        let window = if before.is_some() { window } else { Window { seconds: 0.0 } };
        let known = before.map_or(&[][..], |before| &before.topics);
        let topic = |now: &TopicReport| {
            let at = known.binary_search_by(|known| known.name.cmp(&now.name));
            topic(at.ok().and_then(|at| known.get(at)), now, window)
        };
        QueueStatus {
            answers: true,
            fault: now.fault.clone(),
            damage: now.damage.clone(),
            conditions: now.conditions.clone(),
            connections: now.connections,
            login_failures: now.login_failures,
            memory_bytes: now.memory_bytes,
            memory_bytes_max: now.memory_bytes_max,
            disk_free_bytes: now.disk_free_bytes,
            engine: now.engine.clone(),
            topics: now.topics.iter().map(topic).collect(),
        }
    }
}

fn topic(before: Option<&TopicReport>, now: &TopicReport, window: Window) -> TopicStatus {
    let known = before.map_or(&[][..], |before| &before.channels);
    let channel = |now: &ChannelReport| {
        let at = known.binary_search_by(|known| known.name.cmp(&now.name));
        channel(at.ok().and_then(|at| known.get(at)), now, window)
    };
    TopicStatus {
        name: now.name.clone(),
        paused: now.paused > 0,
        depth: now.depth,
        messages_total: now.messages,
        messages_per_second: window.rate(before.map_or(0, |before| before.messages), now.messages),
        backlog_growth_per_second: window.growth(before.map_or(0, backlog), backlog(now)),
        stored_bytes: now.stored_bytes,
        bytes_max: now.bytes_max,
        rejected_total: now.rejected,
        rejected_per_second: window.rate(before.map_or(0, |before| before.rejected), now.rejected),
        dropped_total: now.dropped,
        dropped_per_second: window.rate(before.map_or(0, |before| before.dropped), now.dropped),
        channels: now.channels.iter().map(channel).collect(),
        values: now.values(),
    }
}

/// Messages waiting in a topic and in its channels.
fn backlog(topic: &TopicReport) -> u64 {
    topic.depth + topic.channels.iter().map(|channel| channel.depth).sum::<u64>()
}

fn channel(before: Option<&ChannelReport>, now: &ChannelReport, window: Window) -> ChannelStatus {
    let old = |get: fn(&ChannelReport) -> u64| before.map_or(0, get);
    ChannelStatus {
        name: now.name.clone(),
        paused: now.paused > 0,
        depth: now.depth,
        depth_growth_per_second: window.growth(old(|channel| channel.depth), now.depth),
        in_flight: now.in_flight,
        deferred: now.deferred,
        consumers: now.consumers,
        messages_total: now.messages,
        messages_per_second: window.rate(old(|channel| channel.messages), now.messages),
        finished_per_second: window.rate(old(|channel| channel.finished), now.finished),
        finished_total: now.finished,
        requeued_total: now.requeued,
        requeued_per_second: window.rate(old(|channel| channel.requeued), now.requeued),
        timed_out_total: now.timed_out,
        timed_out_per_second: window.rate(old(|channel| channel.timed_out), now.timed_out),
        dead_total: now.dead,
        dead_per_second: window.rate(old(|channel| channel.dead), now.dead),
        expired_total: now.expired,
        dropped_total: now.dropped,
        lost_total: now.lost,
        values: now.values(),
    }
}

#[cfg(test)]
impl QueueStatus {
    /// The status of a queue without activity.
    pub(crate) fn of(report: &QueueReport) -> QueueStatus {
        QueueStatus::between(None, Some(report), Window { seconds: 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(depth: u64, messages: u64, finished: u64) -> QueueReport {
        let channel = ChannelReport { name: "c".into(), depth, messages, finished, ..Default::default() };
        let topic = TopicReport { name: "t".into(), messages, channels: vec![channel], ..Default::default() };
        QueueReport { topics: vec![topic], ..Default::default() }
    }

    #[test]
    fn a_queue_that_grows() {
        let (before, now) = (report(10, 100, 90), report(30, 140, 110));
        let status = QueueStatus::between(Some(&before), Some(&now), Window { seconds: 10.0 });
        let topic = &status.topics[0];
        let channel = &topic.channels[0];
        assert_eq!((topic.messages_total, topic.messages_per_second), (140, 4.0));
        assert_eq!(topic.backlog_growth_per_second, 2.0);
        assert_eq!((channel.depth, channel.depth_growth_per_second), (30, 2.0));
        assert_eq!((channel.messages_per_second, channel.finished_per_second), (4.0, 2.0));
    }

    #[test]
    fn what_was_recovered_is_not_a_rate() {
        let status = QueueStatus::between(None, Some(&report(9, 9, 0)), Window { seconds: 1.0 });
        assert_eq!(status.topics[0].messages_per_second, 0.0);
        assert_eq!(status.topics[0].channels[0].depth_growth_per_second, 0.0);
    }

    #[test]
    fn no_answer() {
        let status = QueueStatus::between(Some(&report(1, 1, 1)), None, Window { seconds: 1.0 });
        assert_eq!(status, QueueStatus::default());
        assert!(!status.answers);
    }
}
