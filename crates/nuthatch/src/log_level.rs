//! The level of a configuration and the verbosity of the log: the same thing, counted differently.

use config::checked::LogLevel;
use telemetry::log::Verbosity;

/// A level as the log counts.
pub fn verbosity(level: LogLevel) -> Verbosity {
    Verbosity::named(level.name()).unwrap_or(Verbosity::INFO)
}

/// The level that the log is at.
pub fn level(verbosity: Verbosity) -> LogLevel {
    match verbosity {
        v if v >= Verbosity::DEBUG => LogLevel::Debug,
        v if v >= Verbosity::INFO => LogLevel::Info,
        v if v >= Verbosity::WARN => LogLevel::Warn,
        v if v >= Verbosity::new(1) => LogLevel::Error,
        _ => LogLevel::Fatal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        for (at, _) in LogLevel::ALL {
            assert_eq!(level(verbosity(at)), at);
        }
    }
}
