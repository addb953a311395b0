//! Requests of the control thread.

use net::Io;

use super::{Queue, TopicKey, Waiter};
use crate::ask::{Answer, Ask, Reply};
use crate::error::QueueError;
use crate::topic::{ChannelKey, ControlError, Outcome};

impl Queue {
    pub(super) fn ask<I: Io>(&mut self, io: &mut I, ask: Ask, reply: Reply) {
        match ask {
            Ask::Publish { .. } => self.ask_publish(ask, reply),
            Ask::Peek { .. } => self.ask_peek(&ask, reply),
            Ask::Redrive { topic, channel, count } => self.ask_redrive(&topic, &channel, count, reply),
            other => {
                let answer = self.carry_out_ask(io, other).unwrap_or_else(Answer::Refused);
                reply.send(answer);
            }
        }
    }

    fn carry_out_ask<I: Io>(&mut self, io: &mut I, ask: Ask) -> Result<Answer, QueueError> {
        let clock = self.clock;
        match ask {
            Ask::CreateTopic(topic, durability) => {
                let opened = match durability {
                    Some(durability) => self.open_topic_as(&topic, durability),
                    None => self.open_topic(&topic),
                };
                opened?;
            }
            Ask::DeleteTopic(topic) => {
                let key = self.named(&topic)?;
                self.delete_topic(io, key)?;
            }
            Ask::EmptyTopic(topic) => {
                let key = self.named(&topic)?;
                self.with_topic(key, |topic| topic.empty(clock))?;
            }
            Ask::PauseTopic(topic, paused) => {
                let key = self.named(&topic)?;
                self.with_topic(key, |topic| topic.pause(paused, clock))?;
            }
            Ask::CreateChannel(topic, channel) => {
                self.named(&topic)?;
                self.open_channel(&topic, &channel)?;
            }
            Ask::DeleteChannel(topic, channel) => {
                let (topic, channel) = self.named_channel(&topic, &channel)?;
                self.delete_channel(io, topic, channel)?;
            }
            Ask::EmptyChannel(topic, channel) => {
                let (topic, channel) = self.named_channel(&topic, &channel)?;
                self.with_topic(topic, |topic| topic.empty_channel(channel, clock))?;
            }
            Ask::PauseChannel(topic, channel, paused) => {
                let (topic, channel) = self.named_channel(&topic, &channel)?;
                self.with_topic(topic, |topic| topic.pause_channel(channel, paused, clock))?;
            }
            Ask::Configure(new) => self.configure(*new),
            Ask::Stats { topic, channel, clients } => {
                let snapshot = self.snapshot(topic.as_deref(), channel.as_deref(), clients);
                return Ok(Answer::Stats(Box::new(snapshot)));
            }
            Ask::Damage => return Ok(Answer::Damage(self.damage().damage.clone())),
            Ask::AcknowledgeDamage => return Ok(Answer::Count(self.acknowledge_damage())),
            Ask::Health => return Ok(Answer::Health(self.health())),
            Ask::TopicSettings(topic) => {
                let key = self.named(&topic)?;
                let topic = self.topics.get(key).ok_or(QueueError::NoTopic)?;
                return Ok(Answer::TopicSettings(topic.settings));
            }
            Ask::ConfigureTopic(topic, settings) => {
                let key = self.named(&topic)?;
                self.configure_topic(key, settings)?;
            }
            Ask::ChannelSettings(topic, channel) => {
                let at = self.named_channel(&topic, &channel)?;
                let channel = self.channel_at(at).ok_or(QueueError::NoChannel)?;
                return Ok(Answer::ChannelSettings(channel.settings.clone()));
            }
            Ask::ConfigureChannel(topic, channel, settings) => {
                let (topic, channel) = self.named_channel(&topic, &channel)?;
                self.with_topic(topic, |topic| topic.configure_channel(channel, settings, clock))?;
            }
            Ask::Seek(topic, channel, to) => {
                let (topic, channel) = self.named_channel(&topic, &channel)?;
                let sought = self.with_topic(topic, |topic| topic.seek(channel, to, clock))?;
                return Ok(Answer::Sought(sought));
            }
            Ask::Publish { .. } | Ask::Peek { .. } | Ask::Redrive { .. } => {}
        }
        Ok(Answer::Done)
    }

    fn named(&self, topic: &str) -> Result<TopicKey, QueueError> {
        self.topics.find(topic).ok_or(QueueError::NoTopic)
    }

    fn named_channel(&self, topic: &str, channel: &str) -> Result<(TopicKey, ChannelKey), QueueError> {
        let key = self.named(topic)?;
        let found = self.topics.get(key).and_then(|topic| topic.find(channel));
        Ok((key, found.ok_or(QueueError::NoChannel)?))
    }

    /// Changes a topic; its channels may have something to do then.
    fn with_topic<T>(
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

    fn ask_publish(&mut self, ask: Ask, reply: Reply) {
        let Ask::Publish { topic, batch, defer_ms } = &ask else { return };
        let (count, bytes) =
            batch.iter().fold((0, 0), |(count, bytes), body| (count + 1, bytes + body.len()));
        let staged = self
            .open_topic(topic)
            .and_then(|key| self.stage(key, batch.iter(), count, bytes, *defer_ms).map(|()| key));
        match staged {
            Ok(key) => {
                let number = self.next_ask;
                self.next_ask += 1;
                self.replies.insert(number, reply);
                if let Some(topic) = self.topics.get_mut(key) {
                    topic.wait(Waiter::Ask(number));
                }
            }
            Err(why) => reply.send(Answer::Refused(why)),
        }
    }

    /// A publication over HTTP has come to its end.
    pub(super) fn answer_publication(&mut self, number: u64, outcome: Outcome) {
        if let Some(reply) = self.replies.remove(&number) {
            reply.send(match outcome {
                Outcome::Accepted => Answer::Done,
                Outcome::Refused(why) => Answer::Refused(why),
            });
        }
    }
}
