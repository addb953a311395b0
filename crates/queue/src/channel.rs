//! A channel: a cursor over its topic's journal, and whatever differs from "everything behind me is done".
//!
//! ```text
//!              journal:  ──────────────●───────────────────▶
//!                          behind      cursor    not taken yet (holes are passed over)
//!   exceptions behind:   in flight (by id, deadline) · again (requeued, timed out) · deferred (due time) · dead letters
//! ```
//! A channel is a pure state machine. It is given commands and `now`, it never reads a body or a clock. What
//! must outlast the process it leaves in [`Channel::events`], which the topic writes into its journal; what
//! it has delivered lives only here, because a message that is neither finished nor requeued comes again
//! after a crash in any case.
//!
//! Messages are delivered in nsqd's order: what comes back stands behind what waits then (see [`again`]).

pub mod again;
mod commands;
mod dead_letter;
mod departing;
mod holes;
mod image;
mod memory;
mod recover;
mod time;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use net::Instant;
use rustc_hash::FxHashMap;

use crate::consumers::{ConsumerKey, Consumers, Nearness};
use crate::deferred::{Deferred, Waiting};
use crate::in_flight::{Flight, InFlight};
use crate::latency::Latency;
use crate::message::{Message, Position};
use crate::record::{ChannelNumber, Requeued};
use crate::settings::ChannelSettings;
use crate::work_list::Mark;

use again::Again;

pub use commands::Refused;
pub use dead_letter::{DeadLetter, Departing};
pub use holes::Holes;
pub use image::{ChannelImage, ImagedMessage, read_text, text};
pub use memory::CHANNEL_BYTES;
pub use recover::{Recovering, Tally};

/// Changes of a channel since its events were last written.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// Went back to waiting; always written before [`Events::finished`].
    pub requeued: Vec<Requeued>,
    /// Done with.
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
    /// Those to consumers in the daemon's zone, if it matters.
    pub delivered_in_zone: u64,
    /// Those to consumers in its region, but not in its zone.
    pub delivered_in_region: u64,
    /// REQ.
    pub requeued: u64,
    /// Deliveries that ran into their timeout.
    pub timed_out: u64,
    /// FIN.
    pub finished: u64,
    /// Messages set aside after too many attempts.
    pub dead: u64,
    /// Messages dropped because they were too old.
    pub expired: u64,
    /// Messages dropped by a limit.
    pub dropped: u64,
    /// Messages that it had not finished and that can no longer be read from the disk; at least so many.
    pub lost: u64,
}

/// Source of the next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A message that waits again.
    Again(Waiting),
    /// The record at the cursor.
    Cursor(Position),
}

/// Marks of the queue, of which a channel knows nothing.
#[derive(Debug, Default)]
pub struct ChannelNotes {
    /// It stands in the list of channels that may have something to deliver.
    pub scheduled: Mark,
    /// Due time for which a timer is set.
    pub timer: Option<Instant>,
}

/// With so many messages waiting again none is taken from the stream, and they are handed out before their
/// turn, so that a consumer that finishes nothing cannot move the whole backlog into memory.
const AGAIN_MAX: usize = 100_000;

