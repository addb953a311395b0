//! Memory of a topic and its channels.
//!
//! Computed, not measured by the allocator: a fixed figure for a topic and for a channel, which a test
//! compares with a process's real use, and one for each entry of growing collections, including their spare
//! capacity.

/// A topic without channels and messages, including its name and its entries in tables elsewhere.
pub const TOPIC_BYTES: usize = 2048;
/// Bytes of one topic, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Memory that cannot be released: the topic, its channels, state of messages, and messages in memory.
    pub state: usize,
    /// Memory in which its journal caches its files, and which can be released.
    pub cache: usize,
}

impl Memory {
    /// Replaces a topic's figure `before` by `after`.
    pub fn replace(&mut self, (before, after): (Memory, Memory)) {
        self.state = (self.state + after.state).saturating_sub(before.state);
        self.cache = (self.cache + after.cache).saturating_sub(before.cache);
    }
}
