//! The queue's answers to the admin port. The binary fills them in: this crate does not know the queue.

pub use telemetry::{ChannelReport, TopicReport};

/// State of the queue at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueReport {
    /// The problem (a journal that cannot be written), if there is one.
    pub fault: Option<String>,
    /// Damage found and not acknowledged yet.
    pub damage: Option<String>,
    /// Problems one by one, worst first; truncated if there are many.
    pub conditions: Vec<Condition>,
    /// Connections of publishers and consumers.
    pub connections: u64,
    /// Failed logins of users over TCP.
    pub login_failures: u64,
    /// Bytes used by topics and channels, against `max_memory`.
    pub memory_bytes: u64,
    /// Limit on these bytes; 0 for none.
    pub memory_bytes_max: u64,
    /// Free bytes of the file system with the journals; None if not known.
    pub disk_free_bytes: Option<u64>,
    /// Topics, sorted by name.
    pub topics: Vec<TopicReport>,
}

/// A problem of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its subject: `topic t`, `topic t, channel c`, `queue`.
    pub subject: String,
    /// The problem as in the log; distinguishes problems of one subject.
    pub what: &'static str,
    /// The reason, and the remedy.
    pub why: String,
    /// Start, in milliseconds since the Unix epoch.
    pub since_ms: u64,
}
