//! Producers, their topics and channels, and tombstones. A state machine: callers pass the time.
//!
//! A producer is a connection, as in nsqlookupd: a node on two connections counts twice. A topic or channel
//! without producers stays known until it is deleted; only an ephemeral one disappears when its last producer
//! unregisters it. Inactive producers, and those with a tombstone for the requested topic, are left out of
//! answers but kept.
//!
//! Names are stored once; a registration is an entry in its topic or channel and one in its producer
//! (docs/performance.md has the memory used).

mod answers;
mod limits;
mod producer;
mod restore;
mod restored;
mod tables;

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};
use wire::nsq::is_ephemeral;
use wire::nsq::lookup::Node;

pub use answers::{Found, Registered, Seen};
pub use limits::{Full, Limits};
pub use producer::{Producer, ProducerKey};
use restored::Restored;
use tables::{ChannelId, Tables, TopicId};

/// Lifetimes of producers and tombstones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Time since its last sign of life for which a producer is active.
    pub inactive: Duration,
    /// Time for which a tombstone hides a producer.
    pub tombstone: Duration,
}

impl Default for Lifetimes {
    /// The defaults of nsqlookupd.
    fn default() -> Lifetimes {
        Lifetimes { inactive: Duration::from_mins(5), tombstone: Duration::from_secs(45) }
    }
}

#[derive(Debug)]
struct Known {
    producer: Arc<Producer>,
    /// Nanoseconds since 1970.
    last_update: i64,
    topics: FxHashSet<TopicId>,
    channels: FxHashSet<ChannelId>,
    /// Its stale producer from a snapshot.
    predecessor: Option<ProducerKey>,
}

/// The registry.
#[derive(Debug, Default)]
pub struct Registry {
    limits: Limits,
    producers: FxHashMap<ProducerKey, Known>,
    /// The next key; keys are not reused.
    next: u32,
    tables: Tables,
    restored: Restored,
    /// Number of changes that affect a snapshot.
    changes: u64,
}

impl Registry {
    /// An empty registry.
    pub fn new(limits: Limits) -> Registry {
        Registry { limits, ..Registry::default() }
    }

    /// Sets new limits. Existing entries beyond them stay.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Adds a node that has identified itself, at `now` (nanoseconds since 1970).
    pub fn add_producer(&mut self, remote: String, node: Node, now: i64) -> ProducerKey {
        self.insert_producer(remote, node, now, false)
    }

    fn insert_producer(&mut self, remote: String, node: Node, now: i64, stale: bool) -> ProducerKey {
        self.changes += 1;
        let predecessor = if stale { None } else { self.restored.predecessor(&node) };
        while self.producers.contains_key(&ProducerKey(self.next)) {
            self.next = self.next.wrapping_add(1);
        }
        let key = ProducerKey(self.next);
        self.next = self.next.wrapping_add(1);
        let known = Known {
            producer: Arc::new(Producer { remote, node, stale }),
            last_update: now,
            topics: FxHashSet::default(),
            channels: FxHashSet::default(),
            predecessor,
        };
        self.producers.insert(key, known);
        key
    }

    /// Notes a sign of life.
    pub fn heard(&mut self, key: ProducerKey, now: i64) {
        if let Some(known) = self.producers.get_mut(&key) {
            known.last_update = now;
        }
    }

    /// Removes a producer whose connection has ended, and its registrations. Names stay.
    pub fn remove_producer(&mut self, key: ProducerKey) {
        let Some(known) = self.producers.remove(&key) else { return };
        self.changes += 1;
        for topic in known.topics {
            self.tables.topic_mut(topic).producers.remove(&key);
        }
        for channel in known.channels {
            self.tables.channel_mut(channel).producers.remove(&key);
        }
    }

    /// Registers a topic, or a topic and channel, of a producer; names must be valid. Registering again
    /// changes nothing, not even a tombstone.
    ///
    /// # Errors
    /// A limit is reached. The topic may be registered without the channel.
    pub fn register(&mut self, key: ProducerKey, topic: &str, channel: Option<&str>) -> Result<(), Full> {
        let max = self.limits.registrations_max;
        let names_max = self.limits.names_max;
        let Some(known) = self.producers.get_mut(&key) else { return Ok(()) };
        let room = |known: &Known| {
            if known.topics.len() + known.channels.len() < max {
                Ok(())
            } else {
                Err(Full::Registrations(max))
            }
        };
        let (predecessor, stale) = (known.predecessor, known.producer.stale);
        let topic = self.tables.add_topic(topic, names_max)?;
        if !stale {
            self.restored.settle(topic);
        }
        if !known.topics.contains(&topic) {
            room(known)?;
            known.topics.insert(topic);
            self.changes += 1;
            let producers = &mut self.tables.topic_mut(topic).producers;
            let tombstone =
                predecessor.and_then(|predecessor| producers.get(&predecessor).copied()).flatten();
            if let Entry::Vacant(place) = producers.entry(key) {
                place.insert(tombstone);
            }
        }
        if let Some(channel) = channel {
            let channel = self.tables.add_channel(topic, channel, names_max)?;
            if !known.channels.contains(&channel) {
                room(known)?;
                known.channels.insert(channel);
                self.changes += 1;
                self.tables.channel_mut(channel).producers.insert(key);
            }
        }
        self.give_up(predecessor, topic);
        Ok(())
    }

