//! A limit on how often one kind of line is logged, so that a client cannot flood the log.
//!
//! Each place that logs events caused by clients keeps a quota and checks it first; the number of suppressed
//! lines is reported with the next line that passes.

use std::time::Duration;

/// Lets `most` lines pass in each time window and counts the others. Pure: the caller passes the time.
#[derive(Debug, Clone)]
pub struct Quota {
    most: u32,
    window_us: u64,
    started_us: u64,
    passed: u32,
    held_back: u64,
}

impl Quota {
    /// At most `most` lines per `window`.
    pub fn new(most: u32, window: Duration) -> Quota {
        let window_us = u64::try_from(window.as_micros()).unwrap_or(u64::MAX);
        Quota { most, window_us, started_us: 0, passed: 0, held_back: 0 }
    }

    /// Requests a line at `now_us` (any monotonic clock). `Some(n)`: log it, and report that `n` were
    /// suppressed since the last one that passed. `None`: do not.
    pub fn ask(&mut self, now_us: u64) -> Option<u64> {
        if now_us.saturating_sub(self.started_us) >= self.window_us {
            self.started_us = now_us;
            self.passed = 0;
        }
        if self.passed >= self.most {
            self.held_back += 1;
            return None;
        }
        self.passed += 1;
        Some(std::mem::take(&mut self.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_so_many_per_window() {
        let mut quota = Quota::new(2, Duration::from_micros(100));
        let asked: Vec<_> = [0, 10, 20, 99, 100, 101, 102, 500].map(|now| quota.ask(now)).into();
        assert_eq!(asked, [Some(0), Some(0), None, None, Some(2), Some(0), None, Some(1)]);
    }

    #[test]
    fn a_quota_of_nothing_passes_nothing() {
        let mut quota = Quota::new(0, Duration::from_micros(1));
        assert_eq!([quota.ask(0), quota.ask(10)], [None, None]);
    }
}
