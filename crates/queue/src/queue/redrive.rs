//! Redrive: dead letters are brought back to the channel that gave them up.
//!
//! The dead-letter topic is read through its own channel, named [`CHANNEL`], like any consumer would. A
//! redrive moves one batch after the other: the letters taken are in flight to it, and are finished once they
//! are safe in the target ([`super::moves`]). It is answered after its last batch. All letters in that topic
//! are moved: channels configured to share a dead-letter topic share its redrives, too.
//!
//! A redrive of letters that died in a certain time passes over the others: they stay in flight to it until
//! it ends, and are then back in their topic as if never taken, behind its other messages.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use engine::{Publication, mix};
use journal::{Block, ReadError};
use net::ConnId;
use wire::nsq::MessageId;
use wire::nsq::frame::MESSAGE_HEADER_BYTES;

use super::forwarders::id_at_engine;
use super::order::Redrive;
use super::{Queue, TopicKey, Waiter};
use crate::consumers::Terms;
use crate::delivery::{Sink, deliver};
use crate::disk::{Job, Purpose};
use crate::error::{JournalRefusal, QueueError, UsedBy};
use crate::message::Message;
use crate::request::{Answer, Reply};
use crate::topic::{ChannelKey, Outcome};

/// The channel that dead letters are read through.
pub const CHANNEL: &str = "redrive";
/// Most dead letters that one redrive brings back.
const COUNT_MAX: usize = 100_000;
/// Most dead letters that one redrive passes over.
const PASSED_OVER_MAX: usize = 100_000;
/// Messages per batch.
const BATCH: usize = 256;
/// An id that no client has.
const NOBODY: ConnId = ConnId { index: u32::MAX, generation: u32::MAX };

/// A dead letter that was taken.
struct Letter {
    id: u64,
    timestamp: i64,
    body: Vec<u8>,
}

#[derive(Default)]
struct Taken(Vec<Letter>);

impl Sink for Taken {
    fn deliver(&mut self, _conn: ConnId, head: &[u8; MESSAGE_HEADER_BYTES], body: &[u8]) -> bool {
        let timestamp = head[8..16].try_into().map_or(0, i64::from_be_bytes);
        let id = head[18..].try_into().ok().and_then(|hex| MessageId::from_hex(&hex));
        self.0.push(Letter { id: id.map_or(0, |id| id.0), timestamp, body: body.to_vec() });
        true
    }
}

impl Queue {
    pub(super) fn begin_redrive(
        &mut self,
        (topic, channel): (&str, &str),
        count: usize,
        died: Option<Range<i64>>,
        reply: Reply,
    ) {
        let letters = self.dead_letter_topic_of(topic, channel).filter(|name| self.exists_on_engine(name));
        if let Some(letters) = letters {
            return self.begin_taking_letters((topic, channel), &letters, (count, died), reply);
        }
        match self.plan_redrive(topic, channel) {
            Err(error) => reply.send(Answer::Refused(error)),
            Ok(None) => reply.send(Answer::Count(0)),
            Ok(Some((letters, target))) => {
                let terms = Terms {
                    conn: NOBODY,
                    timeout: std::time::Duration::from_hours(1),
                    timeout_max: std::time::Duration::from_hours(1),
                    sample_rate: 0,
                    nearness: crate::consumers::Nearness::Elsewhere,
                };
                let Some(source) = self.channel_at(letters) else { return reply.send(Answer::Count(0)) };
                let consumer = source.subscribe(terms);
                let number = self.next_request;
                self.next_request += 1;
                let waiting = self.redrives.values().any(|other| other.letters == letters);
                let order = Redrive {
                    number,
                    waiting,
                    letters,
                    consumer,
                    target,
                    left: count.min(COUNT_MAX),
                    moved: 0,
                    died,
                    passed_over: 0,
                    departing: Vec::new(),
                    read: None,
                    reply,
                };
                if waiting {
                    self.redrives.insert(number, order);
                } else {
                    self.redrive(order);
                }
            }
        }
    }

