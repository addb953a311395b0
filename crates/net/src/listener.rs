//! Listening sockets: bound before the shards start, so that a bad address stops the start and nothing else.
//!
//! With several shards each gets a TCP socket of its own (SO_REUSEPORT) and the kernel spreads clients over them; a
//! unix socket is shared by duplicating its descriptor. `::` listens on both IP versions, whatever the system's default is.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// Address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// Host (name or literal without brackets) and port; port 0 lets the system choose.
    Tcp(String, u16),
    /// Unix socket path and its mode bits. See [`crate::bind_unix`] for what may be there already.
    Unix(PathBuf, Option<u32>),
}

/// The reason nothing listens at an address.
#[derive(Debug)]
pub enum BindError {
    /// The host's name has no address.
    Name {
        /// The name.
        host: String,
        /// The resolver's error.
        error: io::Error,
    },
    /// The system refuses the address; of several that a name has, the last one.
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

/// A bound socket, not yet accepting.
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: ListenSocket,
    /// The key [`crate::App::accepted`] receives.
    pub tag: u32,
    /// TCP keepalive on the connections it accepts; off unless set.
    pub keepalive: Option<Duration>,
}

#[derive(Debug)]
pub(crate) enum ListenSocket {
    Tcp(mio::net::TcpListener),
    Unix(mio::net::UnixListener),
}

/// Binds `address` once for each of `shards` shards and listens with `backlog`.
///
/// Fails if the address cannot be bound, also when another process holds it with SO_REUSEPORT.
pub fn bind(
    address: &ListenAddress,
    backlog: u32,
    shards: usize,
    tag: u32,
) -> Result<Vec<Listener>, BindError> {
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    match address {
        ListenAddress::Tcp(host, port) => {
            at_one_of(host, *port, |address| bind_tcp_at(address, backlog, shards, tag))
        }
        ListenAddress::Unix(path, mode) => bind_unix(path, *mode, backlog, shards, tag)
            .map_err(|error| BindError::Unix { path: path.clone(), error }),
    }
}

/// Binds a TCP socket outside of the shards and listens there, not blocking.
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

/// True if a TCP socket could be bound at this moment. Nothing listens.
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
    let no_address = |error| BindError::Name { host: host.to_owned(), error };
    let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs().map_err(no_address)?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let mut refused = None;
    for address in addresses {
        match bind(address) {
            Ok(bound) => return Ok(bound),
            Err(error) => refused = Some(BindError::Tcp { address, error }),
        }
    }
    Err(refused.unwrap_or_else(|| no_address(io::Error::from(io::ErrorKind::NotFound))))
}

fn bind_tcp_at(mut address: SocketAddr, backlog: i32, shards: usize, tag: u32) -> io::Result<Vec<Listener>> {
    // The first socket comes without SO_REUSEPORT: that is what notices another process on the same port. If it is not
    // the only one it must not listen: a client that came to it would be reset when it is closed.
    let first = tcp_socket(address, false)?;
    address.set_port(first.local_addr()?.as_socket().map_or(address.port(), |a| a.port()));
    if shards == 1 {
        return Ok(vec![tcp_listener(first, backlog, tag)?]);
    }
    (0..shards).map(|_| tcp_listener(tcp_socket(address, true)?, backlog, tag)).collect()
}

/// A socket that is bound and does not listen yet.
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

fn tcp_listener(socket: Socket, backlog: i32, tag: u32) -> io::Result<Listener> {
    socket.listen(backlog)?;
    let socket = ListenSocket::Tcp(mio::net::TcpListener::from_std(socket.into()));
    Ok(Listener { socket, tag, keepalive: None })
}

fn bind_unix(
    path: &Path,
    mode: Option<u32>,
    backlog: i32,
    shards: usize,
    tag: u32,
) -> io::Result<Vec<Listener>> {
    let socket = crate::bind_unix(path, mode, backlog)?;
    (0..shards)
        .map(|_| {
            let copy = socket.try_clone()?;
            Ok(Listener {
                socket: ListenSocket::Unix(mio::net::UnixListener::from_std(copy)),
                tag,
                keepalive: None,
            })
        })
        .collect()
}

impl Listener {
    /// The address it is bound to; None for a unix socket.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.socket {
            ListenSocket::Tcp(l) => l.local_addr().ok(),
            ListenSocket::Unix(_) => None,
        }
    }
}
