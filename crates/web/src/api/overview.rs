//! All topics with their sums over the fleet, for the list of topics.
//!
//! Gathered at most once in [`FRESH`], however many look: with ten thousand topics the statistics of a queue
//! have some megabytes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::warnings::Warnings;
use crate::fleet::TopicStats;

/// Age up to which topics are shown again.
pub(crate) const FRESH: Duration = Duration::from_secs(2);

/// All topics, and what went wrong while they were gathered.
#[derive(Debug, Default)]
pub(crate) struct Overview {
    pub topics: Vec<TopicRow>,
    pub warnings: Warnings,
}

/// A topic summed over its channels and queues.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TopicRow {
    pub name: String,
    /// Channels; one of several queues counts once.
    pub channels: usize,
    /// Messages waiting in the topic and its channels.
    pub waiting: i64,
    pub in_flight: i64,
    pub deferred: i64,
    /// Messages published.
    pub published: i64,
    /// Messages set aside after too many attempts.
    pub dead: i64,
    pub consumers: i64,
    /// Bytes of its journals.
    pub stored: i64,
    /// True if it or a channel of it is paused, on some queue.
    pub paused: bool,
    /// Queues that have it.
    pub nodes: usize,
    /// True if messages wait in a channel without a consumer that is not paused.
    pub lonely: bool,
}

/// A row for each topic, by name.
pub(crate) fn rows(names: Vec<String>, stats: &[TopicStats]) -> Vec<TopicRow> {
    let mut rows: BTreeMap<&str, (TopicRow, Vec<&str>)> = BTreeMap::new();
    for topic in stats {
        let (row, channels) = rows.entry(&topic.topic_name).or_default();
        row.nodes += 1;
        row.add(topic);
        channels.extend(topic.channels.iter().flatten().map(|channel| channel.channel_name.as_str()));
    }
    for name in &names {
        rows.entry(name).or_default();
    }
    let finished = rows.into_iter().map(|(name, (row, mut channels))| {
        channels.sort_unstable();
        channels.dedup();
        TopicRow { name: name.to_owned(), channels: channels.len(), ..row }
    });
    finished.collect()
}

impl TopicRow {
    fn add(&mut self, topic: &TopicStats) {
        let sum = |to: &mut i64, value: i64| *to = to.saturating_add(value);
        sum(&mut self.waiting, topic.depth);
        sum(&mut self.published, topic.message_count);
        sum(&mut self.stored, topic.stored_bytes);
        self.paused |= topic.paused;
        for channel in topic.channels.iter().flatten() {
            sum(&mut self.waiting, channel.depth);
            sum(&mut self.in_flight, channel.in_flight_count);
            sum(&mut self.deferred, channel.deferred_count);
            sum(&mut self.dead, channel.dead_count);
            sum(&mut self.consumers, channel.client_count);
            self.paused |= channel.paused;
            self.lonely |= channel.depth > 0 && channel.client_count == 0 && !channel.paused;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::ChannelStats;

    #[test]
    fn topics_are_summed_over_queues() {
        let channel = |name: &str, depth, client_count| ChannelStats {
            channel_name: name.into(),
            depth,
            client_count,
            ..ChannelStats::default()
        };
        let topic = |name: &str, channels| TopicStats {
            topic_name: name.into(),
            depth: 1,
            message_count: i64::MAX,
            channels: Some(channels),
            ..TopicStats::default()
        };
        let stats =
            [topic("t", vec![channel("c", 5, 0), channel("d", 0, 2)]), topic("t", vec![channel("c", 2, 1)])];
        let rows = rows(vec!["t".into(), "idle".into()], &stats);
        assert_eq!(
            rows.iter().map(|row| (row.name.as_str(), row.nodes)).collect::<Vec<_>>(),
            [("idle", 0), ("t", 2)]
        );
        let t = &rows[1];
        assert_eq!((t.channels, t.waiting, t.consumers, t.published, t.lonely), (2, 9, 3, i64::MAX, true));
    }
}
