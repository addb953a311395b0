//! The last committed batches, in memory.
//!
//! Each entry is one batch, the very bytes that were written, shared with the readers. Bytes and a fixed
//! overhead per entry are charged to the limit, so that many tiny batches do not cost more memory than a few
//! large ones. With [`crate::Durability::Memory`] the cache is the only copy.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{Block, Position};

/// Cost of an entry besides its bytes.
const ENTRY_OVERHEAD: usize = 64;

#[derive(Debug, Default)]
pub struct Cache {
    entries: VecDeque<Entry>,
    cost: usize,
}

#[derive(Debug)]
struct Entry {
    start: u64,
    bytes: Bytes,
}

impl Entry {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
    fn cost(&self) -> usize {
        self.bytes.len() + ENTRY_OVERHEAD
    }
}

impl Cache {
    /// Cost of all entries together, in bytes.
    pub fn cost(&self) -> usize {
        self.cost
    }

    /// Cost of an entry of this many bytes.
    pub fn cost_of(bytes: usize) -> usize {
        bytes + ENTRY_OVERHEAD
    }

    /// Adds a batch committed at `start`, which is after all entries.
    pub fn push(&mut self, start: Position, bytes: Bytes) {
        debug_assert!(self.entries.back().is_none_or(|last| last.end() <= start.0));
        let entry = Entry { start: start.0, bytes };
        self.cost += entry.cost();
        self.entries.push_back(entry);
    }

    /// Drops the oldest entries until the rest costs no more than `limit`.
    pub fn shrink_to(&mut self, limit: usize) {
        while self.cost > limit {
            self.pop_oldest();
        }
        if self.entries.capacity() > 64 && self.entries.capacity() / 8 > self.entries.len() {
            self.entries.shrink_to(self.entries.len() * 2);
        }
    }

    /// Drops the entries entirely before `position`.
    pub fn drop_before(&mut self, position: Position) {
        while self.entries.front().is_some_and(|first| first.end() <= position.0) {
            self.pop_oldest();
        }
    }

    /// Start of the oldest entry.
    pub fn first(&self) -> Option<Position> {
        self.entries.front().map(|first| Position(first.start))
    }

    /// The rest of the entry that holds `from`.
    pub fn get(&self, from: Position) -> Option<Block> {
        let behind = self.entries.partition_point(|entry| entry.start <= from.0);
        let entry = &self.entries[behind.checked_sub(1)?];
        if from.0 >= entry.end() {
            return None;
        }
        let skipped = (from.0 - entry.start) as usize;
        Some(Block::sound(from, entry.bytes.slice(skipped..)))
    }

    fn pop_oldest(&mut self) {
        match self.entries.pop_front() {
            Some(entry) => self.cost -= entry.cost(),
            None => self.cost = 0,
        }
    }
}
