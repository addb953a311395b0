//! Dead letters between two journals: written to their topic, not yet safe there, and still their channel's.
//!
//! A message is in one of the two journals at every moment only if the one that gives it away forgets it
//! last. So the letters of a batch stay with their channel, in its checkpoints too, until the outcome is
//! known: finished here if they are safe there, among the dead letters again if not. A channel has one batch
//! on its way at a time, which bounds what is held here.

use super::{Channel, DeadLetter};

impl Channel {
    /// Notes that these letters are written elsewhere. Gives the number of their batch.
    pub fn depart(&mut self, letters: Vec<DeadLetter>) -> u32 {
        debug_assert!(self.departing.is_empty(), "one batch at a time");
        self.departing = self.departing.next(letters);
        self.departing.number()
    }

    /// The batch is safe where it went: the channel is done with its letters.
    pub fn departed(&mut self, number: u32) {
        let letters = self.departing.take(number);
        self.counters.dead += letters.len() as u64;
        self.events.finished.extend(letters.iter().map(|letter| letter.message.at));
    }

    /// The batch did not get there: its letters are to be set aside again, before all others.
    pub fn come_back(&mut self, number: u32) {
        let letters = self.departing.take(number);
        letters.into_iter().rev().for_each(|letter| self.dead_letters.push_front(letter));
    }
}
