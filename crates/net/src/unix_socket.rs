//! Listening unix sockets: one way to bind them for every listener of the daemon.
//!
//! A socket's file outlives its process, so a start has to remove stale ones. It removes nothing else: a
//! socket with a listener is in use, and so is one that cannot be probed. Another process could bind between
//! the probe and the removal, so both happen under a lock: a file beside the socket that exists only while a
//! start binds.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// Most attempts at a lock whose holder removes it at the same moment.
const LOCK_TRIES: usize = 8;
/// Path suffix at which a replacement socket is bound.
pub(crate) const REPLACEMENT: &str = ".new";

/// Binds and listens on `path`, non-blocking. A given mode is set before anybody can connect.
///
/// # Errors
/// `AddrInUse` if a process listens there or is binding it, or if the file at `path` is not a socket; the
/// file is then left alone.
pub fn bind_unix(path: &Path, mode: Option<u32>, backlog: i32) -> io::Result<UnixListener> {
    let _lock = Lock::take(path)?;
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        remove_abandoned(path)?;
    }
    listen_at(path, mode, backlog)
}

/// Binds `path` in place of a socket that this process listens on: the file is replaced atomically, so that
/// no client finds it missing. The old socket keeps its clients.
///
/// # Errors
/// `AddrInUse` if another process is binding it, or if the file at `path` is not a socket; the file is then
/// left alone.
pub fn replace_unix(path: &Path, mode: Option<u32>, backlog: i32) -> io::Result<UnixListener> {
    let _lock = Lock::take(path)?;
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(in_use()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let beside = with_suffix(path, REPLACEMENT);
    if std::fs::symlink_metadata(&beside).is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(&beside)?;
    }
    let listener = listen_at(&beside, mode, backlog)?;
    std::fs::rename(&beside, path)?;
    Ok(listener)
}

fn listen_at(path: &Path, mode: Option<u32>, backlog: i32) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    if let Some(mode) = mode {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// The file of a unix socket, to be removed when nobody listens there any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// The current file at `path`: to be called right after binding it.
    ///
    /// # Errors
    /// The system's, or the path has no socket.
    pub fn at(path: &Path) -> io::Result<SocketFile> {
        let found = std::fs::symlink_metadata(path)?;
        if !found.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the file is not a socket"));
        }
        Ok(SocketFile { path: path.to_owned(), device: found.dev(), inode: found.ino() })
    }

    /// Removes the file if it is unchanged: another process, or another socket of this one, may have taken
    /// its path. False if so. Connected clients stay in the socket's backlog.
    ///
    /// # Errors
    /// The system's; `AddrInUse` if the path is being bound at this moment.
    pub fn remove(&self) -> io::Result<bool> {
        let _lock = Lock::take(&self.path)?;
        if SocketFile::at(&self.path).is_ok_and(|there| there == *self) {
            std::fs::remove_file(&self.path)?;
            return Ok(true);
        }
        Ok(false)
    }
}

/// A path with `suffix` appended.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// True if `path` could be bound right now: it is free, or a socket without a listener. Changes nothing.
///
/// # Errors
/// As for [`bind_unix`].
pub fn can_bind_unix(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if found.file_type().is_socket() => ask(path),
        Ok(_) => Err(in_use()),
    }
}

/// Removes a socket without a listener.
fn remove_abandoned(path: &Path) -> io::Result<()> {
    ask(path).and_then(|()| std::fs::remove_file(path))
}

/// Fails unless nobody listens. Never blocks: a listener with a full backlog is alive.
fn ask(path: &Path) -> io::Result<()> {
    let asking = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    match asking.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        // A socket of another kind, or one we may not connect to, cannot be probed.
        Ok(()) | Err(_) => Err(in_use()),
    }
}

fn in_use() -> io::Error {
    io::Error::from_raw_os_error(libc::EADDRINUSE)
}

/// The exclusive right to bind a path; dropping it releases the right and removes the file.
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    fn take(socket: &Path) -> io::Result<Lock> {
        let path = with_suffix(socket, ".lock");
        for _ in 0..LOCK_TRIES {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
                .open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(in_use()),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Its last holder may have removed it after we opened it: then it excludes nobody.
            let ours = file.metadata()?.ino();
            if std::fs::symlink_metadata(&path).is_ok_and(|there| there.ino() == ours) {
                return Ok(Lock { path, _file: file });
            }
        }
        Err(in_use())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixStream};
    use std::sync::Barrier;

    use super::*;

    fn refused(path: &Path) {
        assert_eq!(can_bind_unix(path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(bind_unix(path, None, 16).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_socket_in_use_stays_where_it_is_and_an_abandoned_one_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        can_bind_unix(&path).unwrap();
        let first = bind_unix(&path, Some(0o660), 16).unwrap();
        refused(&path);
        UnixStream::connect(&path).unwrap();
        drop(first);
        can_bind_unix(&path).unwrap();
        assert!(path.exists(), "asking changes nothing");
        let _second = bind_unix(&path, Some(0o600), 16).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no lock is left");
    }

    #[test]
    fn a_file_is_removed_only_while_it_is_ours() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let first = bind_unix(&path, None, 16).unwrap();
        let file = SocketFile::at(&path).unwrap();
        let waiting = UnixStream::connect(&path).unwrap();
        let second = replace_unix(&path, Some(0o600), 16).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!file.remove().unwrap(), "the path is another socket's");
        assert!(first.accept().is_ok(), "who had come to the old one stays there");
        drop(waiting);
        let _to_new = UnixStream::connect(&path).unwrap();
        assert!(second.accept().is_ok());
        assert!(SocketFile::at(&path).unwrap().remove().unwrap());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        std::fs::write(&path, "precious").unwrap();
        assert!(!file.remove().unwrap());
        assert!(replace_unix(&path, None, 16).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_listener_that_accepts_nothing_is_in_use() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let _busy = bind_unix(&path, None, 0).unwrap();
        let _waiting = UnixStream::connect(&path).unwrap();
        // Its backlog is full: a blocking connect would wait for ever.
        refused(&path);
    }

    #[test]
    fn what_is_no_listening_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let text = directory.path().join("text");
        std::fs::write(&text, "precious").unwrap();
        refused(&text);
        assert_eq!(std::fs::read_to_string(&text).unwrap(), "precious");
        let datagrams = directory.path().join("datagrams");
        let _other = UnixDatagram::bind(&datagrams).unwrap();
        refused(&datagrams);
        assert!(datagrams.exists());
    }

    #[test]
    fn of_many_that_start_at_once_one_has_the_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        for _ in 0..50 {
            drop(bind_unix(&path, None, 16).unwrap());
            let barrier = Barrier::new(4);
            let bound: Vec<_> = std::thread::scope(|scope| {
                let start = || {
                    barrier.wait();
                    bind_unix(&path, None, 16).ok()
                };
                let starts: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
                starts.into_iter().filter_map(|start| start.join().unwrap()).collect()
            });
            assert_eq!(bound.len(), 1);
            UnixStream::connect(&path).unwrap();
        }
    }
}
