//! Names of settings in faults: a nuthatch.toml has options, the files of nutcracker and nsqd have not.

use crate::start_error::Place;

/// Vocabulary of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// Options of a nuthatch.toml.
    Native,
    /// Services of nutcracker and nsqd, which are set by flags instead of options.
    Plain,
}

impl Words {
    pub(super) fn place(self, place: &Place) -> String {
        match self {
            Words::Native => place.option(),
            Words::Plain => place.to_string(),
        }
    }

    pub(super) fn option(self, native: &str, plain: &str) -> String {
        match self {
            Words::Native => native.into(),
            Words::Plain => plain.into(),
        }
    }
}
