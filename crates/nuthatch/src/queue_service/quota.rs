//! Limits on work in progress outside of the shard.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A limit on the number of things in progress.
pub struct Quota {
    taken: Arc<AtomicUsize>,
    max: usize,
}

/// One thing in progress; dropping it makes room.
pub struct Ticket(Arc<AtomicUsize>);

impl Quota {
    /// A quota of `max`.
    pub fn of(max: usize) -> Quota {
        Quota { taken: Arc::default(), max }
    }

    /// Takes one; None at the limit. One thread takes, any thread gives back.
    pub fn take(&self) -> Option<Ticket> {
        if self.taken.load(Ordering::Relaxed) >= self.max {
            return None;
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        Some(Ticket(Arc::clone(&self.taken)))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_has_room_again_when_a_ticket_is_dropped() {
        let quota = Quota::of(2);
        let (first, _second) = (quota.take(), quota.take());
        assert!(first.is_some() && quota.take().is_none());
        drop(first);
        assert!(quota.take().is_some());
    }
}
