//! A socket of either family, or none while its name is being resolved.
//!
//! Bytes go through rustix, which enters the kernel directly: libc's `send` and `recv` are cancellation
//! points, which costs 3 % of the CPU of a proxied request.

use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use mio::event::Source;
use mio::{Interest, Registry, Token};
use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(mio::net::TcpStream),
    Unix(mio::net::UnixStream),
    /// Not opened yet.
    None,
}

macro_rules! either {
    ($self:expr, $stream:ident => $do:expr, $none:expr) => {
        match $self {
            Stream::Tcp($stream) => $do,
            Stream::Unix($stream) => $do,
            Stream::None => $none,
        }
    };
}

fn not_connected() -> io::Error {
    io::Error::from(io::ErrorKind::WouldBlock)
}

impl Stream {
    pub(crate) fn connect_tcp(to: SocketAddr) -> io::Result<Stream> {
        mio::net::TcpStream::connect(to).map(Stream::Tcp)
    }

    pub(crate) fn connect_unix(path: &Path) -> io::Result<Stream> {
        mio::net::UnixStream::connect(path).map(Stream::Unix)
    }

    /// Wraps a connected socket from another process.
    pub(crate) fn adopt(descriptor: OwnedFd) -> io::Result<Stream> {
        let socket = Socket::from(descriptor);
        if socket.r#type()? != Type::STREAM || socket.is_listener()? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the descriptor is not a connection"));
        }
        socket.set_nonblocking(true)?;
        socket.set_cloexec(true)?;
        match socket.domain()? {
            Domain::IPV4 | Domain::IPV6 => Ok(Stream::Tcp(mio::net::TcpStream::from_std(socket.into()))),
            Domain::UNIX => Ok(Stream::Unix(mio::net::UnixStream::from_std(socket.into()))),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the connection is neither of TCP nor of the unix domain",
            )),
        }
    }

    /// Address of this side, if it is of TCP.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Stream::Tcp(stream) => stream.local_addr().ok(),
            Stream::Unix(_) | Stream::None => None,
        }
    }

    pub(crate) fn into_descriptor(self) -> Option<OwnedFd> {
        match self {
            Stream::Tcp(stream) => Some(std::net::TcpStream::from(stream).into()),
            Stream::Unix(stream) => Some(std::os::unix::net::UnixStream::from(stream).into()),
            Stream::None => None,
        }
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        either!(self, s => s.register(registry, token, interest), Ok(()))
    }

    pub(crate) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        either!(self, s => s.deregister(registry), Ok(()))
    }

    /// The error of a finished connect, if any.
    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        either!(self, s => s.take_error(), Ok(None))
    }

    /// True once the connect has succeeded.
    pub(crate) fn is_connected(&self) -> bool {
        match self {
            Stream::Tcp(s) => s.peer_addr().is_ok(),
            Stream::Unix(s) => s.peer_addr().is_ok(),
            Stream::None => false,
        }
    }

    /// Sets `TCP_NODELAY`, and keepalive if requested. A socket on which this fails is about to fail anyway.
    pub(crate) fn tune(&self, keepalive: Option<Duration>) {
        if let Stream::Tcp(s) = self {
            let _ = s.set_nodelay(true);
            if let Some(idle) = keepalive {
                let probe =
                    TcpKeepalive::new().with_time(idle).with_interval((idle / 4).max(Duration::from_secs(1)));
                let _ = SockRef::from(s).set_tcp_keepalive(&probe);
            }
        }
    }

    pub(crate) fn shutdown_write(&self) {
        let _ = either!(self, s => s.shutdown(Shutdown::Write), Ok(()));
    }

    /// Reads into uninitialised memory.
    pub(crate) fn read_uninit(&mut self, into: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        either!(self, s => Ok(rustix::net::recv(&*s, into, RecvFlags::empty())?.1), Err(not_connected()))
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        either!(self, s => Ok(rustix::net::recv(&*s, into, RecvFlags::empty())?.1), Err(not_connected()))
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        either!(self, s => Ok(rustix::net::send(&*s, bytes, SendFlags::NOSIGNAL)?), Err(not_connected()))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        either!(self, s => s.write_vectored(slices), Err(not_connected()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
