//! Unreadable stretches of a topic's journal.
//!
//! Stretches are exact positions. The number of messages in one is a guess, from headers that may be damaged
//! themselves: good enough to report, never to decide how far a channel has read.

use journal::{Damage, DamageReason};

use crate::message::Position;
use crate::record::{KIND_LAST, KIND_MESSAGE, KIND_PRIVATE};

/// Length of the shortest record of a message: header, flags and time.
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
    /// Adds damage found after all other, clipped to start at `from`. A stretch that the device failed to
    /// read may be readable later and is not damaged.
    pub fn add(&mut self, damage: &Damage, from: Position) {
        let (from, to) = (damage.from.0.max(from), damage.to.0);
        if from < to && damage.reason != DamageReason::Unreadable {
            self.list.push(Stretch { from, to, messages: messages_in(damage) });
        }
    }

    /// True if the record at `at` is damaged.
    #[inline]
    pub fn contains(&self, at: Position) -> bool {
        !self.list.is_empty() && self.end_of(at).is_some()
    }

    /// End of the stretch around `at`, if it is in one.
    pub fn end_of(&self, at: Position) -> Option<Position> {
        let behind = self.list.partition_point(|stretch| stretch.from <= at);
        behind.checked_sub(1).map(|n| self.list[n].to).filter(|&to| at < to)
    }

    /// Forgets stretches before `first`.
    pub fn forget_before(&mut self, first: Position) {
        let gone = self.list.partition_point(|stretch| stretch.to <= first);
        self.list.drain(..gone);
    }

    /// Messages that may have been between two positions: the number by headers, and the maximum.
    pub fn between(&self, from: Position, to: Position) -> (u64, u64) {
        let inside = self.list.iter().filter(|stretch| stretch.from >= from && stretch.from < to);
        inside.fold((0, 0), |(said, most), stretch| {
            (said + stretch.messages, most + messages_at_most(stretch.to - stretch.from))
        })
    }
}

/// Stream messages that a damaged stretch seems to have held. Unknown kinds count as messages, as most
/// records are.
pub fn messages_in(damage: &Damage) -> u64 {
    let messages = damage.kinds.iter().filter(|(kind, _)| *kind == KIND_MESSAGE || *kind > KIND_LAST);
    messages.map(|(_, count)| count).sum()
}

/// The most messages that fit in this many bytes.
pub fn messages_at_most(bytes: u64) -> u64 {
    bytes.div_ceil(MESSAGE_BYTES_MIN)
}

/// Messages for one channel, which is unknown.
pub fn private_in(damage: &Damage) -> u64 {
    damage.count(KIND_PRIVATE)
}
