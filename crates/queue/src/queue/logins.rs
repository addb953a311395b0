//! Logins of users, and clients whose rights have changed.

use std::time::Duration;

use access::{LoginGuard, Meter, Rate};

/// Rate limit of failed logins in the log: one a second.
const FAILURES_LOGGED: Rate = Rate { count: 1, per: Duration::from_secs(1), burst: 1 };

/// Failed logins.
#[derive(Debug)]
pub(crate) struct Logins {
    /// Failures by address; `None` before the first one.
    pub guard: Option<LoginGuard>,
    /// Their number.
    pub failures: u64,
    /// Rate limit of log lines.
    pub told: Meter,
}

impl Default for Logins {
    fn default() -> Logins {
        Logins { guard: None, failures: 0, told: Meter::new(FAILURES_LOGGED) }
    }
}
