//! The queue: what waits, what moves, and who takes it.

use serde::Serialize;

use super::window::Window;
use crate::queue::{ChannelReport, Condition, QueueReport, TopicReport};

/// The queue.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct QueueStatus {
    /// False if it did not answer in time; the rest is empty then.
    pub answers: bool,
    /// The problem, if there is one.
    pub fault: Option<String>,
    /// Damage that was found and that nobody has taken note of.
    pub damage: Option<String>,
    /// Problems one by one; for the troubles.
    #[serde(skip)]
    pub conditions: Vec<Condition>,
    /// Connections of publishers and consumers.
    pub connections: u64,
    /// Logins of users over TCP that failed, since the start.
    pub login_failures: u64,
    /// Bytes that topics and channels take, against `max_memory`.
    pub memory_bytes: u64,
    /// Limit on it; 0 for none.
    pub memory_bytes_max: u64,
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
    /// Messages that wait in the topic itself, for want of a channel.
    pub depth: u64,
    /// Messages published.
    pub messages_total: u64,
    /// Messages published lately.
    pub messages_per_second: f64,
    /// Bytes of its journal.
    pub stored_bytes: u64,
    /// Messages refused because the topic was full.
    pub rejected_total: u64,
    /// Messages dropped because it was.
    pub dropped_total: u64,
    /// Its channels, sorted by name.
    pub channels: Vec<ChannelStatus>,
    /// In the order of [`TopicReport::ROWS`].
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
    /// Messages that wait for a consumer.
    pub depth: u64,
    /// Rate of change of the depth per second; negative if it falls.
    pub depth_growth_per_second: f64,
    /// Messages in consumers' hands.
    pub in_flight: u64,
    /// Messages that wait for their time.
    pub deferred: u64,
    /// Consumers.
    pub consumers: u64,
    /// Messages that come in.
    pub messages_per_second: f64,
    /// Messages that are finished.
    pub finished_per_second: f64,
    /// Messages finished.
    pub finished_total: u64,
    /// Messages given back (REQ).
    pub requeued_total: u64,
    /// Messages given back per second, lately.
    pub requeued_per_second: f64,
    /// Deliveries that ran into their timeout.
    pub timed_out_total: u64,
    /// Timeouts per second, lately.
    pub timed_out_per_second: f64,
    /// Messages set aside after too many attempts.
    pub dead_total: u64,
    /// Messages dropped because they were too old.
    pub expired_total: u64,
    /// Messages dropped because the topic was full.
    pub dropped_total: u64,
    /// Messages that can no longer be read from the disk.
    pub lost_total: u64,
    /// In the order of [`ChannelReport::ROWS`].
    #[serde(skip)]
    pub values: Vec<u64>,
}

impl QueueStatus {
    /// `before` is None if it was not known then: rates are zero. `now` is None if there was no answer.
    pub(super) fn between(
        before: Option<&QueueReport>,
        now: Option<&QueueReport>,
        window: Window,
    ) -> QueueStatus {
        let Some(now) = now else { return QueueStatus::default() };
        // What the queue has recovered did not happen lately.
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
        stored_bytes: now.stored_bytes,
        rejected_total: now.rejected,
        dropped_total: now.dropped,
        channels: now.channels.iter().map(channel).collect(),
        values: now.values(),
    }
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
        messages_per_second: window.rate(old(|channel| channel.messages), now.messages),
        finished_per_second: window.rate(old(|channel| channel.finished), now.finished),
        finished_total: now.finished,
        requeued_total: now.requeued,
        requeued_per_second: window.rate(old(|channel| channel.requeued), now.requeued),
        timed_out_total: now.timed_out,
        timed_out_per_second: window.rate(old(|channel| channel.timed_out), now.timed_out),
        dead_total: now.dead,
        expired_total: now.expired,
        dropped_total: now.dropped,
        lost_total: now.lost,
        values: now.values(),
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
