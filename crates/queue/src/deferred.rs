//! Messages that wait for their due time.
//!
//! Only position and due time are kept here: the body stays in the journal. Due times here use the monotonic
//! clock, so that steps of the wall clock have no effect; the journal keeps wall times, which
//! `clock.rs` converts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use net::Instant;

use crate::message::Position;

/// A message that waits for its due time or for a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiting {
    /// Its record.
    pub at: Position,
    /// Its id.
    pub id: u64,
    /// Deliveries so far.
    pub attempts: u16,
}

/// The messages of a channel, or of a topic without channels, that are not due yet.
#[derive(Debug, Default)]
pub struct Deferred {
    heap: BinaryHeap<Reverse<(Instant, Waiting)>>,
}

impl Deferred {
    /// Number of them.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// True if none waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Adds a message.
    pub fn push(&mut self, due: Instant, message: Waiting) {
        self.heap.push(Reverse((due, message)));
    }

    /// Time the first one is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    /// The first message that is due at `now`; of several due at one time, the one that was published first.
    pub fn pop(&mut self, now: Instant) -> Option<Waiting> {
        if self.next_due()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, message))| message)
    }

    /// Every message with its due time, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Instant, &Waiting)> {
        self.heap.iter().map(|Reverse((due, message))| (*due, message))
    }

    /// Keeps the messages for which `keep` returns true.
    pub fn retain(&mut self, mut keep: impl FnMut(&Waiting) -> bool) {
        self.heap.retain(|Reverse((_, message))| keep(message));
    }

    /// Takes everything out.
    #[must_use]
    pub fn take(&mut self) -> Deferred {
        std::mem::take(self)
    }

    /// Updates record positions; `moved` maps an old one to the new one.
    pub fn relocate(&mut self, moved: impl Fn(Position) -> Option<Position>) {
        let mut all = std::mem::take(&mut self.heap).into_vec();
        for Reverse((_, message)) in &mut all {
            if let Some(to) = moved(message.at) {
                message.at = to;
            }
        }
        self.heap = all.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_when_due_and_in_order() {
        let mut deferred = Deferred::default();
        for (due, at) in [(30, 1), (10, 3), (10, 2), (20, 4)] {
            deferred.push(Instant(due), Waiting { at, id: at, attempts: 0 });
        }
        assert_eq!(deferred.next_due(), Some(Instant(10)));
        assert_eq!(deferred.pop(Instant(9)), None);
        let mut out = Vec::new();
        while let Some(message) = deferred.pop(Instant(20)) {
            out.push(message.at);
        }
        assert_eq!(out, [2, 3, 4]);
        deferred.relocate(|at| (at == 1).then_some(9));
        assert_eq!(deferred.pop(Instant(30)).map(|m| m.at), Some(9));
        assert!(deferred.is_empty());
    }
}
