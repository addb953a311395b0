//! Requests of the control thread.

use net::Io;

use super::{Queue, TopicKey, Waiter};
use crate::error::QueueError;
use crate::request::{Answer, Reply, Request};
use crate::settings::TopicSettings;
use crate::topic::{ChannelKey, ControlError, Outcome};

impl Queue {
    pub(super) fn ask<I: Io>(&mut self, io: &mut I, request: Request, reply: Reply) {
        let Some((request, reply)) = self.ask_engine(request, reply) else { return };
        match request {
            Request::Publish { .. } => self.begin_publication(request, reply),
            Request::Peek { .. } => self.begin_peek(&request, reply),
            Request::Redrive { topic, channel, count, died } => {
                self.begin_redrive((&topic, &channel), count, died, reply);
            }
            other => {
                let answer = self.carry_out_request(io, other).unwrap_or_else(Answer::Refused);
                reply.send(answer);
            }
        }
    }

    fn carry_out_request<I: Io>(&mut self, io: &mut I, request: Request) -> Result<Answer, QueueError> {
        let clock = self.clock;
        match request {
            Request::CreateTopic(topic, durability) => {
                let opened = match durability {
                    Some(durability) => self.open_topic_as(&topic, durability),
                    None => self.open_topic(&topic),
                };
                opened?;
            }
            Request::CreateTopicOn(topic, _, durability) => {
                self.open_local_topic(&topic, durability)?;
            }
            Request::DeleteTopic(topic) => {
                let key = self.named(&topic)?;
                self.delete_topic(io, key)?;
            }
            Request::EmptyTopic(topic) => {
                let key = self.named(&topic)?;
                self.with_topic(key, |topic| topic.empty(clock))?;
            }
            Request::PauseTopic(topic, paused) => {
                let key = self.named(&topic)?;
                self.with_topic(key, |topic| topic.pause(paused, clock))?;
            }
            Request::CreateChannel(topic, channel) => {
                self.named(&topic)?;
                self.open_channel(&topic, &channel)?;
            }
            Request::DeleteChannel(topic, channel) => {
                let (topic, channel) = self.named_channel(&topic, &channel)?;
                self.delete_channel(io, topic, channel)?;
            }
            Request::EmptyChannel(topic, channel) => {
                let (topic, channel) = self.named_channel(&topic, &channel)?;
                self.with_topic(topic, |topic| topic.empty_channel(channel, clock))?;
            }
            Request::PauseChannel(topic, channel, paused) => {
                let (topic, channel) = self.named_channel(&topic, &channel)?;
                self.with_topic(topic, |topic| topic.pause_channel(channel, paused, clock))?;
            }
            Request::Configure(new) => self.configure(io, *new),
            Request::Stats { topic, channel, clients } => {
                let snapshot = self.snapshot(topic.as_deref(), channel.as_deref(), clients);
                return Ok(Answer::Stats(Box::new(snapshot)));
            }
            Request::Damage => return Ok(Answer::Damage(self.damage().damage.clone())),
            Request::AcknowledgeDamage => return Ok(Answer::Count(self.acknowledge_damage())),
            Request::Health => return Ok(Answer::Health(self.health())),
            Request::TopicSettings(topic) => {
                let key = self.named(&topic)?;
                let topic = self.topics.get(key).ok_or(QueueError::NoTopic)?;
                return Ok(Answer::TopicSettings(topic.configured()));
            }
            Request::ConfigureTopic(topic, settings) => {
                let key = self.named(&topic)?;
                let TopicSettings { moving, home, .. } =
                    self.topics.get(key).map(|topic| topic.settings).unwrap_or_default();
                self.configure_topic(key, TopicSettings { moving, home, ..settings })?;
            }
            Request::ChannelSettings(topic, channel) => {
                let at = self.named_channel(&topic, &channel)?;
                let channel = self.channel_at(at).ok_or(QueueError::NoChannel)?;
                return Ok(Answer::ChannelSettings(channel.settings.clone()));
            }
            Request::ConfigureChannel(topic, channel, settings) => {
                let (topic, channel) = self.named_channel(&topic, &channel)?;
                self.with_topic(topic, |topic| topic.configure_channel(channel, settings, clock))?;
            }
            Request::Seek(topic, channel, to) => {
                let (topic, channel) = self.named_channel(&topic, &channel)?;
                let sought = self.with_topic(topic, |topic| topic.seek(channel, to, clock))?;
                return Ok(Answer::Sought(sought));
            }
            Request::Publish { .. }
            | Request::Peek { .. }
            | Request::Redrive { .. }
            | Request::MoveTopic(..) => {}
        }
        Ok(Answer::Done)
    }

    pub(super) fn named(&self, topic: &str) -> Result<TopicKey, QueueError> {
        self.topics.find(topic).ok_or(QueueError::NoTopic)
    }

    pub(super) fn named_channel(
        &self,
        topic: &str,
        channel: &str,
    ) -> Result<(TopicKey, ChannelKey), QueueError> {
        let key = self.named(topic)?;
        let found = self.topics.get(key).and_then(|topic| topic.find(channel));
        Ok((key, found.ok_or(QueueError::NoChannel)?))
    }

    /// Changes a topic, then schedules its channels.
    pub(super) fn with_topic<T>(
        &mut self,
        key: TopicKey,
        change: impl FnOnce(&mut crate::topic::Topic<Waiter>) -> Result<T, ControlError>,
    ) -> Result<T, QueueError> {
        let topic = self.topics.get_mut(key).ok_or(QueueError::NoTopic)?;
        let changed = change(topic);
        if changed.is_err() {
            self.judge_journal(key);
        }
        let changed = changed?;
        self.mark_dirty(key);
        self.schedule_all(key);
        Ok(changed)
    }

    fn begin_publication(&mut self, request: Request, reply: Reply) {
        let Request::Publish { topic, batch, defer_ms } = &request else { return };
        let (count, bytes) =
            batch.iter().fold((0, 0), |(count, bytes), body| (count + 1, bytes + body.len()));
        let staged = self
            .open_topic(topic)
            .and_then(|key| self.accepting(key))
            .and_then(|key| self.stage(key, batch.iter(), count, bytes, *defer_ms).map(|()| key));
        match staged {
            Ok(key) => {
                let number = self.next_request;
                self.next_request += 1;
                self.replies.insert(number, reply);
                if let Some(topic) = self.topics.get_mut(key) {
                    topic.wait(Waiter::Request(number));
                }
            }
            Err(why) => reply.send(Answer::Refused(why)),
        }
    }

    /// Answers a publication over HTTP.
    pub(super) fn answer_publication(&mut self, number: u64, outcome: Outcome) {
        if let Some(reply) = self.replies.remove(&number) {
            reply.send(match outcome {
                Outcome::Accepted => Answer::Done,
                Outcome::Refused(why) => Answer::Refused(why),
            });
        }
    }
}
