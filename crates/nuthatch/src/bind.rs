//! Sockets of the control thread: bound early, so that a bad address stops the start, and served later.

use config::checked::Listen;
use http::Socket;
use net::{BindError, Binder};

/// Backlog of connections in the kernel; the system's limit applies as well.
const BACKLOG: i32 = 1024;

/// Binds an address, or adopts a socket already listening there. A unix socket in use is left to its process.
///
/// # Errors
/// The reason the address cannot be bound.
pub fn bind(listen: &Listen, binder: &mut Binder) -> Result<Socket, BindError> {
    Ok(match listen {
        Listen::Tcp { host, port } => Socket::Tcp(binder.bind_tcp(host, *port, BACKLOG)?),
        Listen::Unix { path, mode } => {
            let bound = binder.bind_unix(path, *mode, BACKLOG);
            Socket::Unix(bound.map_err(|error| BindError::Unix { path: path.clone(), error })?)
        }
    })
}
