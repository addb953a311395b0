//! Server health: counts failures, ejects, probes, and waits between attempts to connect.
//!
//! ```text
//!            failures in a row ≥ server_failure_limit            server_retry_timeout over
//!     up ───────────────────────────────────────────▶ ejected ────────────────────────────▶ probing
//!      ▲                                                 ▲   no good answer: wait longer      │
//!      │                                                 └────────────────────────────────────┤
//!      └──────────────────────────────── a good answer to the probe ──────────────────────────┘
//! ```
//! Pure: callers report events with their times. An idle connection closed by the server is no failure (in
//! nutcracker 0.5.0 it is), and a server returns only after it has answered a probe (in nutcracker live
//! traffic finds out).

use std::time::Duration;

use net::Instant;

use crate::fail::Failure;
use crate::server::backoff::Backoff;

/// Most times `server_retry_timeout` between probes of a server that does not answer.
const PROBE_BACKOFF_MAX: u32 = 8;

/// A server's state on one shard.
#[derive(Debug)]
pub(crate) struct Health {
    pub(crate) state: State,
    /// Failures since the last good reply.
    failures: u32,
    /// Backoff between attempts to connect.
    attempts: Backoff,
    /// Failed probes since the ejection.
    probes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Up,
    Ejected,
    Probing,
}

/// A pool's policy on failing servers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub(crate) eject: bool,
    pub(crate) failure_limit: u32,
    pub(crate) retry_timeout: Duration,
}

impl Health {
    pub(crate) fn new(seed: u64) -> Health {
        Health { state: State::Up, failures: 0, attempts: Backoff::new(seed), probes: 0 }
    }

    /// Notes a good reply.
    #[inline]
    pub(crate) fn good(&mut self) {
        self.failures = 0;
        self.attempts.reset();
    }

    /// Counts a connection that broke while requests awaited replies, or could not be opened. True if the
    /// server is to be ejected.
    pub(crate) fn failed(&mut self, policy: Policy) -> bool {
        self.failures = self.failures.saturating_add(1);
        policy.eject && self.state == State::Up && self.failures >= policy.failure_limit
    }

    /// Notes a connection that could not be opened, or whose handshake was refused. With ejection the failure
    /// limit decides how often it is tried; without it, attempts back off, up to `retry_timeout`.
    pub(crate) fn refused(&mut self, policy: Policy, failure: Failure, now: Instant) {
        if !policy.eject {
            self.attempts.failed(failure, policy.retry_timeout, now);
        }
    }

    /// Allows the next attempt to connect at once: it is to another address.
    pub(crate) fn forget_attempts(&mut self) {
        self.attempts.reset();
    }

    /// Ok if a connection may be opened now; otherwise the reason the last attempt failed.
    pub(crate) fn may_connect(&self, now: Instant) -> Result<(), Failure> {
        self.attempts.may_try(now)
    }

    /// Ejects the server from the ring. Returns when to probe.
    pub(crate) fn eject(&mut self, policy: Policy, now: Instant) -> Instant {
        self.state = State::Ejected;
        self.probes = 0;
        now + policy.retry_timeout
    }

    /// Notes a failed probe. Returns when to probe again: a server that only refuses the handshake is cheap
    /// to probe, and serves again soon after its password is corrected.
    pub(crate) fn probe_failed(&mut self, policy: Policy, failure: Failure, now: Instant) -> Instant {
        self.state = State::Ejected;
        self.probes = if failure.is_handshake() { 0 } else { self.probes.saturating_add(1) };
        let factor = 2u32.saturating_pow(self.probes.min(8)).min(PROBE_BACKOFF_MAX);
        now + self.attempts.spread(policy.retry_timeout * factor)
    }

    /// Returns the server to the ring after a good answer to the probe.
    pub(crate) fn probe_good(&mut self) {
        self.state = State::Up;
        self.good();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EJECT: Policy = Policy { eject: true, failure_limit: 2, retry_timeout: Duration::from_secs(1) };
    const KEEP: Policy = Policy { eject: false, ..EJECT };

    #[test]
    fn failures_in_a_row_eject() {
        let mut h = Health::new(7);
        assert!(!h.failed(EJECT));
        h.good();
        assert!(!h.failed(EJECT));
        assert!(h.failed(EJECT));
        let at = h.eject(EJECT, Instant(5));
        assert_eq!(at, Instant(1_000_005));
        assert!(!h.failed(EJECT), "it is out already");
        h.state = State::Probing;
        let again = h.probe_failed(EJECT, Failure::Refused, at);
        assert!(again > at + Duration::from_millis(1400) && again <= at + Duration::from_secs(2));
        let again = h.probe_failed(EJECT, Failure::Password, at);
        assert!(again > at + Duration::from_millis(700) && again <= at + Duration::from_secs(1));
        h.probe_good();
        assert_eq!(h.state, State::Up);
        assert!(!h.failed(EJECT), "the count starts again");
    }

    #[test]
    fn attempts_to_connect_are_spread_out_without_ejection() {
        let mut h = Health::new(7);
        h.failed(KEEP);
        h.refused(KEEP, Failure::Unresolved, Instant(0));
        assert_eq!(h.may_connect(Instant(0)), Err(Failure::Unresolved));
        h.good();
        assert_eq!(h.may_connect(Instant(0)), Ok(()));
        h.refused(EJECT, Failure::Unresolved, Instant(0));
        assert_eq!(h.may_connect(Instant(0)), Ok(()), "the failure limit decides");
    }
}
