//! `nuthatch check --system`: what a start with a configuration would meet on this machine.
//!
//! | what | looked at |
//! |---|---|
//! | paths | there, of the right kind, writable for who checks, whose they are, in use by whom |
//! | listeners | free, or which process has them |
//! | names | have an address |
//! | file descriptors | as many as the configuration asks for |
//!
//! Nothing is changed: no directory is made and nothing listens; a port is bound for a moment.

mod descriptors;
mod holder;
mod names;
mod paths;
mod ports;

use config::Fault;
use config::checked::Config;

use crate::start_error::Place;

/// Vocabulary for naming settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// Options of a nuthatch.toml.
    Native,
    /// Services of nutcracker and nsqd, which they have flags and not options for.
    Plain,
}

impl Words {
    fn place(self, place: &Place) -> String {
        match self {
            Words::Native => place.option(),
            Words::Plain => place.to_string(),
        }
    }

    fn option(self, native: &str, plain: &str) -> String {
        match self {
            Words::Native => native.into(),
            Words::Plain => plain.into(),
        }
    }
}

/// Everything on this machine that a start would fail at, or soon after.
pub fn check(config: &Config, words: Words) -> Vec<Fault> {
    let mut faults = paths::check(config, words);
    faults.extend(ports::check(config, words));
    faults.extend(names::check(config, words));
    faults.extend(descriptors::check(config));
    faults
}
