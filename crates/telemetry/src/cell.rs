//! Cells for counting: one writer, any number of readers, no locked instruction.
//!
//! A cell belongs to one shard, its only writer, so an addition is a relaxed load and a relaxed store, which
//! on every common processor are two plain moves. A reader on another thread sees some recent value, never
//! half of one. Two writers would lose additions, which is why cells cannot be cloned.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that only grows. Wraps at 2^64.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owning shard may call this.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Adds one. Only the owning shard may call this.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Takes over a count that is kept elsewhere and only grows. Only the owning shard may call this.
    #[inline]
    pub fn follow(&self, count: u64) {
        self.0.store(count, Relaxed);
    }

    /// The value, from any thread.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down, never below zero.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Sets the value. Only the owning shard may call this.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Adds `n`. Only the owning shard may call this.
    #[inline]
    pub fn add(&self, n: u64) {
        self.set(self.get().wrapping_add(n));
    }

    /// Subtracts `n`. Only the owning shard may call this. A result below zero is a bug of the caller: caught
    /// in debug builds, clamped to zero otherwise.
    #[inline]
    pub fn sub(&self, n: u64) {
        let value = self.get();
        debug_assert!(value >= n, "gauge fell below zero: {value} - {n}");
        self.set(value.saturating_sub(n));
    }

    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Subtracts one.
    #[inline]
    pub fn dec(&self) {
        self.sub(1);
    }

    /// The value, from any thread.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A time in microseconds since the Unix epoch; zero for never. The latest over all shards counts.
#[derive(Debug, Default)]
pub struct Timestamp(AtomicU64);

impl Timestamp {
    /// Sets the time. Only the owning shard may call this.
    #[inline]
    pub fn set(&self, epoch_us: u64) {
        self.0.store(epoch_us, Relaxed);
    }

    /// The time, from any thread.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counter_adds_and_wraps() {
        let counter = Counter::default();
        counter.inc();
        counter.add(41);
        assert_eq!(counter.get(), 42);
        counter.add(u64::MAX);
        assert_eq!(counter.get(), 41);
    }

    #[test]
    fn gauge_goes_both_ways() {
        let gauge = Gauge::default();
        gauge.add(10);
        gauge.dec();
        assert_eq!(gauge.get(), 9);
        gauge.set(0);
        assert_eq!(gauge.get(), 0);
    }

    #[test]
    #[cfg_attr(debug_assertions, should_panic(expected = "below zero"))]
    fn gauge_does_not_wrap_below_zero() {
        let gauge = Gauge::default();
        gauge.sub(1);
        assert_eq!(gauge.get(), 0);
    }

    #[test]
    fn a_reader_on_another_thread_sees_a_growing_value() {
        let counter = std::sync::Arc::new(Counter::default());
        let reader = std::thread::spawn({
            let counter = counter.clone();
            move || {
                let mut last = 0;
                while last < 100_000 {
                    let now = counter.get();
                    assert!(now >= last);
                    last = now;
                }
            }
        });
        (0..100_000).for_each(|_| counter.inc());
        reader.join().unwrap();
        assert_eq!(counter.get(), 100_000);
    }
}
