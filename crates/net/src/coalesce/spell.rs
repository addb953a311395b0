//! A spell: some rounds of one kind, with or without sleeps, and the price of a request in them.

use std::time::Duration;

use super::round::Round;
use crate::Instant;

/// Time for the traffic to settle after a change, not measured ...
const SETTLE: Duration = Duration::from_millis(2);
/// ... and length of the measurement, longer only if there are too few requests.
const SPELL: Duration = Duration::from_millis(10);
/// Fewest requests for a reading.
const REQUESTS_MIN: u64 = 64;
/// Length after which a spell with too few requests ends without a reading.
const SPELL_MAX: Duration = Duration::from_millis(40);

/// Counts that only grow, read at both ends of a spell.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clocks {
    /// CPU time of the thread, in nanoseconds.
    pub(crate) cpu_ns: u64,
    /// Requests handled by the product.
    pub(crate) handled: u64,
    /// Median time from a request to its reply since the last reading; None if too few were sampled.
    pub(crate) latency_us: Option<u32>,
}

/// Figures of a spell.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reading {
    /// CPU nanoseconds per request.
    pub(super) cost: f64,
    /// Requests, and requests per second.
    pub(super) requests: f64,
    pub(super) rate: f64,
    /// Microseconds from a request's arrival to its reply, its wait for the poll included. None if most take
    /// longer than a spell.
    pub(super) latency: Option<f64>,
    /// Events per round.
    pub(super) per_round: f64,
    /// Events per microsecond.
    pub(super) events_per_us: f64,
    /// Bytes read per event.
    pub(super) bytes_per_event: f64,
    /// False if there were too few requests.
    pub(super) is_usable: bool,
}

/// A spell under way.
#[derive(Debug, Default)]
pub(super) struct Spell {
    began: Instant,
    /// Readings at the start; None while the traffic settles.
    start: Option<Clocks>,
    rounds: u64,
    events: u64,
    bytes: u64,
}

impl Spell {
    /// Begins anew: first the traffic settles.
    pub(super) fn begin(&mut self, now: Instant) {
        *self = Spell { began: now, ..Spell::default() };
    }

    /// True while the traffic settles.
    pub(super) fn settles(&self) -> bool {
        self.start.is_none()
    }

    pub(super) fn add(&mut self, round: &Round) {
        self.rounds += 1;
        self.events += round.events as u64;
        self.bytes += round.bytes as u64;
    }

    /// A reading if the spell is over; the next of the same kind follows without a gap.
    pub(super) fn end(
        &mut self,
        now: Instant,
        is_sleeping: bool,
        clocks: impl FnOnce() -> Clocks,
    ) -> Option<Reading> {
        let gone = now.since(self.began);
        let Some(start) = self.start else {
            if gone >= SETTLE {
                *self = Spell { began: now, start: Some(clocks()), ..Spell::default() };
            }
            return None;
        };
        if gone < SPELL {
            return None;
        }
        let end = clocks();
        if end.handled.saturating_sub(start.handled) < REQUESTS_MIN && gone < SPELL_MAX {
            return None;
        }
        let reading = self.reading(start, end, gone, is_sleeping);
        *self = Spell { began: now, start: Some(end), ..Spell::default() };
        Some(reading)
    }

    fn reading(&self, start: Clocks, end: Clocks, gone: Duration, is_sleeping: bool) -> Reading {
        let us = gone.as_secs_f64() * 1e6;
        let handled = end.handled.saturating_sub(start.handled);
        let cpu_ns = end.cpu_ns.saturating_sub(start.cpu_ns) as f64;
        let (rounds, events) = (self.rounds.max(1) as f64, self.events.max(1) as f64);
        // A request that comes while the shard is away waits for half of that time on average. Without
        // sleeps it is away only while it works.
        let wait = if is_sleeping { us } else { cpu_ns / 1000.0 } / rounds / 2.0;
        Reading {
            cost: cpu_ns / handled.max(1) as f64,
            requests: handled as f64,
            rate: handled as f64 / us * 1e6,
            latency: end.latency_us.map(|us| f64::from(us) + wait),
            per_round: self.events as f64 / rounds,
            events_per_us: self.events as f64 / us,
            bytes_per_event: self.bytes as f64 / events,
            is_usable: handled >= REQUESTS_MIN,
        }
    }
}
