//! Memory that a topic and its channels take.
//!
//! Counted, not asked of the allocator: a fixed figure for a topic and for a channel, which a test compares with what a process
//! really takes, and one for each entry of what grows with use, with the room that lists keep in reserve.

use super::{ChannelKey, Topic};

/// A topic without channels and messages, with its name and the entries about it elsewhere.
pub const TOPIC_BYTES: usize = 2048;
/// A deferred message that waits in the topic for a channel.
const HELD_BYTES: usize = 64;

/// Bytes of one topic, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Memory that cannot be given back: the topic, its channels, notes about messages, and messages that are in memory.
    pub state: usize,
    /// Memory its journal holds of its files, and can give back.
    pub cache: usize,
}

impl Memory {
    /// Counts a topic as `after` instead of as `before`.
    pub fn replace(&mut self, (before, after): (Memory, Memory)) {
        self.state = (self.state + after.state).saturating_sub(before.state);
        self.cache = (self.cache + after.cache).saturating_sub(before.cache);
    }
}

impl<W> Topic<W> {
    /// Its memory when it was last counted.
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// Channels, and messages of theirs that are not simply ahead of the cursor: what it costs to look through them.
    pub fn entries(&self) -> usize {
        self.iter().map(|(_, channel)| 1 + channel.entries()).sum()
    }

    /// Counts what it takes. Gives what it was counted with before, and what it is counted with now.
    pub fn count_memory(&mut self) -> (Memory, Memory) {
        let channels: usize = self.iter_mut().map(|(_, channel)| channel.count_memory().1).sum();
        let journal = self.journal.memory_bytes();
        let (messages, cache) = if self.in_memory() { (journal, 0) } else { (0, journal) };
        let state = TOPIC_BYTES + channels + self.held.len() * HELD_BYTES + messages;
        self.note_memory(Memory { state, cache })
    }

    /// Counts what one of its channels takes.
    pub fn count_channel_memory(&mut self, key: ChannelKey) -> (Memory, Memory) {
        let (before, after) = self.channel_mut(key).map_or((0, 0), |channel| channel.count_memory());
        let mut memory = self.memory;
        memory.state = (memory.state + after).saturating_sub(before);
        self.note_memory(memory)
    }

    fn note_memory(&mut self, memory: Memory) -> (Memory, Memory) {
        (std::mem::replace(&mut self.memory, memory), memory)
    }
}
