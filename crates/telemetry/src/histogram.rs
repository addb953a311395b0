//! Log-linear histograms: fixed error, bounded memory, one writer, mergeable.
//!
//! A value below 256 has its own bucket. Above, each power of two is divided into 128 equal buckets, so that
//! a bucket's width is at most 1/128 of its value: two significant digits. Values of [`VALUE_MAX`] or more
//! are counted there.
//!
//! ```text
//! page      0        1         2         3              23
//! values    0..128   128..256  256..512  512..1024  ..  2^29..2^30
//! width     1        1         2         4              2^22
//! ```
//!
//! A page (128 cells, 1 KB) is allocated when the first value falls into it, so an unused histogram costs 400
//! bytes and one with an ordinary spread of latencies about 8 KB, at most 24 KB. Values are microseconds
//! everywhere in this project.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::Counter;

const PAGE_BITS: u32 = 7;
const PAGE_LEN: usize = 1 << PAGE_BITS;
const PAGES: usize = 24;

/// Lower bound of values counted as this one less one: 2^30, in microseconds about 18 minutes.
pub const VALUE_MAX: u64 = 1 << 30;

type Page = Box<[AtomicU64; PAGE_LEN]>;

/// Records values. Only the owning shard may record; any thread may take a snapshot.
#[derive(Debug, Default)]
pub struct HistogramRecorder {
    sum: Counter,
    pages: [OnceLock<Page>; PAGES],
}

impl HistogramRecorder {
    /// Counts one value.
    #[inline]
    pub fn record(&self, value: u64) {
        self.record_many(value, 1);
    }

    /// Counts `value` `n` times.
    #[inline]
    pub fn record_many(&self, value: u64, n: u64) {
        let value = value.min(VALUE_MAX - 1);
        let (page, cell) = place(value);
        let page = self.pages[page].get_or_init(|| Box::new([const { AtomicU64::new(0) }; PAGE_LEN]));
        page[cell].store(page[cell].load(Relaxed).wrapping_add(n), Relaxed);
        self.sum.add(value.wrapping_mul(n));
    }

    /// The current counts. Values recorded meanwhile may be included or not.
    pub fn snapshot(&self) -> HistogramSnapshot {
        let mut buckets = Vec::new();
        for (page, cells) in self.pages.iter().enumerate() {
            let Some(cells) = cells.get() else { continue };
            for (cell, count) in cells.iter().enumerate() {
                let count = count.load(Relaxed);
                if count > 0 {
                    buckets.push((value_at(page, cell), count));
                }
            }
        }
        HistogramSnapshot { buckets, sum: self.sum.get() }
    }
}

/// Counts from one recorder, or merged from several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// Highest value of each bucket and its count; ascending, none empty.
    buckets: Vec<(u64, u64)>,
    sum: u64,
}

