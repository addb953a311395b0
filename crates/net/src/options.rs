//! Options of connections: those that we open, and those that a listener accepts.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};

/// Options for a socket that we open.
#[derive(Debug, Clone)]
pub struct SocketOptions {
    /// Time after which an idle connection is probed (TCP keepalive); off if absent.
    pub keepalive: Option<Duration>,
    /// Time connecting may take, the handshake of TLS included.
    pub connect_timeout: Duration,
    /// TLS from the first byte; none if absent.
    pub tls: Option<ClientTls>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        SocketOptions { keepalive: None, connect_timeout: Duration::from_secs(5), tls: None }
    }
}

/// TLS towards a server.
#[derive(Debug, Clone)]
pub struct ClientTls {
    /// The authorities that are trusted, our certificate, the sessions that may be resumed.
    pub config: Arc<ClientConfig>,
    /// The name that the server's certificate must have.
    pub server_name: ServerName<'static>,
}

/// TLS of a listener.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// Our certificate, and what is asked of clients.
    pub config: Arc<ServerConfig>,
    /// Answer to a client whose first byte is not TLS: an error in its protocol's words.
    pub plain_answer: &'static [u8],
}

/// Properties of the clients that a listener accepts. They can change while it listens, for clients that come
/// later.
#[derive(Debug, Clone, Default)]
pub struct ListenOptions {
    /// The key [`crate::App::accepted`] receives.
    pub tag: u32,
    /// TCP keepalive; off unless set.
    pub keepalive: Option<Duration>,
    /// TLS from the first byte; none if absent.
    pub tls: Option<ServerTls>,
    /// Another length for the backlog; None: the one it was bound with, or was given last.
    pub backlog: Option<u32>,
}
