//! Delivery from the journal to the consumers.
//!
//! ```text
//!  channel.next_source ─┬─ again  ▸ read_one ─┐
//!                       └─ cursor ▸ read ─────┴▸ hand_over (whose turn, in flight) ▸ Sink: frame head, body
//! ```
//! One call delivers as much as the consumers want and memory holds. Nothing is allocated per message: the
//! body goes from the journal's block to the connection's output. If a block must be read from a file, the
//! read job is returned, and the call is repeated once it is done.

use journal::{Block, Journal, ReadJob, ReadOutcome, Record};
use net::ConnId;
use wire::nsq::MessageId;
use wire::nsq::frame::{MESSAGE_HEADER_BYTES, message_header};

use crate::channel::{Channel, Source};
use crate::clock::Clock;
use crate::consumers::ConsumerKey;
use crate::deferred::Waiting;
use crate::message::{Message, Position, birth_of};
use crate::record::KIND_MESSAGE;
use crate::topic::{ChannelKey, Damaged, SetBacks, Topic, at, messages_in};

/// Destination of messages.
pub trait Sink {
    /// Sends one message. False if the connection is at its limit of unsent output: it gets nothing more
    /// until it has room again.
    fn deliver(&mut self, conn: ConnId, head: &[u8; MESSAGE_HEADER_BYTES], body: &[u8]) -> bool;
}

/// Bytes requested from a file to read one message.
const ONE_BYTES: usize = 4096;
/// Number of returned messages from which their neighbours are likely to be needed too.
const MANY: usize = 16;

struct Run<'a, S> {
    channel: &'a mut Channel,
    journal: &'a mut Journal,
    known: &'a Damaged,
    sink: &'a mut S,
    clock: Clock,
    tag: u32,
    /// Messages published before this are too old.
    not_before: i64,
    set_backs: &'a SetBacks,
    /// End of the stream.
    end: Position,
}

/// Delivers a channel's messages to its consumers. Returns the read that is needed before it can go on.
pub fn deliver<W, S: Sink>(
    topic: &mut Topic<W>,
    key: ChannelKey,
    clock: Clock,
    sink: &mut S,
) -> Option<ReadJob> {
    let (end, tag) = (topic.pumped(), topic.tag());
    let not_before = match topic.settings.ttl() {
        Some(ttl) => clock.wall.0.saturating_sub(i64::try_from(ttl.as_nanos()).unwrap_or(i64::MAX)),
        None => i64::MIN,
    };
    let (channel, journal, known, set_backs) = topic.parts_for_delivery(key)?;
    Run { channel, journal, known, sink, clock, tag, not_before, set_backs, end }.run()
}

