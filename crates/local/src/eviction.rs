//! Memory of the eviction: the clock's hand, the line of probation, and what was evicted from it.
//!
//! `store/evict.rs` draws how they work together.

use std::collections::VecDeque;

/// Bytes of the limit per remembered key of an evicted entry.
const BYTES_PER_GHOST: usize = 2048;

/// Memory of the eviction.
#[derive(Debug, Default)]
pub(crate) struct Eviction {
    /// Position of the clock's hand.
    pub(crate) hand: usize,
    /// Hashes of the entries on probation, oldest first, and of some that have gone.
    pub(crate) probation: VecDeque<u32>,
    /// Bytes of the entries on probation.
    pub(crate) probation_bytes: usize,
    /// Hashes of keys evicted from probation, each at the place that it names.
    ghosts: Vec<u32>,
}

impl Eviction {
    /// Forgets an entry of this weight that goes or leaves probation.
    pub(crate) fn left_probation(&mut self, weight: usize) {
        self.probation_bytes = self.probation_bytes.saturating_sub(weight);
    }

    /// Notes that an entry on probation has another weight.
    pub(crate) fn resized(&mut self, before: usize, after: usize) {
        self.probation_bytes = (self.probation_bytes + after).saturating_sub(before);
    }

    /// True if an entry of this hash was evicted from probation lately.
    pub(crate) fn was_evicted(&self, hash: u32) -> bool {
        let places = self.ghosts.len().max(1);
        self.ghosts.get(hash as usize % places) == Some(&hash)
    }

    /// Remembers an entry evicted from probation.
    pub(crate) fn remember(&mut self, hash: u32, bytes_max: usize) {
        if self.ghosts.is_empty() {
            self.ghosts = vec![0; (bytes_max / BYTES_PER_GHOST).max(1)];
        }
        let places = self.ghosts.len();
        self.ghosts[hash as usize % places] = hash;
    }
}
