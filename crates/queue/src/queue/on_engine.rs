//! Topics on the engine: requests to it, and its completions.
//!
//! | mail to the engine | bound |
//! |---|---|
//! | publications | 64 MiB of bodies that are not answered, then they are refused |
//! | fetches | one per channel and half of what its consumers may take |
//! | fates of messages | one for each message that is held here |
//! | changes | one for each client and request that waits, and for each channel that ends |
//!
//! A topic is on the engine if the settings say so when it is created, or whoever creates it, or because
//! another node has created it there. A topic that exists here stays where it is.

use std::sync::Arc;

use bytes::Bytes;
use engine::{Change, Completion, Engine, EngineError, Publication, Request as ToEngine};
use net::{ConnId, Io};
use wire::nsq::{Refusal, Verb};

use super::conditions::Subject;
use super::engine_link::{Asker, EngineLink, PendingChange};
use super::forwarders::Forwarders;
use super::{Queue, Waiter};
use crate::channel::{Channel, Need};
use crate::connection::{Connection, Holdup};
use crate::error::QueueError;
use crate::registry::{Entry, TopicKey};
use crate::request::{Answer, Reply, Request};
use crate::settings::{Durability, Storage, TopicSettings};
use crate::topic::ChannelKey;

/// Ticks between extensions of what is held: a third of the time after which the engine gives it away.
const EXTEND_TICKS: u64 = 10;

/// A channel that a client wants to subscribe to.
pub(crate) enum Subscribable {
    /// It can be used.
    Now,
    /// It is being created at the engine; the client is held up.
    Later,
}

impl Queue {
    /// Keeps topics on an engine where the settings say so. `tag` (24 bits) distinguishes the ids of this
    /// process from those of other nodes. Of publications that are accepted here first at most
    /// `forward_bytes_max` bytes wait per topic; 0 for no limit.
    pub fn use_engine(&mut self, engine: Box<dyn Engine>, tag: u32, forward_bytes_max: u64) {
        self.engine = Some(EngineLink::new(engine, tag));
        self.forwarders = Some(Forwarders { bytes_max: forward_bytes_max, ..Forwarders::default() });
        self.resume_moves();
        self.resume_leaving();
    }

    /// True if a new topic of this name belongs on the engine.
    pub(super) fn belongs_on_engine(&self, topic: &str) -> bool {
        self.engine.is_some()
            && self.settings().storage_of(topic) == Storage::Engine
            && !self.is_local_everywhere(topic)
    }

    /// True if the topic of this name is on the engine, or would be if it were created.
    pub(crate) fn is_on_engine(&self, topic: &str) -> bool {
        match self.topics.find(topic).and_then(|key| self.topics.get(key)) {
            Some(topic) => topic.is_on_engine(),
            None => self.belongs_on_engine(topic),
        }
    }

