//! Moves of topics from the engine to the nodes.
//!
//! ```text
//!  node that is asked, the home: T ▸ local T with the same channels, at once ▸ bucket: T is local
//!                                what the engine has is T.leaving here ▸ taken over by channel ▸ dissolved
//!  every other node that serves T:                                   bucket ▸ local T with the same channels
//!                                 FIN, REQ of what its consumers held ▸ T.leaving ▸ engine ▸ home
//! ```
//! At each node publishers and consumers are switched within a turn, as in the other direction
//! ([`super::moving`]). Afterwards the topic is local wherever it has clients, as a topic of nsqd is. The
//! home has what waited.
//!
//! The home is one by a setting of its local topic, which stands in the journal before anything else
//! happens: after a crash the next start goes on. The setting stays, so that what a node publishes at the
//! engine late, because it was cut off or forwards, is fetched as well. The key in the bucket stays, too, and
//! overrules the rules of the configuration until the topic moves to the engine again.

use std::sync::Arc;

use engine::{Change, EngineError, Request as ToEngine, Task, TaskResult};
use wire::nsq::is_ephemeral;

use super::Queue;
use super::conditions::Subject;
use super::departure::ALL;
use super::engine_link::Asker;
use super::forward::TERMS;
use crate::error::QueueError;
use crate::registry::TopicKey;
use crate::request::{Answer, Reply};
use crate::settings::{ChannelSettings, Durability, Home, TopicSettings};

/// Suffix of what is left here of a topic on the engine that has become local.
const SUFFIX: &str = ".leaving";
/// Ticks between two looks whether nothing is left at the engine, between two announcements to other nodes,
/// and between two attempts at what was refused.
const DISSOLVE_TICKS: u64 = 3;
const ANNOUNCE_TICKS: u64 = 5;
const RETRY_TICKS: u64 = 10;
/// Ticks between two looks for topics of which nothing can come again.
const FORGET_TICKS: u64 = 60;

impl Queue {
    /// Begins to move a topic to this node.
    pub(super) fn begin_leaving(&mut self, name: &str, reply: Reply) {
        let begun = self.become_home(name);
        if matches!(begun, Ok(true)) {
            self.change(name, None, Change::Leave, Asker::Nobody);
        }
        reply.send(begun.map_or_else(Answer::Refused, |_| Answer::Done));
    }

    /// Makes this node the home of a topic. False if it is, or if the topic is local.
    fn become_home(&mut self, name: &str) -> Result<bool, QueueError> {
        let is_left = self.is_elsewhere(name) || self.leaving_of(name).is_some();
        let key = match self.topics.find(name) {
            None if is_left => self.open_local_topic(name, None)?,
            found => found.ok_or(QueueError::NoTopic)?,
        };
        let topic = self.topics.get(key).ok_or(QueueError::NoTopic)?;
        if topic.is_on_engine() {
            self.may_leave(name, key)?;
            return self.switch_to_local(name, key, true).map(|()| true);
        }
        let settings = topic.settings;
        let is_told =
            self.leaving_of(name).is_some() || self.is_local_everywhere(name) && !self.is_elsewhere(name);
        if settings.home.is_some() && !is_told {
            let text = "the engine has not told yet what it has of the topic";
            return Err(QueueError::Engine(text.to_owned()));
        }
        if !is_left || settings.home.is_some() || settings.moving {
            return Ok(false);
        }
        let link = self.engine.as_ref();
        let channels = link.and_then(|link| link.elsewhere.get(name)).cloned().unwrap_or_default();
        for channel in channels.iter().filter(|channel| *channel != ALL) {
            self.open_channel(name, channel)?;
        }
        self.configure_topic(key, TopicSettings { home: Some(Home::Announcing), ..settings })?;
        self.open_leaving(name)?;
        Ok(true)
    }

    fn may_leave(&self, name: &str, key: TopicKey) -> Result<(), QueueError> {
        if self.is_leaving(key) {
            return Err(QueueError::NotOnEngine("moving what is left of a topic is"));
        }
        if self.settings().durability == Durability::Memory {
            return Err(QueueError::NotOnEngine("moving to a node with durability = \"memory\" is"));
        }
        if name.len() + SUFFIX.len() > wire::nsq::NAME_BYTES_MAX {
            return Err(QueueError::NotOnEngine("moving a topic with a name longer than 56 characters is"));
        }
        if let Some((why, _)) = self.conditions.of(&Subject::Engine) {
            return Err(QueueError::Engine(why));
        }
        self.is_free(name)
    }

