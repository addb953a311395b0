//! An event, as shown and as kept in the file.

use serde::{Deserialize, Serialize};

use crate::trouble::Severity;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its time, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Severity.
    pub severity: Severity,
    /// Subject, as in a [`crate::Trouble`].
    pub subject: String,
    /// The event.
    pub text: String,
}