    /// The dead-letter topic with its channel, and the channel that gets the messages back; `None` if there
    /// are no dead letters.
    #[allow(clippy::type_complexity)]
    fn plan_redrive(
        &mut self,
        topic: &str,
        channel: &str,
    ) -> Result<Option<((TopicKey, ChannelKey), (TopicKey, ChannelKey))>, QueueError> {
        let key = self.topics.find(topic).ok_or(QueueError::NoTopic)?;
        let found =
            self.topics.get(key).and_then(|topic| topic.find(channel)).ok_or(QueueError::NoChannel)?;
        let letters = self.dead_letter_topic_of(topic, channel).ok_or(QueueError::NoChannel)?;
        if self.topics.find(&letters).is_none() {
            return Ok(None);
        }
        // Other channels of the dead-letter topic do not take letters away from this one.
        let letters = self.open_channel_from(&letters, CHANNEL, true)?;
        Ok(Some((letters, (key, found))))
    }

    /// Takes and writes the next batch of dead letters; ends when enough are moved or none is left.
    fn redrive(&mut self, mut order: Redrive) {
        if self.stopping {
            return self.end_redrive(order, Some(QueueError::Exiting));
        }
        let mut taken = match self.take_letters(&mut order) {
            Ok(taken) => taken,
            Err(why) => return self.end_redrive(order, Some(why)),
        };
        let all = taken.len();
        if let Some(died) = &order.died {
            taken.retain(|letter| died.contains(&letter.timestamp));
        }
        order.passed_over += all - taken.len();
        if taken.is_empty() {
            return if order.read.is_some() {
                self.read_letters(order);
            } else if all > 0 && order.passed_over < PASSED_OVER_MAX {
                // In the next turn, since there may be many of them.
                self.moved.push((Waiter::Redrive(order.number), Outcome::Accepted));
                self.redrives.insert(order.number, order);
            } else {
                self.end_redrive(order, None);
            };
        }
        match self.bring_back(order.target, &taken) {
            Ok(()) => {
                let (number, source, target) = (order.number, order.letters.0, order.target.0);
                order.departing = taken.iter().map(|letter| letter.id).collect();
                self.redrives.insert(number, order);
                self.commit_move(source, target, Waiter::Redrive(number));
            }
            Err(why) => self.end_redrive(order, Some(why)),
        }
    }

    /// Takes a batch of letters as far as they are in memory, and notes the read needed to continue.
    fn take_letters(&mut self, order: &mut Redrive) -> Result<Vec<Letter>, QueueError> {
        let clock = self.clock;
        let mut taken = Taken::default();
        let Some(topic) = self.topics.get_mut(order.letters.0) else { return Ok(taken.0) };
        let Some(channel) = topic.channel_mut(order.letters.1) else { return Ok(taken.0) };
        if channel.notes.reading {
            return Err(in_use(&topic.name, UsedBy::Reader));
        }
        if channel.consumers.iter().any(|(_, consumer)| consumer.terms.conn != NOBODY) {
            return Err(in_use(&topic.name, UsedBy::Consumers));
        }
        channel.set_ready(order.consumer, (order.passed_over + order.left.min(BATCH)) as u32);
        order.read = deliver(topic, order.letters.1, clock, &mut taken);
        if let Some(channel) = topic.channel_mut(order.letters.1) {
            channel.set_ready(order.consumer, 0);
            // No other consumer may take what this redrive waits for.
            channel.notes.reading |= order.read.is_some();
        }
        Ok(taken.0)
    }

    /// Stages a batch for the channel that the letters belong to.
    fn bring_back(
        &mut self,
        (key, channel): (TopicKey, ChannelKey),
        taken: &[Letter],
    ) -> Result<(), QueueError> {
        let clock = self.clock;
        if let Some(why) = self.move_refused(key) {
            return Err(why);
        }
        if self.topics.get(key).is_some_and(|target| target.is_on_engine()) {
            return self.bring_back_to_engine((key, channel), taken);
        }
        let target = self.topics.get_mut(key).ok_or(QueueError::NoTopic)?;
        let messages: Vec<Message<'_>> =
            taken.iter().map(|letter| Message::new(letter.timestamp, &letter.body)).collect();
        Ok(target.stage_private(channel, &messages, clock)?)
    }

