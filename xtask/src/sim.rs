//! `cargo xtask sim [cache|cluster|queue] [--from N] [--seeds N]`: plays simulator seeds, on all cores.
//!
//! The work is done by `crates/sim`, built fast but with overflow checks and debug assertions. A seed that
//! breaks a rule is printed with the command that replays it.

use std::time::Duration;

use crate::run::{self, Fault};
use crate::workspace::cargo;

/// Longest run.
const LIMIT: Duration = Duration::from_hours(24);

/// Runs the simulator with the arguments of the command line.
pub fn run(words: &[&str]) -> Result<(), Fault> {
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "nuthatch-sim", "--profile", "fuzz", "--"]);
    run::shown(command.args(words), LIMIT)
}
