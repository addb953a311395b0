//! CPU share of a shard's thread.

use std::time::Duration;

use crate::Instant;

/// Shortest interval of a measurement.
const SPELL: Duration = Duration::from_millis(100);

/// CPU time of one thread, as a share of elapsed time.
#[derive(Debug, Default)]
pub(crate) struct Load {
    since: Instant,
    cpu_us: u64,
    permille: u32,
}

impl Load {
    /// Takes a measurement, if it is time.
    #[inline]
    pub(crate) fn tick(&mut self, now: Instant) {
        let gone = now.since(self.since);
        if gone >= SPELL {
            let cpu_us = thread_cpu_us();
            let share = u128::from(cpu_us.saturating_sub(self.cpu_us)) * 1000 / gone.as_micros().max(1);
            self.permille = u32::try_from(share).unwrap_or(1000).min(1000);
            (self.since, self.cpu_us) = (now, cpu_us);
        }
    }

    /// The share in the last interval, in permille.
    pub(crate) fn permille(&self) -> u32 {
        self.permille
    }
}

/// CPU time used by this thread, in nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64)
}

fn thread_cpu_us() -> u64 {
    thread_cpu_ns() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_thread_has_a_load_and_an_idle_one_has_none() {
        let (mut load, start) = (Load::default(), crate::monotonic_now());
        load.tick(start + SPELL);
        let mut turns = 0u64;
        while thread_cpu_us() < load.cpu_us + 20_000 {
            turns += 1;
        }
        assert!(turns > 0);
        // 20 ms of CPU in what is claimed to be 200 ms.
        load.tick(start + SPELL * 3);
        assert!((95..=300).contains(&load.permille()), "{}", load.permille());
        load.tick(start + SPELL * 3 + Duration::from_secs(100));
        assert!(load.permille() < 10, "{}", load.permille());
    }
}
