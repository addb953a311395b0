//! The choice between a graceful stop and an immediate one, as further signals arrive.
//!
//! Supervisors and wrappers forward signals that the process also gets itself, so one stop request
//! may arrive twice within moments. Only a second SIGINT, or any of the three signals a second
//! later, ends the process at once.

use std::time::{Duration, Instant};

/// Window after the first signal in which SIGTERM and SIGQUIT count as forwarded repeats of it.
const REPEAT_WINDOW: Duration = Duration::from_secs(1);

/// The signals of a stop in progress.
#[derive(Debug)]
pub struct StopSignals {
    since: Instant,
    interrupted: bool,
}

impl StopSignals {
    /// A stop begun by `signal`.
    pub fn new(signal: i32, now: Instant) -> StopSignals {
        StopSignals { since: now, interrupted: signal == libc::SIGINT }
    }

    /// True if this further signal ends the process at once.
    pub fn ends_at_once(&mut self, signal: i32, now: Instant) -> bool {
        match signal {
            libc::SIGINT if self.interrupted => true,
            libc::SIGINT | libc::SIGTERM | libc::SIGQUIT => {
                self.interrupted |= signal == libc::SIGINT;
                now.duration_since(self.since) >= REPEAT_WINDOW
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use libc::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

    use super::*;

    #[test]
    fn a_forwarded_repeat_does_not_end_the_process() {
        let cases: [(&[(i32, u64)], bool); 9] = [
            (&[(SIGTERM, 0), (SIGTERM, 0)], false),
            (&[(SIGTERM, 0), (SIGTERM, 999)], false),
            (&[(SIGTERM, 0), (SIGTERM, 1000)], true),
            (&[(SIGTERM, 0), (SIGTERM, 500), (SIGTERM, 1100)], true),
            (&[(SIGTERM, 0), (SIGQUIT, 10)], false),
            (&[(SIGINT, 0), (SIGINT, 10)], true),
            (&[(SIGTERM, 0), (SIGINT, 10)], false),
            (&[(SIGTERM, 0), (SIGINT, 10), (SIGINT, 20)], true),
            (&[(SIGTERM, 0), (SIGHUP, 5000)], false),
        ];
        let start = Instant::now();
        for (signals, at_once) in cases {
            let mut stopping = StopSignals::new(signals[0].0, start);
            let mut ends = signals[1..].iter().map(|(signal, millis)| {
                stopping.ends_at_once(*signal, start + Duration::from_millis(*millis))
            });
            assert_eq!(ends.any(|end| end), at_once, "{signals:?}");
        }
    }
}
