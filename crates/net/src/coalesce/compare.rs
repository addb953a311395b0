//! Comparison of spells with sleeps and neighbouring ones without.

use super::spell::Reading;

/// Share of CPU that a first pair of spells must save, and all of them on average.
const SAVES_FIRST: f64 = 0.10;
const SAVES: f64 = 0.05;
/// Growth of the median latency that is allowed, and what the first pair may be off.
const SHARE: f64 = 0.15;
const DOUBT: f64 = 0.25;
/// Requests per second, as a ratio, above which clients wait for replies and get them sooner ...
const FASTER: f64 = 1.05;
/// ... and below which they get them later.
const SLOWER: f64 = 0.97;
/// Standard deviations of a random number of requests that a rate may be off.
const DEVIATIONS: f64 = 2.5;
/// Pairs that are averaged; older ones fade.
const PAIRS: u32 = 5;

/// Ratios of what spells with sleeps were like to what those without were like, averaged.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Comparison {
    pairs: u32,
    cost: f64,
    rate: f64,
    /// Zero if unknown: requests take so long that a sleep is nothing to them.
    latency: f64,
    /// Standard deviation of `rate` if requests come at random.
    deviation: f64,
}

impl Comparison {
    pub(super) fn add(&mut self, with: &Reading, without: &Reading) {
        self.pairs = self.pairs.saturating_add(1);
        let weight = 1.0 / f64::from(self.pairs.min(PAIRS));
        let average = |average: &mut f64, with: f64, without: f64| {
            *average += weight * (with / without.max(f64::MIN_POSITIVE) - *average);
        };
        average(&mut self.cost, with.cost, without.cost);
        average(&mut self.rate, with.rate, without.rate);
        if let (Some(with), Some(without)) = (with.latency, without.latency) {
            average(&mut self.latency, with, without);
        }
        let variance = 1.0 / with.requests.max(1.0) + 1.0 / without.requests.max(1.0);
        self.deviation = (variance * weight).sqrt();
    }

    /// The traffic has changed: what is known counts for no more than what comes next.
    pub(super) fn doubt_it(&mut self) {
        self.pairs = self.pairs.min(1);
    }

    /// Pairs compared.
    pub(super) fn count(&self) -> u32 {
        self.pairs
    }

    /// True if sleeping saves CPU.
    pub(super) fn saves(&self) -> bool {
        1.0 - self.cost >= if self.pairs < 2 { SAVES_FIRST } else { SAVES }
    }

    /// True if sleeping slows requests by more than is allowed.
    pub(super) fn slows(&self) -> bool {
        let doubt = DEVIATIONS * self.deviation;
        let is_late = self.latency > 1.0 + SHARE + DOUBT / f64::from(self.pairs.max(1));
        self.rate < SLOWER - doubt || (self.rate < FASTER + doubt && is_late)
    }

    /// Share of the sleep that would slow requests by as much as is allowed, as far as one can tell.
    pub(super) fn bearable(&self) -> f64 {
        (SHARE / (self.latency - 1.0).max(f64::MIN_POSITIVE)).clamp(0.5, 0.8)
    }

    /// CPU microseconds that the requests of a spell with sleeps would have cost more without.
    pub(super) fn saved_us(&self, with: &Reading) -> u64 {
        if self.pairs == 0 {
            return 0;
        }
        let cpu_us = with.cost * with.requests / 1000.0;
        (cpu_us * (1.0 / self.cost.max(0.05) - 1.0)).max(0.0) as u64
    }
}