    /// Stages a batch of local letters for a channel on the engine.
    fn bring_back_to_engine(
        &mut self,
        (key, channel): (TopicKey, ChannelKey),
        taken: &[Letter],
    ) -> Result<(), QueueError> {
        let bytes = taken.iter().map(|letter| letter.body.len()).sum();
        let (Some(link), Some(target)) = (&mut self.engine, self.topics.get_mut(key)) else {
            return Err(QueueError::NoTopic);
        };
        let only = target.channel(channel).map(|channel| Arc::from(channel.name.as_str()));
        if only.is_none() {
            return Err(QueueError::NoChannel);
        }
        let max = link.body_bytes_max();
        if let Some(letter) = taken.iter().find(|letter| letter.body.len() > max) {
            return Err(QueueError::TooLargeForEngine { size: letter.body.len(), max });
        }
        link.has_room(bytes)?;
        link.bytes += bytes;
        for letter in taken {
            let id = mix(id_at_engine(letter.id, letter.timestamp.cast_unsigned()));
            let message = Publication { only: only.clone(), ..Publication::new(id, Bytes::new()) };
            target.stage_for_engine(message, &letter.body);
        }
        Ok(())
    }

    /// Handles the outcome of a redrive's batch.
    pub(super) fn redrive_moved(&mut self, number: u64, outcome: Outcome) {
        let Some(mut order) = self.redrives.remove(&number) else { return };
        let departed = std::mem::take(&mut order.departing);
        if let Outcome::Refused(why) = outcome {
            return self.end_redrive(order, Some(why));
        }
        order.left -= departed.len().min(order.left);
        order.moved += departed.len() as u64;
        if let Some(source) = self.channel_at(order.letters) {
            for id in departed {
                // In flight to this redrive, unless the channel was emptied meanwhile.
                let _ = source.finish(order.consumer, id);
            }
        }
        self.mark_dirty(order.letters.0);
        if order.read.is_some() && order.left > 0 {
            self.read_letters(order);
        } else {
            self.redrive(order);
        }
    }

    fn read_letters(&mut self, mut order: Redrive) {
        let Some(job) = order.read.take() else { return self.redrive(order) };
        let number = order.number;
        self.submit(Job::Read(order.letters.0, Purpose::Redrive(number), job));
        self.redrives.insert(number, order);
    }

    /// Continues with a block of dead letters that was read; `None` if their topic is gone.
    pub(super) fn redrive_arrived(&mut self, number: u64, block: Option<Result<Block, ReadError>>) {
        let Some(order) = self.redrives.remove(&number) else { return };
        let failed = match &block {
            Some(Err(error @ ReadError::Io(_))) => Some(JournalRefusal::NotRead(error.to_string()).into()),
            _ => None,
        };
        if let Some(channel) = self.channel_at(order.letters) {
            channel.notes.reading = false;
            channel.notes.fetched = block.and_then(Result::ok);
        }
        match failed {
            Some(why) => self.end_redrive(order, Some(why)),
            None => self.redrive(order),
        }
    }

    /// Ends a redrive. Letters taken and not moved are returned as if never taken.
    fn end_redrive(&mut self, order: Redrive, why: Option<QueueError>) {
        let clock = self.clock;
        if let Some(source) = self.channel_at(order.letters) {
            source.interrupt(order.consumer, clock);
            source.notes.reading &= order.read.is_none();
        }
        self.mark_dirty(order.letters.0);
        self.schedule(order.letters.0, order.letters.1);
        let waiting =
            self.redrives.values_mut().filter(|other| other.waiting && other.letters == order.letters);
        if let Some(next) = waiting.min_by_key(|other| other.number) {
            next.waiting = false;
            self.moved.push((Waiter::Redrive(next.number), Outcome::Accepted));
        }
        order.reply.send(why.map_or(Answer::Count(order.moved), Answer::Refused));
    }
}

fn in_use(topic: &str, by: UsedBy) -> QueueError {
    QueueError::InUse { topic: topic.to_owned(), channel: CHANNEL, by }
}
