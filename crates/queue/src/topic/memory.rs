//! Memory that a topic and its channels take.
//!
//! Counted, not asked of the allocator: a fixed figure for a topic and for a channel, which a test compares
//! with what a process really takes, and one for each entry of what grows with use, with the room that lists
//! keep in reserve.

/// A topic without channels and messages, with its name and the entries about it elsewhere.
pub const TOPIC_BYTES: usize = 2048;
/// Bytes of one topic, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Memory that cannot be given back: the topic, its channels, notes about messages, and messages that are
    /// in memory.
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
