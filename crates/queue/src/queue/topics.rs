//! Topics and channels: recovery, announcement, deletion.

use std::path::PathBuf;
use std::sync::Arc;

use journal::files::create_dir_all;
use journal::{DELETED_SUFFIX, DeleteJob};
use net::Io;
use wire::nsq::is_ephemeral;

use super::conditions::Subject;
use super::open_error::OpenError;
use super::store::{SUFFIX, topic_directory};
use super::{Queue, Waiter};
use crate::channel::Channel;
use crate::connection::Subscription;
use crate::disk::Job;
use crate::error::{JournalRefusal, QueueError};
use crate::outside::Notice;
use crate::registry::{Entry, TopicKey};
use crate::settings::{Durability, Home, TopicSettings};
use crate::topic::{ChannelKey, ControlError, Found, Topic};

impl Queue {
    /// Recovers every topic that has a directory.
    pub(super) fn recover(&mut self) -> Result<(), OpenError> {
        let dir = self.topics_dir();
        let failed = |e| OpenError::Directory(dir.clone(), e);
        if create_dir_all(&*self.files, &dir).map_err(failed)? {
            // The directory entry itself must survive a loss of power.
            self.files.sync_dir(&self.settings().data_path).map_err(failed)?;
        }
        self.topics_open = Some(self.files.open_dir(&dir).map_err(failed)?);
        self.read_inventory();
        let mut deleted = Vec::new();
        let mut entries = self.files.list(&dir).map_err(failed)?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in entries {
            if entry.name.ends_with(DELETED_SUFFIX) {
                self.submit(Job::Delete(DeleteJob::new(self.files.clone(), dir.join(&entry.name))));
                deleted.push(entry.name);
            } else if let Some(name) = entry.name.strip_suffix(SUFFIX)
                && wire::nsq::valid_name(name.as_bytes()).is_some()
            {
                self.restore_topic(name)?;
            }
        }
        self.compare_inventory(&deleted);
        Ok(())
    }

    fn restore_topic(&mut self, name: &str) -> Result<(), OpenError> {
        let (topic, found) = self.recover_topic(name)?;
        let unused = topic.settings.home == Some(Home::Preparing) && topic.unfinished() == 0;
        if (topic.end() == 0 || unused) && found.journal.damages == 0 {
            telemetry::info!(
                topic = name,
                "files of an incomplete topic deleted: its creation was refused or interrupted"
            );
            self.discard_topic(&topic);
        } else {
            telemetry::info!(topic = name, channels = topic.channel_count() as u64, "restored");
            let key = self.add_topic(topic);
            self.save_set_backs(key);
            if found.journal.records > 0 {
                // Marked as written, so that the next checkpoint frees what is no longer needed even if
                // nothing is published.
                self.note_written(key);
            }
        }
        Ok(())
    }

    /// Opens a topic's files, or creates them.
    pub(super) fn recover_topic(&mut self, name: &str) -> Result<(Topic<Waiter>, Found), OpenError> {
        let (dir, known, files) = (self.topic_dir(name), self.known(name), self.files.clone());
        let recount = &mut self.recount_left;
        let opened = Topic::open(name, known, files, &dir, &self.options, self.clock, recount);
        let (mut topic, found) = opened.map_err(|e| OpenError::Topic(name.to_owned(), e))?;
        self.find_all(&topic, &found);
        if let Some(parent) = &self.topics_open {
            topic.journal.share_parent(Arc::clone(parent));
        }
        self.prepare(&mut topic);
        topic.journal.rest();
        Ok((topic, found))
    }

    /// Adds a created or restored topic and announces it and its channels.
    pub(super) fn add_topic(&mut self, mut topic: Topic<Waiter>) -> TopicKey {
        self.count_topic(&mut topic);
        self.notify(Notice::TopicAdded(topic.name.clone()));
        topic.iter().for_each(|(_, channel)| self.announce_channel(&topic.name, &channel.name));
        self.channel_count += topic.channel_count();
        if !topic.in_memory() {
            self.topics_changed();
        }
        self.topics.insert(topic)
    }

