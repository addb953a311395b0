//! Memory budget of all shards together, and the usage reported by each.
//!
//! [`crate::memory`] enforces it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Memory budget shared by all shards.
#[derive(Debug)]
pub struct Budget {
    bytes: AtomicUsize,
    /// Bytes held by each shard.
    held: Box<[AtomicUsize]>,
}

impl Budget {
    /// Makes a budget of `bytes` for this many shards.
    pub fn new(bytes: usize, shards: usize) -> Budget {
        Budget {
            bytes: AtomicUsize::new(bytes),
            held: (0..shards.max(1)).map(|_| AtomicUsize::new(0)).collect(),
        }
    }

    /// Publishes the bytes held by `shard`; returns those held by the others.
    pub(crate) fn tell(&self, shard: usize, held: usize) -> usize {
        let mut others = 0;
        for (n, cell) in self.held.iter().enumerate() {
            if n == shard {
                cell.store(held, Ordering::Relaxed);
            } else {
                others += cell.load(Ordering::Relaxed);
            }
        }
        others
    }

    /// Changes its size, for all shards at once.
    pub fn set(&self, bytes: usize) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Its size in bytes.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Number of shards that share it.
    #[inline]
    pub(crate) fn shards(&self) -> usize {
        self.held.len()
    }

    /// One shard's equal share, in bytes.
    pub(crate) fn share(&self) -> usize {
        self.bytes() / self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_learns_what_the_others_hold() {
        let budget = Budget::new(1000, 3);
        assert_eq!(budget.tell(0, 10), 0);
        assert_eq!(budget.tell(1, 200), 10);
        assert_eq!(budget.tell(2, 0), 210);
        assert_eq!(budget.tell(0, 40), 200);
        assert_eq!(budget.tell(2, 7), 240);
        assert_eq!(budget.share(), 333);
        budget.set(600);
        assert_eq!((budget.bytes(), budget.share()), (600, 200));
    }
}
