//! Masters that Sentinels name: the address of each, and how many Sentinels answer.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::trouble::Severity;

/// A master of a pool with Sentinels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Master {
    /// Name of its pool.
    pub pool: String,
    /// Its name, which is that of its server in the pool.
    pub name: String,
    /// Its address; None until Sentinels agree on one.
    pub address: Option<String>,
    /// Time since which it has this address, in milliseconds since the Unix epoch.
    pub since_ms: Option<u64>,
    /// Times that it changed its address.
    pub changes: u64,
    /// Sentinels that answer,
    pub sentinels_answering: usize,
    /// and all that are asked.
    pub sentinels: usize,
}

impl Master {
    /// Its current fault, if any.
    pub(crate) fn fault(&self) -> Option<(Severity, String)> {
        let Master { name, sentinels, sentinels_answering: answering, .. } = self;
        let few = format!("{answering} of {sentinels} Sentinels answer");
        if self.address.is_none() {
            let text = format!("no address is known of master {name}, requests get errors: {few}");
            Some((Severity::Critical, text))
        } else if *answering == 0 {
            Some((Severity::Warning, format!("no failover of master {name} can be followed: {few}")))
        } else if answering < sentinels {
            Some((Severity::Notice, few))
        } else {
            None
        }
    }
}

/// The masters of all pools.
#[derive(Debug, Default)]
pub struct MasterList(Mutex<Vec<Master>>);

impl MasterList {
    /// Replaces the masters.
    pub fn set(&self, masters: Vec<Master>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = masters;
    }

    /// The masters.
    pub fn get(&self) -> Vec<Master> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults() {
        let master = |address: Option<&str>, sentinels_answering| Master {
            pool: "p".into(),
            name: "m".into(),
            address: address.map(str::to_owned),
            since_ms: None,
            changes: 0,
            sentinels_answering,
            sentinels: 3,
        };
        let severity = |master: Master| master.fault().map(|(severity, _)| severity);
        assert_eq!(severity(master(Some("a:1"), 3)), None);
        assert_eq!(severity(master(Some("a:1"), 2)), Some(Severity::Notice));
        assert_eq!(severity(master(Some("a:1"), 0)), Some(Severity::Warning));
        assert_eq!(severity(master(None, 3)), Some(Severity::Critical));
    }
}
