//! Backoff of a consumer: its pauses, and its recovery.
//!
//! ```text
//! running ─failure─▶ paused (level 1) ─time─▶ testing ─failure─▶ paused (level + 1) …
//!    ▲                                           └─success─▶ level − 1: paused again, or at 0 ─▶ running
//! ```
//! The pause of a level is `backoff_multiplier` × 2^level, at most `max_backoff_duration`. During a test, one
//! message is in flight. Messages in flight when a pause began do not count if they are answered during the
//! pause. As in go-nsq.

use std::time::{Duration, Instant};

use crate::config::{BackoffStrategy, Config};

/// State of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Up to `max_in_flight`.
    Running,
    /// No messages until this time.
    Paused(Instant),
    /// One message.
    Testing,
}

/// The state machine of pauses.
#[derive(Debug)]
pub(super) struct Backoff {
    multiplier: Duration,
    max: Duration,
    strategy: BackoffStrategy,
    level: u32,
    pace: Pace,
}

impl Backoff {
    pub(super) fn new(config: &Config) -> Backoff {
        Backoff {
            multiplier: config.backoff_multiplier,
            max: config.max_backoff_duration,
            strategy: config.backoff_strategy,
            level: 0,
            pace: Pace::Running,
        }
    }

    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    pub(super) fn level(&self) -> u32 {
        self.level
    }

    /// Records a finished (`success`) or failed message. `random` is from 0 to 1. True if the pace has
    /// changed.
    pub(super) fn outcome(&mut self, success: bool, now: Instant, random: f64) -> bool {
        if self.max.is_zero() || matches!(self.pace, Pace::Paused(_)) || (success && self.level == 0) {
            return false;
        }
        if success {
            self.level -= 1;
        } else if self.level == 0 || self.pause(self.level + 1) <= self.max {
            self.level += 1;
        }
        self.pace = match self.level {
            0 => Pace::Running,
            level => Pace::Paused(now + self.jittered(level, random)),
        };
        true
    }

    /// Ends a pause that has elapsed. True if the pace has changed.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        let over = matches!(self.pace, Pace::Paused(until) if until <= now);
        if over {
            self.pace = Pace::Testing;
        }
        over
    }

    fn pause(&self, level: u32) -> Duration {
        self.multiplier.saturating_mul(1_u32.checked_shl(level).unwrap_or(u32::MAX))
    }

    fn jittered(&self, level: u32, random: f64) -> Duration {
        let pause = self.pause(level);
        let pause = match self.strategy {
            BackoffStrategy::Exponential => pause,
            BackoffStrategy::FullJitter => pause.min(self.max).mul_f64(random.clamp(0.0, 1.0)),
        };
        pause.min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    /// Events, and the level and the pause in seconds after each: `+` success, `-` failure, `t` the end of
    /// the pause.
    fn check(config: &Config, story: &[(char, u32, Option<u64>)]) {
        let mut backoff = Backoff::new(config);
        let mut now = Instant::now();
        for (step, (event, level, pause)) in story.iter().enumerate() {
            match event {
                't' => {
                    if let Pace::Paused(until) = backoff.pace() {
                        assert!(!backoff.tick(until.checked_sub(Duration::from_millis(1)).unwrap()));
                        now = until;
                        assert!(backoff.tick(now));
                        assert_eq!(backoff.pace(), Pace::Testing);
                    }
                }
                _ => drop(backoff.outcome(*event == '+', now, 0.5)),
            }
            let paused = match backoff.pace() {
                Pace::Paused(until) => Some((until - now).as_secs()),
                _ => None,
            };
            assert_eq!((backoff.level(), paused), (*level, *pause), "step {step} {event}");
        }
    }

    #[test]
    fn up_and_down() {
        check(
            &Config::new(),
            &[
                ('+', 0, None),
                ('-', 1, Some(2)),
                ('-', 1, Some(2)), // was in flight when the pause began
                ('+', 1, Some(2)),
                ('t', 1, None),
                ('-', 2, Some(4)),
                ('t', 2, None),
                ('-', 3, Some(8)),
                ('t', 3, None),
                ('+', 2, Some(4)),
                ('t', 2, None),
                ('+', 1, Some(2)),
                ('t', 1, None),
                ('+', 0, None),
                ('+', 0, None),
            ],
        );
    }

    #[test]
    fn a_level_whose_pause_is_over_the_limit_is_not_reached() {
        let config = Config { max_backoff_duration: S(5), ..Config::new() };
        check(
            &config,
            &[('-', 1, Some(2)), ('t', 1, None), ('-', 2, Some(4)), ('t', 2, None), ('-', 2, Some(4))],
        );
        let config = Config { max_backoff_duration: S(1), ..Config::new() };
        check(
            &config,
            &[('-', 1, Some(1)), ('t', 1, None), ('-', 1, Some(1)), ('t', 1, None), ('+', 0, None)],
        );
    }

    #[test]
    fn switched_off_and_jittered() {
        let config = Config { max_backoff_duration: S(0), ..Config::new() };
        check(&config, &[('-', 0, None), ('-', 0, None)]);
        let config = Config {
            backoff_strategy: BackoffStrategy::FullJitter,
            backoff_multiplier: S(2),
            ..Config::new()
        };
        check(&config, &[('-', 1, Some(2)), ('t', 1, None), ('-', 2, Some(4))]);
    }

    #[test]
    fn extreme_settings_do_not_overflow() {
        let config = Config { backoff_multiplier: S(3_600), max_backoff_duration: S(3_600), ..Config::new() };
        let mut backoff = Backoff::new(&config);
        let mut now = Instant::now();
        for _ in 0..100 {
            assert!(backoff.outcome(false, now, 1.0));
            let Pace::Paused(until) = backoff.pace() else { panic!("not paused") };
            assert_eq!(until - now, S(3_600));
            now = until;
            backoff.tick(now);
        }
        let config = Config { backoff_multiplier: S(0), ..Config::new() };
        let mut backoff = Backoff::new(&config);
        for _ in 0..100 {
            assert!(backoff.outcome(false, now, 1.0));
            assert!(backoff.tick(now));
        }
    }
}
