//! The budget of hedged reads, and the time that they wait for their first answer ([`crate::hedging`]).

use std::time::Duration;

use config::checked::{HedgeAfter, Pool as Config};

/// Credit of a read, in thousandths of a hedge: one of twenty reads is hedged at most.
const CREDIT: u32 = 50;
/// Cost of a hedge, and most credit that is kept: that of a moment after a quiet time.
const COST: u32 = 1000;
const CREDIT_MAX: u32 = 10 * COST;
/// Estimate of the percentile before the first answers, and its bounds.
const ESTIMATE: u32 = 20_000;
const ESTIMATES: (u32, u32) = (1_000, 1_000_000);
/// Hedging of a pool on one shard.
#[derive(Debug)]
pub(crate) struct Hedging {
    after: HedgeAfter,
    credit: u32,
    /// The 95th percentile of the time to an answer, in microseconds.
    p95_us: u32,
}

impl Hedging {
    /// The hedging of a pool; None if it has none.
    pub(crate) fn of(config: &Config) -> Option<Hedging> {
        let after = config.discovery.hedge_after?;
        Some(Hedging { after, credit: CREDIT_MAX, p95_us: ESTIMATE })
    }

    /// Counts a read, which earns a part of a hedge.
    pub(crate) fn earn(&mut self) {
        self.credit = (self.credit + CREDIT).min(CREDIT_MAX);
    }

    /// Takes what a hedge costs. False if too few reads have earned it.
    pub(crate) fn spend(&mut self) -> bool {
        let rest = self.credit.checked_sub(COST);
        self.credit = rest.unwrap_or(self.credit);
        rest.is_some()
    }

    /// Time without an answer after which a read is hedged.
    pub(crate) fn wait(&self) -> Duration {
        match self.after {
            HedgeAfter::Percentile95 => Duration::from_micros(self.p95_us.into()),
            HedgeAfter::Time(time) => time,
        }
    }

    /// Moves the estimate towards an answer's time: up nineteen times as far as down, so that it rests where
    /// one of twenty is above it.
    pub(crate) fn note(&mut self, us: u64) {
        let step = (self.p95_us / 64).max(20);
        let next = if us > u64::from(self.p95_us) { self.p95_us + step } else { self.p95_us - step / 19 };
        self.p95_us = next.clamp(ESTIMATES.0, ESTIMATES.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_twenty_reads_is_hedged_at_most() {
        let mut hedging = Hedging { after: HedgeAfter::Percentile95, credit: 0, p95_us: ESTIMATE };
        let mut hedged = 0;
        for _ in 0..1000 {
            hedging.earn();
            hedged += u32::from(hedging.spend());
        }
        assert_eq!(hedged, 50);
        (0..10_000).for_each(|_| hedging.earn());
        assert_eq!((0..100).filter(|_| hedging.spend()).count(), 10, "after a quiet time");
    }

    #[test]
    fn the_percentile_follows_the_answers() {
        let mut hedging = Hedging { after: HedgeAfter::Percentile95, credit: 0, p95_us: ESTIMATE };
        let mut feed = |slow: u64, each: u64| {
            (0..50_000u64).for_each(|n| hedging.note(if n % each == 0 { slow } else { 2000 + n * 7 % 1000 }));
            hedging.wait()
        };
        // Of one slow answer in fifty the percentile knows nothing; of one in ten it does.
        let quick = feed(50_000, 50);
        assert!((Duration::from_micros(2500)..Duration::from_millis(4)).contains(&quick), "{quick:?}");
        let slow = feed(50_000, 10);
        assert!(slow > Duration::from_millis(30), "{slow:?}");
    }
}
