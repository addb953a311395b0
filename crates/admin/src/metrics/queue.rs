//! Metrics of the queue: topics and channels, written in pieces.
//!
//! Ten thousand topics are megabytes of text, so no more of it is made than a client takes at a time. Topics
//! and channels beyond their limits have no rows of their own: they are summed in rows of the topic
//! [`OTHER`], and `nuthatch_metrics_hidden_topics` and `…_hidden_channels` count them.

use config::checked::MetricsLimits;
use telemetry::render::prometheus::{Family, Text};
use telemetry::{Kind, Row};

use crate::queue::{ChannelReport, TopicReport};
use crate::status::{ChannelStatus, QueueStatus, TopicStatus};

/// Name in the rows that sum what has none of its own; no topic can have it.
pub(crate) const OTHER: &str = "(other)";

/// Rows of all topics and channels, and how far they are written.
pub(crate) struct QueueRows {
    /// Topics with rows of their own.
    topics: usize,
    /// Channels with rows of their own: places of their topics, and theirs in it.
    channels: Vec<(usize, usize)>,
    hidden_topics: Hidden,
    hidden_channels: Hidden,
    /// Row to be written next; those of channels follow those of topics.
    row: usize,
    /// Place in it.
    at: usize,
}

/// Topics or channels without rows of their own: their number, and the sum of each row.
#[derive(Debug, Default)]
struct Hidden {
    count: usize,
    sums: Vec<u64>,
}

impl QueueRows {
    /// The rows of this queue.
    pub fn new(queue: &QueueStatus, limits: MetricsLimits) -> QueueRows {
        let topics = queue.topics.len().min(limits.topics_max);
        let mut channels = Vec::new();
        let mut hidden_channels = Hidden::default();
        for (at, topic) in queue.topics.iter().enumerate() {
            for (place, channel) in topic.channels.iter().enumerate() {
                if at < topics && channels.len() < limits.channels_max {
                    channels.push((at, place));
                } else {
                    hidden_channels.add(&channel.values);
                }
            }
        }
        let mut hidden_topics = Hidden::default();
        queue.topics.iter().skip(topics).for_each(|topic| hidden_topics.add(&topic.values));
        QueueRows { topics, channels, hidden_topics, hidden_channels, row: 0, at: 0 }
    }

    /// Numbers of topics and channels without rows of their own.
    pub fn hidden(&self) -> (usize, usize) {
        (self.hidden_topics.count, self.hidden_channels.count)
    }

    /// Writes these numbers.
    pub fn write_hidden(&self, text: &mut Text) {
        for (noun, hidden) in [("topics", &self.hidden_topics), ("channels", &self.hidden_channels)] {
            let name = format!("nuthatch_metrics_hidden_{noun}");
            let help = format!(
                "{noun} without rows of their own, beyond metrics_{noun}_max: summed in rows of the topic {OTHER}"
            );
            text.family(&name, Kind::Gauge, &help).sample(&[], hidden.count as u64);
        }
    }

    /// Writes the next rows until the text has `bytes`. False if nothing is left.
    pub fn write(&mut self, text: &mut Text, queue: &QueueStatus, bytes: usize) -> bool {
        while text.len() < bytes {
            let of_channels = self.row.checked_sub(TopicReport::ROWS.len());
            let at_end = match of_channels {
                None => self.write_topics(text, &queue.topics, bytes),
                Some(row) if row < ChannelReport::ROWS.len() => {
                    self.write_channels(row, text, &queue.topics, bytes)
                }
                Some(_) => return false,
            };
            if at_end {
                (self.row, self.at) = (self.row + 1, 0);
            }
        }
        true
    }

    fn write_topics(&mut self, text: &mut Text, topics: &[TopicStatus], bytes: usize) -> bool {
        let row = &TopicReport::ROWS[self.row];
        let mut family = begin(text, "nuthatch_topic_", row, self.at);
        while let Some(topic) = topics[..self.topics].get(self.at) {
            family.sample(&[("topic", &topic.name)], topic.values[self.row]);
            self.at += 1;
            if family.len() >= bytes {
                return false;
            }
        }
        if let Some(sum) = self.hidden_topics.sums.get(self.row) {
            family.sample(&[("topic", OTHER)], *sum);
        }
        true
    }

