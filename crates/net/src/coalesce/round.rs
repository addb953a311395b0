//! A round of the loop, as its controller sees it.

use crate::Instant;

/// A round: everything between two polls that may block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// Time at which its poll returned.
    pub(crate) now: Instant,
    /// Events it found.
    pub(crate) events: usize,
    /// Bytes it read.
    pub(crate) bytes: usize,
    /// Clients of the shard.
    pub(crate) clients: usize,
    /// The next timer.
    pub(crate) timer: Option<Instant>,
}
