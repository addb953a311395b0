//! Marks along a topic's journal: how many messages precede a position, and how old they are.
//!
//! There is a mark about every mebibyte (more of them in a topic with a small limit), and one at the start of
//! each segment, the future start of retained data. With them a channel is moved to a time without reading, a
//! limit on bytes drops the oldest messages and counts them, and retention finds the messages that are old
//! enough.

use std::collections::VecDeque;

use crate::message::Position;
use crate::record::{Reader, difference, number};

/// Minimum of bytes between two marks.
const SPACING: u64 = 1 << 20;
/// Spacing in a topic with a very small limit.
const SPACING_MIN: u64 = 4 << 10;
/// Marks in a topic with a small limit on its bytes.
const PARTS: u64 = 16;

/// A mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Milestone {
    /// Start of a record.
    pub at: Position,
    /// Messages of the stream before it, counted from the topic's creation.
    pub sequence: u64,
    /// Wall time (ns) when it was set: messages after it are not older, except for clock steps.
    pub time: i64,
}

/// The marks, in order of position.
#[derive(Debug, Default)]
pub struct Milestones {
    list: VecDeque<Milestone>,
}

impl Milestones {
    /// Sets a mark if the last one is far enough back; `bytes_max` is the topic's limit (0: none).
    pub fn pass(&mut self, mark: Milestone, bytes_max: u64) {
        let spacing = match bytes_max {
            0 => SPACING,
            bytes_max => (bytes_max / PARTS).clamp(SPACING_MIN, SPACING),
        };
        if self.list.back().is_none_or(|last| mark.at >= last.at + spacing) {
            self.list.push_back(mark);
        }
    }

    /// Sets a mark at the start of a segment.
    pub fn begin(&mut self, mark: Milestone) {
        if self.list.back().is_none_or(|last| mark.at > last.at) {
            self.list.push_back(mark);
        }
    }

    /// Forgets marks before the oldest readable position.
    pub fn forget_before(&mut self, first: Position) {
        while self.list.front().is_some_and(|mark| mark.at < first) {
            self.list.pop_front();
        }
    }

    /// The oldest mark.
    pub fn first(&self) -> Option<Milestone> {
        self.list.front().copied()
    }

    /// The mark before the first one that is later than `time`; messages published at or after `time` follow
    /// it, even if the clock was set back in between.
    pub fn before_time(&self, time: i64) -> Option<Milestone> {
        let behind = self.list.iter().position(|mark| mark.time > time).unwrap_or(self.list.len());
        behind.checked_sub(1).map(|n| self.list[n]).or_else(|| self.first())
    }

    /// The last mark for which the predicate holds; the first mark if it holds for none.
    pub fn last_where(&self, mut is: impl FnMut(Milestone) -> bool) -> Option<Milestone> {
        self.list.iter().rev().copied().find(|mark| is(*mark)).or_else(|| self.first())
    }

    /// The first mark at or after `at`.
    pub fn at_or_after(&self, at: Position) -> Option<Milestone> {
        self.list.get(self.list.partition_point(|mark| mark.at < at)).copied()
    }

    /// Writes the marks.
    pub fn encode(&self, out: &mut Vec<u8>) {
        number(self.list.len() as u64, out);
        let mut last = Milestone::default();
        for mark in &self.list {
            difference(last.at, mark.at, out);
            difference(last.sequence, mark.sequence, out);
            difference(last.time as u64, mark.time as u64, out);
            last = *mark;
        }
    }

    /// Reads the output of [`Milestones::encode`].
    pub fn decode(from: &mut Reader<'_>) -> Option<Milestones> {
        let mut list = VecDeque::new();
        let mut last = Milestone::default();
        for _ in 0..from.number()? {
            last = Milestone {
                at: from.difference(last.at)?,
                sequence: from.difference(last.sequence)?,
                time: from.difference(last.time as u64)? as i64,
            };
            list.push_back(last);
        }
        Some(Milestones { list })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_by_time_and_position() {
        let mut marks = Milestones::default();
        for n in 0..100u64 {
            marks.pass(Milestone { at: n * SPACING / 2, sequence: n * 10, time: n as i64 * 100 }, 0);
        }
        assert_eq!(marks.list.len(), 50);
        assert_eq!(marks.before_time(450).map(|m| m.sequence), Some(40));
        assert_eq!(marks.before_time(-1).map(|m| m.sequence), Some(0));
        assert_eq!(marks.last_where(|mark| mark.time <= 450).map(|m| m.sequence), Some(40));
        assert_eq!(marks.last_where(|_| false).map(|m| m.sequence), Some(0));
        assert_eq!(marks.at_or_after(SPACING + 1).map(|m| m.at), Some(2 * SPACING));
        assert_eq!(marks.at_or_after(1 << 40), None);
        let mut bytes = Vec::new();
        marks.encode(&mut bytes);
        assert_eq!(Milestones::decode(&mut Reader(&bytes)).map(|m| m.list), Some(marks.list.clone()));
        marks.begin(Milestone { at: 50 * SPACING - 1, sequence: 1000, time: 10_000 });
        marks.begin(Milestone { at: 50 * SPACING - 1, sequence: 1000, time: 10_000 });
        assert_eq!(marks.before_time(10_000).map(|m| m.at), Some(50 * SPACING - 1));
        assert_eq!(marks.list.len(), 51);
        // The clock is set back: messages published at 9,000 follow the first mark of that time.
        marks.begin(Milestone { at: 60 * SPACING, sequence: 1010, time: 8_000 });
        assert_eq!(marks.before_time(9_000).map(|m| m.time), Some(9_000));
        assert_eq!(marks.before_time(9_000).map(|m| m.at), Some(45 * SPACING));
        marks.forget_before(3 * SPACING);
        assert_eq!(marks.first().map(|m| m.at), Some(3 * SPACING));
        assert_eq!(marks.before_time(0).map(|m| m.at), Some(3 * SPACING));
    }
}
