//! Time of an event: simulated, on the wall clock, and in the order of facts.

use net::Instant;

/// Time of a fact: both clocks, and its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) at: Instant,
    pub(crate) wall: i64,
    pub(crate) seq: u64,
}

/// Microseconds by which a turn may be later than planned.
pub(crate) const SLACK_US: u64 = 10_000;
