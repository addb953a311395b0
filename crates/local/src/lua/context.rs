//! State that functions of the libraries share with the run of a script.

use std::cell::{Cell, RefCell};

use wire::redis::Version;

use super::budget::Budget;
use super::json::Settings;

/// One for all runs of an interpreter; what belongs to a run is reset when it begins.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) budget: Budget,
    pub(super) json: RefCell<Settings>,
    /// Version of the protocol that the script has asked for.
    pub(crate) version: Cell<Version>,
    /// State of `math.random`.
    pub(super) dice: Cell<u64>,
}

impl Context {
    /// Begins a run, with this seed for `math.random`.
    pub(crate) fn begin(&self, dice: u64) {
        self.budget.begin();
        self.version.set(Version::Resp2);
        *self.json.borrow_mut() = Settings::default();
        self.dice.set(dice);
    }
}
