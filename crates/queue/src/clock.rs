//! Both clocks of a turn, and how one is translated into the other.
//!
//! Deadlines are kept on the monotonic clock, which never steps. What must outlast the process (due times) is written as wall
//! time and translated back when it is read: a wall clock that stepped in between moves a due time by as much as it stepped,
//! but never further into the future than the message was deferred for.

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

impl Clock {
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
        let hour = Duration::from_secs(3600);
        assert_eq!(clock.to_instant(wall, hour), due);
        assert_eq!(clock.to_instant(0, hour), clock.now);
        assert_eq!(clock.to_instant(i64::MAX, hour), clock.now + hour);
        assert!(Clock { now: Instant(9), wall: WallTime(0) }.to_wall(Instant(0)) > 0);
    }
}
