//! The clocks of the system, read by every turn of every shard.
//!
//! The standard library's clocks compute with durations of nanoseconds, which costs several times as much as
//! the reading itself.

use std::sync::OnceLock;

use rustix::time::{ClockId, clock_gettime};

use crate::{Instant, WallTime};

/// Monotonic time of the process; the origin is the first call.
pub fn monotonic_now() -> Instant {
    static ORIGIN: OnceLock<u64> = OnceLock::new();
    let now = clock_gettime(ClockId::Monotonic);
    let micros = now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000;
    Instant(micros.saturating_sub(*ORIGIN.get_or_init(|| micros)))
}

/// The wall clock.
pub(crate) fn wall_now() -> WallTime {
    let now = clock_gettime(ClockId::Realtime);
    WallTime(now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec))
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn clocks_agree_with_the_standard_library() {
        let since =
            || i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap();
        let (before, wall, after) = (since(), wall_now().0, since());
        assert!((before..=after).contains(&wall), "{before} {wall} {after}");
        let (begun, first) = (std::time::Instant::now(), monotonic_now());
        let second = loop {
            let now = monotonic_now();
            if now > first {
                break now;
            }
        };
        let passed = second.since(first);
        assert!(passed <= begun.elapsed() + std::time::Duration::from_micros(1));
        assert!(passed.as_micros() >= 1);
    }
}
