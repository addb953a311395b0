//! The part that all tasks of the engine share: the connection, the names, and where completions go.
//!
//! The lock is between tasks of one thread, and never held while one waits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_nats::jetstream::{Context, kv};
use tokio::sync::OnceCell;
use tokio::time::{Duration, Instant};

use crate::names::Names;
use crate::request::Completion;

/// Receiver of completions.
pub type Report = Arc<dyn Fn(Completion) + Send + Sync>;

/// Topics with their channels.
type Known = BTreeMap<Arc<str>, BTreeSet<Arc<str>>>;
/// Settings (JSON) of topics and channels.
type Settings = BTreeMap<(Arc<str>, Option<Arc<str>>), Arc<str>>;
/// Channels that are being moved: where to, and since when that is known.
type Seeks = BTreeMap<(Arc<str>, Arc<str>), (String, Instant)>;

/// The shared part.
#[derive(Clone)]
pub struct Hub {
    /// The connection.
    pub client: async_nats::Client,
    /// `JetStream` on that connection.
    pub jetstream: Context,
    /// Names of streams, consumers and keys.
    pub names: Names,
    /// Servers that keep each message.
    pub replicas: usize,
    /// Bucket of what exists, once it was opened.
    pub bucket: Arc<OnceCell<kv::Store>>,
    report: Report,
    known: Arc<Mutex<Known>>,
    settings: Arc<Mutex<Settings>>,
    seeks: Arc<Mutex<Seeks>>,
    local: Arc<Mutex<BTreeSet<Arc<str>>>>,
}

impl Hub {
    /// A hub over a connection.
    pub fn new(client: async_nats::Client, names: Names, replicas: usize, report: Report) -> Hub {
        let jetstream = async_nats::jetstream::new(client.clone());
        Hub {
            client,
            jetstream,
            names,
            replicas,
            bucket: Arc::default(),
            report,
            known: Arc::default(),
            settings: Arc::default(),
            seeks: Arc::default(),
            local: Arc::default(),
        }
    }

    /// Sends a completion.
    pub fn report(&self, completion: Completion) {
        (self.report)(completion);
    }

    /// Notes that a topic or channel exists, or is gone.
    pub fn note(&self, topic: &Arc<str>, channel: Option<&Arc<str>>, exists: bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match (channel, exists) {
            (None, true) => drop(known.entry(Arc::clone(topic)).or_default()),
            (None, false) => drop(known.remove(topic)),
            (Some(channel), true) => {
                known.entry(Arc::clone(topic)).or_default().insert(Arc::clone(channel));
            }
            (Some(channel), false) => {
                if let Some(channels) = known.get_mut(topic) {
                    channels.remove(channel);
                }
            }
        }
    }

    /// The known topics.
    pub fn topics(&self) -> Vec<Arc<str>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// The known channels of a topic.
    pub fn channels(&self, topic: &str) -> Vec<Arc<str>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(topic).map(|channels| channels.iter().cloned().collect()).unwrap_or_default()
    }

    /// True if a topic or channel is known to exist.
    pub fn is_known(&self, topic: &str, channel: Option<&str>) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(topic).is_some_and(|channels| channel.is_none_or(|channel| channels.contains(channel)))
    }

    /// The settings of a topic or channel, if it has any.
    pub fn settings(&self, topic: &str, channel: Option<&str>) -> Option<Arc<str>> {
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        settings.get(&(topic.into(), channel.map(Arc::from))).cloned()
    }

    /// Notes settings; `None` if they are gone.
    pub fn set_settings(&self, topic: &Arc<str>, channel: Option<&Arc<str>>, value: Option<&str>) {
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Arc::clone(topic), channel.cloned());
        match value {
            Some(value) => drop(settings.insert(key, value.into())),
            None => drop(settings.remove(&key)),
        }
    }

    /// Notes that a channel is being moved; `None` if it has been.
    pub fn set_seek(&self, topic: &Arc<str>, channel: &Arc<str>, value: Option<&str>) {
        let mut seeks = self.seeks.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Arc::clone(topic), Arc::clone(channel));
        match value {
            Some(value) => drop(seeks.insert(key, (value.to_owned(), Instant::now()))),
            None => drop(seeks.remove(&key)),
        }
    }

    /// Notes that a topic is local at every node, or no longer.
    pub fn set_local(&self, topic: &Arc<str>, active: bool) {
        let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        if active {
            local.insert(Arc::clone(topic));
        } else {
            local.remove(topic);
        }
    }

    /// True if a topic is local at every node: what is here of it is on its way to one of them.
    pub fn is_local(&self, topic: &str) -> bool {
        self.local.lock().unwrap_or_else(PoisonError::into_inner).contains(topic)
    }

    /// Channels that have been moved for this long, with where to.
    pub fn seeks_older_than(&self, age: Duration) -> Vec<(Arc<str>, Arc<str>, String)> {
        let seeks = self.seeks.lock().unwrap_or_else(PoisonError::into_inner);
        let old = seeks.iter().filter(|(_, (_, since))| since.elapsed() >= age);
        old.map(|((topic, channel), (value, _))| (topic.clone(), channel.clone(), value.clone())).collect()
    }
}
