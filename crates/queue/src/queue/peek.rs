//! Peeking at messages without consuming them.

use std::collections::VecDeque;

use bytes::Bytes;
use journal::{Block, ReadOutcome};

use super::{Queue, TopicKey, redrive};
use crate::channel::Channel;
use crate::deferred::Waiting;
use crate::disk::{Job, Purpose};
use crate::error::QueueError;
use crate::message::{Message, Position};
use crate::record::KIND_MESSAGE;
use crate::request::{Answer, PeekAt, PeekJob, Peeked, Reply, Request};
use crate::topic::at;

/// Most messages that one peek shows.
pub const PEEK_MAX: usize = 1000;
/// Bytes of messages after which a peek ends.
const PEEK_BYTES_MAX: usize = 16 << 20;

impl Queue {
    pub(super) fn begin_peek(&mut self, request: &Request, reply: Reply) {
        let Request::Peek { topic, channel, what, count } = request else { return };
        let found = self.plan_peek(topic, channel.as_deref(), *what, (*count).min(PEEK_MAX));
        match found {
            Ok((key, wanted, cursor)) => {
                let number = self.next_request;
                self.next_request += 1;
                let count = (*count).min(PEEK_MAX);
                let reader = match what {
                    PeekAt::Queued => channel.as_deref(),
                    PeekAt::Dead => Some(redrive::CHANNEL),
                    PeekAt::Deferred | PeekAt::InFlight => None,
                };
                let channel = self.topics.get(key).zip(reader).and_then(|(t, name)| t.find(name));
                let job = PeekJob { topic: key, wanted, channel, cursor, found: Vec::new(), count, reply };
                self.peek_jobs.insert(number, job);
                self.continue_peek(number, None);
            }
            Err(error) => reply.send(Answer::Refused(error)),
        }
    }

    /// Range to read for a peek.
    #[allow(clippy::type_complexity)]
    fn plan_peek(
        &mut self,
        topic: &str,
        channel: Option<&str>,
        what: PeekAt,
        count: usize,
    ) -> Result<(TopicKey, VecDeque<(Position, Peeked)>, Option<Position>), QueueError> {
        let key = self.topics.find(topic).ok_or(QueueError::NoTopic)?;
        let Some(channel) = channel else {
            let target = self.topics.get(key).ok_or(QueueError::NoTopic)?;
            return Ok((key, VecDeque::new(), Some(target.pumped())));
        };
        if what == PeekAt::Dead {
            let name = self.dead_letter_topic_of(topic, channel).ok_or(QueueError::NoChannel)?;
            let Some(dead) = self.topics.find(&name) else { return Ok((key, VecDeque::new(), None)) };
            let letters = self.topics.get(dead).ok_or(QueueError::NoTopic)?;
            // Letters that the redrive channel has finished are not shown; without that channel, all are.
            return Ok(match letters.find(redrive::CHANNEL).and_then(|reader| letters.channel(reader)) {
                Some(reader) => (dead, again(reader, count), Some(reader.cursor())),
                None => (dead, VecDeque::new(), Some(letters.journal.first().0)),
            });
        }
        let clock = self.clock;
        let target = self.topics.get(key).ok_or(QueueError::NoTopic)?;
        let found =
            target.find(channel).and_then(|found| target.channel(found)).ok_or(QueueError::NoChannel)?;
        Ok(match what {
            PeekAt::Queued => (key, again(found, count), Some(found.cursor())),
            PeekAt::Deferred => {
                let mut list: Vec<_> = found.deferred().iter().collect();
                list.sort_unstable_by_key(|(due, message)| (*due, message.at));
                let wanted =
                    list.into_iter().take(count).map(|(due, m)| plain(m, clock.to_wall(due))).collect();
                (key, wanted, None)
            }
            PeekAt::InFlight => (key, self.flights_of(found, count), None),
            PeekAt::Dead => (key, VecDeque::new(), None),
        })
    }

    fn flights_of(&self, channel: &Channel, count: usize) -> VecDeque<(Position, Peeked)> {
        let mut flights: Vec<_> = channel.in_flight().iter().copied().collect();
        flights.sort_unstable_by_key(|flight| (flight.deadline, flight.at));
        let flights = flights.into_iter().take(count);
        flights
            .map(|flight| {
                let due = self.clock.to_wall(flight.deadline);
                let conn =
                    channel.consumers.key_of(flight.consumer).and_then(|key| channel.consumers.get(key));
                let client = conn.and_then(|consumer| {
                    let place = self.clients.get(consumer.terms.conn.index as usize)?;
                    place.as_ref().map(|client| client.peer.to_string())
                });
                let consumer = client.unwrap_or_default();
                (flight.at, Peeked { consumer, ..peeked(flight.id, flight.attempts, due) })
            })
            .collect()
    }

