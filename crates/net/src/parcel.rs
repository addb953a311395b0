//! A connection in transit from one shard to another, of this process or of its successor.

use std::io;
use std::os::fd::OwnedFd;

use crate::options::ServerTls;
use crate::stream::Stream;

/// A connection released by one shard's loop ([`Io::release`](crate::Io::release)) and not yet adopted by
/// another's ([`Io::adopt`](crate::Io::adopt)). Dropping it closes the connection, unless another process has
/// its socket.
#[derive(Debug)]
pub struct Parcel(Content);

#[derive(Debug)]
enum Content {
    Socket(Stream, Option<ServerTls>),
    Simulated(u64),
}

impl Parcel {
    /// A connection without layers; `tls` must be put on it before anything else.
    pub(crate) fn of(stream: Stream, tls: Option<ServerTls>) -> Parcel {
        Parcel(Content::Socket(stream, tls))
    }

    pub(crate) fn into_stream(self) -> Option<(Stream, Option<ServerTls>)> {
        match self.0 {
            Content::Socket(stream, tls) => Some((stream, tls)),
            Content::Simulated(_) => None,
        }
    }

    /// A connection from another process, with the options of its socket.
    ///
    /// # Errors
    /// It is not a TCP or unix stream socket, or it listens. It is closed.
    pub fn from_descriptor(descriptor: OwnedFd) -> io::Result<Parcel> {
        Stream::adopt(descriptor).map(|stream| Parcel::of(stream, None))
    }

    /// The socket, for another process. None, and it is closed, if TLS was to begin on it, which the other
    /// process could not know; None in a simulation.
    pub fn into_descriptor(self) -> Option<OwnedFd> {
        match self.into_stream()? {
            (stream, None) => stream.into_descriptor(),
            (_, Some(_)) => None,
        }
    }

    /// A connection without a socket, for a simulated loop: only a number.
    pub fn simulated(number: u64) -> Parcel {
        Parcel(Content::Simulated(number))
    }

    /// The number given to [`Parcel::simulated`].
    pub fn number(&self) -> Option<u64> {
        match self.0 {
            Content::Socket(..) => None,
            Content::Simulated(number) => Some(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    fn there_and_back(socket: OwnedFd) -> OwnedFd {
        Parcel::from_descriptor(socket).unwrap().into_descriptor().unwrap()
    }

    #[test]
    fn a_socket_keeps_what_nobody_has_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(b"unread").unwrap();
        let mut moved = TcpStream::from(there_and_back(listener.accept().unwrap().0.into()));
        moved.set_nonblocking(false).unwrap();
        let mut bytes = [0; 6];
        moved.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"unread");
        let (one, mut other) = UnixStream::pair().unwrap();
        UnixStream::from(there_and_back(one.into())).write_all(b"x").unwrap();
        other.read_exact(&mut bytes[..1]).unwrap();
    }

    #[test]
    fn what_is_no_connection_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("s")).unwrap();
        let datagrams = std::os::unix::net::UnixDatagram::unbound().unwrap();
        for refused in [listener.into(), datagrams.into(), tempfile::tempfile().unwrap().into()] {
            assert!(Parcel::from_descriptor(refused).is_err());
        }
        assert!(Parcel::simulated(1).into_descriptor().is_none());
    }
}