    /// Checks that nothing of an earlier move has the names that a move needs.
    fn is_free(&self, name: &str) -> Result<(), QueueError> {
        match self.moving_to(name).is_some() || self.topics.find(&format!("{name}{SUFFIX}")).is_some() {
            true => Err(QueueError::NotOnEngine("moving a topic while another of its name is moved is")),
            false => Ok(()),
        }
    }

    /// Makes a local topic the topic of this name, in place of the one on the engine.
    fn switch_to_local(&mut self, name: &str, key: TopicKey, home: bool) -> Result<(), QueueError> {
        let clock = self.clock;
        let topic = self.topics.get(key).ok_or(QueueError::NoTopic)?;
        let (settings, paused) = (TopicSettings { moving: false, ..topic.configured() }, topic.is_paused());
        let channels = self.moved_channels(key);
        self.topics.rename(key, &format!("{name}{SUFFIX}"));
        // A crash before the last channel was created leaves a topic that the next start removes.
        let preparing = TopicSettings { home: Some(Home::Preparing), ..settings };
        let new = match self.create_local_topic(name, preparing) {
            Ok(new) => new,
            Err(why) => {
                self.topics.rename(key, name);
                return Err(why);
            }
        };
        self.with_topic(new, |topic| topic.pause(paused, clock))?;
        for channel in &channels {
            self.switch_channel(name, key, channel);
        }
        for client in self.clients.iter_mut().flatten() {
            client.last_topic.key = None;
        }
        let state = home.then_some(Home::Announcing);
        self.configure_topic(new, TopicSettings { home: state, ..settings })?;
        self.fetch_what_is_left(key, home);
        telemetry::info!(topic = name, home, "is local from now on");
        Ok(())
    }

    /// Fetches what the engine has for the channels of a topic that has left it: all of them at its home, and
    /// ephemeral ones, which belong to their node, at any.
    fn fetch_what_is_left(&mut self, key: TopicKey, home: bool) {
        let Some(topic) = self.topics.get_mut(key) else { return };
        for (_, channel) in topic.iter_mut() {
            // What consumers still hold is not set aside here.
            channel.settings = ChannelSettings::default();
            let Some(engine) = channel.engine.as_mut().filter(|_| home || channel.ephemeral) else {
                continue;
            };
            if !std::mem::replace(&mut engine.taken, true) && channel.ephemeral {
                // Its consumers are elsewhere, and it must not end with that.
                channel.subscribe(TERMS);
            }
        }
        self.schedule_all(key);
    }

    /// Opens what the engine has of a topic at its home, after a start or because it comes late.
    fn open_leaving(&mut self, name: &str) -> Result<(), QueueError> {
        let key = match self.leaving_of(name) {
            Some(key) => key,
            None => {
                let key = self.create_engine_topic(&format!("{name}{SUFFIX}"))?;
                let topic = self.topics.get_mut(key);
                if let Some(engine) = topic.and_then(|topic| topic.engine.as_mut()) {
                    engine.name = name.into();
                }
                key
            }
        };
        let channels = self.engine.as_mut().and_then(|link| link.elsewhere.remove(name)).unwrap_or_default();
        for channel in channels {
            self.open_left_channel(name, &channel)?;
        }
        self.fetch_what_is_left(key, self.is_home(name));
        Ok(())
    }

    /// A channel of a topic that has left the engine, which exists there.
    pub(super) fn open_left_channel(&mut self, name: &str, channel: &str) -> Result<(), QueueError> {
        let Some(key) = self.leaving_of(name) else { return Ok(()) };
        self.open_channel(&format!("{name}{SUFFIX}"), channel)?;
        let home = self.is_home(name);
        self.fetch_what_is_left(key, home);
        if home && channel != ALL {
            self.open_channel(name, channel)?;
        }
        Ok(())
    }

