//! The part that all tasks of the engine share: the connection, the names, and where completions go.
//!
//! The lock is between tasks of one thread, and never held while one waits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_nats::jetstream::{Context, kv};
use tokio::sync::OnceCell;

use crate::names::Names;
use crate::request::Completion;

/// Receiver of completions.
pub type Report = Arc<dyn Fn(Completion) + Send + Sync>;

/// Topics with their channels.
type Known = BTreeMap<Arc<str>, BTreeSet<Arc<str>>>;

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
}

impl Hub {
    /// A hub over a connection.
    pub fn new(client: async_nats::Client, names: Names, replicas: usize, report: Report) -> Hub {
        let jetstream = async_nats::jetstream::new(client.clone());
        Hub { client, jetstream, names, replicas, bucket: Arc::default(), report, known: Arc::default() }
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
}
