//! Failed upgrades of the binary.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::facts::wall_ms;

/// Failed upgrades since the start of the process.
#[derive(Debug, Default)]
pub struct Upgrades(Mutex<UpgradeFailures>);

/// Number of failed upgrades, and the last one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UpgradeFailures {
    /// Failures since the start of the process.
    pub total: u64,
    /// The last one.
    pub last: Option<UpgradeFailure>,
}

/// A failed upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpgradeFailure {
    /// Its time, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Reason.
    pub reason: String,
}

impl Upgrades {
    /// Records a failure at the current time.
    pub fn failed(&self, reason: &str) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.total += 1;
        failures.last = Some(UpgradeFailure { at_ms: wall_ms(), reason: reason.to_owned() });
    }

    /// The failures so far.
    pub fn failures(&self) -> UpgradeFailures {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
