//! A port of the control thread: bound early, served later, to a limited number of clients at the same time.
//!
//! Slow clients cannot block others: when all places are taken, connections that are owed no
//! answer make room ([`http::Places`]).

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use config::checked::Listen;
use config::endpoint::show_listen;
use http::{Activity, Places, Socket, Tracked};
use net::{BindError, Binder, SocketFile};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::bind::bind;
use crate::places::Listening;

/// Most clients served at the same time.
pub const CLIENTS_MAX: usize = 64;
/// Pause after a failed accept, so that a lack of file descriptors does not cause a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The port, bound.
#[derive(Debug)]
pub struct ControlPort {
    socket: Socket,
    address: String,
    places: Arc<Places>,
}

/// A client's TCP or unix socket.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A client's socket.
pub type Client = Box<dyn Stream>;

impl ControlPort {
    /// Binds the port. A unix socket in use is left to its process.
    ///
    /// # Errors
    /// The reason the address cannot be bound.
    pub fn bind(listen: &Listen, binder: &mut Binder) -> Result<ControlPort, BindError> {
        let socket = bind(listen, binder)?;
        Ok(ControlPort { address: address(&socket, listen), socket, places: Places::new(CLIENTS_MAX) })
    }

    /// Places of its clients.
    pub fn places(&self) -> Arc<Places> {
        Arc::clone(&self.places)
    }

    /// The file of a unix socket.
    pub fn file(&self) -> Option<SocketFile> {
        match &self.socket {
            Socket::Tcp(_) => None,
            Socket::Unix(_) => SocketFile::at(Path::new(&self.address)).ok(),
        }
    }

    /// The port's entry among the listening addresses.
    pub fn listening(&self, what: &str) -> Listening {
        Listening { what: what.into(), address: self.address.clone() }
    }

    /// Passes each client to `served`, forever. Needs a tokio runtime.
    pub async fn serve<F, S>(self, served: F) -> io::Result<()>
    where
        F: Fn(Accepted) -> S,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = match self.socket {
            Socket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Listener::Tcp(tokio::net::TcpListener::from_std(listener)?)
            }
            Socket::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Listener::Unix(tokio::net::UnixListener::from_std(listener)?)
            }
        };
        let places = self.places;
        loop {
            match listener.accept().await {
                Ok((socket, from)) => {
                    let place = places.take(&from.address).await;
                    let activity = place.activity();
                    let client = Box::new(Tracked::new(socket, activity.clone()));
                    let accepted = Accepted { client, activity, is_local: from.is_local, ip: from.ip };
                    tokio::spawn(place.hold(served(accepted)));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}

/// A client that has connected.
pub struct Accepted {
    /// Its socket.
    pub client: Client,
    /// Tracks whether an answer is owed.
    pub activity: Activity,
    /// True if the client is on this machine: connected over loopback or a unix socket.
    pub is_local: bool,
    /// Its address; None on a unix socket.
    pub ip: Option<IpAddr>,
}

/// Origin of a client.
struct From {
    /// Its address without the port; the same for all clients of a unix socket.
    address: String,
    is_local: bool,
    ip: Option<IpAddr>,
}

enum Listener {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Listener {
    async fn accept(&self) -> io::Result<(Client, From)> {
        Ok(match self {
            Listener::Tcp(listener) => {
                let (socket, address) = listener.accept().await?;
                let ip = address.ip().to_canonical();
                (Box::new(socket), From { address: ip.to_string(), is_local: ip.is_loopback(), ip: Some(ip) })
            }
            Listener::Unix(listener) => {
                let from = From { address: "@".to_owned(), is_local: true, ip: None };
                (Box::new(listener.accept().await?.0), from)
            }
        })
    }
}

fn address(socket: &Socket, listen: &Listen) -> String {
    match socket {
        Socket::Tcp(listener) => listener.local_addr().map(|address| address.to_string()).unwrap_or_default(),
        Socket::Unix(_) => match listen {
            Listen::Unix { path, .. } => path.display().to_string(),
            Listen::Tcp { .. } => show_listen(listen),
        },
    }
}
