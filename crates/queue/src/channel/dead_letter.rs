//! Dead letters of a channel: messages to be set aside, and the batch on its way to their topic.
//!
//! A letter belongs to its channel until it is safe elsewhere (see `departing`).

use crate::deferred::Waiting;

/// A message that was delivered too often, or is otherwise to be set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetter {
    /// The message.
    pub message: Waiting,
    /// The reason, as operators see it.
    pub reason: &'static str,
}

/// The batch on its way to the dead-letter topic.
#[derive(Debug, Default)]
pub struct Departing {
    number: u32,
    letters: Vec<DeadLetter>,
}

impl Departing {
    /// A batch with a number of its own, after `self`.
    pub(super) fn next(&self, letters: Vec<DeadLetter>) -> Departing {
        Departing { number: self.number.wrapping_add(1), letters }
    }

    /// The batch's number.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// True if no batch is on its way.
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// The letters of the batch.
    pub fn letters(&self) -> impl Iterator<Item = &DeadLetter> {
        self.letters.iter()
    }

    pub(super) fn letters_mut(&mut self) -> impl Iterator<Item = &mut DeadLetter> {
        self.letters.iter_mut()
    }

    /// Drops the letters, because the channel was emptied or moved. The outcome of their batch no longer
    /// matters.
    pub(super) fn clear(&mut self) {
        self.letters.clear();
    }

    pub(super) fn take(&mut self, number: u32) -> Vec<DeadLetter> {
        if number == self.number { std::mem::take(&mut self.letters) } else { Vec::new() }
    }
}
