//! Commands of consumers and operators on a channel.

use std::cmp::Reverse;
use std::time::Duration;

use net::Instant;

use super::{Channel, DeadLetter, Events};
use crate::clock::{Clock, Due};
use crate::consumers::{ConsumerKey, Terms};
use crate::deferred::Waiting;
use crate::in_flight::Flight;
use crate::message::Position;
use crate::record::{Requeued, Seek};

/// The reason FIN, REQ or TOUCH was refused; the texts are nsqd's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No message of that id is in flight in the channel.
    NotInFlight,
    /// It is in flight to another consumer.
    NotOwner,
}

impl Refused {
    /// Text for the client.
    pub fn text(self) -> &'static str {
        match self {
            Refused::NotInFlight => "ID not in flight",
            Refused::NotOwner => "client does not own message",
        }
    }
}

impl Channel {
    /// SUB.
    pub fn subscribe(&mut self, terms: Terms) -> ConsumerKey {
        self.consumers.insert(terms)
    }

    /// Removes a consumer whose connection was lost; returns its messages at once.
    pub fn unsubscribe(&mut self, key: ConsumerKey, clock: Clock) {
        self.leave(key, clock, 0);
    }

    /// Removes a consumer whose connection the daemon closes; returns its messages as if never delivered.
    pub fn interrupt(&mut self, key: ConsumerKey, clock: Clock) {
        self.leave(key, clock, 1);
    }

    /// Returns a consumer's messages, with this many attempts less, and removes it.
    fn leave(&mut self, key: ConsumerKey, clock: Clock, uncounted: u16) {
        while let Some(mut flight) = self.first_flight(key) {
            self.take_flight(flight.id, key);
            flight.attempts = flight.attempts.saturating_sub(uncounted);
            self.send_back(flight, None, clock, "connection lost");
        }
        self.consumers.remove(key);
    }

    /// RDY.
    pub fn set_ready(&mut self, key: ConsumerKey, count: u32) {
        if let Some(consumer) = self.consumers.get_mut(key) {
            consumer.ready = count;
        }
        self.consumers.refresh(key);
    }

    /// CLS: the consumer gets nothing more, and may still finish what it has.
    pub fn close(&mut self, key: ConsumerKey) {
        if let Some(consumer) = self.consumers.get_mut(key) {
            consumer.closing = true;
            consumer.ready = 0;
        }
    }

    /// The consumer's output is full (true) or has room again.
    pub fn set_blocked(&mut self, key: ConsumerKey, blocked: bool) {
        if let Some(consumer) = self.consumers.get_mut(key) {
            consumer.blocked = blocked;
        }
        self.consumers.refresh(key);
    }

    /// FIN.
    #[inline]
    pub fn finish(&mut self, key: ConsumerKey, id: u64) -> Result<Flight, Refused> {
        let flight = self.land(key, id)?;
        if let Some(consumer) = self.consumers.get_mut(key) {
            consumer.finished += 1;
        }
        self.counters.finished += 1;
        self.events.finished.push(flight.at);
        Ok(flight)
    }

    /// REQ, to be delivered again after `delay`.
    pub fn requeue(
        &mut self,
        key: ConsumerKey,
        id: u64,
        delay: Duration,
        clock: Clock,
    ) -> Result<(), Refused> {
        let flight = self.land(key, id)?;
        if let Some(consumer) = self.consumers.get_mut(key) {
            consumer.requeued += 1;
        }
        self.counters.requeued += 1;
        let due = (!delay.is_zero()).then(|| clock.now + delay);
        self.send_back(flight, due, clock, "requeued");
        Ok(())
    }

    /// TOUCH: restarts the timeout, up to the maximum since delivery.
    pub fn touch(&mut self, key: ConsumerKey, id: u64, now: Instant) -> Result<(), Refused> {
        let flight = *self.owned(key, id)?;
        let Some(consumer) = self.consumers.get_mut(key) else { return Err(Refused::NotInFlight) };
        let cap = flight.delivered + consumer.terms.timeout_max;
        let deadline = (now + consumer.terms.timeout).min(cap);
        self.in_flight.set_deadline(id, deadline, &mut consumer.line);
        if consumer.armed.is_none_or(|armed| deadline < armed) {
            // The cap has brought a deadline forward: the list of deadlines must not be later than it.
            consumer.armed = Some(deadline);
            self.deadlines.push(Reverse((deadline, key)));
        }
        Ok(())
    }

    /// Pauses or resumes.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Drops everything in the channel, messages in flight included; the stream ends at `end`.
    pub fn empty(&mut self, end: Position) {
        self.in_flight.clear();
        self.again.clear();
        self.duplicates.clear();
        drop(self.deferred.take());
        self.dead_letters.clear();
        self.departing.clear();
        self.deadlines.clear();
        self.holes.clear();
        self.taken.clear();
        self.forget_handles();
        (self.behind, self.doubt, self.passed_damage) = (0, 0, false);
        self.cursor = self.cursor.max(end);
        self.replay_to = 0;
        self.not_before = 0;
        // Unwritten events concern dropped messages.
        self.events = Events::default();
        for consumer in self.consumers.iter_mut() {
            consumer.in_flight = 0;
            consumer.line = crate::in_flight::Line::default();
            consumer.armed = None;
        }
        self.refresh_all();
    }

