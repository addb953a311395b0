//! A running process, found by commands through its id, its pid file or its admin port.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use config::checked::Listen;
use config::endpoint;
use rustix::process::Signal;

use crate::outcome::{Deed, Waiting};

/// Default address of the admin port.
const ADMIN: &str = "127.0.0.1:22220";
/// Environment variable with the login for the admin port.
const LOGIN: &str = "NUTHATCH_ADMIN_LOGIN";
/// Interval between checks that the process is alive.
const LOOK: Duration = Duration::from_secs(1);
/// Timeout for connecting to the admin port, and for its answer to a query.
const ASK_PATIENCE: Duration = Duration::from_secs(5);
/// Maximum size of an answer of the admin port, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

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

/// The option that says where the admin port of a process is.
#[derive(Debug, Args)]
pub struct AdminAddress {
    #[allow(clippy::doc_markdown, reason = "it is the text of --help")]
    /// Admin port of the process: HOST:PORT or a path [default: $NUTHATCH_ADMIN, else 127.0.0.1:22220]
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
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
        process_in(&status.body).ok_or_else(|| format!("{} is no admin port: {help}", self.admin.shown()))
    }

    /// The admin port of the process.
    pub fn admin(&self) -> &AdminAddress {
        &self.admin
    }
}

/// An answer of the admin port.
pub struct Answer {
    /// HTTP status.
    pub code: u16,
    /// The body.
    pub body: String,
}

impl AdminAddress {
    /// The given address, or else the default.
    pub fn new(address: Option<String>) -> AdminAddress {
        AdminAddress { address }
    }

    /// The admin port of a configuration.
    pub fn of(listen: &Listen) -> AdminAddress {
        AdminAddress::at(endpoint::show_listen(listen))
    }

    /// The admin port at an address.
    pub fn at(address: impl Into<String>) -> AdminAddress {
        AdminAddress { address: Some(address.into()) }
    }

    /// Sends a GET, and waits for the answer up to the commands' timeout.
    ///
    /// # Errors
    /// No answer; the error is the reason.
    pub fn get(&self, path: &str) -> Result<Answer, String> {
        self.request("GET", path, ASK_PATIENCE)
    }

    /// The address as a user would write it.
    pub fn shown(&self) -> String {
        let environment = std::env::var("NUTHATCH_ADMIN").ok().filter(|address| !address.is_empty());
        self.address.clone().or(environment).unwrap_or_else(|| ADMIN.to_owned())
    }

    /// Sends a request without a body, and waits for the answer.
    ///
    /// # Errors
    /// No answer; the error is the reason.
    pub fn request(&self, method: &str, path: &str, patience: Duration) -> Result<Answer, String> {
        let address = self.shown();
        let listen = endpoint::listen(&address).map_err(|(wrong, help)| format!("{wrong}; {help}"))?;
        let login = authorization();
        let request =
            format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n{login}Content-Length: 0\r\n\r\n");
        let answer = exchange(&listen, request.as_bytes(), patience)
            .map_err(|error| format!("no admin port answers at {address} ({error})"))?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let code = code.ok_or_else(|| format!("{address} is no admin port"))?;
        if code == 401 {
            return Err(format!(
                "the admin port at {address} asks for a login: set {LOGIN} to NAME:PASSWORD"
            ));
        }
        Ok(Answer { code, body: body.to_owned() })
    }
}

/// The login header, if the environment has a login.
fn authorization() -> String {
    let login = std::env::var(LOGIN).ok().filter(|login| !login.is_empty());
    let encoded = login.map(|login| http::base64::encode(login.as_bytes()));
    encoded.map_or_else(String::new, |login| format!("Authorization: Basic {login}\r\n"))
}

/// Sends a signal to a process, and waits for the outcome of the action it triggers.
///
/// # Errors
/// Nothing was done, or it failed; the error is the reason.
pub fn ask(process: u32, signal: Signal, deed: Deed) -> Result<String, String> {
    if !takes_the_signal(process, signal)? {
        let name = if signal == Signal::USR2 { "SIGUSR2" } else { "SIGUSR1" };
        return Err(format!("process {process} does not take {name}: it is no nuthatch that serves"));
    }
    let waiting = Waiting::for_process(deed, process).map_err(|error| {
        format!("the outcome cannot be waited for: {error}; somebody else may be asking process {process}")
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

fn exchange(listen: &Listen, request: &[u8], patience: Duration) -> std::io::Result<String> {
    let mut answer = String::new();
    match listen {
        Listen::Tcp { host, port } => {
            let address =
                (host.as_str(), *port).to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
            let mut stream = TcpStream::connect_timeout(&address, ASK_PATIENCE)?;
            stream.set_read_timeout(Some(patience))?;
            stream.write_all(request)?;
            stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
        }
        Listen::Unix { path, .. } => {
            let mut stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(patience))?;
            stream.write_all(request)?;
            stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
        }
    }
    Ok(answer)
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