    /// Removes a topic from the stale producer of a node.
    fn give_up(&mut self, predecessor: Option<ProducerKey>, topic: TopicId) {
        if let Some(predecessor) = predecessor
            && let Some(known) = self.producers.get_mut(&predecessor)
            && known.topics.remove(&topic)
        {
            self.tables.topic_mut(topic).producers.remove(&predecessor);
        }
    }

    /// Unregisters a channel; without one, the topic and all its channels. Ephemeral ones disappear with
    /// their last producer: a channel if it is named, the topic if it is, as in nsqlookupd.
    pub fn unregister(&mut self, key: ProducerKey, topic: &str, channel: Option<&str>) {
        let Some(topic_id) = self.tables.topic(topic) else { return };
        let Some(known) = self.producers.get_mut(&key) else { return };
        self.changes += 1;
        let predecessor = known.predecessor;
        if let Some(name) = channel {
            let Some(id) = self.tables.channel(topic_id, name) else { return };
            known.channels.remove(&id);
            let channel = self.tables.channel_mut(id);
            channel.producers.remove(&key);
            if channel.producers.is_empty() && is_ephemeral(name) {
                self.tables.remove_channel(id);
            }
            return;
        }
        for id in self.tables.channels_of(topic_id) {
            if known.channels.remove(&id) {
                self.tables.channel_mut(id).producers.remove(&key);
            }
        }
        known.topics.remove(&topic_id);
        self.give_up(predecessor, topic_id);
        let there = self.tables.topic_mut(topic_id);
        there.producers.remove(&key);
        if there.producers.is_empty() && is_ephemeral(topic) {
            self.tables.forget_topic(topic_id);
        }
    }

    /// Number of changes that affect a snapshot.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Creates a topic; the name must be valid.
    ///
    /// # Errors
    /// A limit is reached.
    pub fn create_topic(&mut self, topic: &str) -> Result<(), Full> {
        self.changes += 1;
        let id = self.tables.add_topic(topic, self.limits.names_max)?;
        self.restored.settle(id);
        Ok(())
    }

    /// Creates a channel and its topic; the names must be valid.
    ///
    /// # Errors
    /// A limit is reached.
    pub fn create_channel(&mut self, topic: &str, channel: &str) -> Result<(), Full> {
        self.changes += 1;
        let topic = self.tables.add_topic(topic, self.limits.names_max)?;
        self.restored.settle(topic);
        self.tables.add_channel(topic, channel, self.limits.names_max).map(drop)
    }

    /// Deletes a topic and its channels, including registrations; it reappears with the next registration.
    pub fn delete_topic(&mut self, topic: &str) {
        let Some(id) = self.tables.topic(topic) else { return };
        self.changes += 1;
        self.restored.settle(id);
        for channel in self.tables.channels_of(id) {
            self.drop_channel(channel);
        }
        for key in self.tables.producers_of(id) {
            if let Some(known) = self.producers.get_mut(&key) {
                known.topics.remove(&id);
            }
        }
        self.tables.remove_topic(id);
    }

    /// Deletes a channel. False if it is unknown.
    pub fn delete_channel(&mut self, topic: &str, channel: &str) -> bool {
        let found = self.tables.topic(topic).and_then(|topic| self.tables.channel(topic, channel));
        if let Some(id) = found {
            self.changes += 1;
            self.drop_channel(id);
        }
        found.is_some()
    }

    fn drop_channel(&mut self, id: ChannelId) {
        for key in &self.tables.channel_mut(id).producers.clone() {
            if let Some(known) = self.producers.get_mut(key) {
                known.channels.remove(&id);
            }
        }
        self.tables.remove_channel(id);
    }

    /// Hides the producers of a topic whose `broadcast_address:http_port` is `node`.
    pub fn tombstone(&mut self, topic: &str, node: &str, now: i64) {
        let Some(id) = self.tables.topic(topic) else { return };
        self.changes += 1;
        let producers = &self.producers;
        for (key, tombstone) in &mut self.tables.topic_mut(id).producers {
            let its = producers.get(key).map(|known| &known.producer.node);
            if its.is_some_and(|its| format!("{}:{}", its.broadcast_address, its.http_port) == node) {
                *tombstone = Some(now);
            }
        }
    }
}

#[cfg(test)]
mod tests;