    /// Takes notice that a topic is local at every node, or no longer.
    pub(super) fn told_local(&mut self, name: &str, active: bool) {
        let Some(link) = &mut self.engine else { return };
        if active {
            link.local.insert(name.to_owned());
            return self.follow(name);
        }
        link.local.remove(name);
        let found = self.topics.find(name).and_then(|key| Some((key, self.topics.get(key)?)));
        match found.map(|(key, topic)| (key, topic.settings)) {
            Some((key, settings)) if settings.home == Some(Home::Settled) => {
                if let Err(why) = self.configure_topic(key, TopicSettings { home: None, ..settings }) {
                    telemetry::warn!(topic = name, error = %why, "still believes to be the topic's home");
                }
            }
            Some(_) => {}
            None => {
                let channels = self.engine.as_mut().and_then(|link| link.elsewhere.remove(name));
                let Some(channels) = channels else { return };
                self.appeared(name, None, false);
                channels.iter().for_each(|channel| self.appeared(name, Some(channel), false));
            }
        }
    }

    /// Does here what follows from a topic's being local at every node.
    pub(super) fn follow(&mut self, name: &str) {
        let on_engine = self.topics.find(name).filter(|key| {
            self.topics.get(*key).is_some_and(|topic| topic.is_on_engine()) && !self.is_leaving(*key)
        });
        let done = match on_engine {
            Some(key) => self.is_free(name).and_then(|()| self.switch_to_local(name, key, false)),
            None if self.is_home(name) && self.is_elsewhere(name) => self.open_leaving(name),
            None => Ok(()),
        };
        if let Err(why) = done {
            telemetry::warn!(topic = name, error = %why, "cannot follow yet to where its topic is");
        }
    }

    /// Tells the other nodes of moves that were under way when the process ended, and notes what this node
    /// has before its consumers finish it: what was not finished at the engine comes again. Called once, at
    /// the start.
    pub(super) fn resume_leaving(&mut self) {
        let homes = self.topics.iter().filter(|(_, topic)| topic.settings.home.is_some());
        let channels =
            homes.flat_map(|(key, topic)| topic.iter().map(move |(channel, _)| (key, Some(channel))));
        let heirs: Vec<_> = channels.collect();
        heirs.into_iter().for_each(|heir| self.note_ids(heir));
        let announcing =
            |topic: &crate::topic::Topic<super::Waiter>| topic.settings.home == Some(Home::Announcing);
        let begun = self.topics.iter().filter(|(_, topic)| announcing(topic));
        let names: Vec<String> = begun.map(|(_, topic)| topic.name.clone()).collect();
        names.iter().for_each(|name| self.change(name, None, Change::Leave, Asker::Nobody));
    }

    /// Goes on with topics that have left the engine. Called once a second.
    pub(super) fn tend_leaving(&mut self) {
        let Some(link) = &self.engine else { return };
        if self.ticks.is_multiple_of(RETRY_TICKS) {
            let local: Vec<String> = link.local.iter().cloned().collect();
            local.iter().for_each(|name| self.follow(name));
        }
        for key in self.topics.keys() {
            let Some(topic) = self.topics.get(key) else { continue };
            if self.is_leaving(key) {
                let Some(name) = topic.engine.as_ref().map(|engine| Arc::clone(&engine.name)) else {
                    continue;
                };
                self.schedule_all(key);
                if self.ticks.is_multiple_of(DISSOLVE_TICKS) && self.is_home(&name) {
                    self.dissolve(&name);
                }
            } else if let Some(home) = topic.settings.home {
                self.tend_home(key, home);
            }
        }
    }

    fn tend_home(&mut self, key: TopicKey, home: Home) {
        let Some((name, settings)) = self.topics.get(key).map(|topic| (topic.name.clone(), topic.settings))
        else {
            return;
        };
        match home {
            // Its journal refused the end of the switch.
            Home::Preparing if self.ticks.is_multiple_of(RETRY_TICKS) => {
                let _ = self.configure_topic(key, TopicSettings { home: Some(Home::Announcing), ..settings });
            }
            Home::Announcing if self.ticks.is_multiple_of(ANNOUNCE_TICKS) => {
                self.change(&name, None, Change::Leave, Asker::Nobody);
            }
            Home::Settled if self.ticks.is_multiple_of(FORGET_TICKS) => {
                let may_come = self.leaving_of(&name).is_some() || self.is_elsewhere(&name);
                if let Some(link) = self.engine.as_mut()
                    && link.local.contains(&name)
                    && !may_come
                {
                    link.taking.forget(key);
                }
            }
            _ => {}
        }
    }

    /// The other nodes know that a topic is local.
    pub(super) fn announced_local(&mut self, name: &str) -> Result<(), QueueError> {
        let Some(key) = self.topics.find(name) else { return Ok(()) };
        let settings = self.topics.get(key).map(|topic| topic.settings).unwrap_or_default();
        if settings.home != Some(Home::Announcing) {
            return Ok(());
        }
        self.configure_topic(key, TopicSettings { home: Some(Home::Settled), ..settings })
    }

