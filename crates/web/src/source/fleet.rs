//! A fleet as a [`Source`]: statistics of all queues, merged.

use std::collections::BTreeMap;

use super::{Pending, Source};
use crate::figures::{Count, TopicRow};
use crate::fleet::{ChannelStats, Fleet, Gathered, TopicStats, counts};

impl Source for Fleet {
    fn topics(&self) -> Pending<'_, Vec<TopicRow>> {
        Box::pin(async move {
            let mut warnings = Vec::new();
            let mut names = Vec::new();
            // A lookup also knows topics without a queue; a queue knows its own only.
            if self.has_lookups() {
                let known = Fleet::topics(self).await?;
                (names, warnings) = (known.value, known.warnings);
            }
            let producers = self.producers().await?;
            warnings.extend(producers.warnings);
            let mut stats = Vec::new();
            if !producers.value.is_empty() {
                let all = self.stats(producers.value, None, None, false).await?;
                warnings.extend(all.warnings);
                stats = all.value;
            }
            Ok(Gathered { value: rows(names, &stats), warnings })
        })
    }

    fn counts(&self) -> Pending<'_, BTreeMap<String, Count>> {
        Box::pin(async move {
            let producers = self.producers().await?;
            let mut warnings = producers.warnings;
            let stats = self.stats(producers.value, None, None, false).await?;
            warnings.extend(stats.warnings);
            let count = |(key, (channel, message_count)): (String, (&ChannelStats, i64))| {
                let count = Count {
                    node: channel.node.clone(),
                    topic_name: channel.topic_name.clone(),
                    channel_name: channel.channel_name.clone(),
                    message_count,
                };
                (key, count)
            };
            Ok(Gathered { value: counts(&stats.value).into_iter().map(count).collect(), warnings })
        })
    }
}

/// A row for each topic, by name.
fn rows(names: Vec<String>, stats: &[TopicStats]) -> Vec<TopicRow> {
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
