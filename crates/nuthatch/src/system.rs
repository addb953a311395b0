//! `nuthatch check --system`: the conditions of a start on this machine.
//!
//! | subject | checked |
//! |---|---|
//! | paths | existence, kind, write permission of the current user, owner, process using them |
//! | listeners | free, or the process that holds them |
//! | names | have an address |
//! | file descriptors | as many as the configuration asks for |
//!
//! Nothing is changed: no directory is created and nothing listens; a port is bound for a moment.

pub mod descriptors;
mod holder;
pub mod names;
pub mod paths;
pub mod ports;
mod words;

use config::Fault;
use config::checked::Config;

pub use words::Words;

/// Everything on this machine that would fail a start, or the process soon after.
pub fn check(config: &Config, words: Words) -> Vec<Fault> {
    let mut faults = paths::check(config, words);
    faults.extend(ports::check(config, words));
    faults.extend(names::check(config, words));
    faults.extend(descriptors::check(config));
    faults
}
