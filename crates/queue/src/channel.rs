//! A channel: a cursor over its topic's journal, and the exceptions to "everything behind it is done".
//!
//! ```text
//!              journal:  ──────────────●───────────────────▶
//!                          behind      cursor    not taken yet (holes are passed over)
//!   exceptions behind:   in flight (by id, deadline) · again (requeued, timed out) · deferred (due time) · dead letters
//! ```
//! A channel is a pure state machine: it takes commands and `now`, and never reads a body or a clock. Changes
//! that must survive a restart go to [`Channel::events`], which the topic writes to its journal. Deliveries
//! are kept only in memory, because a message neither finished nor requeued is redelivered after a crash
//! anyway.
//!
//! Messages are delivered in nsqd's order: a returned message queues behind waiting ones (see [`again`]).

pub mod again;
mod commands;
mod dead_letter;
mod departing;
mod exchange;
mod holes;
mod image;
mod memory;
mod notes;
mod on_engine;
mod recover;
mod time;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use net::Instant;
use rustc_hash::FxHashMap;

use crate::consumers::{Consumer, ConsumerKey, Consumers, Nearness};
use crate::deferred::{Deferred, Waiting};
use crate::in_flight::{Flight, InFlight};
use crate::latency::Latency;
use crate::message::{Message, Position};
use crate::record::{ChannelNumber, Requeued};
use crate::settings::ChannelSettings;

use again::Again;
use on_engine::OnEngine;

pub use commands::Refused;
pub use dead_letter::{DeadLetter, Departing};
pub use exchange::Need;
pub use holes::Holes;
pub use image::{ChannelImage, ImagedMessage, read_text, text};
pub use memory::CHANNEL_BYTES;
pub use notes::ChannelNotes;
pub use recover::{Recovering, Tally};

/// Changes of a channel since its events were last written.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// Messages returned to the queue; always written before [`Events::finished`].
    pub requeued: Vec<Requeued>,
    /// Messages that the channel is done with.
    pub finished: Vec<Position>,
}

impl Events {
    /// True if there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.requeued.is_empty() && self.finished.is_empty()
    }
}

/// Counts since the channel was created or the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Messages that came into the channel.
    pub messages: u64,
    /// Deliveries.
    pub delivered: u64,
    /// Deliveries to consumers in the daemon's zone, with topology-aware consumption.
    pub delivered_in_zone: u64,
    /// Deliveries to consumers in its region, outside its zone.
    pub delivered_in_region: u64,
    /// REQ.
    pub requeued: u64,
    /// Deliveries that timed out.
    pub timed_out: u64,
    /// FIN.
    pub finished: u64,
    /// Messages set aside after too many attempts.
    pub dead: u64,
    /// Messages dropped because they were too old.
    pub expired: u64,
    /// Messages dropped by a limit.
    pub dropped: u64,
    /// Unfinished messages that can no longer be read from the disk; a lower bound.
    pub lost: u64,
}

/// Source of the next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A returned message.
    Again(Waiting),
    /// The record at the cursor.
    Cursor(Position),
}

/// Number of returned messages at which they are delivered before their turn and none is taken from the
/// stream, so that a consumer that finishes nothing cannot pull the whole backlog into memory.
const AGAIN_MAX: usize = 100_000;