    fn write_channels(&mut self, row: usize, text: &mut Text, topics: &[TopicStatus], bytes: usize) -> bool {
        let mut family = begin(text, "nuthatch_channel_", &ChannelReport::ROWS[row], self.at);
        while let Some((topic, place)) = self.channels.get(self.at) {
            let topic = &topics[*topic];
            let channel: &ChannelStatus = &topic.channels[*place];
            family.sample(&[("topic", &topic.name), ("channel", &channel.name)], channel.values[row]);
            self.at += 1;
            if family.len() >= bytes {
                return false;
            }
        }
        if let Some(sum) = self.hidden_channels.sums.get(row) {
            family.sample(&[("topic", OTHER), ("channel", OTHER)], *sum);
        }
        true
    }
}

impl Hidden {
    fn add(&mut self, values: &[u64]) {
        self.count += 1;
        self.sums.resize(values.len(), 0);
        for (sum, value) in self.sums.iter_mut().zip(values) {
            *sum = sum.saturating_add(*value);
        }
    }
}

/// Begins the family of a row, or goes on with it.
fn begin<'a>(text: &'a mut Text, prefix: &str, row: &Row, at: usize) -> Family<'a> {
    let name = format!("{prefix}{}", row.name);
    if at == 0 { text.family(&name, row.kind, row.help) } else { text.more_of(&name, row.kind) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::QueueReport;

    fn queue() -> QueueStatus {
        let topic = |name: &str, messages: u64, channels: &[&str]| TopicReport {
            name: name.into(),
            messages,
            channels: channels
                .iter()
                .map(|name| ChannelReport { name: (*name).into(), depth: messages, ..Default::default() })
                .collect(),
            ..Default::default()
        };
        let topics = vec![topic("a", 1, &["x", "y"]), topic("b", 10, &["x"]), topic("c", 100, &["x"])];
        QueueStatus::of(&QueueReport { topics, ..Default::default() })
    }

    fn limits(topics_max: usize, channels_max: usize) -> MetricsLimits {
        MetricsLimits { topics_max, channels_max }
    }

    fn page(topics: usize, channels: usize, bytes: usize) -> String {
        let queue = queue();
        let mut rows = QueueRows::new(&queue, limits(topics, channels));
        let mut page = String::new();
        loop {
            let mut piece = Text::default();
            let more = rows.write(&mut piece, &queue, bytes);
            page += &piece.finish();
            if !more {
                return page;
            }
        }
    }

    #[test]
    fn pieces_of_any_size_are_one_page() {
        let whole = page(9, 9, usize::MAX);
        assert!(!whole.contains(OTHER), "nothing is left over");
        for bytes in [1, 50, 51, 1000] {
            assert_eq!(page(9, 9, bytes), whole, "{bytes}");
            assert_eq!(page(2, 1, bytes), page(2, 1, usize::MAX), "{bytes}");
        }
    }

    #[test]
    fn what_is_beyond_the_limits_is_summed() {
        let cut = page(1, 1, usize::MAX);
        for line in [
            "nuthatch_topic_messages_total{topic=\"a\"} 1\n",
            "nuthatch_topic_messages_total{topic=\"(other)\"} 110\n",
            "nuthatch_channel_depth{topic=\"a\",channel=\"x\"} 1\n",
            "nuthatch_channel_depth{topic=\"(other)\",channel=\"(other)\"} 111\n",
        ] {
            assert!(cut.contains(line), "{line} is missing in\n{cut}");
        }
        assert!(!cut.contains("topic=\"b\"") && !cut.contains("channel=\"y\""));
        let rows = QueueRows::new(&queue(), limits(2, 2));
        assert_eq!(rows.hidden(), (1, 2));
        // Channels of a topic without rows have none, however many there may be.
        assert_eq!(QueueRows::new(&queue(), limits(0, 9)).hidden(), (3, 4));
    }
}
