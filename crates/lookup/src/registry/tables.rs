//! Topics and channels by name and by number. Numbers are reused once no set has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::limits::Full;
use super::producer::ProducerKey;

/// A topic's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TopicId(u32);

/// A channel's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ChannelId(u32);

/// A topic.
#[derive(Debug, Default)]
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    /// Its producers, each with the time of its tombstone (nanoseconds since 1970), if it has one.
    pub(super) producers: FxHashMap<ProducerKey, Option<i64>>,
    /// By name.
    pub(super) channels: BTreeMap<Arc<str>, ChannelId>,
    /// False if the topic was unregistered while it still had channels, which nsqlookupd keeps.
    listed: bool,
}

/// A channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) topic: TopicId,
    pub(super) name: Arc<str>,
    pub(super) producers: FxHashSet<ProducerKey>,
}

/// All topics and channels.
#[derive(Debug, Default)]
pub(super) struct Tables {
    by_name: BTreeMap<Arc<str>, TopicId>,
    topics: FxHashMap<TopicId, Topic>,
    channels: FxHashMap<ChannelId, Channel>,
    next: u32,
}

impl Tables {
    fn names(&self) -> usize {
        self.topics.len() + self.channels.len()
    }

    /// Numbers of topics and channels.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.topics.len(), self.channels.len())
    }

    /// An unused number. There are never more than 2^32 names.
    fn number(&mut self) -> u32 {
        loop {
            self.next = self.next.wrapping_add(1);
            if !self.topics.contains_key(&TopicId(self.next))
                && !self.channels.contains_key(&ChannelId(self.next))
            {
                return self.next;
            }
        }
    }

    /// The topic of this name, if it or one of its channels is known.
    pub(super) fn topic(&self, name: &str) -> Option<TopicId> {
        self.by_name.get(name).copied()
    }

    /// True if the topic itself is known.
    pub(super) fn is_listed(&self, id: TopicId) -> bool {
        self.topics.get(&id).is_some_and(|topic| topic.listed)
    }

    /// The topic of this name, added if necessary.
    pub(super) fn add_topic(&mut self, name: &str, names_max: usize) -> Result<TopicId, Full> {
        if let Some(id) = self.topic(name) {
            self.topic_mut(id).listed = true;
            return Ok(id);
        }
        if self.names() >= names_max {
            return Err(Full::Names(names_max));
        }
        let id = TopicId(self.number());
        let name: Arc<str> = name.into();
        self.by_name.insert(Arc::clone(&name), id);
        self.topics.insert(id, Topic { name, listed: true, ..Topic::default() });
        Ok(id)
    }

    /// The channel of this name, added if necessary.
    pub(super) fn add_channel(
        &mut self,
        topic: TopicId,
        name: &str,
        names_max: usize,
    ) -> Result<ChannelId, Full> {
        if let Some(id) = self.channel(topic, name) {
            return Ok(id);
        }
        if self.names() >= names_max {
            return Err(Full::Names(names_max));
        }
        let id = ChannelId(self.number());
        let name: Arc<str> = name.into();
        self.topic_mut(topic).channels.insert(Arc::clone(&name), id);
        self.channels.insert(id, Channel { topic, name, producers: FxHashSet::default() });
        Ok(id)
    }

    /// The channel of this name.
    pub(super) fn channel(&self, topic: TopicId, name: &str) -> Option<ChannelId> {
        self.topics.get(&topic)?.channels.get(name).copied()
    }

    /// An existing topic. Numbers come from these tables and are removed from all sets with their topic.
    pub(super) fn topic_mut(&mut self, id: TopicId) -> &mut Topic {
        self.topics.entry(id).or_default()
    }

    /// An existing channel; see [`Tables::topic_mut`].
    pub(super) fn channel_mut(&mut self, id: ChannelId) -> &mut Channel {
        self.channels.entry(id).or_insert_with(|| Channel {
            topic: TopicId(0),
            name: Arc::default(),
            producers: FxHashSet::default(),
        })
    }

    /// The channels of a topic.
    pub(super) fn channels_of(&self, id: TopicId) -> Vec<ChannelId> {
        self.topics.get(&id).map(|topic| topic.channels.values().copied().collect()).unwrap_or_default()
    }

    /// Producers of a topic.
    pub(super) fn producers_of(&self, id: TopicId) -> Vec<ProducerKey> {
        self.topics.get(&id).map(|topic| topic.producers.keys().copied().collect()).unwrap_or_default()
    }

    /// All topics by name, including unlisted ones.
    pub(super) fn all(&self) -> impl Iterator<Item = (TopicId, &Topic)> {
        self.by_name.values().filter_map(|id| Some((*id, self.topics.get(id)?)))
    }

    /// A topic, read-only.
    pub(super) fn get(&self, id: TopicId) -> Option<&Topic> {
        self.topics.get(&id)
    }

    /// A channel, read-only.
    pub(super) fn get_channel(&self, id: ChannelId) -> Option<&Channel> {
        self.channels.get(&id)
    }

    /// Removes a channel, and its topic if nothing else of that is left.
    pub(super) fn remove_channel(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.remove(&id) else { return };
        let topic = self.topic_mut(channel.topic);
        topic.channels.remove(&channel.name);
        if topic.channels.is_empty() && !topic.listed {
            self.remove_topic(channel.topic);
        }
    }

    /// Unlists a topic; its channels stay known, if there are any.
    pub(super) fn forget_topic(&mut self, id: TopicId) {
        let topic = self.topic_mut(id);
        topic.listed = false;
        if topic.channels.is_empty() {
            self.remove_topic(id);
        }
    }

    /// Removes a topic whose channels are gone.
    pub(super) fn remove_topic(&mut self, id: TopicId) {
        if let Some(topic) = self.topics.remove(&id) {
            self.by_name.remove(&topic.name);
        }
    }
}
