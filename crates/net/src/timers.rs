//! Deadlines of one shard, to the millisecond.
//!
//! Products keep their own deadline queues (a server connection's oldest request, a channel's messages in
//! flight) and arm one timer for the head of each; so this set is small and an ordered map suffices.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::{Instant, TimerId};

#[derive(Debug)]
pub(crate) struct Timers<T> {
    by_time: BTreeMap<(Instant, u64), T>,
    due_of: FxHashMap<u64, Instant>,
    next: u64,
}

impl<T> Timers<T> {
    pub(crate) fn new() -> Self {
        Timers { by_time: BTreeMap::new(), due_of: FxHashMap::default(), next: 1 }
    }

    pub(crate) fn set(&mut self, at: Instant, what: T) -> TimerId {
        let id = self.next;
        self.next += 1;
        self.by_time.insert((at, id), what);
        self.due_of.insert(id, at);
        TimerId(id)
    }

    pub(crate) fn cancel(&mut self, timer: TimerId) {
        if let Some(at) = self.due_of.remove(&timer.0) {
            self.by_time.remove(&(at, timer.0));
        }
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.by_time.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<T> {
        let entry = self.by_time.first_entry()?;
        if entry.key().0 > now {
            return None;
        }
        let ((_, id), what) = entry.remove_entry();
        self.due_of.remove(&id);
        Some(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fires_in_order_and_forgets_cancelled() {
        let mut timers = Timers::new();
        let late = timers.set(Instant(30), 'c');
        timers.set(Instant(10), 'a');
        timers.set(Instant(10), 'b');
        timers.cancel(late);
        timers.cancel(late);
        assert_eq!(timers.next_due(), Some(Instant(10)));
        assert_eq!(timers.pop_due(Instant(9)), None);
        assert_eq!(timers.pop_due(Instant(10)), Some('a'));
        assert_eq!(timers.pop_due(Instant(99)), Some('b'));
        assert_eq!(timers.pop_due(Instant(99)), None);
    }
}
