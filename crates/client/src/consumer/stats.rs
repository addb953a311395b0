//! Counters and state of a consumer.
//!
//! A snapshot; the counters begin with the consumer.

/// Counters of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConsumerStats {
    /// Number of subscribed connections.
    pub connections: usize,
    /// Messages delivered and not answered.
    pub in_flight: usize,
    /// Messages delivered.
    pub received: u64,
    /// Messages finished.
    pub finished: u64,
    /// Messages requeued.
    pub requeued: u64,
    /// Messages finished because they were delivered more than `max_attempts` times.
    pub given_up: u64,
    /// Backoff level of the current pause; 0 without one.
    pub backoff_level: u32,
    /// True if some connection can deliver no more, because it has all its allowed messages in flight.
    pub starved: bool,
}
