//! Classes of commands: few enough for a histogram of each at every server.
//!
//! What a class contains is decided where requests are routed; here are its names and their order.

/// Class of a command by its use of its keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommandClass {
    /// It reads keys.
    Read,
    /// It changes keys.
    Write,
    /// Neither, or unknown: scripts, transactions, blocking commands, PUBLISH, requests that were redirected.
    #[default]
    Other,
}

impl CommandClass {
    /// Number of classes.
    pub const COUNT: usize = 3;
    /// All classes, each at its [index](CommandClass::index).
    pub const ALL: [CommandClass; CommandClass::COUNT] =
        [CommandClass::Read, CommandClass::Write, CommandClass::Other];

    /// Its place among all classes.
    #[inline]
    pub fn index(self) -> usize {
        self as usize
    }

    /// Its name in metrics and on pages.
    pub fn name(self) -> &'static str {
        match self {
            CommandClass::Read => "read",
            CommandClass::Write => "write",
            CommandClass::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_stand_at_their_index() {
        for (at, class) in CommandClass::ALL.iter().enumerate() {
            assert_eq!(class.index(), at);
        }
    }
}
