//! A listening socket before it is given to a shard, its origin, and the options of its clients.
//!
//! [`bind`](crate::bind) creates listeners, [`Listener::adopt`] takes sockets bound by systemd or by the
//! process that this one replaces. All sockets of one address share a [`ListenerId`], whichever shard they go
//! to.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use mio::event::Source;
use mio::{Interest, Registry, Token};
use socket2::{Domain, SockFilter, SockRef, Socket, Type};

use crate::Peer;
use crate::address::canonical;
use crate::options::ListenOptions;
use crate::stream::Stream;

/// Names a listening address on every shard of the process. Not reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(u64);

impl ListenerId {
    pub(crate) fn next() -> ListenerId {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        ListenerId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A bound, listening socket. Clients wait in its backlog until a shard accepts them; dropping it resets
/// those still waiting.
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: ListenSocket,
    id: ListenerId,
    path: Option<PathBuf>,
    /// Options of the clients that it accepts.
    pub options: ListenOptions,
}

#[derive(Debug)]
pub(crate) enum ListenSocket {
    Tcp(mio::net::TcpListener),
    Unix(mio::net::UnixListener),
    /// For a loop without sockets.
    Simulated,
}

impl Listener {
    pub(crate) fn new(socket: ListenSocket, id: ListenerId, tag: u32) -> Listener {
        let path = match &socket {
            ListenSocket::Unix(l) => {
                l.local_addr().ok().and_then(|address| address.as_pathname().map(PathBuf::from))
            }
            ListenSocket::Tcp(_) | ListenSocket::Simulated => None,
        };
        Listener { socket, id, path, options: ListenOptions { tag, ..ListenOptions::default() } }
    }

    /// This listener with the path to which its file was moved, which the kernel does not know.
    pub(crate) fn moved_to(self, path: &Path) -> Listener {
        Listener { path: Some(path.to_owned()), ..self }
    }

    /// Takes listening sockets that belong to one address: for socket activation, or from the process that
    /// this one replaces. They become non-blocking, also for others that share them.
    ///
    /// # Errors
    /// One of them is not a listening TCP or unix stream socket. All are closed.
    pub fn adopt(sockets: Vec<OwnedFd>, tag: u32) -> io::Result<Vec<Listener>> {
        let id = ListenerId::next();
        sockets.into_iter().map(|socket| Ok(Listener::new(adopt(socket.into())?, id, tag))).collect()
    }

    /// A listener without a socket, for a simulated loop: only a name.
    pub fn simulated(tag: u32) -> Listener {
        Listener::new(ListenSocket::Simulated, ListenerId::next(), tag)
    }

    /// A duplicate descriptor of the socket, with the same id and options. Clients go to whichever shard
    /// accepts them first.
    ///
    /// # Errors
    /// The system's: no descriptors are left.
    pub fn try_clone(&self) -> io::Result<Listener> {
        let socket = match &self.socket {
            ListenSocket::Simulated => ListenSocket::Simulated,
            ListenSocket::Tcp(l) => of_tcp(l.as_fd().try_clone_to_owned()?.into()),
            ListenSocket::Unix(l) => of_unix(l.as_fd().try_clone_to_owned()?.into()),
        };
        let (path, options) = (self.path.clone(), self.options.clone());
        Ok(Listener { socket, id: self.id, path, options })
    }

    /// The id of its address.
    pub fn id(&self) -> ListenerId {
        self.id
    }

    /// The descriptor; None in a simulation. A duplicate keeps the socket open, and clients coming to it.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.socket {
            ListenSocket::Tcp(l) => Some(l.as_fd()),
            ListenSocket::Unix(l) => Some(l.as_fd()),
            ListenSocket::Simulated => None,
        }
    }

    /// The bound address; None for a unix socket.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.socket {
            ListenSocket::Tcp(l) => l.local_addr().ok(),
            ListenSocket::Unix(_) | ListenSocket::Simulated => None,
        }
    }

    /// The path of a unix socket that has one.
    pub fn unix_path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

/// Checks the kind of a descriptor.
fn adopt(socket: Socket) -> io::Result<ListenSocket> {
    if socket.r#type()? != Type::STREAM || !socket.is_listener()? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the descriptor is no listening stream socket",
        ));
    }
    socket.set_nonblocking(true)?;
    socket.set_cloexec(true)?;
    match socket.domain()? {
        Domain::IPV4 | Domain::IPV6 => Ok(of_tcp(socket.into())),
        Domain::UNIX => Ok(of_unix(socket.into())),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket is neither TCP nor a unix socket")),
    }
}

pub(crate) fn of_tcp(socket: std::net::TcpListener) -> ListenSocket {
    ListenSocket::Tcp(mio::net::TcpListener::from_std(socket))
}

pub(crate) fn of_unix(socket: std::os::unix::net::UnixListener) -> ListenSocket {
    ListenSocket::Unix(mio::net::UnixListener::from_std(socket))
}

impl ListenSocket {
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            ListenSocket::Tcp(l) => l.register(registry, token, Interest::READABLE),
            ListenSocket::Unix(l) => l.register(registry, token, Interest::READABLE),
            ListenSocket::Simulated => Err(io::Error::from(io::ErrorKind::Unsupported)),
        }
    }

    /// Sets the backlog length. If the system refuses, the old one stays.
    pub(crate) fn set_backlog(&self, backlog: u32) {
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        let _ = match self {
            ListenSocket::Tcp(l) => SockRef::from(l).listen(backlog),
            ListenSocket::Unix(l) => SockRef::from(l).listen(backlog),
            ListenSocket::Simulated => Ok(()),
        };
    }

    pub(crate) fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            ListenSocket::Tcp(l) => l.accept().map(|(s, a)| (Stream::Tcp(s), Peer::Tcp(canonical(a)))),
            ListenSocket::Unix(l) => l.accept().map(|(s, _)| (Stream::Unix(s), Peer::Unix)),
            ListenSocket::Simulated => Err(io::Error::from(io::ErrorKind::WouldBlock)),
        }
    }

    /// Makes the kernel drop new connection requests. Handshakes in progress complete, and clients in the
    /// backlog stay there. No effect where the system does not support it.
    ///
    /// A client that connects now gets no answer and retries after a second, when the socket is closed: it is
    /// then refused, or reaches another shard's socket.
    pub(crate) fn refuse_handshakes(&self) {
        if let ListenSocket::Tcp(l) = self {
            let _ = SockRef::from(l).attach_filter(&DROP_SYN);
        }
    }
}

/// Undoes [`ListenSocket::refuse_handshakes`] on an accepted connection, which inherits it.
pub(crate) fn accept_packets(stream: &Stream) {
    if let Stream::Tcp(s) = stream {
        let _ = SockRef::from(s).detach_filter();
    }
}

/// A packet filter that drops segments with SYN set: loads the flags byte, tests the bit, drops or accepts
/// the whole packet.
const DROP_SYN: [SockFilter; 4] = {
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const fn op(code: u32) -> u16 {
        code as u16
    }
    [
        SockFilter::new(op(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS), 0, 0, FLAGS),
        SockFilter::new(op(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K), 0, 1, SYN),
        SockFilter::new(op(libc::BPF_RET | libc::BPF_K), 0, 0, 0),
        SockFilter::new(op(libc::BPF_RET | libc::BPF_K), 0, 0, u32::MAX),
    ]
};
