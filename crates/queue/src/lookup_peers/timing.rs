//! Times of the registration protocol.

use std::time::Duration;

/// Times of the registration protocol; the defaults are nsqd's where it has them.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Time connecting may take, and each answer.
    pub answer: Duration,
    /// Between two signs of life.
    pub ping: Duration,
    /// Pause before a second attempt to connect; it doubles with each one that fails.
    pub retry_min: Duration,
    /// The longest such pause.
    pub retry_max: Duration,
    /// Between two repetitions of everything: a topic that somebody deleted at the nsqlookupd alone comes
    /// back.
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
