//! The outcome of a check: every fault, and the configuration if usable.
//!
//! A warning leaves the configuration usable; an error does not.

use crate::checked::Config;
use crate::fault::{self, Fault, Position};

/// The outcome of a check.
#[derive(Debug, Clone)]
pub struct Report {
    /// Every fault, in the order of the file; faults without a position come last.
    pub faults: Vec<Fault>,
    /// The configuration; present if no fault is an error.
    pub config: Option<Config>,
    /// Places of options whose files are read by other code: section, option.
    pub places: Vec<(String, &'static str, Position)>,
}

impl Report {
    /// Sorts the faults, and keeps `config` only if none is an error.
    pub fn new(mut faults: Vec<Fault>, config: Option<Config>) -> Report {
        faults.sort_by_key(|fault| (fault.position.is_none(), fault.position, fault.severity));
        faults.dedup();
        let usable = fault::errors(&faults) == 0;
        Report { faults, config: config.filter(|_| usable), places: Vec::new() }
    }

    /// Place of an option in the section with this heading, if written.
    pub fn place(&self, section: &str, option: &str) -> Option<Position> {
        let is_it =
            |(in_section, name, _): &&(String, &str, Position)| in_section == section && *name == option;
        self.places.iter().find(is_it).map(|(.., at)| *at)
    }

    /// Number of faults that are errors.
    pub fn errors(&self) -> usize {
        fault::errors(&self.faults)
    }
}
