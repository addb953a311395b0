//! End-to-end latency: from publishing to FIN, per channel, over a sliding window.
//!
//! Off (and free) unless percentiles are requested with `e2e-processing-latency-percentile`. Two histograms
//! each cover half the window and take turns, as nsqd's two streams do; a quantile is read from both
//! together. Buckets are 1/32 of a power of two wide, so that a value is at most 3 % off.

use std::time::Duration;

use net::Instant;

const SUB_BITS: u32 = 5;
const BUCKETS: usize = (64 - SUB_BITS as usize + 1) << SUB_BITS;

/// Latencies of one channel.
#[derive(Debug, Default)]
pub struct Latency {
    windows: Option<Box<Windows>>,
}

#[derive(Debug)]
struct Windows {
    half: Duration,
    turned: Instant,
    current: Counts,
    previous: Counts,
}

/// A histogram that can be merged with others. Its buckets (7.7 kB) are allocated with its first value.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    buckets: Vec<u32>,
    total: u64,
}

impl Latency {
    /// Measures over a window of this length.
    pub fn enabled(window: Duration, now: Instant) -> Latency {
        let windows = Windows {
            half: window / 2,
            turned: now,
            current: Counts::default(),
            previous: Counts::default(),
        };
        Latency { windows: Some(Box::new(windows)) }
    }

    /// True if latencies are measured.
    #[inline]
    pub fn is_enabled(&self) -> bool {
        self.windows.is_some()
    }

    /// Memory use in bytes.
    pub fn bytes(&self) -> usize {
        self.windows.as_ref().map_or(0, |windows| {
            let buckets = windows.current.buckets.len() + windows.previous.buckets.len();
            size_of::<Windows>() + buckets * size_of::<u32>()
        })
    }

    /// Records one latency in nanoseconds.
    pub fn note(&mut self, ns: i64, now: Instant) {
        if let Some(windows) = &mut self.windows {
            windows.turn(now);
            windows.current.note(u64::try_from(ns).unwrap_or(0));
        }
    }

    /// Adds the values of the window to `sum`.
    pub fn add_to(&mut self, sum: &mut Counts, now: Instant) {
        if let Some(windows) = &mut self.windows {
            windows.turn(now);
            sum.merge(&windows.current);
            sum.merge(&windows.previous);
        }
    }
}

impl Windows {
    fn turn(&mut self, now: Instant) {
        let passed = now.since(self.turned);
        if passed < self.half {
            return;
        }
        if passed < self.half * 2 {
            std::mem::swap(&mut self.current, &mut self.previous);
        } else {
            self.previous.clear();
        }
        self.current.clear();
        self.turned = now;
    }
}

impl Counts {
    /// Number of values.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The value (upper end of its bucket, ns) that this share (0 to 1) of all values does not exceed; 0 if
    /// there are none.
    pub fn quantile(&self, share: f64) -> u64 {
        let rank = (share * self.total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, &count) in self.buckets.iter().enumerate() {
            seen += u64::from(count);
            if seen >= rank && count > 0 {
                return upper(bucket);
            }
        }
        0
    }

    fn note(&mut self, value: u64) {
        self.buckets.resize(BUCKETS, 0);
        self.buckets[bucket(value)] = self.buckets[bucket(value)].saturating_add(1);
        self.total += 1;
    }

    fn merge(&mut self, other: &Counts) {
        if other.total == 0 {
            return;
        }
        self.buckets.resize(BUCKETS, 0);
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_add(*theirs);
        }
        self.total += other.total;
    }

    /// Removes all values and frees the buckets: the channel may have become idle.
    fn clear(&mut self) {
        *self = Counts::default();
    }
}

fn bucket(value: u64) -> usize {
    let power = (64 - value.leading_zeros()).saturating_sub(SUB_BITS + 1);
    ((power as usize) << SUB_BITS) + (value >> power) as usize
}

fn upper(bucket: usize) -> u64 {
    let power = (bucket >> SUB_BITS).saturating_sub(1) as u32;
    let low = (bucket as u64 - (u64::from(power) << SUB_BITS)) << power;
    low + ((1u64 << power) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_narrow_and_cover_everything() {
        for value in [0, 1, 31, 32, 33, 63, 64, 65, 1000, 123_456_789, u64::MAX / 3, u64::MAX] {
            let upper = upper(bucket(value));
            assert!(upper >= value && (upper - value) as f64 <= value as f64 / 32.0, "{value}: {upper}");
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn a_window_forgets_after_its_length() {
        let window = Duration::from_secs(10);
        let second = |n: u64| Instant(n * 1_000_000);
        let mut latency = Latency::enabled(window, second(0));
        latency.note(1000, second(1));
        latency.note(2000, second(6));
        let count = |latency: &mut Latency, at| {
            let mut sum = Counts::default();
            latency.add_to(&mut sum, second(at));
            sum.total()
        };
        assert_eq!(count(&mut latency, 6), 2);
        assert_eq!(count(&mut latency, 11), 1);
        assert_eq!(count(&mut latency, 40), 0);
        let windows = latency.windows.expect("enabled");
        let kept = [&windows.current, &windows.previous].map(|counts| counts.buckets.capacity());
        assert_eq!(kept, [0, 0], "an idle channel holds no buckets");
    }

    #[test]
    fn quantiles_are_read_from_the_counts() {
        let mut counts = Counts::default();
        assert_eq!(counts.quantile(0.99), 0);
        for n in 1..=100u64 {
            counts.note(n * 1_000_000);
        }
        for (share, expected) in [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            let got = counts.quantile(share) as f64 / 1e6;
            assert!((got - expected).abs() <= expected * 0.04, "{share}: {got}");
        }
    }
}
