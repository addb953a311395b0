//! The outcome of a check: every fault, and the configuration if it can be used.
//!
//! A warning leaves the configuration usable; an error does not.

use crate::checked::Config;
use crate::fault::{self, Fault};

/// The outcome of a check.
#[derive(Debug, Clone)]
pub struct Report {
    /// Every fault, in the order of the file; faults without a place last.
    pub faults: Vec<Fault>,
    /// The configuration; present if no fault is an error.
    pub config: Option<Config>,
}

impl Report {
    /// Puts the faults in order, and keeps `config` only if nothing is an error.
    pub fn new(mut faults: Vec<Fault>, config: Option<Config>) -> Report {
        faults.sort_by_key(|fault| (fault.position.is_none(), fault.position, fault.severity));
        faults.dedup();
        let usable = fault::errors(&faults) == 0;
        Report { faults, config: config.filter(|_| usable) }
    }

    /// Number of faults that are errors.
    pub fn errors(&self) -> usize {
        fault::errors(&self.faults)
    }
}
