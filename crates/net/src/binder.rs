//! Binding that reuses listening sockets inherited from the process that this one replaces, or from
//! systemd.
//!
//! A socket is found by its address, whatever it was used for; [`listening_sockets`] finds those of this
//! process in the same way. Clients in a socket's backlog are served by whichever service takes it. Port 0 is
//! never taken, because it could belong to anything.

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

/// Binds addresses, or takes inherited sockets that already listen there.
#[derive(Debug, Default)]
pub struct Binder {
    inherited: Vec<Socket>,
}

impl Binder {
    /// A binder with inherited sockets. Descriptors that are not listening stream sockets are closed.
    pub fn new(descriptors: Vec<OwnedFd>) -> Binder {
        let listens = |socket: &Socket| {
            socket.r#type().is_ok_and(|kind| kind == Type::STREAM) && socket.is_listener().unwrap_or(false)
        };
        Binder { inherited: descriptors.into_iter().map(Socket::from).filter(listens).collect() }
    }

    /// Addresses of the sockets not taken. Dropping the binder closes them.
    pub fn left(&self) -> Vec<String> {
        self.inherited.iter().map(shown).collect()
    }

    /// Listeners for `shards` shards: the n-th goes to the n-th shard, and extra ones start again from the
    /// first. As [`bind`](crate::bind) unless inherited sockets have that address; those are all taken, and
    /// shared if there are too few.
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

    /// A non-blocking listening TCP socket that belongs to no shard.
    ///
    /// # Errors
    /// As for [`Binder::bind`].
    pub fn bind_tcp(&mut self, host: &str, port: u16, backlog: i32) -> Result<TcpListener, BindError> {
        let Some((sockets, address)) = self.take_tcp(host, port)? else {
            return bind::bind_tcp(host, port, backlog);
        };
        only(sockets, backlog).map(TcpListener::from).map_err(|error| BindError::Tcp { address, error })
    }

    /// A non-blocking listening unix socket that belongs to no shard, as
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

    /// The sockets of the first of a host's addresses that has one.
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

/// True if this socket accepts clients of `address`: an IPv6 socket may accept IPv4 as well.
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

/// The first of the sockets, for a service that needs only one.
fn only(sockets: Vec<Socket>, backlog: i32) -> io::Result<OwnedFd> {
    let first = sockets.into_iter().next().ok_or(io::ErrorKind::NotFound)?;
    prepare(&first, backlog)?;
    Ok(first.into())
}

fn prepare(socket: &Socket, backlog: i32) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_cloexec(true)?;
    // As `bind` does, so that more sockets can join; no effect on a unix socket.
    let _ = socket.set_reuse_port(true);
    // The other process may have been about to close it, with a filter attached.
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

/// Duplicates of all descriptors on which this process listens, for its successor: they keep the addresses
/// open.
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

/// True if a descriptor is currently a listening socket.
fn listens(number: RawFd) -> bool {
    let mut listens: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option is written into a live int of that length. The number may be closed or reused at any
    // time: it is only queried, and then the answer is an error or another socket's.
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

/// A duplicate of the current owner of a descriptor number; None if it is closed.
fn duplicate(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: nothing but the number is used, and the original stays as it is.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    // SAFETY: the copy was made just now and has no other owner.
    (copy >= 0).then(|| unsafe { OwnedFd::from_raw_fd(copy) })
}

#[cfg(test)]
mod tests;
