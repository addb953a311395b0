//! The two clocks of a turn, and conversion between them.
//!
//! Deadlines use the monotonic clock, which never steps. Due times, which must survive a restart, are written
//! as wall time together with the moment at which they were set, and converted back when they are read. A
//! wall clock set forward in between shortens the wait, as passing time does; one set back never makes it
//! longer than requested.

use std::time::Duration;

use net::{Instant, WallTime};

/// The time of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Monotonic.
    pub now: Instant,
    /// Wall.
    pub wall: WallTime,
}

/// A due time that survives a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Due {
    /// Wall time (ns); 0 for at once.
    pub at: i64,
    /// Wall time (ns) at which it was set or last rewritten: the wait is no longer than from then to `at`. 0
    /// if written by a version that did not keep it.
    pub given: i64,
}

impl Due {
    /// A due time (wall, ns) that was in the future when it was written, at the wall time `written`.
    pub fn written(at: i64, written: i64) -> Due {
        Due { at, given: if at == 0 { 0 } else { written } }
    }
}

impl Clock {
    /// A monotonic instant as a due time that is set now.
    pub fn due(self, at: Instant) -> Due {
        Due { at: self.to_wall(at), given: self.wall.0 }
    }

    /// The instant of a due time; `None` if it has passed. A wait of unknown length is at most `delay_max`.
    pub fn until(self, due: Due, delay_max: Duration) -> Option<Instant> {
        let asked = match due.given {
            0 => delay_max,
            given => Duration::from_nanos(u64::try_from(due.at.saturating_sub(given)).unwrap_or(0)),
        };
        Some(self.to_instant(due.at, asked)).filter(|at| *at > self.now)
    }

    /// The wall time (ns) of a monotonic instant, as of now.
    pub fn to_wall(self, at: Instant) -> i64 {
        let ahead = i128::from(at.0) - i128::from(self.now.0);
        let wall = i128::from(self.wall.0) + ahead * 1000;
        i64::try_from(wall.max(1)).unwrap_or(i64::MAX)
    }

    /// The instant of a wall time (ns), no later than `delay_max` from now.
    pub fn to_instant(self, wall: i64, delay_max: Duration) -> Instant {
        let ahead = wall.saturating_sub(self.wall.0);
        let ahead = Duration::from_nanos(u64::try_from(ahead).unwrap_or(0));
        self.now + ahead.min(delay_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_translate_both_ways_and_a_step_does_not_strand_a_message() {
        let clock = Clock { now: Instant(5_000_000), wall: WallTime(1_000_000_000_000) };
        let due = Instant(6_000_000);
        let wall = clock.to_wall(due);
        assert_eq!(wall, 1_001_000_000_000);
        let hour = Duration::from_hours(1);
        assert_eq!(clock.to_instant(wall, hour), due);
        assert_eq!(clock.to_instant(0, hour), clock.now);
        assert_eq!(clock.to_instant(i64::MAX, hour), clock.now + hour);
        assert!(Clock { now: Instant(9), wall: WallTime(0) }.to_wall(Instant(0)) > 0);
    }

    #[test]
    fn a_wait_is_never_longer_than_was_asked_for() {
        let day = 86_400_000_000_000;
        let given = Clock { now: Instant(0), wall: WallTime(10 * day) };
        let due = given.due(Instant(5_000_000));
        let (secs, hour) = (Duration::from_secs, Duration::from_hours(1));
        let wait = |wall, due| {
            let clock = Clock { now: Instant(77), wall: WallTime(wall) };
            clock.until(due, hour).map(|at| at.since(clock.now))
        };
        for (wall, expected) in [
            (10 * day, Some(secs(5))),
            (10 * day + 2_000_000_000, Some(secs(3))),
            (10 * day + 5_000_000_000, None),
            (11 * day, None),
            (9 * day, Some(secs(5))),
            (0, Some(secs(5))),
        ] {
            assert_eq!(wait(wall, due), expected, "{wall}");
        }
        assert_eq!(wait(9 * day, Due { given: 0, ..due }), Some(hour), "written by an older version");
        assert_eq!(
            wait(9 * day, Due { given: i64::MAX, ..due }),
            None,
            "it was due when it was written down"
        );
        assert_eq!(wait(1, Due { at: i64::MAX, given: i64::MIN }).map(|wait| wait > hour), Some(true));
    }
}
