//! Outcome of an upgrade or reload requested by a signal, sent to the waiting command:
//! `nuthatch upgrade`, `nuthatch reload`.
//!
//! The command listens at an abstract socket address derived from the process id, so that the daemon keeps
//! nothing open and needs no request. It only accepts messages from the process itself, checked by the
//! credentials that the kernel adds.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, bind, recvmsg, sendto, socket_with, sockopt,
};

/// Size limit of the text, in bytes.
const TEXT_BYTES_MAX: usize = 16 << 10;
const DONE: u8 = b'+';
const FAILED: u8 = b'-';

/// The outcome as text.
pub type Outcome = Result<String, String>;

/// Action of a process on a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Upgrade to another binary.
    Upgrade,
    /// Reload of the configuration.
    Reload,
}

/// Address at which a command waits for the outcome of an action.
fn address(deed: Deed, process: u32) -> io::Result<SocketAddrUnix> {
    let deed = match deed {
        Deed::Upgrade => "upgrade",
        Deed::Reload => "reload",
    };
    Ok(SocketAddrUnix::new_abstract_name(format!("nuthatch-{deed}-of-{process}").as_bytes())?)
}

fn datagrams() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?)
}

/// Sends the outcome of this process's action. There may be no receiver.
pub fn announce(deed: Deed, outcome: &Outcome) {
    let (mark, text) = match outcome {
        Ok(text) => (DONE, text),
        Err(text) => (FAILED, text),
    };
    let mut told = vec![mark];
    told.extend(text.bytes().take(TEXT_BYTES_MAX));
    let _ = address(deed, std::process::id())
        .and_then(|address| Ok(sendto(datagrams()?, &told, SendFlags::NOSIGNAL, &address)?));
}

/// A receiver of the outcome of a process's action.
#[derive(Debug)]
pub struct Waiting {
    process: u32,
    socket: OwnedFd,
}

impl Waiting {
    /// Starts listening. Call it before sending the signal.
    ///
    /// # Errors
    /// The system's error; `AddrInUse` if another command already waits.
    pub fn for_process(deed: Deed, process: u32) -> io::Result<Waiting> {
        let socket = datagrams()?;
        sockopt::set_socket_passcred(&socket, true)?;
        bind(&socket, &address(deed, process)?)?;
        Ok(Waiting { process, socket })
    }

    /// The outcome; None if there is none after `patience`.
    ///
    /// # Errors
    /// The system's error.
    pub fn outcome(&self, patience: Duration) -> io::Result<Option<Outcome>> {
        let until = Instant::now() + patience;
        let mut bytes = vec![0; TEXT_BYTES_MAX + 1];
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
            let mut beside = RecvAncillaryBuffer::new(&mut space);
            match recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes)], &mut beside, RecvFlags::empty()) {
                Ok(received) => {
                    let ours = beside.drain().any(|message| self.is_from_process(&message));
                    if let Some(outcome) = outcome(&bytes[..received.bytes.min(bytes.len())]).filter(|_| ours)
                    {
                        return Ok(Some(outcome));
                    }
                }
                Err(Errno::AGAIN) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(None);
                    }
                    let left =
                        Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
                    match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&left)) {
                        Ok(_) | Err(Errno::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_from_process(&self, message: &RecvAncillaryMessage<'_>) -> bool {
        let RecvAncillaryMessage::ScmCredentials(of) = message else { return false };
        u32::try_from(of.pid.as_raw_nonzero().get()) == Ok(self.process)
    }
}

fn outcome(bytes: &[u8]) -> Option<Outcome> {
    let (mark, text) = bytes.split_first()?;
    let text = String::from_utf8_lossy(text).into_owned();
    match *mark {
        DONE => Some(Ok(text)),
        FAILED => Some(Err(text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_heard_from_the_process_itself() {
        let own = std::process::id();
        announce(Deed::Reload, &Ok("nobody hears this".into()));
        let waiting = Waiting::for_process(Deed::Reload, own).unwrap();
        assert_eq!(Waiting::for_process(Deed::Reload, own).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(waiting.outcome(Duration::ZERO).unwrap(), None);
        for outcome in [Ok("done".to_owned()), Err("not done".to_owned()), Err(String::new())] {
            announce(Deed::Reload, &outcome);
            assert_eq!(waiting.outcome(Duration::from_mins(1)).unwrap(), Some(outcome));
        }
        // Messages of other processes do not count.
        let others = Waiting { process: own + 1, socket: waiting.socket };
        announce(Deed::Reload, &Ok("done".into()));
        assert_eq!(others.outcome(Duration::from_millis(1)).unwrap(), None);
    }

    #[test]
    fn what_is_no_outcome_is_none() {
        for bytes in [&b""[..], b"done", b"?x"] {
            assert_eq!(outcome(bytes), None);
        }
    }
}
