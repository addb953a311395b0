//! Times of the registration protocol.

use std::time::Duration;

/// Times of the registration protocol; the defaults are nsqd's where it has them.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Time allowed to connect, and for each answer.
    pub answer: Duration,
    /// Interval between PINGs.
    pub ping: Duration,
    /// Pause before a second attempt to connect; it doubles with each one that fails.
    pub retry_min: Duration,
    /// The longest such pause.
    pub retry_max: Duration,
    /// Interval at which everything is registered again: a topic deleted only at the nsqlookupd comes back.
    pub renew: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            answer: Duration::from_secs(1),
            ping: Duration::from_secs(15),
            retry_min: Duration::from_millis(500),
            retry_max: Duration::from_secs(15),
            renew: Duration::from_mins(5),
        }
    }
}
