//! Interrupt moderation for a shard: sleeping a little before it polls, as network cards do before they
//! interrupt.
//!
//! A shard that is quicker than its peers finds one or two events in each poll, and pays for a poll and for
//! waking its peers for each; so do they. If it sleeps a little first it finds many, and all pay once. A
//! sleep has a cost too, so it pays only while there is enough to gather. Counting over spells decides
//! that:
//!
//! ```text
//!          rounds that find few events, one soon after the other
//!   watch ───────────────────────────────────────────────────────▸ sleep
//!     ▴    sleeps find few events: not again before a while        │
//!     └──────────────────────────────────────────────────────────┘
//!          an idle round, or time to see what it is like without
//! ```
//! A *round* is everything between two polls that may block. A shard without traffic, with little or with
//! rounds that are already full never sleeps.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::Instant;

/// Rounds counted before the next decision, preceded by as many uncounted ones that let the traffic settle.
const SPELL: u32 = 50;
/// Rounds with fewer events than this on average are worth a try ...
const FEW: u64 = 5;
/// ... if they follow one another at least this fast ...
const BRISK: Duration = Duration::from_micros(100);
/// ... and bring fewer bytes per event: above that, copying dominates, not wake-ups.
const SMALL: u64 = 4096;
/// Events that a sleep must gather on average to save more than it costs.
const MANY: u64 = 12;
/// A round longer than this plus two sleeps means the shard is idle.
const IDLE: Duration = Duration::from_millis(1);
/// Interval at which running without sleeps is measured again.
const REVIEW: Duration = Duration::from_millis(250);
/// Pause after a failed try; doubled up to one second after each further failure.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Decides after each round whether to sleep before the next.
#[derive(Debug)]
pub(crate) struct Coalesce {
    sleep: Duration,
    sleeping: bool,
    /// Rounds of this spell, and the events and bytes of those that count.
    rounds: u32,
    events: u64,
    bytes: u64,
    /// Starts of the last round and of the first that counts.
    round_began: Instant,
    began: Instant,
    /// While sleeping, the time of the next review; otherwise, the time of the next try.
    until: Instant,
    pause: Duration,
}

impl Coalesce {
    /// Sleeps for `sleep` where it pays; zero means never. Must be created on the thread that sleeps.
    pub(crate) fn new(sleep: Duration) -> Coalesce {
        if !sleep.is_zero() {
            // The kernel's default slack adds up to 50 µs. If this fails, sleeps are just longer.
            let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1000));
        }
        Coalesce {
            sleep,
            sleeping: false,
            rounds: 0,
            events: 0,
            bytes: 0,
            round_began: Instant(0),
            began: Instant(0),
            until: Instant(0),
            pause: PAUSE,
        }
    }

    /// Called after a round that began at `now`, found `events` and read `bytes`.
    #[inline]
    pub(crate) fn sleep_after(&mut self, now: Instant, events: usize, bytes: usize) {
        if !self.sleep.is_zero() && self.decide(now, events, bytes) {
            std::thread::sleep(self.sleep);
        }
    }

    fn decide(&mut self, now: Instant, events: usize, bytes: usize) -> bool {
        let gone = now.since(self.round_began);
        self.round_began = now;
        self.rounds += 1;
        self.events += events as u64;
        self.bytes += bytes as u64;
        if gone > IDLE + self.sleep * 2 {
            // The counts are from the sleeping phase.
            if std::mem::take(&mut self.sleeping) {
                self.until = now;
            }
            self.start_spell();
        } else if self.rounds == SPELL {
            (self.events, self.bytes, self.began) = (0, 0, now);
        } else if self.rounds == 2 * SPELL {
            self.judge(now);
            self.start_spell();
        }
        self.sleeping
    }

    fn start_spell(&mut self) {
        (self.rounds, self.events, self.bytes) = (0, 0, 0);
    }

    fn judge(&mut self, now: Instant) {
        let per_round = self.events / u64::from(SPELL);
        if !self.sleeping {
            let brisk = now.since(self.began) < BRISK * SPELL;
            let small = self.bytes < self.events * SMALL;
            if per_round < FEW && brisk && small && now >= self.until {
                self.sleeping = true;
                self.until = now + REVIEW;
            }
        } else if per_round < MANY {
            self.sleeping = false;
            self.until = now + self.pause;
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        } else {
            self.pause = PAUSE;
            self.sleeping = now < self.until;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays `count` rounds of `events` events each, one every `us` microseconds; returns how many were
    /// followed by a sleep.
    fn play(c: &mut Coalesce, count: usize, us: u64, events: usize) -> usize {
        (0..count).filter(|_| c.decide(Instant(c.round_began.0 + us), events, events * 100)).count()
    }

    fn coalesce() -> Coalesce {
        Coalesce::new(Duration::from_micros(80))
    }

    #[test]
    fn brisk_rounds_with_few_events_are_slept_between() {
        let c = &mut coalesce();
        assert_eq!(play(c, 99, 30, 2), 0);
        assert_eq!(play(c, 1, 30, 2), 1, "two spells are enough");
        // It pays: sleeping continues until the review after 250 ms, and the poor rounds without it are cut
        // short.
        let (rounds, began) = (250_000 / 150, c.round_began);
        assert_eq!(play(c, rounds, 150, 20), rounds);
        while c.sleeping {
            play(c, 1, 150, 20);
        }
        assert!((250..270).contains(&c.round_began.since(began).as_millis()));
        assert_eq!(play(c, 100, 30, 2), 1);
    }

    #[test]
    fn full_slow_and_lone_rounds_are_not() {
        for (us, events) in [(30, 5), (70, 13), (100, 2), (900, 3), (20_000, 1)] {
            assert_eq!(play(&mut coalesce(), 1000, us, events), 0, "{us} {events}");
        }
    }

    #[test]
    fn large_values_are_not_waited_for() {
        let c = &mut coalesce();
        assert!((0..1000).all(|_| !c.decide(Instant(c.round_began.0 + 30), 2, 2 * 4096)));
        assert!((0..1000).any(|_| c.decide(Instant(c.round_began.0 + 30), 2, 2 * 4095)));
    }

    #[test]
    fn sleeps_that_gather_little_are_tried_more_and_more_rarely() {
        let c = &mut coalesce();
        let mut tries = Vec::new();
        let mut sleeping = false;
        for _ in 0..2_000_000 {
            let slept = c.decide(Instant(c.round_began.0 + 30), if sleeping { 8 } else { 2 }, 100);
            if slept && !sleeping {
                tries.push(c.round_began.0 / 1000);
            }
            sleeping = slept;
        }
        let pauses: Vec<u64> = tries.windows(2).map(|w| (w[1] - w[0]) / 100 * 100).collect();
        assert_eq!(pauses[..9], [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000], "{tries:?}");
    }

    #[test]
    fn the_end_of_traffic_ends_it() {
        let c = &mut coalesce();
        play(c, 100, 30, 2);
        assert!(c.sleeping);
        assert_eq!(play(c, 1, 1161, 1), 0);
        assert_eq!(play(c, 99, 30, 2), 0, "all is counted anew");
        assert_eq!(play(c, 1, 30, 2), 1);
    }
}
