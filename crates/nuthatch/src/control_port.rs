//! A port of the control thread: bound early, served later, to a limited number of clients at once.
//!
//! Slow clients do not hold up others: when they are too many, those that wait for something make room
//! ([`queue::http::Places`]).

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use config::checked::Listen;
use config::endpoint::show_listen;
use queue::http::{Places, Seat, Seated};
use tokio::io::{AsyncRead, AsyncWrite};

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

    /// Gives each client to `served`, for ever, with what is to be told when an answer is owed. Needs a tokio runtime.
    pub async fn serve<F, S>(self, served: F) -> io::Result<()>
    where
        F: Fn(Client, Seat) -> S,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = match self.listener {
            Bound::Tcp(listener) => Listener::Tcp(tokio::net::TcpListener::from_std(listener)?),
            Bound::Unix(listener, _) => Listener::Unix(tokio::net::UnixListener::from_std(listener)?),
        };
        let places = Places::new(CLIENTS_MAX);
        loop {
            match listener.accept().await {
                Ok((socket, address)) => {
                    let place = places.take(&address).await;
                    let seat = place.seat();
                    let client = Box::new(Seated::new(socket, seat.clone()));
                    tokio::spawn(place.hold(served(client, seat)));
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
    /// A client and its address without the port; all of a unix socket's clients have the same.
    async fn accept(&self) -> io::Result<(Client, String)> {
        Ok(match self {
            Listener::Tcp(listener) => {
                let (socket, address) = listener.accept().await?;
                (Box::new(socket), address.ip().to_string())
            }
            Listener::Unix(listener) => (Box::new(listener.accept().await?.0), "@".to_owned()),
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
