//! The predecessor, and the exchange with it before anything of this process runs.

use std::fs::File;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use net::Channel;
use telemetry::info;
use wire::upgrade::{FORMAT, Hello, MESSAGE_BYTES_MAX, Message, Pool, Serve};

use super::conversation::{DESCRIPTOR, Heard, receive, send, send_failure, unexpected};
use crate::data_services::State;
use crate::version::VERSION;

/// Time limit for an answer of the predecessor, which has a shorter one for us, and kills us then.
const PATIENCE: Duration = Duration::from_hours(1);

/// The process that this one replaces. Dropping it reports a failed upgrade to it.
#[derive(Debug)]
pub struct Predecessor {
    channel: Channel,
}

/// True if this process was started to replace another one.
pub fn is_there() -> bool {
    descriptor().is_some()
}

fn descriptor() -> Option<RawFd> {
    std::env::var(DESCRIPTOR).ok()?.parse().ok().filter(|number| *number > 2)
}

/// Our end of the channel; only the first call gets it.
fn channel() -> Result<Option<Channel>, String> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let Some(number) = descriptor() else { return Ok(None) };
    // SAFETY: only the number is asked about.
    let is_open = unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 };
    if !is_open || TAKEN.swap(true, Ordering::Relaxed) {
        return Err(format!("{DESCRIPTOR} is set, but nothing can be received there: unset it"));
    }
    // SAFETY: who sets the variable gives the descriptor to this process, and it is taken once.
    let socket = unsafe { OwnedFd::from_raw_fd(number) };
    let channel = Channel::adopt(socket, MESSAGE_BYTES_MAX);
    channel.map(Some).map_err(|error| format!("{DESCRIPTOR}: {error}; unset it"))
}

/// Reports to the predecessor, if there is one not met yet, why this process does not start.
pub fn refuse(reason: &str) {
    if let Ok(Some(channel)) = channel() {
        send_failure(&channel, reason);
    }
}

impl Predecessor {
    /// The predecessor and its listening sockets; None if this process is not part of an upgrade.
    ///
    /// # Errors
    /// The two processes do not understand each other.
    pub fn meet() -> Result<Option<(Predecessor, Vec<OwnedFd>)>, String> {
        let Some(channel) = channel()? else { return Ok(None) };
        let mut predecessor = Predecessor { channel };
        let hello = match predecessor.hear()? {
            (Message::Hello(hello), _) => hello,
            (other, _) => return Err(unexpected(&other)),
        };
        info!(process = hello.process, version = %hello.version, "replaces a running process");
        if hello.format != FORMAT {
            return Err(format!(
                "the running process ({}) hands over in format {}, this one ({VERSION}) in {FORMAT}: restart instead",
                hello.version, hello.format
            ));
        }
        let mut sockets = Vec::new();
        loop {
            match predecessor.hear()? {
                (Message::Sockets { more }, descriptors) => {
                    sockets.extend(descriptors);
                    if !more {
                        return Ok(Some((predecessor, sockets)));
                    }
                }
                (other, _) => return Err(unexpected(&other)),
            }
        }
    }

    /// Reports that everything is checked and bound, and waits for the queue and the lookup.
    ///
    /// # Errors
    /// The predecessor continues, or is gone.
    pub fn ready(&mut self, pools: impl Iterator<Item = Pool>) -> Result<State, String> {
        let process = std::process::id().into();
        let hello = Hello { format: FORMAT, version: VERSION.to_owned(), process };
        send(&self.channel, &Message::Hello(hello), &[])?;
        for pool in pools {
            send(&self.channel, &Message::Pool(pool), &[])?;
        }
        send(&self.channel, &Message::Ready, &[])?;
        match self.hear()? {
            (Message::Data(told), descriptors) => {
                let mut files = descriptors.into_iter().map(File::from);
                let directory = if told.directory { files.next() } else { None };
                let lookup = if told.lookup { files.next() } else { None };
                Ok(State { directory, lookup })
            }
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// Reports that the queue and the lookup are open, and waits until everything is ours.
    ///
    /// # Errors
    /// As for [`Predecessor::ready`].
    pub fn opened(&mut self) -> Result<Serve, String> {
        send(&self.channel, &Message::Opened, &[])?;
        match self.hear()? {
            (Message::Serve(serve), _) => Ok(serve),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// Reports that everything is served. Clients then come through the channel.
    ///
    /// # Errors
    /// The predecessor is gone, and its clients with it.
    pub fn serving(self) -> Result<Channel, String> {
        send(&self.channel, &Message::Serving, &[])?;
        Ok(self.channel)
    }

    /// Reports why this process ends.
    pub fn fail(&self, reason: &str) {
        send_failure(&self.channel, reason);
    }

    fn hear(&mut self) -> Result<(Message, Vec<OwnedFd>), String> {
        match receive(&mut self.channel, PATIENCE)? {
            Heard::Message(message, descriptors) => Ok((message, descriptors)),
            Heard::Nothing => Err("the running process did not answer".into()),
            Heard::End => Err("the running process has ended or abandoned the upgrade".into()),
        }
    }
}