/// One channel.
#[derive(Debug)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Its number in the journal.
    pub number: ChannelNumber,
    /// Deleted with its last consumer, and not in the journal.
    pub ephemeral: bool,
    /// Limits, and the handling of dead letters.
    pub settings: ChannelSettings,
    /// Its consumers.
    pub consumers: Consumers,
    /// Changes to be written to the journal.
    pub events: Events,
    /// Counters.
    pub counters: Counters,
    /// Time from publishing to FIN.
    pub latency: Latency,
    /// Messages to be set aside as dead letters.
    pub dead_letters: VecDeque<DeadLetter>,
    /// Dead letters written to their topic, but not known to be safe there.
    pub departing: Departing,
    /// Set while the events are part of the journal's batch.
    pub events_staged: bool,
    /// Bookkeeping of the queue.
    pub notes: ChannelNotes,
    /// The engine's part, if its messages are kept there.
    pub engine: Option<Box<OnEngine>>,
    paused: bool,
    cursor: Position,
    /// Messages of the stream from the cursor on: never fewer than can be read, so that none is skipped.
    behind: u64,
    /// End of the stream when the topic last passed messages on.
    end: Position,
    /// Those of `behind` that are believed to be in damaged records.
    doubt: u64,
    /// Set when damage was skipped whose messages may still be in `behind`.
    passed_damage: bool,
    holes: Holes,
    /// Records ahead of the cursor that were taken before the process started, in order.
    taken: VecDeque<Position>,
    replay_to: Position,
    not_before: i64,
    in_flight: InFlight,
    again: Again,
    deferred: Deferred,
    duplicates: FxHashMap<u64, VecDeque<Waiting>>,
    deadlines: BinaryHeap<Reverse<(Instant, ConsumerKey)>>,
    random: u64,
    /// Bytes last counted for it.
    memory: usize,
}

impl Channel {
    /// A new channel that reads from `cursor`, where `behind` messages wait for it.
    pub fn new(name: &str, number: ChannelNumber, cursor: Position, behind: u64) -> Channel {
        Channel {
            name: name.to_owned(),
            number,
            ephemeral: wire::nsq::is_ephemeral(name),
            settings: ChannelSettings::default(),
            consumers: Consumers::default(),
            events: Events::default(),
            counters: Counters { messages: behind, ..Counters::default() },
            latency: Latency::default(),
            dead_letters: VecDeque::new(),
            departing: Departing::default(),
            events_staged: false,
            notes: ChannelNotes::default(),
            engine: None,
            paused: false,
            cursor,
            behind,
            end: cursor,
            doubt: 0,
            passed_damage: false,
            holes: Holes::default(),
            taken: VecDeque::new(),
            replay_to: 0,
            not_before: 0,
            in_flight: InFlight::default(),
            again: Again::default(),
            deferred: Deferred::default(),
            duplicates: FxHashMap::default(),
            deadlines: BinaryHeap::new(),
            random: 0x9e37_79b9_7f4a_7c15 ^ u64::from(number),
            memory: 0,
        }
    }

    /// Messages that wait for a consumer: not taken yet, or returned.
    pub fn depth(&self) -> u64 {
        let elsewhere = self.engine.as_ref().map_or(0, |engine| engine.backlog);
        self.behind.saturating_sub(self.doubt) + elsewhere + (self.again.len() + self.duplicates_len()) as u64
    }

    /// A consumer's message whose timeout is next.
    pub fn first_in_flight(&self, consumer: &Consumer) -> Option<&Flight> {
        self.in_flight.first(&consumer.line)
    }

    /// Number of messages in flight.
    pub fn in_flight_count(&self) -> usize {
        self.in_flight.len()
    }

    /// Number of deferred messages.
    pub fn deferred_count(&self) -> usize {
        self.deferred.len()
    }

    /// True while paused: nothing is delivered.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// The position of the next record that it will read.
    pub fn cursor(&self) -> Position {
        self.cursor
    }

    /// The oldest record that it may still need; `None` if it needs none behind its cursor.
    pub fn oldest_needed(&self) -> Option<Position> {
        let flights = self.in_flight.iter().map(|flight| flight.at);
        let waiting = self.waiting().map(|message| message.at);
        flights.chain(waiting).min()
    }

