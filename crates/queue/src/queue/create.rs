//! Creation of topics and channels: complete, or not at all.
//!
//! ```text
//! limits ▸ make (files, first records) ▸ write ─┬─ written ▸ add_topic, add_channel: listed, announced
//!                                               └─ refused ▸ discard: files removed
//! ```
//! Listed topics and channels have their creation in the journal, so that a restart finds the same ones. A
//! refused creation leaves nothing behind: a channel that cannot be created does not leave a topic that was
//! created for it.

use journal::Journal;
use wire::nsq::is_ephemeral;

use super::conditions::{Subject, Whose};
use super::{Queue, Waiter};
use crate::channel::CHANNEL_BYTES;
use crate::disk::Job;
use crate::error::{JournalRefusal, QueueError};
use crate::latency::Latency;
use crate::registry::TopicKey;
use crate::settings::{Durability, TopicSettings};
use crate::topic::{ChannelKey, TOPIC_BYTES, Topic};

impl Queue {
    /// The topic of this (valid) name, created if necessary. Errors are sent to the client.
    #[inline]
    pub(crate) fn open_topic(&mut self, name: &str) -> Result<TopicKey, QueueError> {
        match self.topics.find(name) {
            Some(key) => Ok(key),
            None => self.create_topic(name, None),
        }
    }

    /// The topic of this (valid) name with this durability, created if necessary.
    pub(super) fn open_topic_as(
        &mut self,
        name: &str,
        durability: Durability,
    ) -> Result<TopicKey, QueueError> {
        let Some(key) = self.topics.find(name) else {
            return self.create_topic(name, Some(durability));
        };
        let settings = self.topics.get(key).map(|topic| topic.settings).unwrap_or_default();
        self.configure_topic(key, TopicSettings { durability: Some(durability), ..settings })?;
        Ok(key)
    }

    /// The channel of this name; it and its topic are created if necessary. Errors are sent to the client.
    pub(crate) fn open_channel(
        &mut self,
        topic: &str,
        channel: &str,
    ) -> Result<(TopicKey, ChannelKey), QueueError> {
        self.open_channel_from(topic, channel, self.settings().channels_from_beginning)
    }

    /// [`Queue::open_channel`], optionally starting a new channel at the oldest kept message.
    pub(crate) fn open_channel_from(
        &mut self,
        topic: &str,
        channel: &str,
        from_beginning: bool,
    ) -> Result<(TopicKey, ChannelKey), QueueError> {
        let found = self.topics.find(topic);
        let target = found.and_then(|key| Some((key, self.topics.get(key)?)));
        if let Some((key, target)) = target
            && let Some(existing) = target.find(channel)
        {
            return Ok((key, existing));
        }
        self.may_open_channel(topic)?;
        match found {
            Some(key) => self.add_channel(key, channel, from_beginning),
            None => self.create_both(topic, channel, from_beginning),
        }
    }

    /// Checks the limits on channels.
    pub(super) fn may_open_channel(&self, topic: &str) -> Result<(), QueueError> {
        let max = self.settings().max_channels;
        if max > 0 && self.channel_count as u64 >= max {
            return Err(QueueError::TooManyChannels { max });
        }
        let max = self.settings().max_channels_per_topic;
        let target = self.topics.find(topic).and_then(|key| self.topics.get(key));
        if max > 0 && target.is_some_and(|topic| topic.channel_count() as u64 >= max) {
            return Err(QueueError::TooManyChannelsOfTopic { max });
        }
        self.has_room(CHANNEL_BYTES)
    }

