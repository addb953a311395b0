//! Sockets of the control thread: bound early, so that a bad address stops the start, and served later.

use config::checked::Listen;
use http::Socket;
use net::{BindError, Binder};

/// Clients that may wait in the kernel; the system's limit holds as well.
const BACKLOG: i32 = 1024;

/// Binds, or takes a socket that listens there already. A unix socket that is in use is left to its process.
///
/// # Errors
/// The reason nothing can listen there.
pub fn bind(listen: &Listen, binder: &mut Binder) -> Result<Socket, BindError> {
    Ok(match listen {
        Listen::Tcp { host, port } => Socket::Tcp(binder.bind_tcp(host, *port, BACKLOG)?),
        Listen::Unix { path, mode } => {
            let bound = binder.bind_unix(path, *mode, BACKLOG);
            Socket::Unix(bound.map_err(|error| BindError::Unix { path: path.clone(), error })?)
        }
    })
}
