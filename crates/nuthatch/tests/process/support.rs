//! Starts the binary and waits for effects. Waiting is polling with a deadline, never a fixed pause.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Timeout far beyond anything that these tests wait for.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The binary under test.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_nuthatch")
}

/// The binary under another name, called through a symbolic link.
pub fn called(name: &str) -> Command {
    let mut command = Command::new(binary());
    command.arg0(name).stdin(Stdio::null());
    command
}

/// Runs to completion in `directory`.
pub fn run(name: &str, arguments: &[&str], directory: &Path) -> Output {
    called(name).args(arguments).current_dir(directory).output().expect("the binary runs")
}

/// Text of a stream.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Polls until `found` returns a value.
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A free port, unique among the tests here. It is below the system's ephemeral range, so that neither an
/// outgoing connection nor a request for any port can take it before its use.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(89);
    let mut ports = std::iter::repeat_with(|| {
        let n = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        // Steps of a prime visit all of them.
        20_000 + (n.wrapping_mul(31) % 12_000) as u16
    });
    ports.find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a port")
}

/// A connection to a port, once it accepts.
pub fn connect(port: u16) -> TcpStream {
    let stream = wait_for("a connection", || TcpStream::connect(("127.0.0.1", port)).ok());
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Sends a request and expects this reply.
pub fn ask(mut client: impl Read + Write, request: &str, reply: &str) {
    client.write_all(request.as_bytes()).expect("sent");
    expect(client, reply);
}

/// Expects this reply.
pub fn expect(mut client: impl Read, reply: &str) {
    let mut bytes = vec![0; reply.len()];
    client.read_exact(&mut bytes).expect("a reply");
    assert_eq!(text(&bytes), reply);
}

/// A directory of the test with a file in it.
pub fn directory_with(name: &str, content: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(name);
    std::fs::write(&path, content).expect("a file");
    (directory, path)
}

/// A running process; killed when dropped.
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts a command whose output is discarded.
    pub fn start(command: &mut Command) -> Running {
        Running {
            child: command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs"),
        }
    }

    /// Starts a command whose standard error goes to a file.
    pub fn logging(command: &mut Command, log: &Path) -> Running {
        let log = std::fs::File::create(log).expect("a file");
        Running { child: command.stdout(Stdio::null()).stderr(log).spawn().expect("the binary runs") }
    }

    /// Starts a command and reads its standard output up to the line that begins with `last`.
    pub fn until(command: &mut Command, last: &str) -> (Running, Vec<String>) {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary runs");
        let mut running = Running { child };
        let lines = BufReader::new(running.child.stdout.take().expect("a pipe")).lines();
        let mut seen = Vec::new();
        for line in lines {
            let line = line.expect("text");
            let done = line.starts_with(last);
            seen.push(line);
            if done {
                return (running, seen);
            }
        }
        panic!("ended before {last:?}: {seen:?}");
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for the exit; returns the exit status, None if a signal killed it.
    pub fn end(self) -> Option<i32> {
        self.status().code()
    }

    /// Waits for the exit; returns the signal that killed it, None if it exited.
    pub fn killed_by(self) -> Option<i32> {
        self.status().signal()
    }

    fn status(mut self) -> ExitStatus {
        wait_for("the end", || self.child.try_wait().expect("a status"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal by its name, as soon as the process handles it: one that was just started would be killed.
pub fn signal(pid: u32, name: &str) {
    let number = match name {
        "HUP" => libc::SIGHUP,
        "INT" => libc::SIGINT,
        "USR1" => libc::SIGUSR1,
        "USR2" => libc::SIGUSR2,
        "TERM" => libc::SIGTERM,
        "TTIN" => libc::SIGTTIN,
        "TTOU" => libc::SIGTTOU,
        // KILL and signals of faults, which kill anyhow.
        _ => 0,
    };
    wait_for("a handler of the signal", || (number == 0 || is_handled(pid, number)).then_some(()));
    let sent =
        Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().expect("kill runs");
    assert!(sent.success(), "no process {pid}");
}

/// True if the process handles or ignores the signal, or has ended.
fn is_handled(pid: u32, signal: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let value = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let mask = |name| value(name).and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
    let ended = value("State:").is_none_or(|state| state.starts_with('Z'));
    ended || (mask("SigCgt:") | mask("SigIgn:")) >> (signal - 1) & 1 == 1
}

/// Everything that a TCP server sends after `request`, until it closes.
pub fn exchange(port: u16, request: &[u8]) -> String {
    let mut stream = wait_for("a connection", || TcpStream::connect(("127.0.0.1", port)).ok());
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(request).expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("shut down");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    text(&answer)
}
