//! State that functions of the libraries share with the run of a script.

use std::cell::{Cell, RefCell};

use wire::redis::Version;

use super::budget::Budget;
use super::json::Settings;

/// One for all runs of an interpreter; what belongs to a run is reset when it begins.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) budget: Budget,
    pub(super) json: RefCell<Settings>,
    /// Version of the protocol that the script has asked for.
    pub(super) version: Cell<Version>,
    /// State of `math.random`.
    pub(super) dice: Cell<u64>,
}