    fn add_channel(
        &mut self,
        key: TopicKey,
        channel: &str,
        from_beginning: bool,
    ) -> Result<(TopicKey, ChannelKey), QueueError> {
        let clock = self.clock;
        let Some(topic) = self.topics.get_mut(key) else { return Err(QueueError::Exiting) };
        let made = topic.create_channel(channel, from_beginning, clock);
        let name = topic.name.clone();
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                self.judge_journal(key);
                return Err(self.creation_refused(&name, error.into()));
            }
        };
        self.well(&Subject::Creation(name.clone()));
        let latency = self.new_latency();
        if let Some(channel) = self.channel_at((key, made)) {
            channel.latency = latency;
        }
        self.channel_count += 1;
        telemetry::info!(topic = name, channel, "created");
        self.announce_channel(&name, channel);
        self.mark_dirty(key);
        self.schedule_all(key);
        Ok((key, made))
    }

    fn create_both(
        &mut self,
        name: &str,
        channel: &str,
        from_beginning: bool,
    ) -> Result<(TopicKey, ChannelKey), QueueError> {
        let topic = self.make_topic(name, None)?;
        let clock = self.clock;
        let (key, made) =
            self.write_creation(topic, |topic| Ok(topic.create_channel(channel, from_beginning, clock)?))?;
        telemetry::info!(topic = name, channel, "created");
        Ok((key, made))
    }

    fn create_topic(&mut self, name: &str, durability: Option<Durability>) -> Result<TopicKey, QueueError> {
        let topic = self.make_topic(name, durability)?;
        self.write_new(topic)
    }

    fn write_new(&mut self, topic: Topic<Waiter>) -> Result<TopicKey, QueueError> {
        let clock = self.clock;
        self.write_creation(topic, |topic| Ok(topic.commit(clock)?)).map(|(key, ())| key)
    }

    /// The local topic of this name, created if necessary; one that is on the engine is returned as well.
    pub(super) fn open_local_topic(
        &mut self,
        name: &str,
        durability: Option<Durability>,
    ) -> Result<TopicKey, QueueError> {
        if let Some(key) = self.topics.find(name) {
            return match durability {
                Some(durability) => self.open_topic_as(name, durability),
                None => Ok(key),
            };
        }
        self.may_create_topic()?;
        let topic = self.make_local_topic(name, durability)?;
        self.write_new(topic)
    }

    /// Creates a local topic with these settings.
    pub(super) fn create_local_topic(
        &mut self,
        name: &str,
        settings: TopicSettings,
    ) -> Result<TopicKey, QueueError> {
        self.may_create_topic()?;
        let mut topic = self.make_local_topic(name, None)?;
        topic.stage_settings(settings);
        topic.apply_durability(&self.options);
        self.write_new(topic)
    }

    /// The topic of this name, which exists at the engine, created here if necessary.
    pub(super) fn open_engine_topic(&mut self, name: &str) -> Result<TopicKey, QueueError> {
        match self.topics.find(name) {
            Some(key) => Ok(key),
            None => self.create_engine_topic(name),
        }
    }

    /// Creates a topic that exists at the engine.
    pub(super) fn create_engine_topic(&mut self, name: &str) -> Result<TopicKey, QueueError> {
        self.may_create_topic()?;
        let topic = self.make_engine_topic(name);
        self.write_new(topic)
    }

    /// Checks the limits on topics.
    fn may_create_topic(&self) -> Result<(), QueueError> {
        let max = self.settings().max_topics;
        if max > 0 && self.topics.len() as u64 >= max {
            return Err(QueueError::TooManyTopics { max });
        }
        self.has_room(TOPIC_BYTES)
    }

    /// Makes a topic that does not exist yet, here or on the engine.
    fn make_topic(
        &mut self,
        name: &str,
        durability: Option<Durability>,
    ) -> Result<Topic<Waiter>, QueueError> {
        self.may_create_topic()?;
        if self.belongs_on_engine(name) {
            return Ok(self.make_engine_topic(name));
        }
        self.make_local_topic(name, durability)
    }

    fn make_engine_topic(&self, name: &str) -> Topic<Waiter> {
        let journal = Journal::in_memory(self.options.journal(Durability::Memory));
        let mut topic = Topic::create(name, self.new_tag(name), journal, &self.options);
        topic.put_on_engine();
        topic.accept_locally(self.settings().accepts_locally(name));
        topic
    }

    /// Makes a topic that does not exist yet and stages its creation record. `durability`, if given, becomes
    /// a setting of the topic; with `memory` the topic never has files.
    fn make_local_topic(
        &mut self,
        name: &str,
        durability: Option<Durability>,
    ) -> Result<Topic<Waiter>, QueueError> {
        let wanted = durability.unwrap_or(self.settings().durability);
        if is_ephemeral(name) && durability.is_some_and(|named| named != Durability::Memory) {
            return Err(QueueError::DurabilityIsFixed { topic: name.to_owned(), in_memory: true });
        }
        let mut topic = if is_ephemeral(name) || wanted == Durability::Memory {
            let journal = Journal::in_memory(self.options.journal(Durability::Memory));
            Topic::create(name, self.new_tag(name), journal, &self.options)
        } else {
            self.make_files(name)?
        };
        if durability.is_some() {
            topic.stage_settings(TopicSettings { durability, ..topic.settings });
            topic.apply_durability(&self.options);
        }
        Ok(topic)
    }

    /// Writes a new topic's staged records and those that `write` adds, then adds the topic. If the write is
    /// refused, the topic's files are removed.
    fn write_creation<T>(
        &mut self,
        mut topic: Topic<Waiter>,
        write: impl FnOnce(&mut Topic<Waiter>) -> Result<T, QueueError>,
    ) -> Result<(TopicKey, T), QueueError> {
        let new = topic.end() == 0;
        match write(&mut topic) {
            Ok(made) => {
                self.prepare(&mut topic);
                self.well(&Subject::Creation(topic.name.clone()));
                Ok((self.enter_topic(topic), made))
            }
            Err(why) => {
                let why = self.creation_refused(&topic.name, why);
                if new {
                    self.discard_topic(&topic);
                }
                Err(why)
            }
        }
    }

    fn make_files(&mut self, name: &str) -> Result<Topic<Waiter>, QueueError> {
        if let Some(why) = self.out_of_space() {
            return Err(QueueError::Journal(why.clone()));
        }
        match self.recover_topic(name) {
            Ok((topic, _)) => Ok(topic),
            Err(e) => {
                // Removes the directory, if that is all that was made.
                let _ = self.files.remove_dir(&self.topic_dir(name));
                Err(self.creation_refused(name, JournalRefusal::NotOpened(e.to_string()).into()))
            }
        }
    }

    /// Adds a created topic. If lookup daemons may know channels of it, it waits for those.
    fn enter_topic(&mut self, mut topic: Topic<Waiter>) -> TopicKey {
        // The engine knows the channels of its topics.
        let held = !topic.is_on_engine() && self.outside.ask_channels(&topic.name);
        topic.hold(held);
        telemetry::info!(topic = topic.name, "created");
        let key = self.add_topic(topic);
        self.mark_dirty(key);
        if held {
            self.awaiting_channels.push(key);
        }
        key
    }

    /// Removes the files of a topic whose creation was refused. If that fails too, the next start does it.
    pub(super) fn discard_topic(&mut self, topic: &Topic<Waiter>) {
        match topic.journal.delete() {
            Ok(Some(job)) => self.submit(Job::Delete(job)),
            Ok(None) => {}
            Err(e) => telemetry::error!(topic = topic.name, error = %e, "journal cannot be deleted"),
        }
    }

    /// Notes a creation that the disk refused.
    fn creation_refused(&mut self, topic: &str, why: QueueError) -> QueueError {
        let mut whose = Whose { topic: topic.to_owned(), ..Whose::default() };
        if let QueueError::Journal(refusal) = &why {
            self.run_out(refusal);
            whose.named = refusal.names_topic();
        }
        self.conditions.begin(Subject::Creation(topic.to_owned()), whose, &why.to_string(), self.clock);
        why
    }

    /// Applies the daemon's options to a topic and its channels.
    pub(super) fn prepare(&self, topic: &mut Topic<Waiter>) {
        for (_, channel) in topic.iter_mut() {
            channel.latency = self.new_latency();
        }
    }

    fn new_latency(&self) -> Latency {
        if self.settings().e2e_percentiles.is_empty() {
            Latency::default()
        } else {
            Latency::enabled(self.settings().e2e_window, self.clock.now)
        }
    }
}
