//! The queue's answers to the admin port. The binary fills them in: this crate does not know the queue.

pub use telemetry::{ChannelReport, TopicReport};

/// The queue at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueReport {
    /// The problem (a journal that cannot be written), if there is one.
    pub fault: Option<String>,
    /// Damage that was found and that nobody has taken note of.
    pub damage: Option<String>,
    /// The problems one by one, the worst first; not all of them, if there are many.
    pub conditions: Vec<Condition>,
    /// Connections of publishers and consumers.
    pub connections: u64,
    /// Logins of users over TCP that failed.
    pub login_failures: u64,
    /// Bytes that topics and channels take, against `max_memory`.
    pub memory_bytes: u64,
    /// Limit on it; 0 for none.
    pub memory_bytes_max: u64,
    /// Topics, sorted by name.
    pub topics: Vec<TopicReport>,
}

/// Something that is wrong with the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its subject: `topic t`, `topic t, channel c`, `queue`.
    pub subject: String,
    /// The problem as the log words it; tells apart what one subject may suffer from.
    pub what: &'static str,
    /// The reason, and the remedy.
    pub why: String,
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: u64,
}