    /// Removes a topic and withdraws its announcements.
    fn remove_topic(&mut self, key: TopicKey) -> Option<Entry<Waiter>> {
        let topic = self.topics.remove(key)?;
        self.discount_topic(&topic);
        self.conditions.forget_topic(key);
        self.descriptors = self.descriptors.saturating_sub(topic.notes.descriptors);
        self.channel_count -= topic.channel_count();
        for (_, channel) in topic.iter() {
            self.notify(Notice::ChannelRemoved(topic.name.clone(), channel.name.clone()));
        }
        self.notify(Notice::TopicRemoved(topic.name.clone()));
        Some(topic)
    }

    pub(super) fn announce_channel(&mut self, topic: &str, channel: &str) {
        self.notify(Notice::ChannelAdded(topic.to_owned(), channel.to_owned()));
    }

    /// Announces a change to lookup daemons. If the notice cannot be queued, everything is announced later.
    fn notify(&mut self, notice: Notice) {
        if !self.unannounced {
            self.unannounced = !self.outside.notice(notice);
        }
    }

    /// Announces all topics and channels if an earlier notice could not be queued. Called once a second.
    pub(super) fn announce_all(&mut self) {
        if !self.unannounced {
            return;
        }
        let channels =
            |topic: &Topic<Waiter>| topic.iter().map(|(_, channel)| channel.name.clone()).collect();
        let all = self.topics.iter().map(|(_, topic)| (topic.name.clone(), channels(topic))).collect();
        self.unannounced = !self.outside.notice(Notice::All(all));
    }

    pub(super) fn topic_dir(&self, name: &str) -> PathBuf {
        self.topics_dir().join(topic_directory(name))
    }

    /// True if the topic of this key still exists.
    #[inline]
    pub(crate) fn has_topic(&self, key: TopicKey) -> bool {
        self.topics.get(key).is_some()
    }

    pub(crate) fn topic_mut(&mut self, key: TopicKey) -> Option<&mut Topic<Waiter>> {
        self.topics.get_mut(key).map(|entry| &mut **entry)
    }

    pub(crate) fn channel_of(&mut self, subscription: Subscription) -> Option<&mut Channel> {
        self.topics.get_mut(subscription.topic)?.channel_mut(subscription.channel)
    }

    pub(crate) fn channel_at(&mut self, at: (TopicKey, ChannelKey)) -> Option<&mut Channel> {
        self.topics.get_mut(at.0)?.channel_mut(at.1)
    }

    /// Changes a topic's settings. Durability can change between `os` and `fsync` at any time, but not to or
    /// from `memory`: messages in memory have no place in files, and files are not abandoned.
    pub(super) fn configure_topic(
        &mut self,
        key: TopicKey,
        settings: TopicSettings,
    ) -> Result<(), QueueError> {
        let (clock, options) = (self.clock, &self.options);
        let Some(topic) = self.topics.get_mut(key) else { return Err(QueueError::Exiting) };
        if settings.durability.is_some_and(|wanted| (wanted == Durability::Memory) != topic.in_memory()) {
            let (topic, in_memory) = (topic.name.clone(), topic.in_memory());
            return Err(QueueError::DurabilityIsFixed { topic, in_memory });
        }
        if let Err(error) = topic.configure(settings, clock) {
            self.judge_journal(key);
            return Err(error.into());
        }
        topic.apply_durability(options);
        self.mark_dirty(key);
        self.schedule_all(key);
        Ok(())
    }

    /// Deletes a topic with all its channels. Consumers' connections are closed without an error, as in nsqd.
    ///
    /// # Errors
    /// The topic's files could not be deleted: the topic stays, as a restart would bring it back.
    pub(super) fn delete_topic<I: Io>(&mut self, io: &mut I, key: TopicKey) -> Result<(), ControlError> {
        let Some(topic) = self.topics.get(key) else { return Ok(()) };
        let job = topic.journal.delete().map_err(|e| {
            telemetry::error!(topic = topic.name, error = %e, "topic cannot be deleted");
            ControlError::NotWritten(JournalRefusal::NotDeleted(e.to_string()))
        })?;
        let Some(mut topic) = self.remove_topic(key) else { return Ok(()) };
        self.leave_topic(&topic);
        topic.refuse_all();
        self.settle_topic(&mut topic);
        topic.iter().for_each(|(_, channel)| self.close_consumers(io, channel));
        telemetry::info!(topic = topic.name, "deleted");
        if let Some(job) = job {
            self.delete_files(job);
        }
        Ok(())
    }

