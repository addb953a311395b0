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
    /// Connections of publishers and consumers.
    pub connections: u64,
    /// Bytes that topics and channels take, against `max_memory`.
    pub memory_bytes: u64,
    /// Topics, sorted by name.
    pub topics: Vec<TopicReport>,
}