/// One channel.
#[derive(Debug)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Its number in the journal.
    pub number: ChannelNumber,
    /// Goes with its last consumer, and is not in the journal.
    pub ephemeral: bool,
    /// Limits and what to do with dead letters.
    pub settings: ChannelSettings,
    /// Its consumers.
    pub consumers: Consumers,
    /// To be written to the journal.
    pub events: Events,
    /// Counters.
    pub counters: Counters,
    /// Time from publishing to FIN.
    pub latency: Latency,
    /// Messages to be set aside.
    pub dead_letters: VecDeque<DeadLetter>,
    /// Those of them that are written elsewhere and not known to be safe there.
    pub departing: Departing,
    /// Set while the events are part of the journal's batch.
    pub events_staged: bool,
    /// Set while the channel waits for a block to be read from a file.
    pub reading: bool,
    /// A message that was read from a file for this channel alone.
    pub fetched: Option<journal::Block>,
    /// Set while a message that is to be set aside is read from a file, or is tried again later.
    pub dead_letter_pending: bool,
    /// The message.
    pub fetched_dead: Option<journal::Block>,
    /// Marks of the queue.
    pub notes: ChannelNotes,
    paused: bool,
    cursor: Position,
    /// Messages of the stream from the cursor on: never fewer than can be read, so that none is passed over.
    behind: u64,
    /// The stream's end when the topic last handed something out.
    end: Position,
    /// Of those, how many are believed to be in records that were found damaged.
    doubt: u64,
    /// Set when damage was passed that may still be in `behind`.
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
    /// Bytes that it was last counted with.
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
            reading: false,
            fetched: None,
            dead_letter_pending: false,
            fetched_dead: None,
            notes: ChannelNotes::default(),
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

    /// Messages that wait for a consumer: not taken yet, or waiting again.
    pub fn depth(&self) -> u64 {
        self.behind.saturating_sub(self.doubt) + (self.again.len() + self.duplicates_len()) as u64
    }

    /// Messages in consumers' hands.
    pub fn in_flight_count(&self) -> usize {
        self.in_flight.len()
    }

    /// Messages that wait for their time.
    pub fn deferred_count(&self) -> usize {
        self.deferred.len()
    }

    /// True while nothing is delivered.
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

    /// Messages outside the stream, for peeking and checkpoints: waiting again, deferred, or to be set aside.
    pub fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        let duplicates = self.duplicates.values().flatten();
        let letters = self.dead_letters.iter().chain(self.departing.letters()).map(|letter| &letter.message);
        self.again.iter().chain(duplicates).chain(self.deferred.iter().map(|(_, m)| m)).chain(letters)
    }

    /// Number that wait again.
    pub fn again_count(&self) -> usize {
        self.again.len()
    }

    /// Those that wait again, in order.
    pub fn again(&self) -> impl Iterator<Item = &Waiting> {
        self.again.iter().chain(self.duplicates.values().flatten())
    }

    /// Those that are not due yet.
    pub fn deferred(&self) -> &Deferred {
        &self.deferred
    }

    /// Those in consumers' hands.
    pub fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// Notes `count` more messages in the stream, which ends at `end`.
    pub fn pumped(&mut self, count: u64, end: Position) {
        self.end = end;
        self.behind += count;
        self.counters.messages += count;
    }

    /// Notes a message that is not for now. It is delivered outside the stream.
    pub fn defer(&mut self, message: Waiting, due: Instant) {
        self.counters.messages += 1;
        self.deferred.push(due, message);
    }

    /// Notes a message outside the stream that can be delivered now (imported, or redriven).
    pub fn add(&mut self, message: Waiting) {
        self.counters.messages += 1;
        self.wait_again(message);
    }

    /// Notes a message that waits again, behind what is in the stream now.
    fn wait_again(&mut self, message: Waiting) {
        self.again.push(self.end, message);
    }

    /// True if a message could be handed to somebody now.
    #[inline]
    pub fn can_deliver(&self) -> bool {
        !self.paused
            && self.consumers.may_take()
            && (self.behind > 0 || !self.again.is_empty() || self.cursor < self.replay_to)
    }

    /// Source of the next message, if one is there in the stream before `end`. Nothing is taken yet.
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

    /// True if a message that stands behind this place comes before the record at the cursor.
    fn comes_now(&self, behind: Position) -> bool {
        let only_events_ahead = self.behind == 0 && self.replay_to <= self.cursor;
        behind <= self.cursor || only_events_ahead || self.again.len() >= AGAIN_MAX
    }

    /// Passes over a record at the cursor that is nothing for it. `next` is the position behind.
    #[inline]
    pub fn pass(&mut self, next: Position) {
        self.cursor = next;
    }

    /// Passes over what is before `end` if no message of the stream is among it: all of it is events.
    pub fn pass_events(&mut self, end: Position) {
        if self.behind == 0 && self.replay_to <= self.cursor {
            self.cursor = self.cursor.max(end);
        }
    }

    /// Passes over a stretch of the journal that cannot be read, of so many messages, which is in `behind`.
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

    /// The stream has ended, and not all that was to come has come: it was in records that could not be read.
    #[cold]
    fn lose_rest(&mut self) {
        if std::mem::take(&mut self.passed_damage) {
            self.counters.lost += self.behind.saturating_sub(self.doubt);
        }
        (self.behind, self.doubt) = (0, 0);
    }

    /// True if the record at the cursor, a message due at a time of its own, is to be taken from the stream
    /// because the channel was moved back to before it.
    pub fn replays(&self, at: Position) -> bool {
        at < self.replay_to
    }

    /// True if the record at the cursor was taken before the process started and is to be passed over.
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

    /// True if a message of the stream is still to be taken from there.
    pub fn is_to_come(&self, at: Position, message: &Message<'_>) -> bool {
        at >= self.cursor
            && !self.holes.contains(at)
            && self.taken.binary_search(&at).is_err()
            && (message.due == 0 || self.replays(at))
            && !self.too_early(at, message.timestamp)
    }

    /// True if the message at `at` is older than the time that the channel was moved to. What was published
    /// since it was moved is not, whatever the wall clock said then.
    #[inline]
    pub fn too_early(&self, at: Position, timestamp: i64) -> bool {
        timestamp < self.not_before && self.replays(at)
    }

    /// Takes the message at the cursor out of the stream; the position behind its record is `next`.
    #[inline]
    pub fn advance(&mut self, next: Position) {
        self.cursor = next;
        self.behind = self.behind.saturating_sub(1);
    }

    /// Takes the first of those that wait again.
    pub fn pop_again(&mut self) -> Option<Waiting> {
        self.again.pop()
    }

    /// Brings those that wait again, and whose turn has come, into the order that is read cheapest.
    pub fn line_up_again(&mut self) {
        self.again.line_up(self.cursor);
    }

    /// Hands a message to a consumer. Gives the number of the attempt; `None` if it is not to be sent after
    /// all: the consumer's sample rate leaves it out, or a message of the same id is in flight.
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

    /// Gives up a message, wherever it waits, whose record cannot be read. A consumer that has it may still
    /// finish it.
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
