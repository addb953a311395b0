//! Answers of the registry: names in order, producers in order of arrival.

use std::sync::Arc;
use std::time::Duration;

use super::producer::{Producer, ProducerKey};
use super::tables::Topic;
use super::{Known, Lifetimes, Registry};

/// The answer to a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Names of the topic's channels.
    pub channels: Vec<Arc<str>>,
    /// Active producers of the topic.
    pub producers: Vec<Arc<Producer>>,
}

/// An active node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The producer.
    pub producer: Arc<Producer>,
    /// Its topics; true for those hidden by a tombstone.
    pub topics: Vec<(Arc<str>, bool)>,
}

/// A registration, for debugging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The registered producer.
    pub producer: Arc<Producer>,
    /// Its last sign of life, nanoseconds since 1970.
    pub last_update: i64,
    /// Time of its tombstone, nanoseconds since 1970.
    pub tombstoned_at: Option<i64>,
}

impl Registry {
    /// Channels and active producers of this topic; `None` if it is unknown.
    pub fn lookup(&self, topic: &str, now: i64, last: Lifetimes) -> Option<Found> {
        let id = self.tables.topic(topic).filter(|id| self.tables.is_listed(*id))?;
        let topic = self.tables.get(id)?;
        let mut producers: Vec<(ProducerKey, &Known)> = (topic.producers.iter())
            .filter(|(_, tombstone)| !is_hidden(**tombstone, now, last))
            .filter_map(|(key, _)| Some((*key, self.producers.get(key)?)))
            .filter(|(_, known)| is_active(known, now, last))
            .collect();
        producers.sort_unstable_by_key(|(key, _)| *key);
        Some(Found {
            channels: channels(topic),
            producers: producers.into_iter().map(|(_, known)| Arc::clone(&known.producer)).collect(),
        })
    }

    /// Names of all topics.
    pub fn topics(&self) -> Vec<Arc<str>> {
        let listed = self.tables.all().filter(|(id, _)| self.tables.is_listed(*id));
        listed.map(|(_, topic)| Arc::clone(&topic.name)).collect()
    }

    /// Names of a topic's channels; empty if it is unknown.
    pub fn channels(&self, topic: &str) -> Vec<Arc<str>> {
        self.tables.topic(topic).and_then(|id| self.tables.get(id)).map(channels).unwrap_or_default()
    }

    /// Active producers and their topics.
    pub fn nodes(&self, now: i64, last: Lifetimes) -> Vec<Seen> {
        let mut active: Vec<_> =
            self.producers.iter().filter(|(_, known)| is_active(known, now, last)).collect();
        active.retain(|(key, _)| !self.restored.returned.contains(*key));
        active.sort_unstable_by_key(|(key, _)| **key);
        let seen = |(key, known): (&ProducerKey, &Known)| {
            let mut topics: Vec<(Arc<str>, bool)> = (known.topics.iter())
                .filter_map(|id| self.tables.get(*id))
                .map(|topic| {
                    let tombstone = topic.producers.get(key).copied().flatten();
                    (Arc::clone(&topic.name), is_hidden(tombstone, now, last))
                })
                .collect();
            topics.sort_unstable();
            Seen { producer: Arc::clone(&known.producer), topics }
        };
        active.into_iter().map(seen).collect()
    }

    /// Every registration, by `category:topic:channel`. Categories are `client`, `topic` and `channel`.
    pub fn registrations(&self) -> Vec<(String, Vec<Registered>)> {
        let shown = |key: &ProducerKey, tombstoned_at| {
            let known = self.producers.get(key)?;
            let producer = Arc::clone(&known.producer);
            Some(Registered { producer, last_update: known.last_update, tombstoned_at })
        };
        let mut all = Vec::new();
        let mut push = |name: String, mut keys: Vec<(ProducerKey, Option<i64>)>| {
            keys.sort_unstable();
            let list: Vec<_> = keys.iter().filter_map(|(key, at)| shown(key, *at)).collect();
            if !list.is_empty() {
                all.push((name, list));
            }
        };
        push("client::".into(), self.producers.keys().map(|key| (*key, None)).collect());
        for (_, topic) in self.tables.all() {
            push(format!("topic:{}:", topic.name), topic.producers.iter().map(|(k, at)| (*k, *at)).collect());
            for (name, id) in &topic.channels {
                let Some(channel) = self.tables.get_channel(*id) else { continue };
                let keys = channel.producers.iter().map(|key| (*key, None)).collect();
                push(format!("channel:{}:{name}", topic.name), keys);
            }
        }
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    /// Numbers of producers, topics and channels, active or not.
    pub fn counts(&self) -> (usize, usize, usize) {
        let (topics, channels) = self.tables.sizes();
        (self.producers.len(), topics, channels)
    }
}

fn channels(topic: &Topic) -> Vec<Arc<str>> {
    topic.channels.keys().cloned().collect()
}

fn is_active(known: &Known, now: i64, last: Lifetimes) -> bool {
    age(known.last_update, now) <= last.inactive
}

fn is_hidden(tombstone: Option<i64>, now: i64, last: Lifetimes) -> bool {
    tombstone.is_some_and(|at| age(at, now) < last.tombstone)
}

/// Age of an event; zero if the clock was set back.
fn age(then: i64, now: i64) -> Duration {
    Duration::from_nanos(u64::try_from(now.saturating_sub(then)).unwrap_or(0))
}
