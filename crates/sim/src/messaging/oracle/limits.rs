//! Retention settings of a topic, and the facts since which they are in force.

use queue::settings::{AtLimit, TopicSettings};

/// Limits of a topic, as known to the oracle.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) settings: TopicSettings,
    /// Number of the fact since which the limit on bytes is in force.
    pub(super) bytes_since: u64,
    /// Number of the fact since which messages are retained for replay.
    pub(super) retained_since: Option<u64>,
    /// True once the wall clock was stepped.
    pub(super) vague: bool,
    /// True once publishing has ended.
    pub(super) draining: bool,
}

impl Limits {
    /// Time to live of messages in microseconds, if limited.
    pub(super) fn ttl_us(&self) -> Option<u64> {
        self.settings.ttl().map(|ttl| ttl.as_micros() as u64)
    }

    pub(crate) fn drops_oldest(&self) -> bool {
        self.settings.bytes_max > 0 && self.settings.at_limit == AtLimit::DropOldest
    }

    /// True if the topic may refuse publications because of its size.
    pub(crate) fn rejects(&self) -> bool {
        self.settings.bytes_max > 0 && self.settings.at_limit == AtLimit::Reject
    }
}