    /// Messages outside the stream, for peeking and checkpoints: returned, deferred, or to be set aside.
    pub fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        let duplicates = self.duplicates.values().flatten();
        let letters = self.dead_letters.iter().chain(self.departing.letters()).map(|letter| &letter.message);
        self.again.iter().chain(duplicates).chain(self.deferred.iter().map(|(_, m)| m)).chain(letters)
    }

    /// Number of returned messages.
    pub fn again_count(&self) -> usize {
        self.again.len()
    }

    /// Returned messages, in order.
    pub fn again(&self) -> impl Iterator<Item = &Waiting> {
        self.again.iter().chain(self.duplicates.values().flatten())
    }

    /// Deferred messages.
    pub fn deferred(&self) -> &Deferred {
        &self.deferred
    }

    /// Messages in flight.
    pub fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// Notes `count` more messages in the stream, which ends at `end`.
    pub fn pumped(&mut self, count: u64, end: Position) {
        self.end = end;
        self.behind += count;
        self.counters.messages += count;
    }

    /// Adds a deferred message, which is delivered outside the stream.
    pub fn defer(&mut self, message: Waiting, due: Instant) {
        self.counters.messages += 1;
        self.deferred.push(due, message);
    }

    /// Adds a message outside the stream that can be delivered now (imported, or redriven).
    pub fn add(&mut self, message: Waiting) {
        // One that the engine delivers again was counted before.
        self.counters.messages += u64::from(self.engine.is_none() || message.attempts == 0);
        if self.comes_too_often(&message) {
            self.dead_letters.push_back(DeadLetter { message, reason: "attempts used up" });
        } else {
            self.wait_again(message);
        }
    }

    /// Queues a returned message behind what is in the stream now.
    fn wait_again(&mut self, message: Waiting) {
        self.again.push(self.end, message);
    }

    /// True if a message could be delivered to some consumer now.
    #[inline]
    pub fn can_deliver(&self) -> bool {
        !self.paused
            && self.consumers.may_take()
            && (self.behind > 0 || !self.again.is_empty() || self.cursor < self.replay_to)
    }

    /// Source of the next message, if there is one; the stream ends at `end`. Takes nothing yet.
    #[inline]
    pub fn next_source(&mut self, end: Position) -> Option<Source> {
        if self.paused {
            return None;
        }
        if !self.holes.is_empty() {
            self.cursor = self.holes.pass(self.cursor);
        }
        let stream = self.cursor < end;
        if !stream && self.behind > 0 {
            self.lose_rest();
        }
        match self.again.first() {
            Some((behind, message)) if !stream || self.comes_now(behind) => Some(Source::Again(message)),
            _ if stream => Some(Source::Cursor(self.cursor)),
            _ => None,
        }
    }

    /// True if a message returned behind this position is delivered before the record at the cursor.
    fn comes_now(&self, behind: Position) -> bool {
        let only_events_ahead = self.behind == 0 && self.replay_to <= self.cursor;
        behind <= self.cursor || only_events_ahead || self.again.len() >= AGAIN_MAX
    }

    /// Skips the record at the cursor, which is not for this channel. `next` is the position after it.
    #[inline]
    pub fn pass(&mut self, next: Position) {
        self.cursor = next;
    }

    /// Moves the cursor to `end` if no message of the stream is before it, only events.
    pub fn pass_events(&mut self, end: Position) {
        if self.behind == 0 && self.replay_to <= self.cursor {
            self.cursor = self.cursor.max(end);
        }
    }

    /// Skips an unreadable stretch of the journal with this many messages, which are in `behind`.
    pub fn pass_damage(&mut self, next: Position, messages: u64) {
        let mut messages = messages;
        while self.taken.front().is_some_and(|&taken| taken < next) {
            let taken = self.taken.pop_front();
            messages = messages.saturating_sub(u64::from(taken >= Some(self.cursor)));
        }
        self.passed_damage = true;
        self.doubt += messages;
        self.counters.lost += messages;
        self.cursor = next;
    }

    /// Gives up messages still expected at the end of the stream: they were in unreadable records.
    #[cold]
    fn lose_rest(&mut self) {
        if std::mem::take(&mut self.passed_damage) {
            self.counters.lost += self.behind.saturating_sub(self.doubt);
        }
        (self.behind, self.doubt) = (0, 0);
    }

    /// True if the record at the cursor, a message with its own due time, is to be taken from the stream
    /// because the channel was moved back before it.
    pub fn replays(&self, at: Position) -> bool {
        at < self.replay_to
    }

    /// True if the record at the cursor was taken before the process started and is to be skipped.
    #[inline]
    pub fn was_taken(&mut self, at: Position) -> bool {
        while let Some(&taken) = self.taken.front() {
            if taken > at {
                return false;
            }
            self.taken.pop_front();
            if taken == at {
                return true;
            }
        }
        false
    }

    /// True if this message of the stream is still to be taken.
    pub fn is_to_come(&self, at: Position, message: &Message<'_>) -> bool {
        at >= self.cursor
            && !self.holes.contains(at)
            && self.taken.binary_search(&at).is_err()
            && (message.due == 0 || self.replays(at))
            && !self.too_early(at, message.timestamp)
    }

    /// True if the message at `at` is older than the time that the channel was moved to. Messages published
    /// after the move never are, whatever the wall clock said.
    #[inline]
    pub fn too_early(&self, at: Position, timestamp: i64) -> bool {
        timestamp < self.not_before && self.replays(at)
    }

    /// Takes the message at the cursor from the stream; `next` is the position after its record.
    #[inline]
    pub fn advance(&mut self, next: Position) {
        self.cursor = next;
        self.behind = self.behind.saturating_sub(1);
    }

    /// Takes the first returned message.
    pub fn pop_again(&mut self) -> Option<Waiting> {
        self.again.pop()
    }

    /// Sorts the returned messages whose turn has come into the order that is cheapest to read.
    pub fn line_up_again(&mut self) {
        self.again.line_up(self.cursor);
    }

    /// Hands a message to a consumer and returns the attempt number; `None` if it is not to be sent: the
    /// consumer's sample rate leaves it out, or a message of the same id is in flight.
    #[inline]
    pub fn hand_over(
        &mut self,
        key: ConsumerKey,
        message: Waiting,
        timestamp: i64,
        now: Instant,
    ) -> Option<u16> {
        let sample_rate = self.consumers.get(key)?.terms.sample_rate;
        if sample_rate > 0 && self.random_percent() >= sample_rate {
            self.events.finished.push(message.at);
            return None;
        }
        if self.in_flight.get(message.id).is_some() {
            self.duplicates.entry(message.id).or_default().push_back(message);
            return None;
        }
        let consumer = self.consumers.get_mut(key)?;
        let attempts = message.attempts.saturating_add(1);
        let flight = Flight {
            id: message.id,
            at: message.at,
            attempts,
            consumer: key.slot,
            delivered: now,
            deadline: now + consumer.terms.timeout,
            timestamp,
        };
        consumer.in_flight += 1;
        consumer.delivered += 1;
        match consumer.terms.nearness {
            Nearness::Zone => self.counters.delivered_in_zone += 1,
            Nearness::Region => self.counters.delivered_in_region += 1,
            Nearness::Elsewhere => {}
        }
        self.in_flight.insert(flight, &mut consumer.line);
        if consumer.armed.is_none() {
            consumer.armed = Some(flight.deadline);
            self.deadlines.push(Reverse((flight.deadline, key)));
        }
        self.counters.delivered += 1;
        Some(attempts)
    }

    /// Drops a message that was taken but is too old.
    pub fn expire_message(&mut self, at: Position) {
        self.counters.expired += 1;
        self.events.finished.push(at);
    }

    /// Drops a message that was taken but whose record cannot be read.
    pub fn lose_message(&mut self, at: Position) {
        self.counters.lost += 1;
        self.events.finished.push(at);
    }

    /// Gives up a message whose record cannot be read, in whichever list it waits. A consumer that holds it
    /// may still finish it.
    pub fn lose_waiting(&mut self, at: Position) {
        let before = self.waiting().count();
        self.again.retain(|message| message.at != at);
        self.deferred.retain(|message| message.at != at);
        self.dead_letters.retain(|letter| letter.message.at != at);
        self.duplicates.retain(|_, duplicates| {
            duplicates.retain(|message| message.at != at);
            !duplicates.is_empty()
        });
        if self.waiting().count() < before {
            self.lose_message(at);
        }
    }

    fn random_percent(&mut self) -> u8 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        ((self.random >> 33) % 100) as u8
    }
}
