//! The consumer: its builder, and the handles that its user holds.
//!
//! Behind it are a task per node, a task that polls lookupds, and the state machine that distributes RDY.

mod backoff;
mod flow;

mod hub;
mod line;
mod stats;
mod ticket;

mod discovery;
mod handler;
mod subscription;

use std::sync::Arc;
use std::time::{Duration, Instant};

use telemetry::warn;
use tokio::sync::mpsc;
use wire::nsq::valid_name;

use hub::Hub;
pub use stats::ConsumerStats;

use crate::config::Config;
use crate::error::StartError;
use crate::link::{NodeAddress, Profile};
use crate::message::Message;

/// Smallest capacity of the queue between connections and the user, in messages.
const QUEUE_MIN: usize = 64;
/// Largest capacity of that queue.
const QUEUE_MAX: usize = 1 << 16;
/// Time for a dropped consumer to requeue its messages.
const DROPPED_PATIENCE: Duration = Duration::from_secs(1);

/// Settings and addresses of a consumer not yet started.
#[derive(Debug, Clone)]
pub struct ConsumerBuilder {
    topic: String,
    channel: String,
    config: Config,
    nsqds: Vec<String>,
    lookupds: Vec<String>,
}

impl ConsumerBuilder {
    /// Replaces the settings.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Adds a server: `HOST:PORT`, or the path of a unix socket.
    #[must_use]
    pub fn nsqd(mut self, address: impl Into<String>) -> Self {
        self.nsqds.push(address.into());
        self
    }

    /// Adds a lookupd: `HOST:PORT` of its HTTP API, or a URL.
    #[must_use]
    pub fn lookupd(mut self, address: impl Into<String>) -> Self {
        self.lookupds.push(address.into());
        self
    }

    /// Starts the consumer on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// An invalid name, address or setting. Unavailable servers are no error: they are retried.
    pub fn start(self) -> Result<Consumer, StartError> {
        valid_name(self.topic.as_bytes()).ok_or_else(|| StartError::Topic(self.topic.clone()))?;
        valid_name(self.channel.as_bytes()).ok_or_else(|| StartError::Channel(self.channel.clone()))?;
        if self.config.heartbeat_interval.is_none() {
            return Err(StartError::NoHeartbeats);
        }
        let profile = Profile::new(self.config)?;
        let mut nodes = Vec::new();
        for text in self.nsqds {
            nodes.push(NodeAddress::parse(&text).ok_or(StartError::Address(text))?);
        }
        let mut lookupds = Vec::new();
        for text in self.lookupds {
            lookupds.push(discovery::lookupd_url(&text).ok_or(StartError::Address(text))?);
        }
        if nodes.is_empty() && lookupds.is_empty() {
            return Err(StartError::NoAddress);
        }
        let room = usize::try_from(profile.config.max_in_flight).unwrap_or(QUEUE_MAX).saturating_mul(2);
        let (sender, queue) = mpsc::channel(room.clamp(QUEUE_MIN, QUEUE_MAX));
        let hub = Hub::new(self.topic, self.channel, profile);
        for node in nodes {
            if hub.note(&node.to_string(), |node| node.named = true) {
                tokio::spawn(subscription::keep(hub.clone(), node, sender.clone()));
            }
        }
        if !lookupds.is_empty() {
            tokio::spawn(discovery::poll(hub.clone(), lookupds, sender));
        }
        let pace = hub.clone();
        tokio::spawn(async move { pace.keep_pace().await });
        Ok(Consumer { control: ConsumerControl { hub }, queue })
    }
}

/// Receives the messages of one channel of one topic.
#[derive(Debug)]
pub struct Consumer {
    control: ConsumerControl,
    queue: mpsc::Receiver<Message>,
}

impl Consumer {
    /// A builder for a consumer of `channel` of `topic`.
    pub fn builder(topic: impl Into<String>, channel: impl Into<String>) -> ConsumerBuilder {
        ConsumerBuilder {
            topic: topic.into(),
            channel: channel.into(),
            config: Config::new(),
            nsqds: Vec::new(),
            lookupds: Vec::new(),
        }
    }

    /// The next message; none after [`ConsumerControl::stop`], once every message delivered before was
    /// answered.
    pub async fn next(&mut self) -> Option<Message> {
        let hub = &self.control.hub;
        let attempts_max = hub.profile.config.max_attempts;
        loop {
            let message = self.queue.recv().await?;
            if message.ticket.stale(Instant::now()) {
                message.forget();
                continue;
            }
            message.ticket.show();
            if attempts_max == 0 || message.attempts <= attempts_max {
                return Some(message);
            }
            let id = message.id.escape_ascii();
            warn!(topic = %hub.topic, channel = %hub.channel, %id, attempts = message.attempts, "message dropped: max_attempts reached");
            hub.gave_up();
            message.finish();
        }
    }

    /// A handle to stop or inspect the consumer, and to change `max_in_flight`.
    pub fn control(&self) -> ConsumerControl {
        self.control.clone()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.control.stop(DROPPED_PATIENCE);
    }
}

/// A handle to a running consumer, for any task.
#[derive(Debug, Clone)]
pub struct ConsumerControl {
    hub: Arc<Hub>,
}

impl ConsumerControl {
    /// Stops gracefully: ends deliveries (CLS), allows `patience` for answering messages in flight, then
    /// closes the connections. [`Consumer::next`] still returns messages delivered before.
    pub fn stop(&self, patience: Duration) {
        self.hub.stop(patience);
    }

    /// Changes `max_in_flight`; 0 pauses.
    pub fn set_max_in_flight(&self, max_in_flight: u32) {
        self.hub.limit(max_in_flight);
    }

    /// Counters and state.
    pub fn stats(&self) -> ConsumerStats {
        self.hub.stats()
    }
}
