//! Messages of the engine that a local topic takes over: those of a topic that has left the engine, and dead
//! letters that are brought back.
//!
//! ```text
//!  engine ▸ arrivals ▸ staged in the local topic, for one channel ▸ written ▸ finished at the engine
//! ```
//! As with moves between journals ([`super::moves`]) the source keeps a message until the target has it at
//! the topic's durability. A crash in between brings it again; it is recognized while its channel still has
//! it.

use std::sync::Arc;
use std::time::Duration;

use engine::{Arrival, EngineError, Fate, Handle, Request as ToEngine, Task, TaskResult};
use net::Instant;
use wire::nsq::is_ephemeral;

use super::departure::ALL;
use super::engine_link::EngineLink;
use super::taken::{Batch, Heir, Order};
use super::{Queue, Waiter};
use crate::error::QueueError;
use crate::message::Message;
use crate::request::{Answer, Reply};
use crate::topic::Outcome;

/// Time after which the engine gives a message again that could not be taken.
const RETRY: Duration = Duration::from_secs(1);
/// Most dead letters that one redrive brings back, and those of a batch.
const LETTERS_MAX: usize = 100_000;
const BATCH: usize = 256;
/// Time for which a letter that comes again is recognized, also if it was finished meanwhile. One whose end
/// the engine has not heard of comes to another redrive, after half a minute at the earliest.
const LETTERS_KNOWN: Duration = Duration::from_mins(2);
/// Ids of taken messages that are kept of a channel. With more it is looked at again which ones it has.
const IDS_MAX: usize = 2_000_000;
/// Messages outside the stream with which a channel takes no more: each has some bytes of memory.
const AGAIN_MAX: usize = 1_000_000;

impl Queue {
    /// Takes messages that arrived for a channel of a topic that has left the engine.
    pub(super) fn take_over(&mut self, topic: &str, channel: &str, messages: Vec<Arrival>) {
        let Some(key) = self.topics.find(topic) else { return self.return_later(messages) };
        if channel == ALL {
            return self.take((key, None), messages, None);
        }
        match self.topics.get(key).and_then(|topic| topic.find(channel)) {
            Some(found) => self.take((key, Some(found)), messages, None),
            None if is_ephemeral(channel) => {
                // It has ended with its last consumer.
                self.settle_all(messages.into_iter().map(|arrival| (arrival.handle, Fate::Finish)).collect());
            }
            None => self.return_later(messages),
        }
    }

    /// True if a channel has so many messages outside its stream that it takes no more.
    pub(super) fn has_taken_enough(&self, topic: &str, channel: &str) -> bool {
        let topic = self.topics.find(topic).and_then(|key| self.topics.get(key));
        let channel = topic.and_then(|topic| topic.channel(topic.find(channel)?));
        channel.is_some_and(|channel| channel.again_count() >= AGAIN_MAX)
    }

    fn take(&mut self, heir: Heir, messages: Vec<Arrival>, order: Option<Order>) {
        self.note_ids(heir);
        let refused = self.move_refused(heir.0).is_some();
        let mut batch = Batch { heir, messages: Vec::new(), order };
        let mut fates = Vec::new();
        for arrival in messages {
            let is_here =
                |link: &EngineLink| link.taking.ids.get(&heir).is_some_and(|ids| ids.contains(&arrival.id));
            if self.engine.as_ref().is_some_and(is_here) {
                fates.push((arrival.handle, Fate::Finish));
            } else if !refused && self.stage_taken(heir, &arrival).is_ok() {
                batch.messages.push((arrival.id, arrival.handle));
            } else {
                fates.push((arrival.handle, Fate::Return(RETRY)));
            }
        }
        self.settle_all(fates);
        if batch.messages.is_empty() {
            if let Some(order) = batch.order {
                order.reply.send(Answer::Count(order.moved));
            }
            return;
        }
        if batch.order.is_none() {
            self.count_taken(heir, |outstanding| outstanding.saturating_add(batch.messages.len() as u32));
        }
        let (Some(link), Some(target)) = (&mut self.engine, self.topics.get_mut(heir.0)) else { return };
        let number = link.number();
        link.taking.batches.insert(number, batch);
        target.wait(Waiter::Taken(number));
        self.mark_dirty(heir.0);
    }

    fn stage_taken(&mut self, (key, channel): Heir, arrival: &Arrival) -> Result<(), QueueError> {
        let clock = self.clock;
        let topic = self.topics.get_mut(key).ok_or(QueueError::NoTopic)?;
        let message = Message {
            id: Some(arrival.id),
            attempts: arrival.attempts,
            origin: &arrival.origin,
            ..Message::new(arrival.timestamp, &arrival.body)
        };
        match channel {
            Some(channel) => Ok(topic.stage_private(channel, &[message], clock)?),
            None => Ok(topic.stage(&message, None::<Instant>).map(drop)?),
        }
    }

    /// Looks which messages a channel has, unless that is known.
    pub(super) fn note_ids(&mut self, heir: Heir) {
        let (Some(link), Some(topic)) = (&mut self.engine, self.topics.get(heir.0)) else { return };
        link.taking.ids.entry(heir).or_insert_with(|| {
            let channel = heir.1.and_then(|channel| topic.channel(channel));
            let waiting = channel.into_iter().flat_map(|channel| channel.waiting().map(|message| message.id));
            let held = channel.into_iter().flat_map(|channel| channel.in_flight().iter().map(|its| its.id));
            waiting.chain(held).collect()
        });
    }

