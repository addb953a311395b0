//! Store and forward: publications for topics on the engine that are accepted here first.
//!
//! ```text
//!  PUB T ▸ local topic T.forward (OK at its durability) ▸ channel `engine` ▸ batch ▸ engine ▸ completion ▸ FIN
//! ```
//! The forwarder is a consumer of a channel of an ordinary local topic, so that what waits is durable,
//! limited (`forward_bytes_max`), and visible as any backlog is. One batch of a topic is under way at a
//! time, in order. A batch that failed is taken again after a while, with the same ids; so is one that a
//! crash interrupted. Delays are kept in the local topic: a message is forwarded when it is due.

use std::sync::Arc;
use std::time::Duration;

use engine::{EngineError, Request};
use net::ConnId;

use super::Queue;
use super::forwarders::{Batch, Forwarder};
use crate::consumers::{Nearness, Terms};
use crate::delivery::deliver;
use crate::disk::{Job, Purpose};
use crate::error::QueueError;
use crate::registry::TopicKey;
use crate::settings::{AtLimit, TopicSettings};
use crate::topic::ChannelKey;

/// Suffix of the local topic in which publications wait.
const SUFFIX: &str = ".forward";
/// The channel that they are forwarded through.
const CHANNEL: &str = "engine";
/// Messages per batch.
const BATCH: u32 = 500;
/// Pause after a batch that failed.
const RETRY: Duration = Duration::from_secs(1);
/// A forwarder as a consumer. Its id is one that no client has.
pub(super) const TERMS: Terms = Terms {
    conn: ConnId { index: u32::MAX, generation: u32::MAX },
    timeout: Duration::from_hours(24),
    timeout_max: Duration::from_hours(24),
    sample_rate: 0,
    nearness: Nearness::Elsewhere,
};

impl Queue {
    /// The topic in which a publication for this one waits: itself, or a local one from which it is
    /// forwarded.
    #[inline]
    pub(crate) fn accepting(&mut self, key: TopicKey) -> Result<TopicKey, QueueError> {
        match self.topics.get(key) {
            Some(topic) if topic.accepts_locally() => self.forward_topic(key),
            _ => Ok(key),
        }
    }

    fn forward_topic(&mut self, key: TopicKey) -> Result<TopicKey, QueueError> {
        let Some(topic) = self.topics.get(key) else { return Ok(key) };
        let name = format!("{}{SUFFIX}", topic.name);
        if name.len() > wire::nsq::NAME_BYTES_MAX {
            return Err(QueueError::NotOnEngine(
                "with accept = \"local\", names longer than 56 characters are",
            ));
        }
        let target = topic.name.clone();
        let local = self.topics.find(&name);
        if let (Some(local), Some(forwarders)) = (local, &self.forwarders)
            && forwarders.all.contains_key(&local)
        {
            return Ok(local);
        }
        let local = self.open_local_topic(&name, None)?;
        self.start_forwarder(local, &target)?;
        Ok(local)
    }

    /// Begins to forward what waits in a local topic.
    fn start_forwarder(&mut self, local: TopicKey, target: &str) -> Result<(), QueueError> {
        let Some(forwarders) = &self.forwarders else { return Ok(()) };
        let bytes_max = forwarders.bytes_max;
        let topic = self.topics.get(local).ok_or(QueueError::Exiting)?;
        let (name, settings) = (topic.name.clone(), topic.settings);
        if topic.is_on_engine() {
            return Err(QueueError::NotOnEngine("with accept = \"local\", a topic that ends in .forward is"));
        }
        if settings.bytes_max != bytes_max {
            self.configure_topic(local, TopicSettings { bytes_max, at_limit: AtLimit::Reject, ..settings })?;
        }
        let (_, channel) = self.open_channel(&name, CHANNEL)?;
        let now = self.clock.now;
        let Some(source) = self.channel_at((local, channel)) else { return Err(QueueError::Exiting) };
        let consumer = source.subscribe(TERMS);
        let (target, departing) = (Arc::from(target), Vec::new());
        let forwarder =
            Forwarder { target, only: None, channel, consumer, departing, oldest: 0, not_before: now };
        if let Some(forwarders) = &mut self.forwarders {
            forwarders.all.insert(local, forwarder);
        }
        self.schedule(local, channel);
        Ok(())
    }

    /// True if what waits in this topic is forwarded.
    #[inline]
    pub(super) fn is_forwarded(&self, key: TopicKey) -> bool {
        self.forwarders.as_ref().is_some_and(|forwarders| forwarders.all.contains_key(&key))
    }

    /// True if what waits in this channel is forwarded, or moved.
    #[inline]
    pub(super) fn has_forwarder(&mut self, at: (TopicKey, ChannelKey)) -> bool {
        self.forwarders.as_mut().is_some_and(|forwarders| forwarders.get_mut(at).is_some())
    }

