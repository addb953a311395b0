//! The queue's answers to the admin port. The binary fills them in: this crate does not know the queue.

use serde::Serialize;

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
    /// The engine that keeps topics outside this process, if there is one.
    pub engine: Option<EngineReport>,
    /// Topics, sorted by name.
    pub topics: Vec<TopicReport>,
}

/// The engine, as last told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EngineReport {
    /// The reason it cannot be used: no connection, no quorum.
    pub fault: Option<String>,
    /// Since when, in milliseconds since the Unix epoch.
    pub fault_since_ms: Option<u64>,
    /// The server that this process was last connected to: name and address.
    pub server: String,
    /// Its version.
    pub version: String,
    /// The server that decides about what all topics share; empty while there is none.
    pub leader: String,
    /// Servers that keep it.
    pub replicas: u64,
    /// Those of them that have everything.
    pub replicas_in_sync: u64,
    /// Topics on the engine.
    pub topics: u64,
    /// Those of them whose messages not all of their servers have.
    pub topics_degraded: u64,
    /// Messages that wait here to be forwarded.
    pub forward_messages: u64,
    /// Time at which the oldest of the next ones was published, in milliseconds since the Unix epoch.
    pub forward_oldest_ms: Option<u64>,
    /// Bytes of publications that it has not acknowledged.
    pub unacknowledged_bytes: u64,
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
