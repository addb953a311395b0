//! Memory of the queue, within its limits.
//!
//! | what | limit | at the limit |
//! |---|---|---|
//! | topics, channels, what is noted about messages, messages in memory | `max_memory` | what would add to it is refused |
//! | buffers of connections | as much again | those that hold most are closed |
//! | journals' caches of their files | `journal_cache` | those used longest ago give theirs back |
//!
//! What consumers have in flight and what comes back is counted and never refused: RDY and a channel's limits
//! bound it.

use net::{ConnId, Io};

use super::{Queue, Waiter};
use crate::error::QueueError;
use crate::registry::TopicKey;
use crate::topic::Topic;

/// A connection is not closed for what it holds up to here.
const RESERVE: usize = 64 << 10;

/// The share of `max_memory` that something may fill.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    held: usize,
    max: usize,
    /// All of `max_memory`; 0 if there is no limit.
    limit: usize,
}

impl Room {
    /// True if so many bytes fit.
    fn take(self, bytes: usize) -> Result<(), QueueError> {
        let Room { held, max, limit } = self;
        if limit > 0 && held.saturating_add(bytes) > max {
            Err(QueueError::MemoryFull { held, max: limit })
        } else {
            Ok(())
        }
    }

    /// True if something fits that may be in a topic for long: messages in memory, or the notes of deferred
    /// ones.
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
    /// True if there is room for a topic or a channel of so many bytes.
    pub(super) fn has_room(&self, bytes: usize) -> Result<(), QueueError> {
        let limit = self.settings().max_memory_bytes;
        Room { max: limit, ..self.room() }.take(bytes)
    }

    /// True if there is room for messages of so many bytes.
    pub(super) fn has_room_for_messages(&self, bytes: usize) -> Result<(), QueueError> {
        self.room().take(bytes)
    }

    /// The room that messages have. The last eighth is for topics and channels.
    #[inline]
    pub(crate) fn room(&self) -> Room {
        let limit = self.settings().max_memory_bytes;
        Room { held: self.memory.state, max: limit - limit / 8, limit }
    }

    /// A topic has joined the others.
    pub(super) fn count_topic(&mut self, topic: &mut Topic<Waiter>) {
        self.memory.replace(topic.count_memory());
    }

    /// A topic has left.
    pub(super) fn discount_topic(&mut self, topic: &Topic<Waiter>) {
        self.memory.replace((topic.memory(), crate::topic::Memory::default()));
    }

    /// Once a second: drops messages in memory that everybody is done with, however few, and spare room for
    /// the next ones.
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

    /// Closes the connections that hold most, while all of them hold more than they may.
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

    /// Keeps what all journals cache within its limit: those used longest ago give theirs back.
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
        // What is left is in use: all topics are not looked at again before it has grown.
        self.cache_in_use = self.memory.cache + max / 4;
    }
}

/// Channels and messages that are looked at per tick for what can be released.
const RELEASE_WORK: usize = 100_000;
/// Notes about a message that is deferred or in memory, besides its bytes.
const MESSAGE_BYTES: usize = 64;
