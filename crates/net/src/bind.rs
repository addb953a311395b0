//! Binding happens before anything runs or changes, so a bad address fails only the start or the change.
//!
//! With several shards each gets its own TCP socket (`SO_REUSEPORT`) and the kernel spreads clients over
//! them; a unix socket is shared by duplicating its descriptor. `::` listens on both IP versions, whatever
//! the system default.
//!
//! The first socket of an address is bound without `SO_REUSEPORT`, which detects another process there. The
//! option is set afterwards so that more sockets can join, now or through [`bind_beside`].

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, Socket, Type};

use crate::listener::{Listener, ListenerId, of_tcp, of_unix};

/// Address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// Host (name or literal without brackets) and port; port 0 lets the system choose.
    Tcp(String, u16),
    /// Unix socket path and its mode bits. See [`crate::bind_unix`] for what may already exist at the path.
    Unix(PathBuf, Option<u32>),
}

/// The reason an address could not be bound.
#[derive(Debug)]
pub enum BindError {
    /// The host's name has no address.
    Name {
        /// The name.
        host: String,
        /// The resolver's error.
        error: io::Error,
    },
    /// The system refuses the address; for a name with several, the last one.
    Tcp {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        error: io::Error,
    },
    /// The system refuses the path.
    Unix {
        /// The path.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

impl BindError {
    /// The error of the resolver or the system.
    pub fn error(&self) -> &io::Error {
        match self {
            BindError::Name { error, .. } | BindError::Tcp { error, .. } | BindError::Unix { error, .. } => {
                error
            }
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error().fmt(f)
    }
}

impl std::error::Error for BindError {}

/// Binds `address` once for each of `shards` shards and listens with `backlog`.
///
/// # Errors
/// The address cannot be bound, including when another process holds it with `SO_REUSEPORT`.
pub fn bind(
    address: &ListenAddress,
    backlog: u32,
    shards: usize,
    tag: u32,
) -> Result<Vec<Listener>, BindError> {
    match address {
        ListenAddress::Tcp(host, port) => at_one_of(host, *port, |address| {
            let first = tcp_socket(address, false)?;
            first.set_reuse_port(true)?;
            tcp_listeners(Some(first), address, backlog, shards, tag)
        }),
        ListenAddress::Unix(path, mode) => {
            let socket = crate::bind_unix(path, *mode, backlog_of(backlog));
            unix_listeners(socket, path, shards, tag)
        }
    }
}

/// Binds an address that this process already listens on, or one that overlaps with it (a port on all
/// addresses and on one). New TCP clients go to the old and the new sockets until one set is closed; new unix
/// socket clients go to the new one, whose file replaces the old one.
///
/// Does not detect another process of the same user on the address, so use it only for addresses known to be
/// this process's own.
///
/// # Errors
/// The address cannot be bound.
pub fn bind_beside(
    address: &ListenAddress,
    backlog: u32,
    shards: usize,
    tag: u32,
) -> Result<Vec<Listener>, BindError> {
    match address {
        ListenAddress::Tcp(host, port) => {
            at_one_of(host, *port, |address| tcp_listeners(None, address, backlog, shards, tag))
        }
        ListenAddress::Unix(path, mode) => {
            let socket = crate::replace_unix(path, *mode, backlog_of(backlog));
            unix_listeners(socket, path, shards, tag)
        }
    }
}

pub(crate) fn backlog_of(backlog: u32) -> i32 {
    i32::try_from(backlog).unwrap_or(i32::MAX)
}

/// Binds and listens on a non-blocking TCP socket that belongs to no shard.
///
/// # Errors
/// As for [`bind`].
pub fn bind_tcp(host: &str, port: u16, backlog: i32) -> Result<std::net::TcpListener, BindError> {
    at_one_of(host, port, |address| {
        let socket = tcp_socket(address, false)?;
        socket.listen(backlog)?;
        Ok(socket.into())
    })
}

/// True if a TCP socket could be bound right now. Does not listen.
///
/// # Errors
/// As for [`bind`].
pub fn can_bind(host: &str, port: u16) -> Result<(), BindError> {
    at_one_of(host, port, |address| tcp_socket(address, false).map(drop))
}

/// Binds the first address of a host that can be bound, IPv4 before IPv6.
fn at_one_of<T>(
    host: &str,
    port: u16,
    mut bind: impl FnMut(SocketAddr) -> io::Result<T>,
) -> Result<T, BindError> {
    let mut refused = None;
    for address in addresses_of(host, port)? {
        match bind(address) {
            Ok(bound) => return Ok(bound),
            Err(error) => refused = Some(BindError::Tcp { address, error }),
        }
    }
    let nothing = || BindError::Name { host: host.to_owned(), error: io::ErrorKind::NotFound.into() };
    Err(refused.unwrap_or_else(nothing))
}

/// Addresses of a host, IPv4 before IPv6.
pub(crate) fn addresses_of(host: &str, port: u16) -> Result<Vec<SocketAddr>, BindError> {
    let no_address = |error| BindError::Name { host: host.to_owned(), error };
    let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs().map_err(no_address)?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    Ok(addresses)
}

/// One socket per shard; `first`, if given, is the first of them. None listens until all are bound: a client
/// that reached a socket which is then closed would be reset.
fn tcp_listeners(
    first: Option<Socket>,
    mut address: SocketAddr,
    backlog: u32,
    shards: usize,
    tag: u32,
) -> io::Result<Vec<Listener>> {
    let mut sockets = Vec::from_iter(first);
    while sockets.len() < shards {
        if let Some(first) = sockets.first() {
            address.set_port(first.local_addr()?.as_socket().map_or(address.port(), |a| a.port()));
        }
        sockets.push(tcp_socket(address, true)?);
    }
    let id = ListenerId::next();
    let listen = |socket: Socket| {
        socket.listen(backlog_of(backlog))?;
        Ok(Listener::new(of_tcp(socket.into()), id, tag))
    };
    sockets.into_iter().map(listen).collect()
}

/// A bound socket that does not listen yet.
fn tcp_socket(address: SocketAddr, reuse_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

fn unix_listeners(
    socket: io::Result<UnixListener>,
    path: &Path,
    shards: usize,
    tag: u32,
) -> Result<Vec<Listener>, BindError> {
    let failed = |error| BindError::Unix { path: path.to_owned(), error };
    let (socket, id) = (socket.map_err(failed)?, ListenerId::next());
    let copy = |_| Ok(Listener::new(of_unix(socket.try_clone()?), id, tag).moved_to(path));
    (0..shards).map(copy).collect::<io::Result<_>>().map_err(failed)
}
