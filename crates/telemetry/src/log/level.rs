//! Log levels: nutcracker's scale from 0 to 11, which is finer than `tracing`'s five levels.
//!
//! One scale for all faces. The words of the native file and of nsqd map onto it; nutcracker's signals
//! SIGTTIN and SIGTTOU move along it by one.

use tracing::level_filters::LevelFilter;

/// 0 EMERG, 1 ALERT, 2 CRIT, 3 ERR, 4 WARN, 5 NOTICE, 6 INFO, 7 DEBUG, 8 VERB, 9 VVERB, 10 VVVERB, 11 PVERB,
/// as nutcracker 0.5.0. Errors are written from 1 on, warnings from 4, information from 6, debugging from 7,
/// tracing from 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verbosity(u8);

impl Verbosity {
    /// Only lines that pass at every level.
    pub const OFF: Verbosity = Verbosity(0);
    /// Errors.
    pub const ERROR: Verbosity = Verbosity(3);
    /// Errors and warnings.
    pub const WARN: Verbosity = Verbosity(4);
    /// nutcracker's default; errors and warnings.
    pub const NOTICE: Verbosity = Verbosity(5);
    /// The native default: also events, such as a server that disconnected.
    pub const INFO: Verbosity = Verbosity(6);
    /// Also the reasons of events.
    pub const DEBUG: Verbosity = Verbosity(7);
    /// Also each step.
    pub const TRACE: Verbosity = Verbosity(8);
    /// The maximum.
    pub const MAX: Verbosity = Verbosity(11);

    /// From nutcracker's number; values above 11 mean 11.
    pub fn new(number: u64) -> Verbosity {
        Verbosity(u8::try_from(number).unwrap_or(u8::MAX).min(Verbosity::MAX.0))
    }

    /// From a word: off (also fatal, as in nsqd), error, warn, info, debug, trace.
    pub fn named(word: &str) -> Option<Verbosity> {
        Some(match word {
            "off" | "fatal" => Verbosity::OFF,
            "error" => Verbosity::ERROR,
            "warn" => Verbosity::WARN,
            "info" => Verbosity::INFO,
            "debug" => Verbosity::DEBUG,
            "trace" => Verbosity::TRACE,
            _ => return None,
        })
    }

    /// nutcracker's number.
    pub fn number(self) -> u8 {
        self.0
    }

    /// One more, at most 11 (SIGTTIN).
    #[must_use]
    pub fn raised(self) -> Verbosity {
        Verbosity((self.0 + 1).min(Verbosity::MAX.0))
    }

    /// One less, at least 0 (SIGTTOU).
    #[must_use]
    pub fn lowered(self) -> Verbosity {
        Verbosity(self.0.saturating_sub(1))
    }

    /// The least severe `tracing` level written.
    pub(crate) fn filter(self) -> LevelFilter {
        match self.0 {
            0 => LevelFilter::OFF,
            1..=3 => LevelFilter::ERROR,
            4..=5 => LevelFilter::WARN,
            6 => LevelFilter::INFO,
            7 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_both_ends() {
        assert_eq!(Verbosity::new(99), Verbosity::MAX);
        assert_eq!(Verbosity::new(11), Verbosity::MAX);
        assert_eq!(Verbosity::new(10).raised().raised(), Verbosity::MAX);
        assert_eq!(Verbosity::new(1).lowered().lowered(), Verbosity::OFF);
    }

    #[test]
    fn words_and_numbers_mean_levels() {
        for (word, number, filter) in [
            ("off", 0, LevelFilter::OFF),
            ("error", 3, LevelFilter::ERROR),
            ("warn", 4, LevelFilter::WARN),
            ("info", 6, LevelFilter::INFO),
            ("debug", 7, LevelFilter::DEBUG),
            ("trace", 8, LevelFilter::TRACE),
        ] {
            let verbosity = Verbosity::named(word).unwrap();
            assert_eq!((verbosity.number(), verbosity.filter()), (number, filter), "{word}");
        }
        assert_eq!(Verbosity::named("loud"), None);
    }
}
