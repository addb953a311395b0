//! `nuthatch upgrade`: asks a running process to let its binary take over anew, and waits for the outcome.
//!
//! Who may send the process a signal may have it upgraded, and nobody else. Its id is given, or in a file, or
//! the admin port knows it.

use std::process::ExitCode;

use rustix::process::Signal;

use crate::outcome::Deed;
use crate::running_process::{self, RunningProcess};
use crate::stdout::show;

/// Runs the command.
pub fn main(process: &RunningProcess) -> ExitCode {
    match process.id().and_then(|id| running_process::ask(id, Signal::USR2, Deed::Upgrade)) {
        Ok(done) => {
            show(format_args!("{done}\n"));
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("nuthatch: not upgraded: {reason}");
            ExitCode::FAILURE
        }
    }
}
