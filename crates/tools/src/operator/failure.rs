//! Failures of commands, for people and scripts.

use std::fmt;

/// Reason a command failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Exit status.
    pub status: u8,
    /// Text for standard error.
    pub text: String,
}

impl Failure {
    /// Refused by the queue, or failed locally.
    pub(crate) fn refused(text: impl Into<String>) -> Failure {
        Failure { status: 1, text: text.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
