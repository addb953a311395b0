//! Limits of the whole queue: memory, and channels per topic.
//!
//! The memory that the daemon reports is compared with what its content needs, and a refusal with the memory
//! it reports.

use net::Instant;
use queue::channel::CHANNEL_BYTES;
use queue::queue::{Snapshot, TopicStats};
use queue::settings::Durability;
use queue::topic::TOPIC_BYTES;

use super::Oracle;
use super::topic::Topic;
use crate::messaging::body::Uid;

/// Bytes of a topic or a channel that is about to be created.
const CREATION_BYTES: usize = TOPIC_BYTES + CHANNEL_BYTES;
/// Bytes of a message in addition to its body: its state, and its record's header.
const MESSAGE_BYTES: usize = 256;
/// Bytes of a consumer.
const CONSUMER_BYTES: usize = 256;
/// Bytes by which publications to several topics in the same turn may exceed the limit.
const TURN_BYTES: usize = 16 << 10;
/// Bytes that an empty topic may keep allocated for the next message.
const SPARE_BYTES: usize = 4 << 10;
/// Bytes of the journal that a channel may hold in its read buffer.
const READ_BYTES: usize = 64 << 10;

impl Oracle {
    /// Bytes in use, if the refusal reports full memory.
    pub(super) fn memory_full(why: &str) -> Option<usize> {
        let (_, held) = why.split_once("memory is full: topics and channels take ")?;
        held.split_once(' ')?.0.parse().ok()
    }

    /// Checks a publication refused for full memory: memory is full, except for the eighth reserved for
    /// topics and channels, and for the publication's own size; and the publication is deferred, creates a
    /// topic, or goes to a topic in memory.
    pub(super) fn check_full(&mut self, name: &str, held: usize, deferred: bool, uids: &[Uid]) {
        self.report.out_of_memory += 1;
        let max = self.memory_max;
        // A topic deleted since proves nothing.
        let Some(topic) = self.topics.get(name) else { return };
        let Some(at) = uids.first().and_then(|uid| topic.messages.get(uid)).map(|message| message.at) else {
            return;
        };
        let in_files = topic.known && topic.durability != Durability::Memory;
        let wanted = topic.taken_at(at);
        if held + wanted + CREATION_BYTES < max - max / 8 {
            self.fault(format!(
                "a publication to {name} was refused although memory has room: {held} of {max}"
            ));
        }
        if in_files && !deferred {
            self.fault(format!("a publication to {name} was refused, and takes no memory"));
        }
    }

    /// Checks that a consumer was refused for a valid reason.
    pub(super) fn not_subscribed(&mut self, name: &str, why: &str) {
        let max = self.memory_max;
        if let Some(held) = Oracle::memory_full(why) {
            self.report.out_of_memory += 1;
            if held + CREATION_BYTES < max {
                self.fault(format!(
                    "a consumer of {name} was refused although memory has room: {held} of {max}"
                ));
            }
        } else if why.contains("too many channels of one topic") {
            self.report.out_of_channels += 1;
            let channels = self.topics.get(name).map_or(0, |topic| topic.channels.len() as u64);
            if channels < self.channels_max {
                self.fault(format!("a consumer of {name} was refused, and it has {channels} channels"));
            }
        }
    }

    /// Checks, when no message is left, that memory is no more than topics, channels and consumers need.
    pub(crate) fn check_given_back(&mut self, snapshot: &Snapshot) {
        self.report.memory_back += 1;
        let shown = snapshot.topics.as_deref().unwrap_or_default();
        let most: usize = shown.iter().map(bare).sum();
        if snapshot.memory_bytes > most {
            self.fault(format!(
                "{} bytes are held, and all that is there needs {most}",
                snapshot.memory_bytes
            ));
        }
        let least: usize = shown.iter().map(|topic| TOPIC_BYTES + topic.channels.len() * CHANNEL_BYTES).sum();
        if snapshot.memory_bytes < least {
            self.fault(format!(
                "{} bytes are counted, and what is there takes {least}",
                snapshot.memory_bytes
            ));
        }
    }

    /// Checks the memory limit. Messages in flight, returned or read for consumers are counted but never
    /// refused.
    pub(super) fn check_memory(&mut self, snapshot: &Snapshot) {
        if self.memory_max == 0 {
            return;
        }
        let shown = snapshot.topics.as_deref().unwrap_or_default();
        let most = self.memory_max + shown.iter().map(unrefused).sum::<usize>();
        if snapshot.memory_bytes > most {
            self.fault(format!("{} bytes of memory are taken, and {most} may be", snapshot.memory_bytes));
        }
        let kept: u64 = self.topics.values().map(Topic::bytes_in_memory).sum();
        if kept > (self.memory_max + TURN_BYTES) as u64 {
            self.fault(format!("messages in memory take {kept} bytes, and {} may be", self.memory_max));
        }
        let max = self.channels_max;
        if let Some(topic) = shown.iter().find(|topic| max > 0 && topic.channels.len() as u64 > max) {
            let (name, count) = (&topic.name, topic.channels.len());
            self.fault(format!("topic {name} has {count} channels, and may have {max}"));
        }
    }
}

/// Bytes of an empty topic, with its channels and consumers.
fn bare(topic: &TopicStats) -> usize {
    let channels = topic.channels.iter().map(|channel| {
        let messages = (channel.depth + channel.in_flight + channel.deferred) as usize;
        CHANNEL_BYTES + channel.client_count as usize * CONSUMER_BYTES + messages * MESSAGE_BYTES
    });
    TOPIC_BYTES + SPARE_BYTES + channels.sum::<usize>()
}

/// Bytes that a topic may take without a check of the limit.
fn unrefused(topic: &TopicStats) -> usize {
    let channels = topic.channels.iter().map(|channel| {
        let messages = (channel.depth + channel.in_flight + channel.deferred) as usize;
        messages * MESSAGE_BYTES + channel.client_count as usize * CONSUMER_BYTES + READ_BYTES
    });
    channels.sum()
}

impl Topic {
    /// Bytes of messages certainly in memory.
    fn bytes_in_memory(&self) -> u64 {
        if self.durability != Durability::Memory {
            return 0;
        }
        let kept = |uid| {
            let mut rows = self.channels.values().map(|channel| &channel.rows).chain([&self.waiting]);
            rows.any(|rows| rows.get(uid).is_some_and(|row| row.is_owed() && !row.wild))
        };
        let messages = self.messages.iter().filter(|(uid, message)| message.known && kept(*uid));
        messages.map(|(_, message)| message.bytes).sum()
    }

    /// Bytes taken by publications of this moment.
    fn taken_at(&self, at: Instant) -> usize {
        let messages = self.messages.values().filter(|message| message.at == at);
        messages.map(|message| message.bytes as usize + MESSAGE_BYTES).sum()
    }
}
