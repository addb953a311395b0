//! Options of outgoing connections and of listeners.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};

/// Options of an outgoing socket.
#[derive(Debug, Clone)]
pub struct SocketOptions {
    /// Time after which an idle connection is probed (TCP keepalive); off if absent.
    pub keepalive: Option<Duration>,
    /// Longest time for connecting, including the TLS handshake.
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
    /// Trusted authorities, our certificate, resumable sessions.
    pub config: Arc<ClientConfig>,
    /// Name required in the server's certificate.
    pub server_name: ServerName<'static>,
}

/// TLS of a listener.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// Our certificate, and the requirements on clients' certificates.
    pub config: Arc<ServerConfig>,
    /// Answer to a client whose first byte is not TLS: an error in its protocol.
    pub plain_answer: &'static [u8],
}

/// Options of the clients accepted by a listener. They can change while it listens, for later clients.
#[derive(Debug, Clone, Default)]
pub struct ListenOptions {
    /// The key passed to [`crate::App::accepted`].
    pub tag: u32,
    /// TCP keepalive; off unless set.
    pub keepalive: Option<Duration>,
    /// TLS from the first byte; none if absent.
    pub tls: Option<ServerTls>,
    /// New backlog length; None keeps the current one.
    pub backlog: Option<u32>,
}
