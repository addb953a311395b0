//! Sockets of the control thread: bound early, so that a bad address stops the start, and served later.

use std::io;
use std::net::TcpListener;

use config::checked::Listen;
use http::Socket;

/// Clients of a unix socket that may wait in the kernel; the system's limit holds as well.
const UNIX_BACKLOG: i32 = 1024;

/// Binds. A unix socket that is in use is left to its process.
///
/// # Errors
/// The system's.
pub fn bind(listen: &Listen) -> io::Result<Socket> {
    Ok(match listen {
        Listen::Tcp { host, port } => Socket::Tcp(TcpListener::bind((host.as_str(), *port))?),
        Listen::Unix { path, mode } => Socket::Unix(net::bind_unix(path, *mode, UNIX_BACKLOG)?),
    })
}
