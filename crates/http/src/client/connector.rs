//! New connections for the pool: name resolution, socket, and TLS if the address requires it, all within the
//! connect deadline.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::Uri;
use axum::http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::error::{Unreachable, plain};
use super::host_port;

/// Opens connections.
#[derive(Clone)]
pub(super) struct Connector {
    deadline: Duration,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Connector {
    pub(super) fn new(deadline: Duration, tls: Option<Arc<rustls::ClientConfig>>) -> Connector {
        Connector { deadline, tls }
    }

    async fn connect(self, uri: Uri) -> Result<Wire, Unreachable> {
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let tls = match (secure, self.tls) {
            (false, _) => None,
            (true, Some(tls)) => Some(tls),
            (true, None) => {
                return Err(Unreachable("TLS is not configured, or no authorities are known".into()));
            }
        };
        let making = async {
            let socket = TcpStream::connect((host.as_str(), port)).await.map_err(|error| {
                Unreachable(format!("dial tcp {}: connect: {}", host_port(&host, port), plain(&error)))
            })?;
            let _ = socket.set_nodelay(true);
            match tls {
                None => Ok(Wire::new(socket)),
                Some(tls) => shake_hands(tls, &host, socket).await,
            }
        };
        match timeout(self.deadline, making).await {
            Ok(made) => made,
            Err(_) => Err(Unreachable(format!("dial tcp {}: i/o timeout", host_port(&host, port)))),
        }
    }
}

async fn shake_hands(
    tls: Arc<rustls::ClientConfig>,
    host: &str,
    socket: TcpStream,
) -> Result<Wire, Unreachable> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Unreachable(format!("tls: {host} is not a valid name of a server")))?;
    let shaken = TlsConnector::from(tls).connect(name, socket).await;
    shaken.map(Wire::new).map_err(|error| Unreachable(format!("tls: {error}")))
}

impl Service<Uri> for Connector {
    type Response = Wire;
    type Error = Unreachable;
    type Future = Pin<Box<dyn Future<Output = Result<Wire, Unreachable>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unreachable>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection, with or without TLS.
pub(super) struct Wire(TokioIo<Box<dyn Stream>>);

impl Wire {
    fn new(stream: impl Stream + 'static) -> Wire {
        Wire(TokioIo::new(Box::new(stream)))
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