    /// Asks the engine to delete a topic of which nothing is left.
    fn dissolve(&mut self, name: &Arc<str>) {
        let writing =
            |link: &super::EngineLink| self.topics.find(name).is_some_and(|key| link.taking.is_writing(key));
        if self.engine.as_ref().is_none_or(writing) {
            return;
        }
        let Some(link) = &mut self.engine else { return };
        if link.dissolving.values().any(|other| other == name) {
            return;
        }
        let number = link.number();
        link.dissolving.insert(number, Arc::clone(name));
        link.submit(ToEngine::Task { number, topic: Arc::clone(name), channel: None, task: Task::Dissolve });
    }

    /// Takes the outcome of [`Queue::dissolve`]. False if the number is not that of one.
    pub(super) fn dissolved(&mut self, number: u64, outcome: &Result<TaskResult, EngineError>) -> bool {
        let Some(name) = self.engine.as_mut().and_then(|link| link.dissolving.remove(&number)) else {
            return false;
        };
        match outcome {
            Ok(TaskResult::Count(0)) => telemetry::info!(topic = &*name, "moved from the engine"),
            Ok(_) => {
                let left = self.leaving_of(&name).and_then(|key| self.topics.get(key));
                if left.is_some_and(|topic| topic.iter().all(|(_, channel)| is_ephemeral(&channel.name))) {
                    // What waits for a first channel is for all channels.
                    self.change(&name, Some(ALL), Change::Create, Asker::Nobody);
                }
            }
            Err(why) => telemetry::debug!(topic = &*name, error = %why, "not dissolved yet"),
        }
        true
    }

    /// The change at the engine that belongs to one of a local topic, of which the engine still has messages.
    pub(super) fn also_at_engine(
        &self,
        request: &crate::request::Request,
    ) -> Option<(Option<String>, Change)> {
        use crate::request::Request;
        let name = request.topic().filter(|name| self.is_home(name) && self.leaving_of(name).is_some())?;
        match request {
            Request::DeleteTopic(_) => Some((None, Change::Delete)),
            Request::EmptyTopic(_) => Some((None, Change::Empty)),
            Request::DeleteChannel(_, channel) if self.named_channel(name, channel).is_ok() => {
                Some((Some(channel.clone()), Change::Delete))
            }
            Request::EmptyChannel(_, channel) if self.named_channel(name, channel).is_ok() => {
                Some((Some(channel.clone()), Change::Empty))
            }
            _ => None,
        }
    }

    /// The topic on the engine that completions under this name are about: itself, or what is left of it.
    pub(super) fn engine_topic(&self, name: &str) -> Option<TopicKey> {
        let is_on_engine = |key: &TopicKey| self.topics.get(*key).is_some_and(|topic| topic.is_on_engine());
        self.topics.find(name).filter(is_on_engine).or_else(|| self.leaving_of(name))
    }

    /// Rest of a topic of this name that has left the engine.
    pub(super) fn leaving_of(&self, name: &str) -> Option<TopicKey> {
        self.engine.as_ref()?;
        self.topics.find(&format!("{name}{SUFFIX}")).filter(|key| self.is_leaving(*key))
    }

    /// True if a topic is what is left of one that has left the engine.
    pub(super) fn is_leaving(&self, key: TopicKey) -> bool {
        let is_left = |topic: &crate::topic::Topic<super::Waiter>| {
            topic.engine.as_ref().is_some_and(|engine| *engine.name != *topic.name)
        };
        self.topics.get(key).is_some_and(|topic| is_left(topic))
    }

    /// True if this node has what waited in a topic that has left the engine.
    fn is_home(&self, name: &str) -> bool {
        let topic = self.topics.find(name).and_then(|key| self.topics.get(key));
        topic.is_some_and(|topic| !topic.is_on_engine() && topic.settings.home.is_some())
    }

    /// True if a topic is local at every node.
    pub(super) fn is_local_everywhere(&self, name: &str) -> bool {
        self.engine.as_ref().is_some_and(|link| link.local.contains(name))
    }

    /// True if the engine has a topic of this name that is not served here.
    pub(super) fn is_elsewhere(&self, name: &str) -> bool {
        self.engine.as_ref().is_some_and(|link| link.elsewhere.contains_key(name))
    }
}