    /// Handles the outcome of a batch.
    pub(super) fn taken(&mut self, number: u64, outcome: Outcome) {
        let now = self.clock.now;
        let Some(link) = &mut self.engine else { return };
        let Some(Batch { heir, messages, order }) = link.taking.batches.remove(&number) else { return };
        let (fate, count) = match outcome {
            Outcome::Accepted => (Fate::Finish, messages.len()),
            Outcome::Refused(_) => (Fate::Return(RETRY), 0),
        };
        if let Some(ids) = link.taking.ids.get_mut(&heir) {
            ids.extend(messages.iter().take(count).map(|(id, _)| *id));
            if ids.len() > IDS_MAX {
                link.taking.ids.remove(&heir);
            }
        }
        if order.is_some() {
            link.taking.letters.insert(heir, now);
        }
        let written = messages.len() as u32;
        link.settle(messages.into_iter().map(|(_, handle)| (handle, fate)).collect());
        let Some(mut order) = order else {
            return self.count_taken(heir, |outstanding| outstanding.saturating_sub(written));
        };
        order.left -= count.min(order.left);
        order.moved += count as u64;
        match outcome {
            Outcome::Accepted => self.ask_for_letters(order),
            Outcome::Refused(why) => order.reply.send(Answer::Refused(why)),
        }
    }

    /// Forgets letters that were brought back a while ago. Called once a second.
    pub(super) fn tend_letters(&mut self) {
        let Some(link) = &mut self.engine else { return };
        let topics = &self.topics;
        let is_home = |key| topics.get(key).is_some_and(|topic| topic.settings.home.is_some());
        link.taking.forget_letters(self.clock.now - LETTERS_KNOWN, is_home);
    }

    /// Changes how many messages a channel waits for. Those that are being written count, so that no more
    /// than what is fetched ahead is here and not finished at the engine.
    fn count_taken(&mut self, (key, channel): Heir, count: impl FnOnce(u32) -> u32) {
        let Some(topic) = self.topics.get(key) else { return };
        let name = match channel {
            None => Some(ALL),
            Some(channel) => topic.channel(channel).map(|channel| channel.name.as_str()),
        };
        let Some(source) = name.and_then(|name| self.engine_channel(&topic.name, name)) else { return };
        let target = self.topics.get_mut(source.0).and_then(|topic| topic.channel_mut(source.1));
        if let Some(engine) = target.and_then(|channel| channel.engine.as_mut()) {
            engine.outstanding = count(engine.outstanding);
        }
        self.schedule(source.0, source.1);
    }

    /// Begins to bring dead letters on the engine back to a local topic.
    pub(super) fn begin_taking_letters(
        &mut self,
        (topic, channel): (&str, &str),
        letters: &str,
        (count, died): (usize, Option<std::ops::Range<i64>>),
        reply: Reply,
    ) {
        let (topic, channel, letters) = (topic.to_owned(), channel.to_owned(), Arc::from(letters));
        let left = count.min(LETTERS_MAX);
        self.ask_for_letters(Order { topic, channel, letters, left, moved: 0, died, reply });
    }

    fn ask_for_letters(&mut self, order: Order) {
        let Some(link) = self.engine.as_mut().filter(|_| order.left > 0 && !self.stopping) else {
            return order.reply.send(Answer::Count(order.moved));
        };
        let (number, topic) = (link.number(), Arc::clone(&order.letters));
        let task = Task::TakeLetters { count: order.left.min(BATCH), died: order.died.clone() };
        link.taking.orders.insert(number, order);
        link.submit(ToEngine::Task { number, topic, channel: None, task });
    }

    /// Takes letters that arrived for a redrive. False if the number is not that of one.
    pub(super) fn letters_arrived(&mut self, number: u64, outcome: &Result<TaskResult, EngineError>) -> bool {
        let Some(order) = self.engine.as_mut().and_then(|link| link.taking.orders.remove(&number)) else {
            return false;
        };
        match outcome {
            Err(why) => order.reply.send(Answer::Refused(QueueError::Engine(why.text.clone()))),
            Ok(TaskResult::Letters(letters)) if !letters.is_empty() => {
                // As a letter of a local topic comes back: a message as it was published.
                let again =
                    |letter: &Arrival| Arrival { attempts: 0, origin: bytes::Bytes::new(), ..letter.clone() };
                let letters = letters.iter().map(again).collect();
                match self.named_channel(&order.topic, &order.channel) {
                    Ok((key, channel)) => self.take((key, Some(channel)), letters, Some(order)),
                    Err(why) => {
                        self.return_later(letters);
                        order.reply.send(Answer::Refused(why));
                    }
                }
            }
            Ok(_) => order.reply.send(Answer::Count(order.moved)),
        }
        true
    }

    fn return_later(&mut self, messages: Vec<Arrival>) {
        self.settle_all(messages.into_iter().map(|arrival| (arrival.handle, Fate::Return(RETRY))).collect());
    }

    fn settle_all(&mut self, fates: Vec<(Handle, Fate)>) {
        if let Some(link) = &mut self.engine {
            link.settle(fates);
        }
    }
}
