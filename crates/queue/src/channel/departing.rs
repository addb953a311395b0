//! Dead letters between two journals: written to their topic, not safe there yet, still held by their
//! channel.
//!
//! A message is always in at least one of the two journals only if the sending one forgets it last. So the
//! letters of a batch stay with their channel, in its checkpoints too, until the outcome is known: finished
//! if they are safe in their topic, dead letters of the channel again if not. A channel has one batch on its
//! way at a time, which bounds the memory.

use super::{Channel, DeadLetter};

impl Channel {
    /// Records that these letters are being written to their topic; returns their batch number.
    pub fn depart(&mut self, letters: Vec<DeadLetter>) -> u32 {
        debug_assert!(self.departing.is_empty(), "one batch at a time");
        self.departing = self.departing.next(letters);
        self.departing.number()
    }

    /// Finishes the letters of a batch that is safe in its topic.
    pub fn departed(&mut self, number: u32) {
        let letters = self.departing.take(number);
        self.counters.dead += letters.len() as u64;
        self.events.finished.extend(letters.iter().map(|letter| letter.message.at));
    }

    /// Takes back the letters of a failed batch, to be set aside again before all others.
    pub fn come_back(&mut self, number: u32) {
        let letters = self.departing.take(number);
        letters.into_iter().rev().for_each(|letter| self.dead_letters.push_front(letter));
    }
}
