//! Stretches of the journal that a channel's cursor skips.
//!
//! They come from emptying a topic (its waiting messages go to no channel), from the limit of an ephemeral
//! channel (messages that did not fit are not delivered), and from recovery (messages finished or set apart
//! ahead of the last checkpoint's cursor).

use std::collections::VecDeque;

use crate::message::Position;

/// Half-open stretches, sorted and disjoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holes {
    list: VecDeque<(Position, Position)>,
}

impl Holes {
    /// True if there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Number of them.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Adds a stretch anywhere, merging it with those that it overlaps or touches.
    pub fn add(&mut self, from: Position, to: Position) {
        if from >= to {
            return;
        }
        let first = self.list.partition_point(|&(_, end)| end < from);
        let behind = self.list.partition_point(|&(start, _)| start <= to);
        if first >= behind {
            self.list.insert(first, (from, to));
            return;
        }
        let merged = (from.min(self.list[first].0), to.max(self.list[behind - 1].1));
        self.list.drain(first + 1..behind);
        self.list[first] = merged;
    }

    /// True if a position is in one.
    pub fn contains(&self, at: Position) -> bool {
        let behind = self.list.partition_point(|&(from, _)| from <= at);
        behind.checked_sub(1).is_some_and(|n| at < self.list[n].1)
    }

    /// The first position at or after `cursor` that is in no hole. Drops the holes before it.
    pub fn pass(&mut self, cursor: Position) -> Position {
        let mut cursor = cursor;
        while let Some(&(from, to)) = self.list.front() {
            if from > cursor {
                break;
            }
            cursor = cursor.max(to);
            self.list.pop_front();
        }
        cursor
    }

    /// Every stretch, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Position, Position)> {
        self.list.iter().copied()
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.list.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_merge_and_are_passed_over() {
        let mut holes = Holes::default();
        for (from, to) in [(50, 60), (10, 20), (20, 25), (58, 70), (5, 5), (40, 45)] {
            holes.add(from, to);
        }
        assert_eq!(holes.iter().collect::<Vec<_>>(), [(10, 25), (40, 45), (50, 70)]);
        let inside = [9, 10, 24, 25, 45, 69, 70].map(|at| holes.contains(at));
        assert_eq!(inside, [false, true, true, false, false, true, false]);
        assert_eq!(holes.pass(9), 9);
        assert_eq!(holes.pass(10), 25);
        assert_eq!(holes.pass(55), 70);
        assert!(holes.is_empty());
    }

    #[test]
    fn any_stretches_agree_with_a_set() {
        proptest::proptest!(|(stretches in proptest::collection::vec((0u64..60, 0u64..60), 0..20))| {
            let mut holes = Holes::default();
            let mut set = std::collections::BTreeSet::new();
            for (from, to) in stretches {
                holes.add(from, to);
                set.extend(from..to);
            }
            let flat: Vec<u64> = holes.iter().flat_map(|(from, to)| from..to).collect();
            assert_eq!(flat, set.into_iter().collect::<Vec<_>>());
            assert!(holes.iter().zip(holes.iter().skip(1)).all(|(a, b)| a.1 < b.0));
        });
    }
}
