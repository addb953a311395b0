//! `nuthatch upgrade`: asks a running process to let its binary take over anew, and waits for the outcome.
//!
//! Who may send the process a signal may have it upgraded, and nobody else. Its id is given, or in a file, or the admin port knows it.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use config::checked::Listen;
use config::endpoint;

use super::outcome::Waiting;
use crate::stdout::show;

/// Default address of the admin port.
const ADMIN: &str = "127.0.0.1:22220";
/// Time the admin port may take.
const ASK_PATIENCE: Duration = Duration::from_secs(5);
/// Time between two looks at whether the process is still there.
const LOOK: Duration = Duration::from_secs(1);
/// Most bytes of the admin port's answer.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Options of the command.
#[derive(Debug, Args)]
pub struct Upgrade {
    /// Id of the process
    #[arg(long, value_name = "PID", conflicts_with_all = ["pid_file", "address"])]
    pid: Option<u32>,
    /// File with the id of the process
    #[arg(long, value_name = "FILE", conflicts_with = "address")]
    pid_file: Option<PathBuf>,
    /// Admin port of the process: HOST:PORT or a path [default: $NUTHATCH_ADMIN, else 127.0.0.1:22220]
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
}

/// Runs the command.
pub fn main(options: &Upgrade) -> ExitCode {
    match run(options) {
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

fn run(options: &Upgrade) -> Result<String, String> {
    let process = process(options)?;
    if !takes_the_signal(process)? {
        return Err(format!("process {process} does not take SIGUSR2: it is no nuthatch that serves"));
    }
    let waiting = Waiting::for_process(process).map_err(|error| {
        format!("the outcome cannot be waited for: {error}; somebody else may be upgrading process {process}")
    })?;
    signal(process)?;
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

/// The process that is meant.
fn process(options: &Upgrade) -> Result<u32, String> {
    if let Some(process) = options.pid {
        return Ok(process);
    }
    if let Some(path) = &options.pid_file {
        let content =
            std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        return content.trim().parse().map_err(|_| format!("{}: there is no process id", path.display()));
    }
    let environment = std::env::var("NUTHATCH_ADMIN").ok().filter(|address| !address.is_empty());
    let address = options.address.clone().or(environment).unwrap_or_else(|| ADMIN.to_owned());
    let help = "name the process with --pid or --pid-file, or its admin port with --address";
    let listen = endpoint::listen(&address).map_err(|(wrong, help)| format!("{wrong}; {help}"))?;
    let status =
        ask(&listen).map_err(|error| format!("no admin port answers at {address} ({error}): {help}"))?;
    process_in(&status).ok_or_else(|| format!("{address} is no admin port: {help}"))
}

/// The answer of an admin port to the question how things are.
fn ask(listen: &Listen) -> std::io::Result<String> {
    const REQUEST: &[u8] = b"GET /api/status HTTP/1.0\r\nHost: localhost\r\n\r\n";
    let mut answer = String::new();
    match listen {
        Listen::Tcp { host, port } => {
            let address =
                (host.as_str(), *port).to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
            let mut stream = TcpStream::connect_timeout(&address, ASK_PATIENCE)?;
            stream.set_read_timeout(Some(ASK_PATIENCE))?;
            stream.write_all(REQUEST)?;
            stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
        }
        Listen::Unix { path, .. } => {
            let mut stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(ASK_PATIENCE))?;
            stream.write_all(REQUEST)?;
            stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
        }
    }
    Ok(answer)
}

/// The number after `"pid":`, which is there once.
fn process_in(status: &str) -> Option<u32> {
    let (_, rest) = status.split_once("\"pid\":")?;
    let digits = rest.trim_start().split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// True if a process handles SIGUSR2; it would die of it otherwise.
fn takes_the_signal(process: u32) -> Result<bool, String> {
    let path = format!("/proc/{process}/status");
    if !Path::new("/proc/self/status").exists() {
        return Ok(true);
    }
    let status = std::fs::read_to_string(path).map_err(|_| format!("there is no process {process}"))?;
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    Ok(caught >> (libc::SIGUSR2 - 1) & 1 == 1)
}

fn is_there(process: u32) -> bool {
    use rustix::process::{Pid, test_kill_process};
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
}

fn signal(process: u32) -> Result<(), String> {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| format!("there is no process {process}"))?;
    kill_process(pid, Signal::USR2).map_err(|error| format!("process {process} cannot be asked: {error}"))
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
        assert_eq!(takes_the_signal(std::process::id()), Ok(false), "a test catches nothing");
        assert!(takes_the_signal(u32::MAX).is_err());
    }
}
