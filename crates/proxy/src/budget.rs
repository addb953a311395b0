//! The memory that all shards may hold together, and what each of them has said that it holds.
//!
//! What happens when it is used up is in [`crate::memory`].

use std::sync::atomic::{AtomicUsize, Ordering};

/// The memory that all shards may hold together.
#[derive(Debug)]
pub struct Budget {
    bytes: AtomicUsize,
    /// Bytes held by each shard.
    held: Box<[AtomicUsize]>,
}

impl Budget {
    /// A budget of `bytes` for so many shards.
    pub fn new(bytes: usize, shards: usize) -> Budget {
        Budget {
            bytes: AtomicUsize::new(bytes),
            held: (0..shards.max(1)).map(|_| AtomicUsize::new(0)).collect(),
        }
    }

    /// Says what `shard` holds; what do the others?
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

    /// Another size of it, for all shards at once.
    pub fn set(&self, bytes: usize) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// All of it, in bytes.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Number of shards that share it.
    #[inline]
    pub(crate) fn shards(&self) -> usize {
        self.held.len()
    }

    /// An equal part of it.
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
