//! `nuthatch upgrade`: makes a running process hand over to its binary, started
//! anew, and waits for the outcome.
//!
//! It needs the permission to send the process a signal. The process id is given, read from a file, or
//! queried at the admin port.

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
