//! A running process, found by commands through its id, its pid file or its admin port.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rustix::process::Signal;

use crate::admin_client::AdminAddress;
use crate::outcome::{Deed, Waiting};

/// Interval between checks that the process is alive.
const LOOK: Duration = Duration::from_secs(1);

/// Options that say which process is meant.
#[derive(Debug, Args)]
pub struct RunningProcess {
    /// Id of the process
    #[arg(long, value_name = "PID", conflicts_with_all = ["pid_file", "address"])]
    pid: Option<u32>,
    /// File with the id of the process
    #[arg(long, value_name = "FILE", conflicts_with = "address")]
    pid_file: Option<PathBuf>,
    #[command(flatten)]
    admin: AdminAddress,
}

impl RunningProcess {
    /// The process id, if given directly or by a pid file.
    ///
    /// # Errors
    /// The pid file cannot be read or is invalid.
    pub fn given_id(&self) -> Result<Option<u32>, String> {
        let Some(path) = &self.pid_file else { return Ok(self.pid) };
        let content =
            std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        content.trim().parse().map(Some).map_err(|_| format!("{}: there is no process id", path.display()))
    }

    /// The process id. If it was not given, it is queried at the admin port.
    ///
    /// # Errors
    /// The process cannot be found; the text says how to name it.
    pub fn id(&self) -> Result<u32, String> {
        if let Some(process) = self.given_id()? {
            return Ok(process);
        }
        let help = "name the process with --pid or --pid-file, or its admin port with --address";
        let status = self.admin.get("/api/status").map_err(|error| format!("{error}: {help}"))?;
        process_in(&status.body).ok_or_else(|| format!("{} is not an admin port: {help}", self.admin.shown()))
    }

    /// The admin port of the process.
    pub fn admin(&self) -> &AdminAddress {
        &self.admin
    }
}

/// Sends a signal to a process, and waits for the outcome of the action it triggers.
///
/// # Errors
/// Nothing was done, or it failed; the error is the reason.
pub fn ask(process: u32, signal: Signal, deed: Deed) -> Result<String, String> {
    if !takes_the_signal(process, signal)? {
        let name = if signal == Signal::USR2 { "SIGUSR2" } else { "SIGUSR1" };
        return Err(format!("process {process} does not take {name}: it is not a serving nuthatch"));
    }
    let waiting = Waiting::for_process(deed, process).map_err(|error| {
        format!("cannot wait for the outcome: {error}; somebody else may be asking process {process}")
    })?;
    send(process, signal)?;
    loop {
        match waiting.outcome(LOOK).map_err(|error| error.to_string())? {
            Some(outcome) => return outcome,
            None if !is_there(process) => {
                return Err(format!("process {process} has ended; its log says why"));
            }
            None => {}
        }
    }
}

/// The number after the only `"pid":`.
fn process_in(status: &str) -> Option<u32> {
    let (_, rest) = status.split_once("\"pid\":")?;
    let digits = rest.trim_start().split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// True if the process handles the signal; otherwise the signal would kill it.
fn takes_the_signal(process: u32, signal: Signal) -> Result<bool, String> {
    let path = format!("/proc/{process}/status");
    if !Path::new("/proc/self/status").exists() {
        return Ok(true);
    }
    let status = std::fs::read_to_string(path).map_err(|_| format!("there is no process {process}"))?;
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    Ok(caught >> (signal.as_raw() - 1) & 1 == 1)
}

fn is_there(process: u32) -> bool {
    use rustix::process::{Pid, test_kill_process};
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
}

fn send(process: u32, signal: Signal) -> Result<(), String> {
    use rustix::process::{Pid, kill_process};
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| format!("there is no process {process}"))?;
    kill_process(pid, signal).map_err(|error| format!("process {process} cannot be asked: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_found_in_a_status() {
        for (status, process) in [
            ("HTTP/1.1 200 OK\r\n\r\n{\"process\":{\"pid\":4711,\"rss_bytes\":1}}", Some(4711)),
            ("{\"pid\": 7}", Some(7)),
            ("<html>", None),
            ("{\"pid\":null}", None),
        ] {
            assert_eq!(process_in(status), process, "{status}");
        }
    }

    #[test]
    fn who_would_die_of_the_signal_is_not_sent_it() {
        assert_eq!(takes_the_signal(std::process::id(), Signal::USR2), Ok(false), "a test catches nothing");
        assert!(takes_the_signal(u32::MAX, Signal::USR2).is_err());
    }
}
