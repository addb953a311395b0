//! Counters and state of a consumer.
//!
//! A picture of one moment; the counters begin with the consumer.

/// Counters of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConsumerStats {
    /// Servers it is subscribed at.
    pub connections: usize,
    /// Messages that were delivered and not answered.
    pub in_flight: usize,
    /// Messages delivered.
    pub received: u64,
    /// Messages finished.
    pub finished: u64,
    /// Messages requeued.
    pub requeued: u64,
    /// Messages finished because they had been delivered more than `max_attempts` times.
    pub given_up: u64,
    /// Failures that the present pause stands for; 0 when it does not pause.
    pub backoff_level: u32,
    /// No connection can deliver more, because all it may have in flight is.
    pub starved: bool,
}
