//! Level and format of the log: those of a configuration, and those that the log counts with.

use config::checked::{LogFormat, LogLevel};
use telemetry::log::{Format, Verbosity};

/// A level as the log counts.
pub fn verbosity(level: LogLevel) -> Verbosity {
    Verbosity::named(level.name()).unwrap_or(Verbosity::INFO)
}

/// A format of a configuration as the log has it.
pub fn format(format: LogFormat) -> Format {
    match format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    }
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
