//! Memory use of a channel.

use std::collections::VecDeque;

use super::Channel;

/// Bytes of a channel without messages or consumers, with its name and its entries elsewhere.
pub const CHANNEL_BYTES: usize = 1536;
/// Bytes of a consumer, besides its connection.
const CONSUMER_BYTES: usize = 256;
/// Bytes of a message that is returned, deferred, or to be set aside.
const WAITING_BYTES: usize = 64;
/// Bytes of a message in flight.
const FLIGHT_BYTES: usize = 192;
/// Bytes of a hole, or of a position kept.
const POSITION_BYTES: usize = 32;

impl Channel {
    /// Number of messages outside the stream.
    pub fn entries(&self) -> usize {
        self.again.len() + self.deferred.len() + self.duplicates_len() + self.in_flight.len()
    }

    pub(super) fn duplicates_len(&self) -> usize {
        if self.duplicates.is_empty() { 0 } else { self.duplicates.values().map(VecDeque::len).sum() }
    }

    /// Recounts the bytes that it takes; returns the previous count and the new one.
    pub fn count_memory(&mut self) -> (usize, usize) {
        let now = self.memory_bytes();
        (std::mem::replace(&mut self.memory, now), now)
    }

    fn memory_bytes(&self) -> usize {
        let waiting = self.again.len() + self.deferred.len() + self.duplicates_len();
        let letters = self.dead_letters.len() + self.departing.letters().count();
        let events = self.events.finished.len() + self.events.requeued.len();
        let positions = self.holes.len() + self.taken.len() + events;
        CHANNEL_BYTES
            + self.consumers.len() * CONSUMER_BYTES
            + (waiting + letters) * WAITING_BYTES
            + self.in_flight.len() * FLIGHT_BYTES
            + positions * POSITION_BYTES
            + self.engine.as_ref().map_or(0, |engine| engine.bytes())
            + self.latency.bytes()
            + self.notes.block_bytes()
    }
}
