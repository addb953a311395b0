//! Operators' orders, given over HTTP.

use net::Instant;
use queue::request::{Answer, Request};
use queue::settings::Durability;

use super::Oracle;
use super::channel::Channel;
use super::topic::Topic;
use crate::messaging::body::Uid;
use crate::messaging::names::DEAD;

impl Oracle {
    /// Records an order that was carried out or refused. `uids` are the messages it publishes.
    pub(crate) fn ordered(
        &mut self,
        request: &Request,
        uids: &[Uid],
        answer: Option<&Answer>,
        at: Instant,
        wall: i64,
    ) {
        let now = self.now(at, wall);
        self.report.orders += 1;
        match (request, answer) {
            (Request::Publish { topic, defer_ms, .. }, None) => {
                return self.publish(topic, uids, *defer_ms, now);
            }
            (Request::Redrive { .. }, Some(_)) => return,
            (Request::Redrive { topic, channel, .. }, None) => {
                let topic = self.topics.get_mut(topic);
                if let Some(channel) = topic.and_then(|topic| topic.channels.get_mut(channel)) {
                    channel.settle_dead(at);
                    channel.redrive();
                }
                return;
            }
            (_, Some(Answer::Done | Answer::Sought(_))) => {}
            _ => return,
        }
        match request {
            Request::CreateTopic(name, durability) => {
                let topic = self.topic(name);
                topic.known = true;
                topic.durability = durability.unwrap_or(topic.durability);
            }
            Request::CreateChannel(topic, channel) => {
                self.topic(topic).create_channel(channel, now);
            }
            Request::DeleteTopic(name) => {
                if let Some(topic) = self.topics.remove(name) {
                    self.forget(name.clone(), topic);
                }
            }
            Request::ConfigureTopic(name, settings) => {
                let default = self.durability;
                let topic = self.topic(name);
                // Messages in memory stay there.
                if topic.durability != Durability::Memory {
                    topic.durability = settings.durability.unwrap_or(default);
                }
                topic.configure(*settings, now);
            }
            Request::PauseTopic(name, paused) => {
                let topic = self.topic(name);
                topic.paused = *paused;
                topic.pump(now);
            }
            Request::EmptyTopic(name) => self.topic(name).empty(now),
            Request::DeleteChannel(topic, channel) => self.delete_channel(topic, channel),
            Request::Seek(topic, channel, to) => self.topic(topic).seek(channel, *to, now),
            Request::EmptyChannel(topic, channel) => self.topic(topic).channel(channel).empty(now),
            Request::PauseChannel(topic, channel, paused) => {
                self.topic(topic).channel(channel).paused = *paused;
            }
            Request::ConfigureChannel(topic, channel, settings) => {
                let channel = self.topic(topic).channel(channel);
                channel.settle_dead(at);
                channel.max_attempts = settings.max_attempts;
            }
            _ => {}
        }
    }

    /// Ends a redrive.
    pub(crate) fn redriven(&mut self, topic: &str, channel: &str, count: u64) {
        self.report.redriven += count;
        let topic = self.topics.get_mut(topic);
        if let Some(channel) = topic.and_then(|topic| topic.channels.get_mut(channel)) {
            channel.redriving = channel.redriving.saturating_sub(1);
        }
    }

    /// Removes a topic; its dead letters remain.
    pub(super) fn forget(&mut self, name: String, topic: Topic) {
        if topic.ephemeral {
            return;
        }
        let letters = topic.channels.values().flat_map(Channel::letters);
        let letters = letters.chain(topic.ghosts.iter().copied());
        self.letters.entry(name.clone()).or_default().extend(letters);
        self.deleted.insert(name, topic);
    }

    /// Records topics and channels imported from an nsqd.
    pub(crate) fn import_topic(&mut self, topic: &str, channels: &[String], at: Instant, wall: i64) {
        let now = self.now(at, wall);
        // Imports ignore the limit on channels.
        self.channels_max = 0;
        let topic = self.topic(topic);
        for channel in channels {
            topic.create_channel(channel, now);
        }
    }

    /// Records messages imported from an nsqd, in a topic or in one of its channels.
    pub(crate) fn import(
        &mut self,
        topic: &str,
        channel: Option<&str>,
        uids: &[Uid],
        at: Instant,
        wall: i64,
    ) {
        let now = self.now(at, wall);
        let topic = self.topic(topic);
        for uid in uids {
            topic.import(*uid, channel, now);
        }
        topic.durable = now.seq;
    }

    /// Records a step of the wall clock.
    pub(crate) fn step(&mut self, nanos: i64) {
        self.stepped = true;
        self.report.steps += 1;
        self.topics.values_mut().for_each(|topic| topic.step(nanos));
    }

    /// Records the durability in a topic's settings.
    pub(crate) fn set_durability(&mut self, topic: &str, durability: Option<Durability>) {
        let default = self.durability;
        if let Some(topic) = self.topics.get_mut(topic).filter(|topic| topic.durability != Durability::Memory)
        {
            topic.durability = durability.unwrap_or(default);
        }
    }

    /// Records the delivery limit in a channel's settings.
    pub(crate) fn set_max_attempts(&mut self, topic: &str, channel: &str, max_attempts: u16) {
        let topic = self.topics.get_mut(topic);
        if let Some(channel) = topic.and_then(|topic| topic.channels.get_mut(channel)) {
            channel.max_attempts = max_attempts;
        }
    }

    /// Records the damage of a message's record.
    pub(crate) fn lose(&mut self, uid: Uid) {
        self.topics.values_mut().for_each(|topic| topic.lose(uid));
    }

    /// Records the damage of a topic's checkpoint: only its segments still show its channels.
    pub(crate) fn shatter(&mut self, topic: &str) {
        if let Some(topic) = self.topics.get_mut(topic) {
            topic.shatter();
        }
    }

    /// Records the delivery of a message from a dead-letter topic.
    pub(super) fn letter(&mut self, dead: &str, uid: Uid) {
        let origin = dead.trim_end_matches(DEAD).split_once('.');
        let topic = origin.and_then(|(topic, channel)| Some((self.topics.get_mut(topic)?, channel)));
        let Some((topic, channel)) = topic else { return };
        let was_known = topic.is_ghost(uid);
        if let Some(channel) = topic.channels.get_mut(channel)
            && !channel.letter_seen(uid)
            && !was_known
        {
            self.fault(format!("{dead} has message {uid}, which was not delivered too often"));
        }
    }
}
