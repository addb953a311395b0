//! The consumer: how it is built, and what its user holds.
//!
//! Behind it are a task per node, one that asks lookupds, and the state machine that shares out RDY.

mod backoff;
mod flow;
mod ticket;

use std::future::Future;
use std::time::Duration;

pub(crate) use ticket::Ticket;

use crate::config::Config;
use crate::error::StartError;
use crate::message::Message;
use wire::nsq::valid_name;

/// Settings and addresses of a consumer that is not started yet.
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
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Adds a server: `HOST:PORT`, or the path of a unix socket.
    pub fn nsqd(mut self, address: impl Into<String>) -> Self {
        self.nsqds.push(address.into());
        self
    }

    /// Adds a lookupd: `HOST:PORT` of its HTTP API, or a URL.
    pub fn lookupd(mut self, address: impl Into<String>) -> Self {
        self.lookupds.push(address.into());
        self
    }

    /// Starts it, on the tokio runtime that this is called in.
    ///
    /// # Errors
    ///
    /// A name, an address or a setting cannot be used. Servers that are not there are no error: they are tried again.
    pub fn start(self) -> Result<Consumer, StartError> {
        self.config.validate()?;
        self.config.tls.build()?;
        valid_name(self.topic.as_bytes()).ok_or_else(|| StartError::Topic(self.topic.clone()))?;
        valid_name(self.channel.as_bytes()).ok_or_else(|| StartError::Channel(self.channel.clone()))?;
        Err(StartError::NoAddress)
    }
}

/// Receives the messages of one channel of one topic.
#[derive(Debug)]
pub struct Consumer {
    control: ConsumerControl,
}

impl Consumer {
    /// A consumer of `channel` of `topic`, to be given addresses.
    pub fn builder(topic: impl Into<String>, channel: impl Into<String>) -> ConsumerBuilder {
        ConsumerBuilder {
            topic: topic.into(),
            channel: channel.into(),
            config: Config::new(),
            nsqds: Vec::new(),
            lookupds: Vec::new(),
        }
    }

    /// The next message; none after [`ConsumerControl::stop`], once every message that was delivered before was answered.
    pub async fn next(&mut self) -> Option<Message> {
        None
    }

    /// Gives each message to `handler`, `concurrency` of them at a time. A message is finished when its handler says `Ok`, and
    /// requeued when it says `Err` or panics, unless it was answered by then. Returns after [`ConsumerControl::stop`].
    pub async fn run<H, F, E>(self, concurrency: usize, handler: H)
    where
        H: Fn(Message) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + Send + 'static,
    {
        drop((concurrency, handler));
    }

    /// A handle to stop it, to look at it, and to change `max_in_flight`.
    pub fn control(&self) -> ConsumerControl {
        self.control.clone()
    }
}

/// A handle to a running consumer, for any task.
#[derive(Debug, Clone)]
pub struct ConsumerControl {}

impl ConsumerControl {
    /// Ends it in good order: no more deliveries (CLS), then what is in flight may be answered for `patience`, then the connections
    /// close. [`Consumer::next`] still gives what was delivered before.
    pub fn stop(&self, patience: Duration) {
        let _ = patience;
    }

    /// Changes `max_in_flight`; 0 pauses.
    pub fn set_max_in_flight(&self, max_in_flight: u32) {
        let _ = max_in_flight;
    }

    /// What it has done, and what it is doing.
    pub fn stats(&self) -> ConsumerStats {
        ConsumerStats::default()
    }
}

/// Counters of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConsumerStats {
    /// Servers it is subscribed at.
    pub connections: usize,
    /// Messages that were delivered and not answered.
    pub in_flight: usize,
    /// Messages delivered.
    pub received: u64,
    /// Messages finished.
    pub finished: u64,
    /// Messages requeued.
    pub requeued: u64,
    /// Messages finished because they had been delivered more than `max_attempts` times.
    pub given_up: u64,
    /// Failures that the present pause stands for; 0 when it does not pause.
    pub backoff_level: u32,
    /// No connection can deliver more, because all it may have in flight is.
    pub starved: bool,
}