    /// Deletes a channel, and its topic if that is ephemeral and this was its last channel.
    pub(super) fn delete_channel<I: Io>(
        &mut self,
        io: &mut I,
        key: TopicKey,
        channel: ChannelKey,
    ) -> Result<(), ControlError> {
        let clock = self.clock;
        let Some(topic) = self.topics.get_mut(key) else { return Err(ControlError::NoChannel) };
        let removed = match topic.delete_channel(channel, clock) {
            Ok(removed) => removed,
            Err(error) => {
                self.judge_journal(key);
                return Err(error);
            }
        };
        self.channel_count -= 1;
        self.conditions.forget_channel(key, channel);
        let (name, last) = (topic.name.clone(), topic.ephemeral && topic.channel_count() == 0);
        let at_engine = topic.engine.as_ref().map(|engine| Arc::clone(&engine.name));
        self.mark_dirty(key);
        if let Some(at_engine) = at_engine {
            self.leave_channel(&at_engine, &removed);
        }
        self.close_consumers(io, &removed);
        telemetry::info!(topic = name, channel = removed.name, "deleted");
        self.notify(Notice::ChannelRemoved(name, removed.name));
        if last { self.delete_topic(io, key) } else { Ok(()) }
    }

    /// Closes the connections of a deleted channel's consumers.
    fn close_consumers<I: Io>(&mut self, io: &mut I, channel: &Channel) {
        for (_, consumer) in channel.consumers.iter() {
            let conn = consumer.terms.conn;
            if let Some(client) = self.client_mut(conn) {
                client.subscription = None;
            }
            if let Some(client) = self.take_client(conn) {
                self.close_client(io, client);
            }
        }
    }

    /// Removes a consumer and requeues its messages at once. An ephemeral channel is deleted with its last
    /// consumer.
    pub(super) fn unsubscribe(&mut self, subscription: Subscription) {
        let (clock, handing_over) = (self.clock, self.handing_over);
        let Some(channel) = self.channel_of(subscription) else { return };
        if handing_over {
            channel.interrupt(subscription.consumer, clock);
        } else {
            channel.unsubscribe(subscription.consumer, clock);
        }
        if channel.ephemeral && channel.consumers.is_empty() {
            self.doomed.push((subscription.topic, subscription.channel));
        }
        self.note_events(subscription);
    }

    /// Deletes the ephemeral channels that have lost their last consumer and still have none. Failed
    /// deletions are retried.
    pub(super) fn delete_doomed<I: Io>(&mut self, io: &mut I) {
        for (topic, channel) in std::mem::take(&mut self.doomed) {
            let deserted = self.channel_at((topic, channel)).is_some_and(|c| c.consumers.is_empty());
            if deserted {
                self.delete_at_engine(topic, channel);
                if let Err(e) = self.delete_channel(io, topic, channel) {
                    self.undeleted.push((topic, channel));
                    self.wrong(Subject::Removal(topic, channel), &e);
                }
            } else {
                self.well(&Subject::Removal(topic, channel));
            }
        }
    }

    /// Creates the channels of a new topic that lookup daemons know; only then does the topic hand its
    /// messages out.
    pub(super) fn known_channels(&mut self, topic: &str, channels: &[String]) {
        let Some(key) = self.topics.find(topic) else { return };
        for channel in channels {
            if wire::nsq::valid_name(channel.as_bytes()).is_some()
                && !is_ephemeral(channel)
                && let Err(e) = self.open_channel(topic, channel)
            {
                telemetry::error!(topic, channel, error = %e, "channel known to lookupd cannot be created");
            }
        }
        self.release_held(key);
    }

    /// Ends the wait for a topic's known channels: no lookup daemon answered in time.
    pub(super) fn known_late(&mut self, slot: u32) {
        if let Some(key) = self.topics.key_of(slot) {
            self.release_held(key);
        }
    }

    fn release_held(&mut self, key: TopicKey) {
        if let Some(topic) = self.topics.get_mut(key) {
            topic.hold(false);
            topic.pump();
            self.schedule_all(key);
        }
    }
}
