//! NSQ's utilities: what they print at their end, and their exit status.

use std::process::ExitCode;

use tools::Exit;

use super::nsq_daemon::end;

/// Runs a tool; `arguments` do not include its name.
pub fn run(main: fn(&[String]) -> Result<(), Exit>, arguments: Vec<String>) -> ExitCode {
    match main(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => end(exit, ""),
    }
}
