//! The process that this one replaces, as this one talks to it, before anything of this one runs.

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

/// Time the predecessor may take to answer. It has a shorter one for us, and ends us.
const PATIENCE: Duration = Duration::from_hours(1);

/// The process that this one replaces. Dropping it tells it that nothing comes of it.
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

/// Our end of the channel, once.
fn channel() -> Result<Option<Channel>, String> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let Some(number) = descriptor() else { return Ok(None) };
    // SAFETY: only the number is asked about.
    let is_open = unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 };
    if !is_open || TAKEN.swap(true, Ordering::Relaxed) {
        return Err(format!("{DESCRIPTOR} is set, and nothing can be heard there: unset it"));
    }
    // SAFETY: who sets the variable gives the descriptor to this process, and it is taken once.
    let socket = unsafe { OwnedFd::from_raw_fd(number) };
    let channel = Channel::adopt(socket, MESSAGE_BYTES_MAX);
    channel.map(Some).map_err(|error| format!("{DESCRIPTOR}: {error}; unset it"))
}

/// Tells the predecessor, if there is one that was not met yet, why this process does not start.
pub fn refuse(reason: &str) {
    if let Ok(Some(channel)) = channel() {
        send_failure(&channel, reason);
    }
}

impl Predecessor {
    /// The process that this one replaces, and its listening sockets; None if this one was started by itself.
    ///
    /// # Errors
    /// The two cannot understand each other.
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

    /// Says that everything is checked and bound, and waits until the queue and the lookup are ours.
    ///
    /// # Errors
    /// The predecessor goes on, or is gone.
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

    /// Says that the queue and the lookup are open, and waits until everything is ours.
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

    /// Says that everything is served. Clients come through the channel from then on.
    ///
    /// # Errors
    /// The predecessor is gone: there is nobody to tell, and nobody whose clients could come.
    pub fn serving(self) -> Result<Channel, String> {
        send(&self.channel, &Message::Serving, &[])?;
        Ok(self.channel)
    }

    /// Tells it why this process ends.
    pub fn fail(&self, reason: &str) {
        send_failure(&self.channel, reason);
    }

    fn hear(&mut self) -> Result<(Message, Vec<OwnedFd>), String> {
        match receive(&mut self.channel, PATIENCE)? {
            Heard::Message(message, descriptors) => Ok((message, descriptors)),
            Heard::Nothing => Err("the running process says nothing".into()),
            Heard::End => Err("the running process has ended, or given up".into()),
        }
    }
}
