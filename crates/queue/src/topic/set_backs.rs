//! The moments at which the wall clock was set back: they bound the publication time of earlier messages.
//!
//! ```text
//!  positions   ────────────────┬───────────────▶
//!  timestamps   … 10:00 10:01  │ 09:00 09:01 …       set back to 09:00 here: nothing before is younger than 09:00
//! ```
//! Messages published before the clock was set back have timestamps in its future, and would outlive their
//! time to live or be retained longer by as much. So messages before such a moment count as published at that
//! moment at the latest. That never makes a message older than it is. A clock set forward ages messages as
//! the passing of time does: the two cannot be told apart.

use std::collections::VecDeque;

use crate::message::Position;
use crate::record::{Reader, difference, number};

/// Limit on moments. The oldest is dropped first: its messages are bounded by the next one.
const MAX: usize = 64;

/// In order of position, and of time: a moment bounded by a later, lower one is dropped.
#[derive(Debug, Default)]
pub struct SetBacks {
    /// Messages before the position were published at this wall time (ns) or before.
    list: VecDeque<(Position, i64)>,
    unsaved: bool,
}

impl SetBacks {
    /// Notes that everything before `at` was published at `wall` or earlier.
    pub fn add(&mut self, at: Position, wall: i64) {
        while self.list.back().is_some_and(|(_, later)| *later >= wall) {
            self.list.pop_back();
        }
        if self.list.back().is_none_or(|(last, _)| *last < at) {
            self.list.push_back((at, wall));
            self.unsaved = true;
        }
        if self.list.len() > MAX {
            self.list.pop_front();
        }
    }

    /// Upper bound on the publication time (wall, ns) of the message at `position`.
    #[inline]
    pub fn latest(&self, position: Position) -> i64 {
        if self.list.is_empty() {
            return i64::MAX;
        }
        let before = self.list.partition_point(|(at, _)| *at <= position);
        self.list.get(before).map_or(i64::MAX, |(_, wall)| *wall)
    }

    /// Forgets moments that only concern positions no longer readable.
    pub fn forget_before(&mut self, first: Position) {
        while self.list.front().is_some_and(|(at, _)| *at <= first) {
            self.list.pop_front();
        }
    }

    /// True if a checkpoint must persist the list.
    pub fn is_unsaved(&self) -> bool {
        self.unsaved
    }

    /// Notes that a checkpoint has the list.
    pub fn saved(&mut self) {
        self.unsaved = false;
    }

    /// Writes the list.
    pub fn encode(&self, out: &mut Vec<u8>) {
        number(self.list.len() as u64, out);
        for &(at, wall) in &self.list {
            number(at, out);
            difference(0, wall as u64, out);
        }
    }

    /// Reads the output of [`SetBacks::encode`].
    pub fn decode(from: &mut Reader<'_>) -> Option<SetBacks> {
        let mut list = VecDeque::new();
        for _ in 0..from.number()? {
            list.push_back((from.number()?, from.difference(0)? as i64));
        }
        Some(SetBacks { list, unsaved: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_younger_than_the_moment_at_which_the_clock_was_set_back() {
        let mut list = SetBacks::default();
        assert_eq!(list.latest(0), i64::MAX);
        list.add(100, 5_000);
        list.add(200, 7_000);
        assert_eq!([99, 100, 199, 200].map(|at| list.latest(at)), [5_000, 7_000, 7_000, i64::MAX]);
        // Further back than before: it bounds everything.
        list.add(300, 4_000);
        assert_eq!([0, 299, 300].map(|at| list.latest(at)), [4_000, 4_000, i64::MAX]);
        list.add(300, 4_500);
        assert_eq!(list.latest(0), 4_000);
        let mut bytes = Vec::new();
        list.encode(&mut bytes);
        assert_eq!(SetBacks::decode(&mut Reader(&bytes)).map(|read| read.list), Some(list.list.clone()));
        list.forget_before(300);
        assert_eq!(list.latest(0), i64::MAX);
    }

    #[test]
    fn a_clock_that_is_set_again_and_again_costs_no_more_than_a_limit() {
        let mut list = SetBacks::default();
        (1..1000).for_each(|n| list.add(n, n as i64));
        assert_eq!(list.list.len(), MAX);
        assert_eq!(list.latest(0), 1000 - MAX as i64);
    }
}
