//! Logins of users, and clients whose rights have changed.

use std::time::Duration;

use access::{LoginGuard, Meter, Rate};

/// Failed logins in the log: one a second.
const FAILURES_LOGGED: Rate = Rate { count: 1, per: Duration::from_secs(1), burst: 1 };

/// Failed logins.
#[derive(Debug)]
pub(crate) struct Logins {
    /// Those of each address; nothing before the first one.
    pub guard: Option<LoginGuard>,
    /// Their number.
    pub failures: u64,
    /// Limits how often one is logged.
    pub told: Meter,
}

impl Default for Logins {
    fn default() -> Logins {
        Logins { guard: None, failures: 0, told: Meter::new(FAILURES_LOGGED) }
    }
}
