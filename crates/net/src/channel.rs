//! A socket pair between two processes that keeps message boundaries and carries descriptors
//! (`SCM_RIGHTS`).
//!
//! For one conversation at a time, on a thread that may block, never on a shard's thread. It does not
//! interpret the messages.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair, sockopt,
};

/// Most descriptors in one message.
pub const DESCRIPTORS_MAX: usize = 64;

/// One end of the pair.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
    bytes_max: usize,
    /// Receive buffer, one byte longer than the longest message, or empty.
    scratch: Vec<u8>,
}

/// A received message.
#[derive(Debug)]
pub struct Received {
    /// Content.
    pub bytes: Vec<u8>,
    /// Descriptors, set to close on exec.
    pub descriptors: Vec<OwnedFd>,
}

impl Channel {
    /// Creates both ends; a message has at most `bytes_max` bytes.
    ///
    /// # Errors
    /// The system's.
    pub fn pair(bytes_max: usize) -> io::Result<(Channel, Channel)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (one, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Channel::new(one, bytes_max), Channel::new(other, bytes_max)))
    }

    /// Wraps a descriptor inherited from another process, and sets it to close on exec.
    ///
    /// # Errors
    /// The descriptor is not such a socket; it is closed.
    pub fn adopt(socket: OwnedFd, bytes_max: usize) -> io::Result<Channel> {
        let is_channel = sockopt::socket_domain(&socket)? == AddressFamily::UNIX
            && sockopt::socket_type(&socket)? == SocketType::SEQPACKET;
        if !is_channel {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the descriptor is not an end of a channel",
            ));
        }
        rustix::io::ioctl_fionbio(&socket, true)?;
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
        Ok(Channel::new(socket, bytes_max))
    }

    fn new(socket: OwnedFd, bytes_max: usize) -> Channel {
        Channel { socket, bytes_max, scratch: Vec::new() }
    }

    /// Sets whether programs started by this process inherit the end.
    ///
    /// # Errors
    /// The system's.
    pub fn set_inheritable(&self, inheritable: bool) -> io::Result<()> {
        let flags = if inheritable { rustix::io::FdFlags::empty() } else { rustix::io::FdFlags::CLOEXEC };
        Ok(rustix::io::fcntl_setfd(&self.socket, flags)?)
    }

    /// Sends a message with descriptors, which stay open here.
    ///
    /// # Errors
    /// `TimedOut` if the peer has not taken it after `patience`; `BrokenPipe` if the peer has closed;
    /// `InvalidInput` if it exceeds the maximum message size.
    pub fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>], patience: Duration) -> io::Result<()> {
        if bytes.is_empty() || bytes.len() > self.bytes_max || descriptors.len() > DESCRIPTORS_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message is empty or too large"));
        }
        let until = Instant::now() + patience;
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
            let mut beside = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty() {
                beside.push(SendAncillaryMessage::ScmRights(descriptors));
            }
            match sendmsg(&self.socket, &[IoSlice::new(bytes)], &mut beside, SendFlags::NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                // Too many descriptors are in flight: the peer has to take some.
                Err(Errno::TOOMANYREFS) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(Errno::AGAIN) => self.wait(PollFlags::OUT, until)?,
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(io::ErrorKind::BrokenPipe.into()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Receives the next message; None once the peer has closed.
    ///
    /// # Errors
    /// `TimedOut` after `patience`; `InvalidData` for a message above the maximum size, whose descriptors are
    /// closed.
    pub fn receive(&mut self, patience: Duration) -> io::Result<Option<Received>> {
        let until = Instant::now() + patience;
        self.scratch.resize(self.bytes_max + 1, 0);
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
            let mut beside = RecvAncillaryBuffer::new(&mut space);
            let into = &mut [IoSliceMut::new(&mut self.scratch)];
            let received = match recvmsg(&self.socket, into, &mut beside, RecvFlags::CMSG_CLOEXEC) {
                Ok(received) => received,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => {
                    self.wait(PollFlags::IN, until)?;
                    continue;
                }
                // Reported once if the peer closed with unread data; what it sent before can still be
                // received.
                Err(Errno::CONNRESET) => continue,
                Err(error) => return Err(error.into()),
            };
            let mut descriptors = Vec::new();
            for message in beside.drain() {
                if let RecvAncillaryMessage::ScmRights(sent) = message {
                    descriptors.extend(sent);
                }
            }
            if received.bytes == 0 {
                return Ok(None);
            }
            let cut = received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC);
            if cut || received.bytes > self.bytes_max {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a message that is too large"));
            }
            return Ok(Some(Received { bytes: self.scratch[..received.bytes].to_vec(), descriptors }));
        }
    }

    fn wait(&self, what: PollFlags, until: Instant) -> io::Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let left =
            Timespec { tv_sec: left.as_secs().min(1 << 30) as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&self.socket, what)], Some(&left)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, Write};

    use super::*;

    const NOW: Duration = Duration::ZERO;
    const LATER: Duration = Duration::from_mins(1);

    #[test]
    fn messages_keep_their_boundaries_and_their_descriptors() {
        let (one, mut other) = Channel::pair(100).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"inside").unwrap();
        one.send(b"first", &[], NOW).unwrap();
        one.send(b"second", &[file.as_fd(), file.as_fd()], NOW).unwrap();
        let first = other.receive(NOW).unwrap().unwrap();
        assert_eq!((&first.bytes[..], first.descriptors.len()), (&b"first"[..], 0));
        let mut second = other.receive(NOW).unwrap().unwrap();
        assert_eq!((&second.bytes[..], second.descriptors.len()), (&b"second"[..], 2));
        let mut same = File::from(second.descriptors.remove(0));
        same.rewind().unwrap();
        let mut content = String::new();
        same.read_to_string(&mut content).unwrap();
        assert_eq!(content, "inside");
        assert_eq!(other.receive(NOW).unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(one);
        assert!(other.receive(LATER).unwrap().is_none());
        assert_eq!(other.send(b"x", &[], LATER).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn the_size_of_a_message_is_limited() {
        let (one, mut other) = Channel::pair(100).unwrap();
        one.send(&[7; 100], &[], NOW).unwrap();
        assert_eq!(other.receive(NOW).unwrap().unwrap().bytes, [7; 100]);
        for (bytes, descriptors) in [(0, 0), (101, 0), (1, DESCRIPTORS_MAX + 1)] {
            let descriptors = vec![one.as_fd(); descriptors];
            let refused = one.send(&vec![7; bytes], &descriptors, NOW);
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        one.send(b"x", &vec![one.as_fd(); DESCRIPTORS_MAX], NOW).unwrap();
        assert_eq!(other.receive(NOW).unwrap().unwrap().descriptors.len(), DESCRIPTORS_MAX);
        let larger = Channel::new(one.socket, 200);
        larger.send(&[7; 101], &[other.as_fd()], NOW).unwrap();
        assert_eq!(other.receive(NOW).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_sender_waits_for_room() {
        let (one, mut other) = Channel::pair(64 << 10).unwrap();
        let message = vec![1; 64 << 10];
        let mut sent = 0;
        while one.send(&message, &[], NOW).is_ok() {
            sent += 1;
        }
        let reader = std::thread::spawn(move || {
            let mut received = 0;
            while other.receive(LATER).unwrap().is_some() {
                received += 1;
            }
            received
        });
        one.send(&message, &[], LATER).unwrap();
        drop(one);
        assert_eq!(reader.join().unwrap(), sent + 1);
    }

    #[test]
    fn last_words_are_heard_although_the_other_end_has_not_listened() {
        let (mut one, other) = Channel::pair(100).unwrap();
        one.send(b"unread", &[], NOW).unwrap();
        other.send(b"last words", &[], NOW).unwrap();
        drop(other);
        assert_eq!(one.receive(NOW).unwrap().unwrap().bytes, b"last words");
        assert!(one.receive(NOW).unwrap().is_none());
    }

    #[test]
    fn other_sockets_are_no_channel() {
        let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(Channel::adopt(stream.into(), 100).is_err());
        assert!(Channel::adopt(tempfile::tempfile().unwrap().into(), 100).is_err());
        let (one, other) = Channel::pair(100).unwrap();
        one.set_inheritable(true).unwrap();
        let mut adopted = Channel::adopt(one.socket, 100).unwrap();
        let flags = rustix::io::fcntl_getfd(&adopted.socket).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        other.send(b"x", &[], NOW).unwrap();
        assert_eq!(adopted.receive(NOW).unwrap().unwrap().bytes, b"x");
    }
}