    /// Stages publications for the engine, all or none.
    pub(crate) fn stage_for_engine<'a>(
        &mut self,
        key: TopicKey,
        bodies: impl Iterator<Item = &'a [u8]>,
        bytes: usize,
        due: i64,
    ) -> Result<(), QueueError> {
        let wall = self.clock.wall.0;
        let (Some(link), Some(topic)) = (&mut self.engine, self.topics.get_mut(key)) else {
            return Err(QueueError::Exiting);
        };
        link.has_room(bytes)?;
        let (mark, max) = (topic.mark_for_engine(), link.body_bytes_max());
        for body in bodies {
            if body.len() > max {
                topic.unstage_for_engine(mark);
                return Err(QueueError::TooLargeForEngine { size: body.len(), max });
            }
            let message = Publication { due, ..Publication::new(link.id(wall), Bytes::new()) };
            topic.stage_for_engine(message, body);
        }
        link.bytes += bytes;
        self.mark_dirty(key);
        Ok(())
    }

    /// Bytes of the largest body for a topic whose messages are forwarded; none for another.
    #[inline]
    pub(crate) fn forwardable_bytes(&self, key: TopicKey) -> Option<usize> {
        let link = self.engine.as_ref()?;
        self.is_forwarded(key).then(|| link.body_bytes_max())
    }

    /// Sends a topic's publications and what became of its messages.
    pub(super) fn send_to_engine(&mut self, key: TopicKey, topic: &mut Entry<Waiter>) {
        let clock = self.clock;
        let Some(link) = &mut self.engine else { return };
        let number = link.number();
        if let Some((topic, messages, bytes)) = topic.take_publications(number) {
            link.publishing.insert(number, (key, bytes));
            link.submit(ToEngine::Publish { number, topic, messages });
        }
        link.settle(topic.take_fates(clock));
    }

    /// Returns what a topic's journal did not keep.
    pub(super) fn return_unkept(&mut self, topic: &mut Entry<Waiter>) {
        if let Some(link) = &mut self.engine {
            link.settle(topic.take_unkept());
        }
    }

    /// Asks for messages that a channel's consumers can take, and returns those that none can.
    pub(super) fn tend_channel(&mut self, key: TopicKey, channel: ChannelKey) {
        let full = self.has_room_for_messages(0).is_err() || self.is_taken_enough((key, channel));
        let stopping = self.stopping;
        let (Some(link), Some(topic)) = (&mut self.engine, self.topics.get_mut(key)) else { return };
        let paused = topic.is_paused();
        let Some(name) = topic.engine.as_ref().map(|engine| Arc::clone(&engine.name)) else { return };
        let Some(target) = topic.channel_mut(channel) else { return };
        let taken = target.engine.as_ref().is_some_and(|engine| engine.taken);
        let need = target.need(stopping || full || paused && !taken);
        let its = || Arc::<str>::from(target.name.as_str());
        let request = match need {
            Need::Nothing => None,
            Need::Fetch(count) => Some(ToEngine::Fetch { topic: name, channel: its(), count }),
            Need::Stop => Some(ToEngine::StopFetching { topic: name, channel: its() }),
        };
        if !target.events.is_empty() {
            self.lazy.add(&mut topic.notes.lazy, key);
        }
        if let Some(request) = request {
            link.submit(request);
        }
    }

    /// Extends what is held here, and looks after channels that were refused messages. Called once a second.
    pub(super) fn tend_engine(&mut self) {
        if self.engine.is_none() {
            return;
        }
        let extend = self.ticks.is_multiple_of(EXTEND_TICKS);
        for key in self.topics.keys() {
            let Some(topic) = self.topics.get(key).filter(|topic| topic.is_on_engine()) else { continue };
            let mut held = Vec::new();
            if extend {
                topic.iter().for_each(|(_, channel)| channel.extend(&mut held));
            }
            let busy = topic.iter().any(|(_, channel)| !channel.consumers.is_empty());
            if let Some(link) = &mut self.engine {
                link.settle(held);
            }
            if busy {
                self.schedule_all(key);
            }
        }
    }

    /// Prepares a channel on the engine for a subscription.
    pub(crate) fn subscribable(
        &mut self,
        client: &mut Connection,
        topic: &str,
        channel: &str,
    ) -> Result<Subscribable, QueueError> {
        let known = self.topics.find(topic).and_then(|key| self.topics.get(key)?.find(channel));
        if known.is_some() {
            return Ok(Subscribable::Now);
        }
        self.may_open_channel(topic)?;
        client.holdup = Some(Holdup::Engine);
        self.change(topic, Some(channel), Change::Create, Asker::Client(client.id));
        Ok(Subscribable::Later)
    }

    /// Asks the engine for a change; what follows here follows from its answer.
    pub(super) fn change(&mut self, topic: &str, channel: Option<&str>, change: Change, asker: Asker) {
        let Some(link) = &mut self.engine else { return };
        let (number, topic, channel) = (link.number(), Arc::from(topic), channel.map(Arc::from));
        let request = ToEngine::Change {
            number,
            topic: Arc::clone(&topic),
            channel: channel.clone(),
            change: change.clone(),
        };
        link.changes.insert(number, PendingChange { topic, channel, change, asker });
        link.submit(request);
    }

    pub(super) fn engine_completed<I: Io>(&mut self, io: &mut I, completion: Completion) {
        match completion {
            Completion::Published(number, outcome) => self.published(number, outcome),
            Completion::Changed(number, outcome) => self.changed(io, number, outcome),
            Completion::Finished(number, outcome) => self.task_finished(number, outcome),
            Completion::Arrived { topic, channel, messages } => self.arrived(&topic, &channel, messages),
            Completion::Unfilled { topic, channel, count } => {
                if let Some(at) = self.engine_channel(&topic, &channel) {
                    self.count_off(at, count);
                }
            }
            Completion::Exists { topic, channel, paused } => {
                self.appeared(&topic, channel.as_deref(), paused);
            }
            Completion::Configured { topic, channel, settings } => {
                self.configured_at_engine(&topic, channel.as_deref(), &settings);
            }
            Completion::Seeking { topic, channel, active } => self.seeking(&topic, &channel, active),
            Completion::Local { topic, active } => self.told_local(&topic, active),
            Completion::Gone { topic, channel } => self.disappeared(io, &topic, channel.as_deref()),
            Completion::Backlog { topic, channel, waiting } => {
                self.backlog_told(&topic, channel.as_deref(), waiting);
            }
            Completion::Servers(servers) => self.servers_told(servers),
            Completion::Replicas { topic, replicas } => self.replicas_told(&topic, replicas),
            Completion::Trouble(None) => self.well(&Subject::Engine),
            Completion::Trouble(Some(why)) => self.wrong(Subject::Engine, &why),
        }
    }

    fn published(&mut self, number: u64, outcome: Result<(), EngineError>) {
        if self.forwarded(number, &outcome) {
            return;
        }
        let Some(link) = &mut self.engine else { return };
        let Some((key, bytes)) = link.publishing.remove(&number) else { return };
        link.bytes = link.bytes.saturating_sub(bytes);
        if let Some(topic) = self.topics.get_mut(key) {
            topic.published(number, outcome);
        }
        self.mark_dirty(key);
    }

    /// True while publications are not answered.
    pub(super) fn is_publishing(&self) -> bool {
        self.engine.as_ref().is_some_and(|link| link.bytes > 0)
    }

    /// Ends what concerns a topic that is deleted here.
    pub(super) fn leave_topic(&mut self, topic: &Entry<Waiter>) {
        let (Some(link), Some(engine)) = (&mut self.engine, &topic.engine) else { return };
        // The answers to what was sent release the rest.
        link.bytes = link.bytes.saturating_sub(engine.staged_bytes());
        for (_, channel) in topic.iter() {
            let (topic, channel) = (Arc::clone(&engine.name), Arc::from(channel.name.as_str()));
            link.submit(ToEngine::StopFetching { topic, channel });
        }
    }

    /// Ends what concerns a channel that is deleted here.
    pub(super) fn leave_channel(&mut self, topic: &str, channel: &Channel) {
        if let (Some(link), Some(_)) = (&mut self.engine, &channel.engine) {
            let (topic, channel) = (Arc::from(topic), Arc::from(channel.name.as_str()));
            link.submit(ToEngine::StopFetching { topic, channel });
        }
    }

    /// Deletes an ephemeral channel at the engine, if it is there.
    pub(super) fn delete_at_engine(&mut self, key: TopicKey, channel: ChannelKey) {
        let Some(topic) = self.topics.get(key).filter(|topic| topic.is_on_engine()) else { return };
        let Some(name) = topic.channel(channel).map(|channel| channel.name.clone()) else { return };
        let Some(topic) = topic.engine.as_ref().map(|engine| Arc::clone(&engine.name)) else { return };
        self.change(&topic, Some(&name), Change::Delete, Asker::Nobody);
    }

    /// Answers a request that the engine has to carry out. Returns the request if it is not about the engine.
    pub(super) fn ask_engine(&mut self, request: Request, reply: Reply) -> Option<(Request, Reply)> {
        if let Request::CreateTopicOn(topic, storage, durability) = &request {
            return match self.may_create_on(topic, *storage, *durability) {
                Ok(()) if *storage == Storage::Engine => {
                    if self.is_local_everywhere(topic) {
                        self.change(topic, None, Change::Enter, Asker::Nobody);
                    }
                    self.change(topic, None, Change::Create, Asker::Request(reply));
                    None
                }
                Ok(()) => Some((request, reply)),
                Err(why) => {
                    reply.send(Answer::Refused(why));
                    None
                }
            };
        }
        if let Request::MoveTopic(topic, storage) = &request {
            self.begin_move(topic, *storage, reply);
            return None;
        }
        let (request, reply) = self.ask_task(request, reply)?;
        if let Some((channel, change)) = self.also_at_engine(&request)
            && let Some(topic) = request.topic()
        {
            self.change(topic, channel.as_deref(), change, Asker::Nobody);
        }
        let topic = request.topic().filter(|topic| self.is_on_engine(topic)).map(str::to_owned);
        let Some(topic) = topic else { return Some((request, reply)) };
        let (channel, change) = match &request {
            Request::CreateTopic(_, None) => (None, Change::Create),
            Request::DeleteTopic(_) => (None, Change::Delete),
            Request::EmptyTopic(_) => (None, Change::Empty),
            Request::PauseTopic(_, paused) => (None, Change::Pause(*paused)),
            Request::CreateChannel(_, channel) => (Some(channel), Change::Create),
            Request::DeleteChannel(_, channel) => (Some(channel), Change::Delete),
            Request::EmptyChannel(_, channel) => (Some(channel), Change::Empty),
            Request::PauseChannel(_, channel, paused) => (Some(channel), Change::Pause(*paused)),
            Request::ConfigureTopic(_, settings) if may_configure(settings).is_ok() => {
                (None, Change::Configure(json(settings)))
            }
            Request::ConfigureChannel(_, channel, settings) => {
                (Some(channel), Change::Configure(json(settings)))
            }
            other => match not_on_engine(other) {
                Some(what) => {
                    reply.send(Answer::Refused(QueueError::NotOnEngine(what)));
                    return None;
                }
                None => return Some((request, reply)),
            },
        };
        let exists = match (&request, channel) {
            (Request::CreateTopic(..), _) => Ok(()),
            (Request::CreateChannel(..), _) | (_, None) => self.named(&topic).map(drop),
            (_, Some(channel)) => self.named_channel(&topic, channel).map(drop),
        };
        match exists {
            Ok(()) => self.change(&topic, channel.map(String::as_str), change, Asker::Request(reply)),
            Err(why) => reply.send(Answer::Refused(why)),
        }
        None
    }

    /// Checks whether a topic can be created there, or is there.
    fn may_create_on(
        &self,
        topic: &str,
        storage: Storage,
        durability: Option<Durability>,
    ) -> Result<(), QueueError> {
        if storage == Storage::Engine {
            if self.engine.is_none() {
                return Err(QueueError::NoEngine);
            }
            if durability.is_some() {
                return Err(QueueError::NotOnEngine("a durability is"));
            }
            if wire::nsq::is_ephemeral(topic) {
                return Err(QueueError::NotOnEngine("being ephemeral is"));
            }
        }
        let found = self.topics.find(topic).and_then(|key| self.topics.get(key));
        match found.map(|found| found.is_on_engine()) {
            Some(on_engine) if on_engine != (storage == Storage::Engine) => {
                Err(QueueError::StorageIsFixed { topic: topic.to_owned(), on_engine })
            }
            _ => Ok(()),
        }
    }

    fn changed<I: Io>(&mut self, io: &mut I, number: u64, outcome: Result<(), EngineError>) {
        let Some(pending) = self.engine.as_mut().and_then(|link| link.changes.remove(&number)) else {
            return;
        };
        let PendingChange { topic, channel, change, asker } = pending;
        let outcome = outcome.map_err(|why| QueueError::Engine(why.to_string()));
        if let Asker::Move(departure) = asker {
            // The topic is still local here.
            return self.prepared(departure, outcome);
        }
        let done = outcome.and_then(|()| self.carry_out_change(io, &topic, channel.as_deref(), change));
        match asker {
            Asker::Nobody => {
                if let Err(why) = done {
                    telemetry::warn!(topic = &*topic, error = %why, "change at the engine");
                }
            }
            Asker::Client(conn) => self.subscription_prepared(io, conn, done),
            Asker::Move(_) => {}
            Asker::Request(reply) => reply.send(done.map_or_else(Answer::Refused, |()| Answer::Done)),
        }
    }

    /// Does here what the engine has done.
    fn carry_out_change<I: Io>(
        &mut self,
        io: &mut I,
        topic: &str,
        channel: Option<&str>,
        change: Change,
    ) -> Result<(), QueueError> {
        let clock = self.clock;
        match (channel, change) {
            (None, Change::Create) => self.open_engine_topic(topic).map(drop),
            (Some(super::departure::ALL), Change::Create) => {
                self.open_left_channel(topic, super::departure::ALL)
            }
            (Some(channel), Change::Create) => {
                self.open_left_channel(topic, channel)?;
                self.open_engine_topic(topic)?;
                self.open_channel(topic, channel).map(drop)
            }
            (channel, Change::Delete) => {
                self.disappeared(io, topic, channel);
                Ok(())
            }
            (channel, Change::Pause(paused)) => {
                self.appeared(topic, channel, paused);
                Ok(())
            }
            (channel, Change::Configure(settings)) => {
                self.configured_at_engine(topic, channel, &settings);
                Ok(())
            }
            (None, Change::Leave) => self.announced_local(topic),
            (_, Change::Leave | Change::Enter) | (None, Change::Empty) => Ok(()),
            (Some(channel), Change::Empty) => {
                let Some((key, channel)) = self.engine_channel(topic, channel) else { return Ok(()) };
                self.with_topic(key, |topic| topic.empty_channel(channel, clock))
            }
        }
    }

    fn subscription_prepared<I: Io>(&mut self, io: &mut I, conn: ConnId, done: Result<(), QueueError>) {
        let Some(mut client) = self.take_client(conn) else { return };
        if client.holdup != Some(Holdup::Engine) {
            return self.put_client(client);
        }
        client.holdup = None;
        if let Err(why) = done {
            self.refuse(io, &mut client, &Refusal::Failed(Verb::Sub, &why.to_string()));
            Self::close_after_owed(io, &mut client);
        }
        self.go_on(io, client);
    }

    /// Ends fetches and returns what no consumer has, because the daemon stops.
    pub(super) fn leave_engine(&mut self) {
        for key in self.topics.keys() {
            let Some(topic) = self.topics.get(key).filter(|topic| topic.is_on_engine()) else { continue };
            let channels: Vec<ChannelKey> = topic.iter().map(|(channel, _)| channel).collect();
            channels.into_iter().for_each(|channel| self.tend_channel(key, channel));
            self.mark_dirty(key);
        }
    }
}

/// The feature wanted by a request that topics on the engine do not have.
fn not_on_engine(request: &Request) -> Option<&'static str> {
    match request {
        Request::CreateTopic(_, Some(_)) => Some("a durability is"),
        Request::ConfigureTopic(_, settings) => may_configure(settings).err(),
        _ => None,
    }
}

/// Checks settings of a topic; an error says which one is not available.
fn may_configure(settings: &TopicSettings) -> Result<(), &'static str> {
    match settings {
        TopicSettings { durability: Some(_), .. } => Err("a durability is"),
        TopicSettings { retention_bytes: 1.., .. } => Err("retention_bytes is"),
        TopicSettings { moving: true, .. } | TopicSettings { home: Some(_), .. } => Err("moving is"),
        _ => Ok(()),
    }
}

pub(super) fn json(settings: &impl serde::Serialize) -> Arc<str> {
    serde_json::to_string(settings).unwrap_or_default().into()
}
