//! Binding where sockets may be at hand that listen already: those of the process that this one replaces, or
//! of systemd.
//!
//! A socket is found by its address, whatever it was for; [`listening_sockets`] finds those of this process
//! in the same way. Who waits in the backlog of a socket is served by whoever takes it. Port 0 is never
//! taken: it may be anybody's.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustc_hash::FxHashSet;
use socket2::{Socket, Type};

use crate::bind::{self, BindError, ListenAddress, backlog_of};
use crate::listener::Listener;
use crate::unix_socket::{self, REPLACEMENT};

/// Binds addresses, or takes sockets that listen there already.
#[derive(Debug, Default)]
pub struct Binder {
    inherited: Vec<Socket>,
}

impl Binder {
    /// With sockets to take. Descriptors that are no listening stream sockets are closed.
    pub fn new(descriptors: Vec<OwnedFd>) -> Binder {
        let listens = |socket: &Socket| {
            socket.r#type().is_ok_and(|kind| kind == Type::STREAM) && socket.is_listener().unwrap_or(false)
        };
        Binder { inherited: descriptors.into_iter().map(Socket::from).filter(listens).collect() }
    }

    /// Addresses of the sockets that nobody has taken. Dropping the binder closes them.
    pub fn left(&self) -> Vec<String> {
        self.inherited.iter().map(shown).collect()
    }

    /// Listeners for so many shards: the n-th is the n-th shard's, and from the first shard on again if there
    /// are more. As [`bind`](crate::bind) unless sockets of that address are at hand; those are all taken,
    /// and shared if there are too few.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn bind(
        &mut self,
        address: &ListenAddress,
        backlog: u32,
        shards: usize,
        tag: u32,
    ) -> Result<Vec<Listener>, BindError> {
        match address {
            ListenAddress::Tcp(host, port) => {
                let Some((sockets, address)) = self.take_tcp(host, *port)? else {
                    return bind::bind(address, backlog, shards, tag);
                };
                adopt(sockets, backlog, shards, tag).map_err(|error| BindError::Tcp { address, error })
            }
            ListenAddress::Unix(path, mode) => {
                let sockets = self.take_unix(path);
                if sockets.is_empty() {
                    return bind::bind(address, backlog, shards, tag);
                }
                let adopted = set_mode(path, *mode)
                    .and_then(|()| adopt(sockets, backlog, shards, tag))
                    .map_err(|error| BindError::Unix { path: path.clone(), error })?;
                Ok(adopted.into_iter().map(|listener| listener.moved_to(path)).collect())
            }
        }
    }

    /// A TCP socket outside of the shards that listens there, not blocking.
    ///
    /// # Errors
    /// As for [`Binder::bind`].
    pub fn bind_tcp(&mut self, host: &str, port: u16, backlog: i32) -> Result<TcpListener, BindError> {
        let Some((sockets, address)) = self.take_tcp(host, port)? else {
            return bind::bind_tcp(host, port, backlog);
        };
        only(sockets, backlog).map(TcpListener::from).map_err(|error| BindError::Tcp { address, error })
    }

    /// A unix socket outside of the shards that listens there, not blocking, as
    /// [`bind_unix`](crate::bind_unix).
    ///
    /// # Errors
    /// As for [`Binder::bind`].
    pub fn bind_unix(&mut self, path: &Path, mode: Option<u32>, backlog: i32) -> io::Result<UnixListener> {
        let sockets = self.take_unix(path);
        if sockets.is_empty() {
            return unix_socket::bind_unix(path, mode, backlog);
        }
        set_mode(path, mode)?;
        only(sockets, backlog).map(UnixListener::from)
    }

    /// The sockets of the first of a host's addresses that has any.
    fn take_tcp(&mut self, host: &str, port: u16) -> Result<Option<(Vec<Socket>, SocketAddr)>, BindError> {
        if port == 0 || self.inherited.is_empty() {
            return Ok(None);
        }
        let found = bind::addresses_of(host, port)?.into_iter().find_map(|address| {
            let taken = self.take(|socket| listens_at(socket, address));
            (!taken.is_empty()).then_some((taken, address))
        });
        Ok(found)
    }

    fn take_unix(&mut self, path: &Path) -> Vec<Socket> {
        let replacement = unix_socket::with_suffix(path, REPLACEMENT);
        self.take(|socket| {
            let bound = socket.local_addr().ok();
            let bound = bound.as_ref().and_then(|address| address.as_pathname());
            bound.is_some_and(|bound| bound == path || bound == replacement)
        })
    }

    fn take(&mut self, which: impl Fn(&Socket) -> bool) -> Vec<Socket> {
        self.inherited.extract_if(.., |socket| which(socket)).collect()
    }
}

