//! Settings of a topic that limit what it keeps, and since when they are in force.

use queue::settings::{AtLimit, TopicSettings};

/// The limits of a topic, as far as the oracle knows them.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) settings: TopicSettings,
    /// The fact since which the limit on bytes is in force.
    pub(super) bytes_since: u64,
    /// The fact since which messages are kept for replay.
    pub(super) retained_since: Option<u64>,
    /// True once the wall clock was set.
    pub(super) vague: bool,
    /// True once nothing is published any more.
    pub(super) draining: bool,
}

impl Limits {
    /// Microseconds that a message lives, if that is limited.
    pub(super) fn ttl_us(&self) -> Option<u64> {
        self.settings.ttl().map(|ttl| ttl.as_micros() as u64)
    }

    pub(crate) fn drops_oldest(&self) -> bool {
        self.settings.bytes_max > 0 && self.settings.at_limit == AtLimit::DropOldest
    }

    /// Publications may be refused for what the topic holds.
    pub(crate) fn rejects(&self) -> bool {
        self.settings.bytes_max > 0 && self.settings.at_limit == AtLimit::Reject
    }
}
