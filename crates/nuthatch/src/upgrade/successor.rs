//! The successor, started by this process, and the exchange with it. Every call blocks.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use net::{Channel, DESCRIPTORS_MAX};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use wire::upgrade::{self, FORMAT, Hello, MESSAGE_BYTES_MAX, Message, Pool, Serve};

use super::conversation::{DESCRIPTOR, Heard, borrowed, receive, send, send_failure, unexpected};
use super::program::Program;
use super::starter;
use crate::data_services::State;
use crate::version::VERSION;

/// Interval between checks for a cancelled upgrade.
const LOOK: Duration = Duration::from_millis(100);
/// Interval between checks of a process that is about to end.
const MOMENT: Duration = Duration::from_millis(5);
/// Time limit for a process to exit after closing its end.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// A process about to replace this one. Dropping it kills it.
#[derive(Debug)]
pub struct Successor {
    /// The successor, or the starter that has started it.
    child: Child,
    /// The successor, if that is not the child.
    adopted: Option<Pid>,
    /// The child was asked to be a starter only.
    by_starter: bool,
    channel: Channel,
    /// Version of its program, once it is ready.
    pub version: String,
    called_off: Arc<AtomicBool>,
    patience: Duration,
    /// True once it has taken over and must not be killed any more.
    released: bool,
}

impl Successor {
    /// Starts the program with the listening sockets of this process. `patience` limits each of its steps.
    ///
    /// # Errors
    /// The reason, for the operator.
    pub fn start(
        program: &Program,
        sockets: &[OwnedFd],
        patience: Duration,
        called_off: Arc<AtomicBool>,
    ) -> Result<Successor, String> {
        let failed = |error: std::io::Error| format!("cannot start {}: {error}", program.path.display());
        let (channel, theirs) = Channel::pair(MESSAGE_BYTES_MAX).map_err(failed)?;
        theirs.set_inheritable(true).map_err(failed)?;
        let mut command = program.command();
        let by_starter = starter::asked_of(&mut command);
        let child =
            command.env(DESCRIPTOR, theirs.as_fd().as_raw_fd().to_string()).spawn().map_err(failed)?;
        drop(theirs);
        let mut successor = Successor {
            child,
            adopted: None,
            by_starter,
            channel,
            version: String::new(),
            called_off,
            patience,
            released: false,
        };
        if let Err(error) = successor.greet(sockets) {
            // It may have sent the reason why it does not listen.
            let said = receive(&mut successor.channel, Duration::ZERO).err();
            return Err(said.unwrap_or_else(|| format!("the new process {} ({error})", successor.end())));
        }
        Ok(successor)
    }

    fn greet(&self, sockets: &[OwnedFd]) -> Result<(), String> {
        let hello = Hello { format: FORMAT, version: VERSION.to_owned(), process: std::process::id().into() };
        send(&self.channel, &Message::Hello(hello), &[])?;
        let mut parts = sockets.chunks(DESCRIPTORS_MAX).peekable();
        loop {
            let part = parts.next().unwrap_or_default();
            let more = parts.peek().is_some();
            send(&self.channel, &Message::Sockets { more }, &borrowed(part))?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Process id.
    pub fn process(&self) -> u32 {
        self.adopted.map_or(self.child.id(), |process| process.as_raw_pid() as u32)
    }

    /// Waits until it has checked its configuration and listens. Returns the pools that it serves.
    ///
    /// # Errors
    /// The reason, for the operator.
    pub fn ready(&mut self) -> Result<Vec<Pool>, String> {
        let until = Instant::now() + self.patience;
        let mut pools = Vec::new();
        loop {
            match self.hear(until, "was ready")? {
                Message::Hello(hello) if hello.format == FORMAT => {
                    self.version = hello.version;
                    self.meet(hello.process);
                }
                Message::Hello(hello) => {
                    return Err(format!(
                        "the new process ({}) takes over in format {}, this one ({VERSION}) hands over in {FORMAT}: restart instead",
                        hello.version, hello.format
                    ));
                }
                Message::Pool(pool) => pools.push(pool),
                Message::Ready => return Ok(pools),
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Notes who it is. A starter ends now, with which the successor is adopted.
    fn meet(&mut self, process: u64) {
        if process != u64::from(self.child.id()) {
            self.adopted = i32::try_from(process).ok().and_then(Pid::from_raw);
        }
        if self.by_starter && self.adopted.is_some() {
            self.child_end();
        }
    }

    /// Hands over the queue and the lookup, and waits until it has opened them.
    ///
    /// # Errors
    /// The reason, for the operator. Kill the process before reopening them here.
    pub fn open(&mut self, state: &State) -> Result<(), String> {
        let files: Vec<&File> = state.directory.iter().chain(&state.lookup).collect();
        let told = upgrade::Data { directory: state.directory.is_some(), lookup: state.lookup.is_some() };
        send(&self.channel, &Message::Data(told), &borrowed(&files))?;
        match self.hear(Instant::now() + self.patience, "had opened the queue")? {
            Message::Opened => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Makes it serve everything.
    ///
    /// # Errors
    /// As for [`Successor::open`].
    pub fn serve(&mut self, serve: Serve) -> Result<(), String> {
        send(&self.channel, &Message::Serve(serve), &[])?;
        match self.hear(Instant::now() + self.patience, "served")? {
            Message::Serving => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Lets it live on. Returns the channel for clients.
    ///
    /// # Errors
    /// Descriptors have run out.
    pub fn release(&mut self) -> std::io::Result<Channel> {
        self.released = true;
        Channel::adopt(self.channel.as_fd().try_clone_to_owned()?, MESSAGE_BYTES_MAX)
    }

    /// The next message. Fails after `until`, or if the process has ended early.
    fn hear(&mut self, until: Instant, what: &str) -> Result<Message, String> {
        loop {
            if self.called_off.load(Ordering::Relaxed) {
                return Err("this process was told to stop".into());
            }
            let left = until.saturating_duration_since(Instant::now());
            match receive(&mut self.channel, left.min(LOOK))? {
                Heard::Message(message, _) => return Ok(message),
                Heard::End => return Err(format!("the new process {} before it {what}", self.end())),
                Heard::Nothing if left.is_zero() => {
                    let patience = self.patience.as_secs_f32();
                    return Err(format!(
                        "the new process has taken longer than {patience} s before it {what}"
                    ));
                }
                Heard::Nothing => {}
            }
        }
    }

    /// Text of how the process ended.
    fn end(&mut self) -> String {
        match self.child_end() {
            // It was the starter; nobody tells how its child ended.
            Some(status) if self.by_starter && status.success() => "has ended".into(),
            Some(status) => ended(status),
            None => "has closed the channel".into(),
        }
    }

    /// Waits until the child has ended; None if it does not.
    fn child_end(&mut self) -> Option<ExitStatus> {
        let until = Instant::now() + END_PATIENCE;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < until => std::thread::sleep(MOMENT),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Kills it. The queue's directory is locked until it has ended.
    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(process) = self.adopted {
            let _ = kill_process(process, Signal::KILL);
            let until = Instant::now() + END_PATIENCE;
            while test_kill_process(process).is_ok() && Instant::now() < until {
                std::thread::sleep(MOMENT);
            }
        }
    }
}

fn ended(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("ended with status {code}"),
        None => format!("was ended by {status}"),
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.released {
            send_failure(&self.channel, "the running process goes on");
            self.kill();
        }
    }
}