impl<S: Sink> Run<'_, S> {
    fn run(&mut self) -> Option<ReadJob> {
        while self.channel.can_deliver() {
            let source = self.channel.next_source(self.end)?;
            let position = match source {
                Source::Again(message) => message.at,
                Source::Cursor(position) => position,
            };
            let outcome = match self.channel.notes.fetched.take() {
                Some(block) if block.start().0 == position => ReadOutcome::Block(block),
                _ if matches!(source, Source::Again(_)) && self.channel.again_count() < MANY => {
                    self.journal.read_one(at(position), ONE_BYTES)
                }
                _ => self.journal.read(at(position)),
            };
            match outcome {
                ReadOutcome::NeedsDisk(job) => {
                    if matches!(source, Source::Again(_)) && self.channel.again_count() >= MANY {
                        self.channel.line_up_again();
                    }
                    return Some(job);
                }
                ReadOutcome::Block(block) => self.take_block(&block),
                ReadOutcome::AtEnd => self.skip_to(self.end, 0),
                ReadOutcome::Gone { first } => self.skip_to(first.0, 0),
            }
        }
        None
    }

    fn take_block(&mut self, block: &Block) {
        match self.channel.next_source(self.end) {
            Some(Source::Again(message)) => match block.records().next() {
                Some(record) => self.take_again(message, &record),
                None => self.skip_to(block.next().0, 0),
            },
            Some(Source::Cursor(_)) if block.bytes() == 0 => {
                let messages = block.damage().map_or(0, messages_in);
                self.skip_to(block.next().0, messages);
            }
            Some(Source::Cursor(_)) => self.take_stream(block),
            None => {}
        }
    }

    /// Skips an unreadable source; between it and `position` there seem to have been this many messages.
    fn skip_to(&mut self, position: Position, messages: u64) {
        match self.channel.next_source(self.end) {
            Some(Source::Again(_)) => {
                if let Some(message) = self.channel.pop_again() {
                    self.channel.lose_message(message.at);
                }
            }
            Some(Source::Cursor(cursor)) => match self.known.end_of(cursor) {
                Some(end) => self.channel.pass(position.min(end)),
                None => self.channel.pass_damage(position.max(cursor + 1), messages),
            },
            None => {}
        }
    }

    fn take_again(&mut self, waiting: Waiting, record: &Record<'_>) {
        let Some(message) = Message::decode(record.payload) else {
            self.skip_to(0, 0);
            return;
        };
        // A copied record is not at its original position, which its id says.
        let born = birth_of(MessageId(waiting.id), self.tag).unwrap_or(waiting.at);
        if self.is_too_old(born, message.timestamp) {
            self.channel.pop_again();
            self.channel.expire_message(waiting.at);
            return;
        }
        if let Some(key) = self.channel.consumers.next_in_turn() {
            self.channel.pop_again();
            self.send(key, waiting, &message);
        }
    }

    /// Delivers messages from a block until the consumers have enough, or a returned message's turn has come.
    fn take_stream(&mut self, block: &Block) {
        for record in block.records() {
            let position = record.position.0;
            if position >= self.end {
                return;
            }
            if record.kind != KIND_MESSAGE {
                self.channel.pass(record.next.0);
                continue;
            }
            if !self.take_record(&record, position) {
                return;
            }
        }
    }

    /// Delivers or skips one record. False to leave the block.
    #[inline]
    fn take_record(&mut self, record: &Record<'_>, position: Position) -> bool {
        if self.channel.next_source(self.end) != Some(Source::Cursor(position)) {
            return false;
        }
        if self.channel.was_taken(position) {
            self.channel.pass(record.next.0);
            return true;
        }
        let Some(message) = Message::decode(record.payload) else {
            // Written by another version, and never counted.
            self.channel.pass(record.next.0);
            return true;
        };
        if message.due != 0 && !self.channel.replays(position) {
            self.channel.pass(record.next.0);
            return true;
        }
        if self.channel.too_early(position, message.timestamp) {
            self.advance(record, &message);
            return true;
        }
        if self.is_too_old(position, message.timestamp) {
            self.advance(record, &message);
            self.channel.expire_message(position);
            return true;
        }
        let Some(key) = self.channel.consumers.next_in_turn() else { return false };
        self.advance(record, &message);
        let waiting =
            Waiting { at: position, id: message.id_at(self.tag, position).0, attempts: message.attempts };
        self.send(key, waiting, &message);
        true
    }

    /// Takes the message at the cursor from the stream. Messages with their own due time are not counted
    /// there, nor are those that were unreadable before.
    #[inline]
    fn advance(&mut self, record: &Record<'_>, message: &Message<'_>) {
        let next = record.next.0;
        if message.due == 0 && !self.known.contains(record.position.0) {
            self.channel.advance(next);
        } else {
            self.channel.pass(next);
        }
    }

    /// True if a message was published too long ago.
    #[inline]
    fn is_too_old(&self, born: Position, timestamp: i64) -> bool {
        // Without a time to live, no message is.
        self.not_before != i64::MIN && timestamp.min(self.set_backs.latest(born)) < self.not_before
    }

    #[inline]
    fn send(&mut self, key: ConsumerKey, waiting: Waiting, message: &Message<'_>) {
        let Some(conn) = self.channel.consumers.get(key).map(|consumer| consumer.terms.conn) else { return };
        let Some(attempts) = self.channel.hand_over(key, waiting, message.timestamp, self.clock.now) else {
            return;
        };
        let head = message_header(message.timestamp, attempts, MessageId(waiting.id), message.body.len());
        if !self.sink.deliver(conn, &head, message.body) {
            self.channel.set_blocked(key, true);
        }
    }
}
