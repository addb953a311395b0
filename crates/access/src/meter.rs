//! Lock-free limits shared by all shards: a token bucket for requests, and a gauge of connections.
//!
//! The bucket is stored as the time at which it will be full again. Each event moves that time by the
//! interval of one event; an event that would move it further ahead than the burst allows is refused and
//! changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::rate::Rate;

/// Units per nanosecond, so that a few million events per second are counted within 0.1 %.
const FINE: u128 = 16;

/// A limit on the rate of events.
#[derive(Debug)]
pub struct Meter {
    rate: Rate,
    /// Time at which the bucket is full, in units of 1/[`FINE`] ns, like the other times here.
    full_at: AtomicU64,
    /// Interval of one event.
    each: u64,
    /// Interval of a whole burst.
    burst: u64,
}

impl Meter {
    /// Makes a meter with a full bucket.
    pub fn new(rate: Rate) -> Meter {
        let each = (rate.per.as_nanos() * FINE).div_ceil(u128::from(rate.count.max(1)));
        let burst = each.saturating_mul(rate.burst.into());
        let narrow = |wide: u128| u64::try_from(wide).unwrap_or(u64::MAX / 4).min(u64::MAX / 4);
        Meter { rate, full_at: AtomicU64::new(0), each: narrow(each), burst: narrow(burst) }
    }

    /// Counts an event, if there is room for it. `now` is the time since a moment shared by all callers, such
    /// as the start of the process.
    #[inline]
    pub fn take(&self, now: Duration) -> bool {
        let now = moment(now);
        let mut full_at = self.full_at.load(Relaxed);
        loop {
            let next = full_at.max(now).saturating_add(self.each);
            if next - now > self.burst {
                return false;
            }
            match self.full_at.compare_exchange_weak(full_at, next, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(moved) => full_at = moved,
            }
        }
    }

    /// Time until there is room for an event.
    pub fn wait(&self, now: Duration) -> Duration {
        let now = moment(now);
        let next = self.full_at.load(Relaxed).max(now).saturating_add(self.each);
        Duration::from_nanos((next - now).saturating_sub(self.burst).div_ceil(FINE as u64))
    }

    /// The configured rate.
    pub fn rate(&self) -> Rate {
        self.rate
    }
}

fn moment(now: Duration) -> u64 {
    u64::try_from(now.as_nanos() * FINE).unwrap_or(u64::MAX / 2).min(u64::MAX / 2)
}

/// A count of current connections, with an optional limit.
#[derive(Debug, Clone)]
pub struct Gauge {
    count: Arc<AtomicU32>,
    limit: u32,
}

impl Gauge {
    /// Makes a gauge at 0. Without a limit it only counts.
    pub fn new(limit: Option<u32>) -> Gauge {
        Gauge { count: Arc::default(), limit: limit.unwrap_or(u32::MAX) }
    }

    /// This count with another limit.
    #[must_use]
    pub fn with_limit(&self, limit: Option<u32>) -> Gauge {
        Gauge { count: Arc::clone(&self.count), limit: limit.unwrap_or(u32::MAX) }
    }

    /// Counts one more until the token is dropped; `None` at the limit.
    pub fn enter(&self) -> Option<Connected> {
        let more = |count: u32| (count < self.limit).then_some(count + 1);
        self.count.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Connected(Arc::clone(&self.count)))
    }

    /// The current count.
    pub fn count(&self) -> u32 {
        self.count.load(Relaxed)
    }
}

/// A connection counted in a [`Gauge`] until dropped.
#[derive(Debug)]
pub struct Connected(Arc<AtomicU32>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn meter(rate: &str) -> Meter {
        Meter::new(Rate::parse(rate).unwrap())
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let meter = meter("10/s burst 3");
        let at = Duration::from_millis;
        let taken = |ms| meter.take(at(ms));
        assert_eq!([taken(0), taken(0), taken(0), taken(0)], [true, true, true, false]);
        assert_eq!(meter.wait(at(0)), Duration::from_millis(100));
        assert_eq!([taken(99), taken(100), taken(100)], [false, true, false]);
        assert_eq!([taken(10_000), taken(10_000), taken(10_000), taken(10_000)], [true, true, true, false]);
        assert_eq!(meter.wait(at(20_000)), Duration::ZERO);
    }

    #[test]
    fn time_that_goes_back_does_no_harm() {
        let meter = meter("1/s burst 1");
        assert!(meter.take(Duration::from_secs(5)));
        assert!(!meter.take(Duration::ZERO));
        assert!(meter.take(Duration::from_secs(6)));
    }

    #[test]
    fn extremes() {
        for rate in ["1000000000/s", "1/h burst 1000000000", "1/h", "1000000000/h"] {
            let meter = meter(rate);
            assert!(meter.take(Duration::ZERO), "{rate}");
            assert!(meter.take(Duration::from_hours(100 * 365 * 24)), "{rate}");
        }
    }

    #[test]
    fn connections_are_counted_while_they_last() {
        let gauge = Gauge::new(Some(2));
        let (one, two) = (gauge.enter().unwrap(), gauge.enter().unwrap());
        assert!(gauge.enter().is_none());
        drop(one);
        let three = gauge.enter().unwrap();
        assert_eq!(gauge.count(), 2);
        drop((two, three));
        assert_eq!(gauge.count(), 0);
        assert!(Gauge::new(None).enter().is_some());
        assert!(Gauge::new(Some(0)).enter().is_none());
    }

    proptest! {
        /// Constant demand gets exactly the burst and the rate.
        #[test]
        fn as_much_as_the_rate(count in 1u64..2000, burst in 1u64..20, ms in 0u64..5000) {
            let meter = Meter::new(Rate { count, per: Duration::from_secs(1), burst });
            let mut taken = 0;
            for at in 0..=ms {
                while meter.take(Duration::from_millis(at)) {
                    taken += 1;
                }
            }
            let least = if (burst - 1) * 1000 >= count + 1000 { ms * count / 1000 } else { 0 };
            prop_assert!(taken <= burst + ms * count / 1000 && taken + 1 >= least, "{taken} in {ms} ms");
        }

        /// The bound holds at arbitrary times of events.
        #[test]
        fn never_more_than_the_rate(gaps in prop::collection::vec(0u64..30, 1..300), count in 1u64..200, burst in 1u64..20) {
            let meter = Meter::new(Rate { count, per: Duration::from_secs(1), burst });
            let (mut at, mut taken) = (0, 0);
            for gap in gaps {
                at += gap;
                taken += u64::from(meter.take(Duration::from_millis(at)));
                prop_assert!(taken <= burst + at * count / 1000, "{taken} by {at} ms");
            }
        }
    }
}