    /// Sends the next batch of a channel, unless one is under way.
    pub(super) fn forward(&mut self, key: TopicKey, channel_key: ChannelKey) {
        let clock = self.clock;
        let (Some(forwarders), Some(link)) = (&mut self.forwarders, &mut self.engine) else { return };
        let Some(forwarder) = forwarders.get_mut((key, channel_key)) else { return };
        if !forwarder.departing.is_empty() || clock.now < forwarder.not_before || self.stopping {
            return;
        }
        let Some(topic) = self.topics.get_mut(key) else { return };
        let Some(channel) = topic.channel_mut(channel_key) else { return };
        if channel.notes.reading {
            return;
        }
        channel.set_blocked(forwarder.consumer, false);
        channel.set_ready(forwarder.consumer, BATCH);
        let body_bytes_max = link.body_bytes_max();
        let mut taken = Batch { only: forwarder.only.clone(), body_bytes_max, ..Batch::default() };
        let job = deliver(topic, forwarder.channel, clock, &mut taken);
        if let Some(channel) = topic.channel_mut(forwarder.channel) {
            channel.set_ready(forwarder.consumer, 0);
            channel.notes.reading |= job.is_some();
        }
        if !taken.messages.is_empty() {
            let number = link.number();
            forwarder.departing = taken.ids;
            forwarder.oldest = taken.oldest;
            let (topic, messages) = (Arc::clone(&forwarder.target), taken.messages);
            forwarders.batches.insert(number, (key, channel_key));
            link.submit(Request::Publish { number, topic, messages });
        }
        if let Some(job) = job {
            self.submit(Job::Read(key, Purpose::Deliver(channel_key), job));
        }
    }

    /// Takes the outcome of a batch. False if the number is not one of a batch.
    pub(super) fn forwarded(&mut self, number: u64, outcome: &Result<(), EngineError>) -> bool {
        let clock = self.clock;
        let Some(forwarders) = &mut self.forwarders else { return false };
        let Some((key, channel_key)) = forwarders.batches.remove(&number) else { return false };
        let Some(forwarder) = forwarders.get_mut((key, channel_key)) else { return true };
        let departed = std::mem::take(&mut forwarder.departing);
        match outcome {
            Ok(()) => forwarder.oldest = 0,
            Err(_) => forwarder.not_before = clock.now + RETRY,
        }
        let (consumer, target) = (forwarder.consumer, Arc::clone(&forwarder.target));
        let stored: Vec<bool> = match outcome {
            Ok(()) => vec![true; departed.len()],
            Err(why) => (0..departed.len()).map(|index| why.stored.contains(&index)).collect(),
        };
        let target = self.topics.find(&target).and_then(|key| self.topics.get_mut(key));
        if let Some(target) = target.filter(|target| target.is_on_engine()) {
            target.counters.messages += stored.iter().filter(|stored| **stored).count() as u64;
        }
        let Some(channel) = self.topics.get_mut(key).and_then(|topic| topic.channel_mut(channel_key)) else {
            return true;
        };
        for (id, stored) in departed.into_iter().zip(stored) {
            // In flight to the forwarder, unless the channel was emptied meanwhile.
            let _ = match stored {
                true => channel.finish(consumer, id).map(drop),
                false => channel.requeue(consumer, id, Duration::ZERO, clock),
            };
        }
        self.mark_dirty(key);
        self.schedule(key, channel_key);
        true
    }

    /// Starts forwarders for what waited when the process started, and those that wait after a failure.
    /// Called once a second.
    pub(super) fn tend_forwarders(&mut self) {
        let Some(forwarders) = &mut self.forwarders else { return };
        let topics = &self.topics;
        // A forwarder whose channel was deleted by hand begins anew.
        forwarders
            .all
            .retain(|key, its| topics.get(*key).is_some_and(|topic| topic.channel(its.channel).is_some()));
        let waiting: Vec<(TopicKey, ChannelKey)> =
            forwarders.all.iter().map(|(key, forwarder)| (*key, forwarder.channel)).collect();
        let mut found = Vec::new();
        for (key, topic) in self.topics.iter() {
            let target = topic.name.strip_suffix(SUFFIX).filter(|_| topic.find(CHANNEL).is_some());
            // What was accepted for a topic that has left the engine goes there, and from there to its home.
            let is_known = |target: &&str| self.is_on_engine(target) || self.is_local_everywhere(target);
            if let Some(target) = target.filter(|target| !self.is_forwarded(key) && is_known(target)) {
                found.push((key, target.to_owned()));
            }
        }
        for (key, target) in found {
            if let Err(why) = self.start_forwarder(key, &target) {
                telemetry::warn!(topic = target, error = %why, "not forwarded");
            }
        }
        waiting.into_iter().for_each(|(key, channel)| self.schedule(key, channel));
    }

    /// Messages that wait to be forwarded, and when the oldest of the next batch was published (wall, ns; 0
    /// if none is known).
    pub(super) fn forwarding(&self) -> (u64, i64) {
        let (mut waiting, mut oldest) = (0, 0);
        for (key, forwarder) in self.forwarders.iter().flat_map(|forwarders| &forwarders.all) {
            let channel = self.topics.get(*key).and_then(|topic| topic.channel(forwarder.channel));
            waiting += channel.map_or(0, |channel| channel.depth() + channel.in_flight_count() as u64);
            if forwarder.oldest != 0 && (oldest == 0 || forwarder.oldest < oldest) {
                oldest = forwarder.oldest;
            }
        }
        (waiting, oldest)
    }

    /// The local topic in which publications for this one wait, if there is one.
    pub(super) fn forward_topic_of(&self, target: &str) -> Option<TopicKey> {
        self.forwarders.as_ref()?;
        self.topics.find(&format!("{target}{SUFFIX}")).filter(|key| self.is_forwarded(*key))
    }
}
