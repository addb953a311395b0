//! NSQ's utilities: their final output, and their exit status.

use std::process::ExitCode;

use tools::Exit;

use super::nsq_daemon::end;

/// Flags of a face that the original does not have, and its `-h` does not list.
pub fn beyond(name: &str) -> Option<String> {
    match name {
        "nsq_tail" => Some(tools::nsq_tail::beyond()),
        "nsq_to_file" => Some(tools::nsq_to_file::beyond()),
        "to_nsq" => Some(tools::to_nsq::beyond()),
        _ => None,
    }
}

/// Runs a tool; `arguments` do not include its name.
pub fn run(main: fn(&[String]) -> Result<(), Exit>, arguments: Vec<String>) -> ExitCode {
    match main(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => end(exit, ""),
    }
}
