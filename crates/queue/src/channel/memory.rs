//! Memory that a channel takes.

use std::collections::VecDeque;

use super::Channel;

/// A channel without messages and consumers, with its name and the entries about it elsewhere.
pub const CHANNEL_BYTES: usize = 1536;
/// A consumer, besides its connection.
const CONSUMER_BYTES: usize = 256;
/// A message that waits again, for its time or for its dead-letter topic.
const WAITING_BYTES: usize = 64;
/// A message in a consumer's hands.
const FLIGHT_BYTES: usize = 192;
/// A stretch that is passed over, or a position that is noted.
const POSITION_BYTES: usize = 32;

impl Channel {
    /// Messages outside the stream.
    pub fn entries(&self) -> usize {
        self.again.len() + self.deferred.len() + self.duplicates_len() + self.in_flight.len()
    }

    pub(super) fn duplicates_len(&self) -> usize {
        if self.duplicates.is_empty() { 0 } else { self.duplicates.values().map(VecDeque::len).sum() }
    }

    /// Counts the bytes that it takes. Gives what it was counted with before, and what it is counted with
    /// now.
    pub fn count_memory(&mut self) -> (usize, usize) {
        let now = self.memory_bytes();
        (std::mem::replace(&mut self.memory, now), now)
    }

    fn memory_bytes(&self) -> usize {
        let waiting = self.again.len() + self.deferred.len() + self.duplicates_len();
        let letters = self.dead_letters.len() + self.departing.letters().count();
        let events = self.events.finished.len() + self.events.requeued.len();
        let positions = self.holes.len() + self.taken.len() + events;
        let blocks = [&self.fetched, &self.fetched_dead];
        let read: usize = blocks.into_iter().flatten().map(journal::Block::bytes).sum();
        CHANNEL_BYTES
            + self.consumers.len() * CONSUMER_BYTES
            + (waiting + letters) * WAITING_BYTES
            + self.in_flight.len() * FLIGHT_BYTES
            + positions * POSITION_BYTES
            + self.latency.bytes()
            + read
    }
}
