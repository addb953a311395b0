//! What the queue tells the admin port. The binary fills it in: this crate does not know the queue.

use std::pin::Pin;

/// Who can be asked about the queue.
pub trait Source: Send + Sync {
    /// Asks for everything. None if the queue has stopped. Called on the control thread; it must not block.
    fn ask(&self) -> Answer;
}

/// See [`Source::ask`].
pub type Answer = Pin<Box<dyn Future<Output = Option<QueueReport>> + Send>>;

/// The queue at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueReport {
    /// What is wrong (a journal that cannot be written), if something is.
    pub fault: Option<String>,
    /// Connections of publishers and consumers.
    pub connections: u64,
    /// Bytes that topics and channels take, against `max_memory`.
    pub memory_bytes: u64,
    /// Topics, sorted by name.
    pub topics: Vec<TopicReport>,
}

/// A topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicReport {
    /// Its name.
    pub name: String,
    /// True if it is paused.
    pub paused: bool,
    /// Messages that wait in the topic itself, for want of a channel.
    pub depth: u64,
    /// Messages published.
    pub messages: u64,
    /// Bytes of its journal.
    pub stored_bytes: u64,
    /// Messages refused because the topic was full.
    pub rejected: u64,
    /// Messages dropped because it was.
    pub dropped: u64,
    /// Its channels, sorted by name.
    pub channels: Vec<ChannelReport>,
}

/// A channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelReport {
    /// Its name.
    pub name: String,
    /// True if it is paused.
    pub paused: bool,
    /// Messages that wait for a consumer.
    pub depth: u64,
    /// Messages in consumers' hands.
    pub in_flight: u64,
    /// Messages that wait for their time.
    pub deferred: u64,
    /// Consumers.
    pub consumers: u64,
    /// Messages that came into it.
    pub messages: u64,
    /// Messages finished.
    pub finished: u64,
    /// Messages given back (REQ).
    pub requeued: u64,
    /// Deliveries that ran into their timeout.
    pub timed_out: u64,
    /// Messages set aside after too many attempts.
    pub dead: u64,
    /// Messages dropped because they were too old.
    pub expired: u64,
    /// Messages dropped because the topic was full.
    pub dropped: u64,
    /// Messages that can no longer be read from the disk.
    pub lost: u64,
}
