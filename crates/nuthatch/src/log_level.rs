//! Level and format of the log: conversions between the configuration's types and the log's.

use config::checked::{LogFormat, LogLevel};
use telemetry::log::{Format, Verbosity};

/// The log's verbosity for a configured level.
pub fn verbosity(level: LogLevel) -> Verbosity {
    Verbosity::named(level.name()).unwrap_or(Verbosity::INFO)
}

/// The log's type for a configured format.
pub fn format(format: LogFormat) -> Format {
    match format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    }
}

/// The level for a verbosity of the log.
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
