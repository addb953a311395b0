//! Memory accounting of a topic, whole or channel by channel.

use super::Topic;
use super::memory::{Memory, TOPIC_BYTES};
use super::slots::ChannelKey;

/// A deferred message held in the topic for a channel.
const HELD_BYTES: usize = 64;

impl<W> Topic<W> {
    /// Its memory when last counted.
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// Channels and their messages not simply ahead of the cursor: the cost of scanning them.
    pub fn entries(&self) -> usize {
        self.iter().map(|(_, channel)| 1 + channel.entries()).sum()
    }

    /// Counts the topic's memory. Returns the previous and the new figure.
    pub fn count_memory(&mut self) -> (Memory, Memory) {
        let channels: usize = self.iter_mut().map(|(_, channel)| channel.count_memory().1).sum();
        let journal = self.journal.memory_bytes();
        let (messages, cache) = if self.in_memory() { (journal, 0) } else { (0, journal) };
        let state = TOPIC_BYTES + channels + self.held.len() * HELD_BYTES + messages;
        self.note_memory(Memory { state, cache })
    }

    /// Counts the memory of one channel.
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