    /// Drops what [`Seek::forgets`] says, and reads again from `seek.cursor`. `tag` is in the ids of the
    /// topic's messages.
    pub fn seek(&mut self, seek: Seek, tag: u32) {
        let keeps = |message: &Waiting| !seek.forgets(message.id, tag);
        let mut deferred = self.deferred.take();
        deferred.retain(keeps);
        let flights = self.in_flight.iter().map(Flight::as_waiting);
        let letters = self.dead_letters.iter().map(|letter| letter.message);
        let waiting = self.again().copied().chain(flights).chain(letters);
        let mut waiting: Vec<Waiting> = waiting.filter(keeps).collect();
        waiting.sort_unstable_by_key(|message| message.at);
        self.empty(0);
        for message in waiting {
            self.wait_again(message);
        }
        self.deferred = deferred;
        self.cursor = seek.cursor;
        self.behind = seek.behind;
        self.replay_to = seek.end;
        self.not_before = seek.not_before;
    }

    /// Drops everything before `floor`, after which `left` messages of the stream remain. Messages in flight
    /// stay with their consumers. Returns how many of the stream were dropped.
    pub fn drop_before(&mut self, floor: Position, left: u64) -> u64 {
        let waiting = self.again.len() + self.deferred.len();
        self.again.retain(|message| message.at >= floor);
        self.deferred.retain(|message| message.at >= floor);
        let gone = waiting - self.again.len() - self.deferred.len();
        let in_stream = self.behind.saturating_sub(left);
        self.counters.dropped += in_stream + gone as u64;
        self.behind -= in_stream;
        self.doubt = self.doubt.min(self.behind);
        self.cursor = self.cursor.max(floor);
        in_stream
    }

    /// Updates record positions; `moved` maps an old one to the new one.
    pub fn relocate(&mut self, moved: impl Fn(Position) -> Option<Position> + Copy) {
        self.in_flight.relocate(moved);
        self.deferred.relocate(moved);
        let waiting = self.again.iter_mut().chain(self.duplicates.values_mut().flatten());
        let letters = self
            .dead_letters
            .iter_mut()
            .chain(self.departing.letters_mut())
            .map(|letter| &mut letter.message);
        for message in waiting.chain(letters) {
            message.at = moved(message.at).unwrap_or(message.at);
        }
        // Unwritten events name old positions, which replay maps to new ones only for events before the copy.
        // They must be written before the copy.
        debug_assert!(self.events.is_empty(), "events are written before messages move");
    }

    /// Skips a stretch ahead whose messages were never in the channel's count.
    pub fn add_hole(&mut self, from: Position, to: Position) {
        self.holes.add(from.max(self.cursor), to);
    }

    /// Counts messages dropped because the channel was full.
    pub fn count_dropped(&mut self, count: u64) {
        self.counters.dropped += count;
    }

    /// Adds all consumers that can take a message to the ring.
    pub(super) fn refresh_all(&mut self) {
        let keys: Vec<ConsumerKey> = self.consumers.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.consumers.refresh(key);
        }
    }

    fn owned(&self, key: ConsumerKey, id: u64) -> Result<&Flight, Refused> {
        let flight = self.in_flight.get(id).ok_or(Refused::NotInFlight)?;
        if flight.consumer == key.slot { Ok(flight) } else { Err(Refused::NotOwner) }
    }

    /// Removes a flight of this consumer, or refuses.
    #[inline]
    fn land(&mut self, key: ConsumerKey, id: u64) -> Result<Flight, Refused> {
        match self.take_flight(id, key) {
            Some(flight) => Ok(flight),
            None => self.owned(key, id).copied().and(Err(Refused::NotInFlight)),
        }
    }

    /// Removes a flight, if it is this consumer's.
    #[inline]
    pub(super) fn take_flight(&mut self, id: u64, key: ConsumerKey) -> Option<Flight> {
        let consumer = self.consumers.get_mut(key)?;
        let flight = self.in_flight.remove(id, key.slot, &mut consumer.line)?;
        consumer.in_flight = consumer.in_flight.saturating_sub(1);
        self.consumers.refresh(key);
        self.release_duplicate(id);
        Some(flight)
    }

    pub(super) fn first_flight(&self, key: ConsumerKey) -> Option<Flight> {
        self.in_flight.first(&self.consumers.get(key)?.line).copied()
    }

    /// Returns a message removed from flight to the queue, at once or at `due`, or makes it a dead letter.
    pub(super) fn send_back(
        &mut self,
        flight: Flight,
        due: Option<Instant>,
        clock: Clock,
        reason: &'static str,
    ) {
        let message = flight.as_waiting();
        if self.is_dead(&flight) {
            self.dead_letters.push_back(DeadLetter { message, reason });
            return;
        }
        self.events.requeued.push(Requeued {
            at: message.at,
            id: message.id,
            attempts: message.attempts,
            due: due.map_or(Due::default(), |due| clock.due(due)),
        });
        match due {
            // It goes back to the engine.
            _ if self.engine.is_some() => {}
            Some(due) => self.deferred.push(due, message),
            None => self.wait_again(message),
        }
    }

    fn is_dead(&self, flight: &Flight) -> bool {
        self.settings.max_attempts > 0 && flight.attempts >= self.settings.max_attempts
    }

    /// Queues the next message of the same id, if any, after one has left flight.
    #[inline]
    pub(super) fn release_duplicate(&mut self, id: u64) {
        if self.duplicates.is_empty() {
            return;
        }
        let Some(duplicates) = self.duplicates.get_mut(&id) else { return };
        let first = duplicates.pop_front();
        if duplicates.is_empty() {
            self.duplicates.remove(&id);
        }
        if let Some(message) = first {
            self.wait_again(message);
        }
    }
}
