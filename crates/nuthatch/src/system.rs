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

pub mod descriptors;
mod holder;
pub mod names;
pub mod paths;
pub mod ports;
mod words;

use config::Fault;
use config::checked::Config;

pub use words::Words;

/// Everything on this machine that a start would fail at, or soon after.
pub fn check(config: &Config, words: Words) -> Vec<Fault> {
    let mut faults = paths::check(config, words);
    faults.extend(ports::check(config, words));
    faults.extend(names::check(config, words));
    faults.extend(descriptors::check(config));
    faults
}
