//! Failures of commands, for a person and for a script.

use std::fmt;

/// The reason a command failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit status.
    pub status: u8,
    /// For standard error.
    pub text: String,
}

impl Failure {
    /// The queue, or something here, does not let it happen.
    pub(crate) fn refused(text: impl Into<String>) -> Failure {
        Failure { status: 1, text: text.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
