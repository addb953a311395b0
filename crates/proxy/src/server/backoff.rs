//! Exponential backoff: the wait doubles after each failure, up to a limit, with jitter.

use std::time::Duration;

use net::Instant;

use crate::fail::Failure;

/// Shortest and longest wait between two attempts to connect.
pub(crate) const WAIT: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// Failed attempts in a row, and the time of the next one.
#[derive(Debug)]
pub(crate) struct Backoff {
    failures: u32,
    /// No attempt before this time.
    until: Instant,
    /// The reason the last attempt failed.
    last: Failure,
    jitter: Jitter,
}

impl Backoff {
    pub(crate) fn new(seed: u64) -> Backoff {
        Backoff { failures: 0, until: Instant(0), last: Failure::Refused, jitter: Jitter(seed | 1) }
    }

    /// Notes a failed attempt: the next one has to wait, for at most `longest`.
    pub(crate) fn failed(&mut self, failure: Failure, longest: Duration, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.last = failure;
        let doubled = WAIT.0 * 2u32.saturating_pow(self.failures.min(10) - 1);
        let longest = WAIT.1.min(longest.max(WAIT.0));
        self.until = now + self.jitter.spread(doubled.min(longest));
    }

    /// Allows the next attempt at once.
    #[inline]
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Ok if an attempt may be made now; otherwise the reason the last one failed.
    #[inline]
    pub(crate) fn may_try(&self, now: Instant) -> Result<(), Failure> {
        if self.failures > 0 && now < self.until { Err(self.last) } else { Ok(()) }
    }

    /// A random time between three quarters of `wait` and all of it.
    pub(crate) fn spread(&mut self, wait: Duration) -> Duration {
        self.jitter.spread(wait)
    }
}

/// Jitter, so that many proxies do not retry at the same moment.
#[derive(Debug)]
struct Jitter(u64);

impl Jitter {
    /// A random time between three quarters of `wait` and all of it.
    fn spread(&mut self, wait: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let quarter = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX) / 4;
        wait.saturating_sub(Duration::from_micros(if quarter == 0 { 0 } else { self.0 % quarter }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(longest: Duration) -> Duration {
        let (mut backoff, mut now, mut last) = (Backoff::new(7), Instant(0), Duration::ZERO);
        for _ in 0..20 {
            backoff.failed(Failure::Unresolved, longest, now);
            assert_eq!(backoff.may_try(now), Err(Failure::Unresolved));
            last = backoff.until.since(now);
            now = backoff.until;
            assert_eq!(backoff.may_try(now), Ok(()));
        }
        backoff.reset();
        assert_eq!(backoff.may_try(Instant(0)), Ok(()));
        last
    }

    #[test]
    fn attempts_are_spread_out_up_to_a_limit() {
        assert_eq!(Backoff::new(7).may_try(Instant(0)), Ok(()));
        let last = waits(Duration::from_secs(30));
        assert!(last <= WAIT.1 && last > WAIT.1 / 2);
        let last = waits(Duration::from_millis(200));
        assert!(last <= Duration::from_millis(200) && last > Duration::from_millis(100));
        assert!(waits(Duration::ZERO) <= WAIT.0);
    }
}
