//! Effects of time on a channel: timeouts, and deferred messages that fall due.
//!
//! The list of deadlines has one entry per consumer with something in flight, not one per message. An entry
//! may be earlier than the consumer's first deadline (the message it was made for is finished), never later.

use std::cmp::Reverse;

use net::Instant;

use super::Channel;
use crate::clock::Clock;
use crate::consumers::ConsumerKey;

impl Channel {
    /// Earliest time at which [`Channel::expire`] has something to do.
    pub fn next_due(&self) -> Option<Instant> {
        let timeout = self.deadlines.peek().map(|Reverse((due, _))| *due);
        match (timeout, self.deferred.next_due()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Takes back messages that timed out, and releases those that are due.
    pub fn expire(&mut self, clock: Clock) {
        while let Some(&Reverse((due, key))) = self.deadlines.peek() {
            if due > clock.now {
                break;
            }
            self.deadlines.pop();
            self.expire_consumer(key, due, clock);
        }
        while let Some(message) = self.deferred.pop(clock.now) {
            self.wait_again(message);
        }
    }

    fn expire_consumer(&mut self, key: ConsumerKey, due: Instant, clock: Clock) {
        match self.consumers.get_mut(key) {
            Some(consumer) if consumer.armed == Some(due) => consumer.armed = None,
            _ => return,
        }
        while let Some(flight) = self.first_flight(key) {
            if flight.deadline > clock.now {
                self.arm(key, flight.deadline);
                return;
            }
            self.take_flight(flight.id, key);
            self.counters.timed_out += 1;
            self.send_back(flight, None, clock, "timed out");
        }
    }

    fn arm(&mut self, key: ConsumerKey, deadline: Instant) {
        if let Some(consumer) = self.consumers.get_mut(key) {
            consumer.armed = Some(deadline);
            self.deadlines.push(Reverse((deadline, key)));
        }
    }
}
