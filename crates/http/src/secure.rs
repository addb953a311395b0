//! TLS towards clients: the handshake, and the names in the certificates that clients show.
//!
//! Only names in a verified certificate prove anything, so whoever configures a listener says whether they
//! are to be read ([`ServerTls::certified`]). A client whose certificate has none of the listener's names is
//! refused, whatever it asks for.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use access::Glob;
use rustls::ServerConfig;
use telemetry::{debug, warn};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Longest time for a TLS handshake.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// Time allowed to read an error that is sent instead of an answer.
const EXPLAIN_DEADLINE: Duration = Duration::from_secs(1);
/// First byte of the records that begin a TLS connection.
const HANDSHAKE: u8 = 22;
/// Go's text for a client in plain text.
const NO_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
/// Text for a client whose certificate has another name.
const OTHER_NAME: &[u8] = b"HTTP/1.0 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
                            the names of the client certificate are not allowed here (client_names)\n";

/// Returns all names in a certificate (DER).
pub type CertificateNames = fn(&[u8]) -> Vec<String>;

/// TLS of a listener.
#[derive(Debug, Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    /// Reads the names of clients, whose certificates are verified; `None` if they are not.
    names: Option<CertificateNames>,
    /// Names of which a certificate must have one; empty: any name will do.
    allowed: Arc<[Glob]>,
}

impl From<Arc<ServerConfig>> for ServerTls {
    /// TLS under which certificates of clients mean nothing.
    fn from(config: Arc<ServerConfig>) -> ServerTls {
        ServerTls { config, names: None, allowed: Arc::default() }
    }
}

impl ServerTls {
    /// TLS that verifies every certificate of a client. Clients are known by the names in it, of which one
    /// must match `allowed` unless that is empty.
    pub fn certified(config: Arc<ServerConfig>, names: CertificateNames, allowed: &[String]) -> ServerTls {
        let allowed = allowed.iter().map(|glob| Glob::new(glob.as_bytes())).collect();
        ServerTls { config, names: Some(names), allowed }
    }

    fn names_of(&self, shown: &rustls::ServerConnection) -> Arc<[String]> {
        let certificate = shown.peer_certificates().and_then(<[_]>::first);
        let names = self.names.zip(certificate).map(|(names, certificate)| names(certificate));
        names.unwrap_or_default().into()
    }

    fn allows(&self, names: &[String]) -> bool {
        let fits = |name: &String| self.allowed.iter().any(|glob| glob.matches(name.as_bytes()));
        self.allowed.is_empty() || names.iter().any(fits)
    }
}

/// Does the TLS handshake with an accepted client. `None` if it fails, times out or shows a certificate that
/// is not allowed; else the connection with the names in the client's verified certificate.
pub async fn secure<S>(
    mut socket: S,
    tls: &ServerTls,
    remote: &str,
) -> Option<(TlsStream<Begun<S>>, Arc<[String]>)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let shaken = timeout(HANDSHAKE_DEADLINE, async {
        let first = socket.read_u8().await?;
        if first != HANDSHAKE {
            explain(&mut socket, NO_TLS).await;
            return Err(io::Error::other("the client speaks plain text"));
        }
        let socket = Begun { first: Some(first), socket };
        TlsAcceptor::from(Arc::clone(&tls.config)).accept(socket).await
    });
    match shaken.await {
        Ok(Ok(mut socket)) => {
            let has_certificate = socket.get_ref().1.peer_certificates().is_some();
            let names = tls.names_of(socket.get_ref().1);
            if has_certificate && !tls.allows(&names) {
                let shown: Vec<_> =
                    names.iter().take(4).map(|name| name.escape_default().to_string()).collect();
                warn!(
                    remote,
                    names = shown.join(", "),
                    "client refused: client_names does not allow its certificate"
                );
                explain(&mut socket, OTHER_NAME).await;
                return None;
            }
            return Some((socket, names));
        }
        Ok(Err(error)) => debug!(remote, %error, "TLS handshake failed"),
        Err(_) => debug!(remote, "TLS handshake took too long"),
    }
    None
}

/// A socket whose first byte was read to see whether the client speaks TLS.
#[derive(Debug)]
pub struct Begun<S> {
    /// The byte, until it is read again.
    first: Option<u8>,
    socket: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.first.take_if(|_| buffer.remaining() > 0) {
            Some(first) => {
                buffer.put_slice(&[first]);
                Poll::Ready(Ok(()))
            }
            None => Pin::new(&mut self.socket).poll_read(context, buffer),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

/// Sends a client why it gets no answer, as much as the socket takes at once.
async fn explain<S: AsyncWrite + Unpin>(socket: &mut S, words: &[u8]) {
    let _ = timeout(EXPLAIN_DEADLINE, socket.write_all(words)).await;
    let _ = timeout(EXPLAIN_DEADLINE, socket.shutdown()).await;
}
