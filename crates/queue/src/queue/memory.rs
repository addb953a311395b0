//! Limits on the memory of the queue.
//!
//! | what | limit | at the limit |
//! |---|---|---|
//! | topics, channels, state of messages, messages in memory | `max_memory` | additions are refused |
//! | buffers of connections | as much again | those with the largest buffers are closed |
//! | journals' caches of their files | `journal_cache` | the least recently used are emptied |
//!
//! Messages in flight or requeued are counted and never refused: RDY and a channel's limits bound them.

use net::{ConnId, Io};

use super::{Queue, Waiter};
use crate::error::QueueError;
use crate::registry::TopicKey;
use crate::topic::Topic;

/// Buffer bytes up to which a connection is never closed.
const RESERVE: usize = 64 << 10;

/// The share of `max_memory` that one kind of use may fill.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    held: usize,
    max: usize,
    /// All of `max_memory`; 0 if there is no limit.
    limit: usize,
}

impl Room {
    /// An error if this many bytes do not fit.
    fn take(self, bytes: usize) -> Result<(), QueueError> {
        let Room { held, max, limit } = self;
        if limit > 0 && held.saturating_add(bytes) > max {
            Err(QueueError::MemoryFull { held, max: limit })
        } else {
            Ok(())
        }
    }

    /// Room for data that may stay in a topic for long: messages in memory, or the state of deferred ones.
    #[inline]
    pub(crate) fn take_messages(
        self,
        topic: &Topic<Waiter>,
        messages: usize,
        bytes: usize,
        deferred: bool,
    ) -> Result<(), QueueError> {
        match (topic.in_memory(), deferred) {
            (true, _) => self.take(topic.journal.staged_bytes() + bytes + messages * MESSAGE_BYTES),
            (false, true) => self.take(messages * MESSAGE_BYTES),
            (false, false) => Ok(()),
        }
    }
}

impl Queue {
    /// An error if there is no room for a topic or a channel of this many bytes.
    pub(super) fn has_room(&self, bytes: usize) -> Result<(), QueueError> {
        let limit = self.settings().max_memory_bytes;
        Room { max: limit, ..self.room() }.take(bytes)
    }

    /// An error if there is no room for this many bytes of messages.
    pub(super) fn has_room_for_messages(&self, bytes: usize) -> Result<(), QueueError> {
        self.room().take(bytes)
    }

    /// The room for messages. The last eighth is reserved for topics and channels.
    #[inline]
    pub(crate) fn room(&self) -> Room {
        let limit = self.settings().max_memory_bytes;
        Room { held: self.memory.state, max: limit - limit / 8, limit }
    }

    /// Counts an added topic.
    pub(super) fn count_topic(&mut self, topic: &mut Topic<Waiter>) {
        self.memory.replace(topic.count_memory());
    }

    /// Stops counting a removed topic.
    pub(super) fn discount_topic(&mut self, topic: &Topic<Waiter>) {
        self.memory.replace((topic.memory(), crate::topic::Memory::default()));
    }

    /// Drops messages in memory that every consumer has finished, however few, and spare capacity for new
    /// ones. Called once a second.
    pub(super) fn release_messages(&mut self) {
        let (mut work, now_wall) = (0, self.clock.wall.0);
        let mut kept = Vec::new();
        while work < RELEASE_WORK
            && let Some(key) = self.to_release.pop()
        {
            let Some(topic) = self.topics.get_mut(key) else { continue };
            topic.notes.to_release.clear();
            work += 1 + topic.entries();
            topic.release_memory(0, now_wall);
            topic.journal.rest();
            self.memory.replace(topic.count_memory());
            if topic.keeps_in_memory() {
                kept.push(key);
            }
        }
        for key in kept {
            if let Some(topic) = self.topics.get_mut(key) {
                self.to_release.add(&mut topic.notes.to_release, key);
            }
        }
    }

    /// Closes the connections with the largest buffers while the total exceeds the limit.
    pub(super) fn shed_clients<I: Io>(&mut self, io: &mut I) {
        let max = self.settings().max_memory_bytes;
        if max == 0 || io.buffered() <= max {
            return;
        }
        let of = |io: &I, conn: ConnId| io.unread(conn) + io.unsent(conn);
        let mut by_size: Vec<(usize, ConnId)> =
            self.clients.iter().flatten().map(|client| (of(io, client.id), client.id)).collect();
        by_size.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (bytes, conn) in by_size {
            if bytes <= RESERVE || io.buffered() <= max / 8 * 7 {
                break;
            }
            if let Some(client) = self.client_mut(conn) {
                telemetry::warn!(client = %client.peer, bytes, max, "connection closed: buffers take more than max_memory");
            }
            self.drop_client(io, conn);
        }
    }

    /// Keeps the total of journal caches within its limit; the least recently used are emptied first.
    pub(super) fn shrink_caches(&mut self) {
        let max = self.settings().journal_cache_bytes;
        if self.memory.cache <= max.max(self.cache_in_use) {
            return;
        }
        let mut by_age: Vec<(u64, TopicKey)> = self
            .topics
            .iter()
            .filter(|(_, topic)| topic.memory().cache > 0)
            .map(|(key, topic)| (topic.notes.last_used, key))
            .collect();
        by_age.sort_unstable_by_key(|(used, _)| *used);
        let full = self.options.journal(self.settings().durability).cache_bytes;
        for (_, key) in by_age {
            if self.memory.cache <= max / 4 * 3 {
                break;
            }
            let Some(topic) = self.topics.get_mut(key) else { continue };
            topic.journal.set_cache_bytes(0);
            topic.journal.rest();
            topic.journal.set_cache_bytes(full);
            self.memory.replace(topic.count_memory());
        }
        // The remainder is in use: topics are not scanned again before it has grown.
        self.cache_in_use = self.memory.cache + max / 4;
    }
}

/// Channels and messages examined per tick for what can be released.
const RELEASE_WORK: usize = 100_000;
/// State of a deferred or in-memory message, besides its bytes.
const MESSAGE_BYTES: usize = 64;
