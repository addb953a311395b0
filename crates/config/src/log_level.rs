//! Severity of a log line, as named in every configuration.
//!
//! The names are nsqd's; the native file uses the same ones.

/// Severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For developers of Nuthatch.
    Debug,
    /// Normal operation.
    Info,
    /// Worth a look by an operator.
    Warn,
    /// Something failed.
    Error,
    /// The process ends.
    Fatal,
}

impl LogLevel {
    /// Every level with its name, the least severe first.
    pub const ALL: [(LogLevel, &'static str); 5] = [
        (LogLevel::Debug, "debug"),
        (LogLevel::Info, "info"),
        (LogLevel::Warn, "warn"),
        (LogLevel::Error, "error"),
        (LogLevel::Fatal, "fatal"),
    ];

    /// The level of that name, ASCII case ignored.
    pub fn of(name: &[u8]) -> Option<LogLevel> {
        LogLevel::ALL
            .iter()
            .find(|(_, own)| name.eq_ignore_ascii_case(own.as_bytes()))
            .map(|(level, _)| *level)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        LogLevel::ALL[self.index()].1
    }

    /// Its index in [`LogLevel::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// All names, for a list of legal values.
    pub fn names() -> Vec<&'static str> {
        LogLevel::ALL.iter().map(|(_, name)| *name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_has_its_name_and_place() {
        for (place, (level, name)) in LogLevel::ALL.into_iter().enumerate() {
            assert_eq!((level.index(), level.name()), (place, name));
            assert_eq!(LogLevel::of(name.to_uppercase().as_bytes()), Some(level));
        }
        assert_eq!(LogLevel::of(b"warning"), None);
        assert!(LogLevel::Debug < LogLevel::Fatal);
    }
}
