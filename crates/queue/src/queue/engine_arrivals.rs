//! Messages that arrive from the engine, for consumers here or for a local topic.

use engine::{Arrival, Fate};

use super::Queue;
use crate::registry::TopicKey;
use crate::topic::ChannelKey;

impl Queue {
    /// Takes messages that arrived for a channel.
    pub(super) fn arrived(&mut self, topic: &str, channel: &str, messages: Vec<Arrival>) {
        let clock = self.clock;
        let mut found = self.engine_channel(topic, channel);
        if let Some(at) = found {
            self.count_off(at, messages.len() as u32);
        }
        found = found.filter(|at| !self.is_seeking(*at));
        let (mut refused, mut taken) = (Vec::new(), Vec::new());
        let is_taken = found.is_some_and(|at| self.is_taken(at));
        for arrival in messages {
            if arrival.only.as_deref().is_some_and(|only| only != channel) {
                refused.push((arrival.handle, Fate::Finish));
                continue;
            }
            if is_taken {
                taken.push(arrival);
                continue;
            }
            let staged = found.is_some_and(|(key, channel)| {
                let topic = self.topics.get_mut(key);
                topic.is_some_and(|topic| topic.stage_arrival(channel, &arrival, clock).is_ok())
            });
            if !staged {
                refused.push((arrival.handle, Fate::Return(std::time::Duration::ZERO)));
            }
        }
        if let Some(link) = &mut self.engine {
            link.settle(refused);
        }
        if is_taken {
            self.take_over(topic, channel, taken);
        } else if let Some((key, _)) = found {
            self.mark_dirty(key);
        }
    }

    /// Takes messages from what a channel waits for.
    pub(super) fn count_off(&mut self, (key, channel): (TopicKey, ChannelKey), count: u32) {
        let target = self.topics.get_mut(key).and_then(|topic| topic.channel_mut(channel));
        if let Some(engine) = target.and_then(|channel| channel.engine.as_mut()) {
            engine.outstanding = engine.outstanding.saturating_sub(count);
        }
        self.schedule(key, channel);
    }

    pub(super) fn engine_channel(&self, topic: &str, channel: &str) -> Option<(TopicKey, ChannelKey)> {
        let key = self.engine_topic(topic)?;
        Some((key, self.topics.get(key)?.find(channel)?))
    }

    /// True if what a channel gets is taken over by a local one.
    fn is_taken(&self, (key, channel): (TopicKey, ChannelKey)) -> bool {
        let channel = self.topics.get(key).and_then(|topic| topic.channel(channel));
        channel.and_then(|channel| channel.engine.as_ref()).is_some_and(|engine| engine.taken)
    }

    /// True if the local channel that takes over what this one gets has enough.
    pub(super) fn is_taken_enough(&self, at: (TopicKey, ChannelKey)) -> bool {
        if !self.is_taken(at) {
            return false;
        }
        let topic = self.topics.get(at.0);
        let names = topic.and_then(|topic| Some((&topic.engine.as_ref()?.name, &topic.channel(at.1)?.name)));
        names.is_some_and(|(topic, channel)| self.has_taken_enough(topic, channel))
    }
}