    /// The topic that dead letters of a channel go to; `None` if there is no such channel.
    pub(super) fn dead_letter_topic_of(&self, topic: &str, channel: &str) -> Option<String> {
        let target = self.topics.get(self.topics.find(topic)?)?;
        let found = target.channel(target.find(channel)?)?;
        Some(match found.settings.dead_letter_topic.as_str() {
            "" => super::dead_letters::dead_letter_topic(topic, channel),
            name => name.to_owned(),
        })
    }

    /// Continues a peek with a block that was read.
    pub(super) fn peeked(&mut self, number: u64, block: Option<Block>) {
        match block {
            Some(block) => self.continue_peek(number, Some(block)),
            None => self.finish_peek(number),
        }
    }

    /// Continues a peek as far as memory reaches.
    fn continue_peek(&mut self, number: u64, mut fetched: Option<Block>) {
        loop {
            let Some(job) = self.peek_jobs.get_mut(&number) else { return };
            let one = job.wanted.front().map(|(position, _)| *position);
            let position = match (one, job.cursor) {
                _ if is_full(job) => return self.finish_peek(number),
                (Some(position), _) | (None, Some(position)) => position,
                (None, None) => return self.finish_peek(number),
            };
            let key = job.topic;
            let Some(topic) = self.topics.get_mut(key) else { return self.finish_peek(number) };
            let tag = topic.tag();
            let outcome = match fetched.take() {
                Some(block) if block.start().0 == position => ReadOutcome::Block(block),
                _ if one.is_some() => topic.journal.read_one(at(position), 4096),
                _ => topic.journal.read(at(position)),
            };
            match outcome {
                ReadOutcome::Block(block) if one.is_some() => {
                    let wanted = job.wanted.pop_front();
                    let message = block.records().next().and_then(|record| Message::decode(record.payload));
                    if let (Some((_, known)), Some(message)) = (wanted, message) {
                        job.found.push(with_message(known, &message));
                    }
                }
                ReadOutcome::Block(block) => {
                    let channel = job.channel.and_then(|channel| topic.channel(channel));
                    take_from_stream(job, &block, tag, channel, topic.pumped());
                    job.cursor = Some(block.next().0);
                }
                ReadOutcome::NeedsDisk(job) => {
                    return self.submit(Job::Read(key, Purpose::Peek(number), job));
                }
                ReadOutcome::Gone { .. } if one.is_some() => {
                    job.wanted.pop_front();
                }
                ReadOutcome::Gone { first } if first.0 > position => job.cursor = Some(first.0),
                ReadOutcome::AtEnd | ReadOutcome::Gone { .. } => return self.finish_peek(number),
            }
        }
    }

    fn finish_peek(&mut self, number: u64) {
        if let Some(job) = self.peek_jobs.remove(&number) {
            job.reply.send(Answer::Messages(job.found));
        }
    }
}

/// Messages a channel has to deliver again before it continues with the stream.
fn again(channel: &Channel, count: usize) -> VecDeque<(Position, Peeked)> {
    channel.again().take(count).map(|message| plain(message, 0)).collect()
}

fn plain(message: &Waiting, due: i64) -> (Position, Peeked) {
    (message.at, peeked(message.id, message.attempts, due))
}

fn is_full(job: &PeekJob) -> bool {
    let bytes: usize = job.found.iter().map(|message| message.body.len()).sum();
    job.found.len() >= job.count || bytes >= PEEK_BYTES_MAX
}

/// Lists the messages that a channel has yet to take from the stream, which ends for it at `end`; without a
/// channel, all messages in the block.
fn take_from_stream(job: &mut PeekJob, block: &Block, tag: u32, channel: Option<&Channel>, end: Position) {
    let shown =
        |at, message: &Message<'_>| channel.is_none_or(|channel| at < end && channel.is_to_come(at, message));
    for record in block.records() {
        if is_full(job) {
            return;
        }
        if record.kind == KIND_MESSAGE
            && let Some(message) = Message::decode(record.payload)
            && shown(record.position.0, &message)
        {
            let id = message.id_at(tag, record.position.0).0;
            job.found.push(with_message(peeked(id, message.attempts, message.due), &message));
        }
    }
}

fn peeked(id: u64, attempts: u16, due: i64) -> Peeked {
    Peeked {
        id: wire::nsq::MessageId(id).to_string(),
        timestamp: 0,
        attempts,
        due,
        consumer: String::new(),
        origin: String::new(),
        body: Bytes::new(),
    }
}

fn with_message(known: Peeked, message: &Message<'_>) -> Peeked {
    Peeked {
        timestamp: message.timestamp,
        origin: String::from_utf8_lossy(message.origin).into_owned(),
        body: Bytes::copy_from_slice(message.body),
        ..known
    }
}
