//! A port of the control thread: bound early, served later, to a limited number of clients at once.
//!
//! Slow clients do not hold up others. Those that are too many wait in the kernel.

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use config::checked::Listen;
use config::endpoint::show_listen;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

/// Clients served at once.
const CLIENTS_MAX: usize = 64;
/// Clients of a unix socket that may wait in the kernel.
const UNIX_BACKLOG: i32 = 128;
/// Pause after a failed accept, so that a lack of file descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The port, bound.
#[derive(Debug)]
pub struct ControlPort {
    listener: Bound,
}

#[derive(Debug)]
enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener, String),
}

/// A client's socket, of either kind.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// See [`Stream`].
pub type Client = Box<dyn Stream>;

impl ControlPort {
    /// Binds the port; `what` is served there. A unix socket that is in use is left to its process.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub fn bind(what: &str, listen: &Listen) -> Result<ControlPort, String> {
        bind(listen)
            .map(|listener| ControlPort { listener })
            .map_err(|error| format!("{what}: cannot listen on {}: {error}", show_listen(listen)))
    }

    /// The address as bound.
    pub fn address(&self) -> String {
        match &self.listener {
            Bound::Tcp(listener) => {
                listener.local_addr().map(|address| address.to_string()).unwrap_or_default()
            }
            Bound::Unix(_, path) => path.clone(),
        }
    }

    /// Gives each client to `served`, for ever. Needs a tokio runtime.
    pub async fn serve<F, S>(self, served: F) -> io::Result<()>
    where
        F: Fn(Client) -> S,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = match self.listener {
            Bound::Tcp(listener) => Listener::Tcp(tokio::net::TcpListener::from_std(listener)?),
            Bound::Unix(listener, _) => Listener::Unix(tokio::net::UnixListener::from_std(listener)?),
        };
        let places = Arc::new(Semaphore::new(CLIENTS_MAX));
        loop {
            let place = Arc::clone(&places).acquire_owned().await;
            match listener.accept().await {
                Ok(client) => {
                    let served = served(client);
                    tokio::spawn(async move {
                        served.await;
                        drop(place);
                    });
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}

enum Listener {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Listener {
    async fn accept(&self) -> io::Result<Client> {
        Ok(match self {
            Listener::Tcp(listener) => Box::new(listener.accept().await?.0),
            Listener::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

fn bind(listen: &Listen) -> io::Result<Bound> {
    Ok(match listen {
        Listen::Tcp { host, port } => {
            let listener = TcpListener::bind((host.as_str(), *port))?;
            listener.set_nonblocking(true)?;
            Bound::Tcp(listener)
        }
        Listen::Unix { path, mode } => {
            let listener = net::bind_unix(path, *mode, UNIX_BACKLOG)?;
            Bound::Unix(listener, path.display().to_string())
        }
    })
}
