//! What the queue tells the admin port. The binary fills it in: this crate does not know the queue.

use std::pin::Pin;

pub use telemetry::{ChannelReport, TopicReport};

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
    /// Damage that was found and that nobody has taken note of.
    pub damage: Option<String>,
    /// What it is, one by one, the worst first; not all of it, if it is much.
    pub conditions: Vec<Condition>,
    /// Connections of publishers and consumers.
    pub connections: u64,
    /// Bytes that topics and channels take, against `max_memory`.
    pub memory_bytes: u64,
    /// That limit; 0 for none.
    pub memory_bytes_max: u64,
    /// Topics, sorted by name.
    pub topics: Vec<TopicReport>,
}

/// Something that is wrong with the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it is wrong with: `topic t`, `topic t, channel c`, `queue`.
    pub subject: String,
    /// What is wrong, as the log says it; tells apart what one subject may suffer from.
    pub what: &'static str,
    /// Why, and what to do.
    pub why: String,
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: u64,
}
