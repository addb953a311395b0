//! Replies that are looked at more closely: slow ones, big ones, and a sample of all.
//!
//! Most replies are none of these, which costs them three comparisons.

use config::checked;

/// Conditions under which a reply of a server is notable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notable {
    /// Time from which a request is slow, in microseconds; the greatest number if that is off.
    pub(crate) slow_us: u64,
    /// Size from which its reply is big; the greatest number if that is off.
    pub(crate) big_min: usize,
    /// Replies up to the next that is sampled; 0 if none is.
    pub(crate) until_sample: u32,
    /// The beginning of each request is kept, to know then what it was.
    pub(crate) keeps_beginnings: bool,
}

impl Notable {
    /// The conditions in a pool with these settings.
    pub(crate) fn of(config: &checked::Pool) -> Notable {
        let slow_us =
            config.slowlog_threshold.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        Notable {
            slow_us: slow_us.unwrap_or(u64::MAX),
            big_min: if config.hot_keys { 0 } else { usize::MAX },
            until_sample: u32::from(config.hot_keys),
            keeps_beginnings: slow_us.is_some() || config.hot_keys,
        }
    }

    /// True if a reply of `len` bytes after `us` microseconds is notable.
    #[inline]
    pub(crate) fn takes(&mut self, len: usize, us: u64) -> bool {
        self.until_sample = self.until_sample.saturating_sub(1);
        us >= self.slow_us || len >= self.big_min || self.is_sampled()
    }

    /// True if the last reply is in the sample.
    pub(crate) fn is_sampled(&self) -> bool {
        self.until_sample == 0 && self.big_min < usize::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_big_and_sampled_replies_are_notable() {
        let mut notable = Notable { slow_us: 100, big_min: 50, until_sample: 3, keeps_beginnings: true };
        let taken =
            [(1, 1), (50, 1), (1, 1), (1, 1)].map(|(len, us)| (notable.takes(len, us), notable.is_sampled()));
        assert_eq!(taken, [(false, false), (true, false), (true, true), (true, true)]);
        notable.until_sample = 9;
        assert!(notable.takes(1, 100) && !notable.takes(1, 99));
        let mut off =
            Notable { slow_us: u64::MAX, big_min: usize::MAX, until_sample: 0, keeps_beginnings: false };
        assert!((0..3).all(|_| !off.takes(1 << 30, 1 << 30)));
    }
}
