//! Returned messages: requeued, timed out, given back by a lost connection, or deferred and now due.
//!
//! ```text
//!   stream:  ──────●──────────────────┬─────────────▶
//!                  cursor             end when the message came back: its turn comes when the cursor is here
//! ```
//! As in nsqd, a returned message queues behind everything in the stream at that moment, and ahead of what is
//! published afterwards. Returned messages keep the order in which they came back.

use std::collections::VecDeque;

use crate::deferred::Waiting;
use crate::message::Position;

#[derive(Debug, Clone, Copy)]
struct Entry {
    behind: Position,
    message: Waiting,
}

/// The queue of returned messages.
#[derive(Debug, Default)]
pub struct Again {
    line: VecDeque<Entry>,
}

impl Again {
    /// Number of them.
    #[inline]
    pub fn len(&self) -> usize {
        self.line.len()
    }

    /// True if there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Adds a message returned while the stream ends at `behind`.
    pub fn push(&mut self, behind: Position, message: Waiting) {
        self.line.push_back(Entry { behind, message });
    }

    /// The first one, with the position that the cursor must have reached before its turn comes.
    #[inline]
    pub fn first(&self) -> Option<(Position, Waiting)> {
        self.line.front().map(|entry| (entry.behind, entry.message))
    }

    /// Takes the first one.
    pub fn pop(&mut self) -> Option<Waiting> {
        self.line.pop_front().map(|entry| entry.message)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.line.iter().map(|entry| &entry.message)
    }

    /// All of them, in order, mutably.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Waiting> {
        self.line.iter_mut().map(|entry| &mut entry.message)
    }

    /// All of them, in order, each with its place.
    pub fn places(&self) -> impl Iterator<Item = (Position, &Waiting)> {
        self.line.iter().map(|entry| (entry.behind, &entry.message))
    }

    /// Keeps those for which `keep` returns true.
    pub fn retain(&mut self, mut keep: impl FnMut(&Waiting) -> bool) {
        self.line.retain(|entry| keep(&entry.message));
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.line.clear();
    }

    /// Sorts those whose turn has come at `cursor` by journal position, starting at the first one's and
    /// wrapping around, so that neighbours share a read. The first one stays first, so that none waits for
    /// ever.
    pub fn line_up(&mut self, cursor: Position) {
        let Some(first) = self.line.front().map(|entry| entry.message.at) else { return };
        let ready = self.line.iter().take_while(|entry| entry.behind <= cursor).count();
        let ready = &mut self.line.make_contiguous()[..ready];
        ready.sort_unstable_by_key(|entry| (entry.message.at < first, entry.message.at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_whose_turn_has_come_are_lined_up() {
        let mut again = Again::default();
        for (behind, at) in [(10, 5), (10, 9), (20, 1), (20, 7), (30, 2), (30, 0)] {
            again.push(behind, Waiting { at, id: at, attempts: 1 });
        }
        again.line_up(25);
        assert_eq!(again.iter().map(|message| message.at).collect::<Vec<_>>(), [5, 7, 9, 1, 2, 0]);
        again.line_up(5);
        assert_eq!(again.iter().map(|message| message.at).collect::<Vec<_>>(), [5, 7, 9, 1, 2, 0]);
        assert_eq!(again.pop().map(|message| message.at), Some(5));
        assert_eq!(again.first().map(|(behind, message)| (behind, message.at)), Some((20, 7)));
    }
}