impl HistogramSnapshot {
    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &HistogramSnapshot) {
        let mut merged = Vec::with_capacity(self.buckets.len().max(other.buckets.len()));
        let (mut a, mut b) = (self.buckets.iter().peekable(), other.buckets.iter().peekable());
        while let Some(&&(value, _)) = [a.peek(), b.peek()].into_iter().flatten().min_by_key(|x| x.0) {
            let mut count = 0;
            for side in [&mut a, &mut b] {
                count += side.next_if(|x| x.0 == value).map_or(0, |x| x.1);
            }
            merged.push((value, count));
        }
        self.buckets = merged;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// Values recorded since `earlier` was taken from the same recorder, or from the same ones merged.
    #[must_use]
    pub fn since(&self, earlier: &HistogramSnapshot) -> HistogramSnapshot {
        let mut before = earlier.buckets.iter().peekable();
        let mut buckets = Vec::new();
        for &(value, count) in &self.buckets {
            while before.next_if(|x| x.0 < value).is_some() {}
            let known = before.next_if(|x| x.0 == value).map_or(0, |x| x.1);
            if count > known {
                buckets.push((value, count - known));
            }
        }
        HistogramSnapshot { buckets, sum: self.sum.wrapping_sub(earlier.sum) }
    }

    /// Number of recorded values.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|x| x.1).sum()
    }

    /// The sum of all values.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The value at or below which the fraction `q` (0 to 1) of all values lies, to two significant digits
    /// and never too low; zero if nothing was recorded.
    pub fn quantile(&self, q: f64) -> u64 {
        let rank = ((self.count() as f64 * q.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        for &(value, count) in &self.buckets {
            seen += count;
            if seen >= rank {
                return value;
            }
        }
        0
    }

    /// Number of values at or below `limit`, exact when `limit + 1` is the first value of a bucket.
    pub fn count_to(&self, limit: u64) -> u64 {
        self.buckets.iter().take_while(|x| x.0 <= limit).map(|x| x.1).sum()
    }
}

/// Page and cell of a value below `VALUE_MAX`.
fn place(value: u64) -> (usize, usize) {
    if value < 2 * PAGE_LEN as u64 {
        return ((value >> PAGE_BITS) as usize, value as usize % PAGE_LEN);
    }
    let octave = value.ilog2() - PAGE_BITS;
    (octave as usize + 1, (value >> octave) as usize % PAGE_LEN)
}

/// The highest value that falls into a cell.
fn value_at(page: usize, cell: usize) -> u64 {
    if page < 2 {
        return (page * PAGE_LEN + cell) as u64;
    }
    let octave = page - 1;
    (((PAGE_LEN + cell + 1) as u64) << octave) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn recorded(values: &[u64]) -> HistogramSnapshot {
        let recorder = HistogramRecorder::default();
        for &value in values {
            recorder.record(value);
        }
        recorder.snapshot()
    }

    #[test]
    fn buckets_join_without_gap_or_overlap() {
        let mut next = 0;
        for page in 0..PAGES {
            for cell in 0..PAGE_LEN {
                let high = value_at(page, cell);
                assert_eq!(place(next), (page, cell), "lowest value {next}");
                assert_eq!(place(high), (page, cell), "highest value {high}");
                next = high + 1;
            }
        }
        assert_eq!(next, VALUE_MAX);
    }

    #[test]
    fn quantiles_of_a_known_spread() {
        let all = recorded(&(1..=10_000).collect::<Vec<_>>());
        assert_eq!((all.count(), all.sum()), (10_000, 50_005_000));
        for (q, exact) in [(0.0, 1), (0.5, 5_000), (0.99, 9_900), (0.999, 9_990), (1.0, 10_000)] {
            let got = all.quantile(q);
            assert!((exact..=exact + exact / 100).contains(&got), "{q}: {got}, exact {exact}");
        }
        assert_eq!(HistogramSnapshot::default().quantile(0.5), 0);
    }

    #[test]
    fn values_past_the_limit_are_counted_at_the_limit() {
        for value in [VALUE_MAX - 1, VALUE_MAX, VALUE_MAX + 1, u64::MAX] {
            assert_eq!(recorded(&[value]).quantile(1.0), VALUE_MAX - 1);
        }
    }

    #[test]
    fn an_unused_histogram_is_small() {
        assert!(size_of::<HistogramRecorder>() <= 400);
    }

    proptest! {
        #[test]
        fn the_error_is_below_one_hundredth(value in 0..VALUE_MAX) {
            let got = recorded(&[value]).quantile(0.5);
            prop_assert!(got >= value && got - value <= value / 100, "{value} became {got}");
        }

        #[test]
        fn merging_is_recording_together(
            a in proptest::collection::vec(0..2_000_000u64, 0..200),
            b in proptest::collection::vec(0..2_000_000u64, 0..200),
        ) {
            let mut merged = recorded(&a);
            merged.merge(&recorded(&b));
            prop_assert_eq!(merged, recorded(&[a, b].concat()));
        }

        #[test]
        fn since_is_what_was_recorded_in_between(
            a in proptest::collection::vec(0..2_000_000u64, 0..200),
            b in proptest::collection::vec(0..2_000_000u64, 0..200),
        ) {
            let (before, after) = (recorded(&a), recorded(&[a, b.clone()].concat()));
            prop_assert_eq!(after.since(&before), recorded(&b));
        }

        #[test]
        fn count_to_agrees_with_counting(values in proptest::collection::vec(0..256u64, 0..200), limit in 0..256u64) {
            let exact = values.iter().filter(|&&value| value <= limit).count() as u64;
            prop_assert_eq!(recorded(&values).count_to(limit), exact);
        }
    }
}