/// True if clients of `address` come to this socket: one of IPv6 may take those of IPv4 as well.
fn listens_at(socket: &Socket, address: SocketAddr) -> bool {
    let Some(bound) = socket.local_addr().ok().and_then(|bound| bound.as_socket()) else { return false };
    let is_any = bound.ip().is_unspecified() && address.ip().is_unspecified();
    let both = || bound.is_ipv6() && !socket.only_v6().unwrap_or(true);
    bound == address || (is_any && bound.port() == address.port() && address.is_ipv4() && both())
}

fn shown(socket: &Socket) -> String {
    let Ok(bound) = socket.local_addr() else { return "?".into() };
    match (bound.as_socket(), bound.as_pathname()) {
        (Some(address), _) => address.to_string(),
        (None, Some(path)) => path.display().to_string(),
        (None, None) => "?".into(),
    }
}

fn set_mode(path: &Path, mode: Option<u32>) -> io::Result<()> {
    mode.map_or(Ok(()), |mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)))
}

/// The first of the sockets, for a service that has one.
fn only(sockets: Vec<Socket>, backlog: i32) -> io::Result<OwnedFd> {
    let first = sockets.into_iter().next().ok_or(io::ErrorKind::NotFound)?;
    prepare(&first, backlog)?;
    Ok(first.into())
}

fn prepare(socket: &Socket, backlog: i32) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_cloexec(true)?;
    // As `bind` leaves it, so that more sockets can join; it is of no use to a unix socket.
    let _ = socket.set_reuse_port(true);
    // The other process may have been about to leave it.
    let _ = socket.detach_filter();
    socket.listen(backlog)
}

fn adopt(sockets: Vec<Socket>, backlog: u32, shards: usize, tag: u32) -> io::Result<Vec<Listener>> {
    for socket in &sockets {
        prepare(socket, backlog_of(backlog))?;
    }
    let mut listeners = Listener::adopt(sockets.into_iter().map(OwnedFd::from).collect(), tag)?;
    for n in 0..shards.saturating_sub(listeners.len()) {
        listeners.push(listeners[n].try_clone()?);
    }
    Ok(listeners)
}

/// Second descriptors of all sockets on which this process listens, for the one that will replace it: who has
/// them keeps the addresses open.
///
/// # Errors
/// The system's.
pub fn listening_sockets() -> io::Result<Vec<OwnedFd>> {
    let mut known = FxHashSet::default();
    let mut sockets = Vec::new();
    for entry in std::fs::read_dir("/dev/fd")? {
        let number = entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok());
        let Some(number) = number.filter(|number| listens(*number)) else { continue };
        let Some(socket) = duplicate(number).filter(|socket| listens(socket.as_raw_fd())) else { continue };
        // Shards may share a socket.
        if known.insert(rustix::fs::fstat(&socket)?.st_ino) {
            sockets.push(socket);
        }
    }
    Ok(sockets)
}

/// True if a descriptor is, at this moment, a socket that listens.
fn listens(number: RawFd) -> bool {
    let mut listens: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option is written into a live int of that length. The number may be nobody's, or change
    // hands at any time: it is only asked, and then the answer is an error or another's.
    let asked = unsafe {
        libc::getsockopt(
            number,
            libc::SOL_SOCKET,
            libc::SO_ACCEPTCONN,
            (&raw mut listens).cast(),
            &raw mut length,
        )
    };
    asked == 0 && listens != 0
}

/// A second descriptor of whatever this one is by now; None if it is nobody's any more.
fn duplicate(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: nothing but the number is used, and the original stays as it is.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    // SAFETY: the copy was made just now, and nobody else knows of it.
    (copy >= 0).then(|| unsafe { OwnedFd::from_raw_fd(copy) })
}

#[cfg(test)]
mod tests;
