//! Stretches of a topic's journal that could not be read back.
//!
//! The stretches are known by position. How many messages were in one is a guess, from headers that may be
//! damaged themselves: good enough to tell an operator, never to decide where a channel has got to.

use journal::{Damage, DamageReason};

use crate::message::Position;
use crate::record::{KIND_LAST, KIND_MESSAGE, KIND_PRIVATE};

/// No record of a message is shorter: its header, flags and time.
const MESSAGE_BYTES_MIN: u64 = 18;

#[derive(Debug, Clone, Copy)]
struct Stretch {
    from: Position,
    to: Position,
    messages: u64,
}

/// Stretches in order of position, none overlapping.
#[derive(Debug, Default)]
pub struct Damaged {
    list: Vec<Stretch>,
}

impl Damaged {
    /// Adds what was met behind all others, as far as it lies at or behind `from`. What a device refused to
    /// read may be read another time and is not damaged.
    pub fn add(&mut self, damage: &Damage, from: Position) {
        let (from, to) = (damage.from.0.max(from), damage.to.0);
        if from < to && damage.reason != DamageReason::Unreadable {
            self.list.push(Stretch { from, to, messages: messages_in(damage) });
        }
    }

    /// True if the record at `at` could not be read.
    #[inline]
    pub fn contains(&self, at: Position) -> bool {
        !self.list.is_empty() && self.end_of(at).is_some()
    }

    /// End of the stretch around `at`, if it is in one.
    pub fn end_of(&self, at: Position) -> Option<Position> {
        let behind = self.list.partition_point(|stretch| stretch.from <= at);
        behind.checked_sub(1).map(|n| self.list[n].to).filter(|&to| at < to)
    }

    /// Forgets what lies before `first`.
    pub fn forget_before(&mut self, first: Position) {
        let gone = self.list.partition_point(|stretch| stretch.to <= first);
        self.list.drain(..gone);
    }

    /// The messages that may have been between two positions: as their headers say, and at most.
    pub fn between(&self, from: Position, to: Position) -> (u64, u64) {
        let inside = self.list.iter().filter(|stretch| stretch.from >= from && stretch.from < to);
        inside.fold((0, 0), |(said, most), stretch| {
            (said + stretch.messages, most + messages_at_most(stretch.to - stretch.from))
        })
    }
}

/// Messages for every channel that a damaged stretch seems to have held. What has a kind that there is not
/// was one, too: most records are.
pub fn messages_in(damage: &Damage) -> u64 {
    let messages = damage.kinds.iter().filter(|(kind, _)| *kind == KIND_MESSAGE || *kind > KIND_LAST);
    messages.map(|(_, count)| count).sum()
}

/// Number of messages that have room in so many bytes.
pub fn messages_at_most(bytes: u64) -> u64 {
    bytes.div_ceil(MESSAGE_BYTES_MIN)
}

/// Messages for one channel, nobody knows which.
pub fn private_in(damage: &Damage) -> u64 {
    damage.count(KIND_PRIVATE)
}
