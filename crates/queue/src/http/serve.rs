//! Listeners of the HTTP API: TCP, TLS over TCP, and unix sockets.
//!
//! Connections are counted, and those that are too many wait in the kernel. A head that does not come, and a handshake that
//! does not end, close their connection; so does a minute without a request. A client may close its side as soon as it has
//! sent its request: it gets its answer all the same.
//!
//! At the end listeners close first. Connections without a request are closed, the others when they have had their answer;
//! [`serve`] ends with the last of them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use config::checked::Listen;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use telemetry::debug;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::Link;
use super::malformed::Worded;

/// Connections at once, per listener.
const CONNECTIONS_MAX: u32 = 1024;
/// Clients of a unix socket that may wait in the kernel; the system's limit holds as well.
const UNIX_BACKLOG: i32 = 1024;
/// How long a request's head may take, and how long a connection may be idle.
const HEAD_DEADLINE: Duration = Duration::from_secs(60);
/// How long a TLS handshake may take.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// How long a client may take to take in that it is to speak TLS.
const EXPLAIN_DEADLINE: Duration = Duration::from_secs(1);
/// Pause after a failed accept, so that a lack of file descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Tells listeners and connections to end, once it is true or its sender is gone.
pub type Stop = watch::Receiver<bool>;

/// A listener, bound and not yet served.
pub struct Listener {
    socket: Socket,
    tls: Option<Arc<rustls::ServerConfig>>,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Listener {{ {:?} }}", self.local_address())
    }
}

impl Listener {
    /// Binds; with `tls` the clients must speak it. A unix socket that is in use is left to its process.
    pub fn bind(listen: &Listen, tls: Option<Arc<rustls::ServerConfig>>) -> io::Result<Listener> {
        let socket = match listen {
            Listen::Tcp { host, port } => {
                let listener = TcpListener::bind((host.as_str(), *port))?;
                listener.set_nonblocking(true)?;
                Socket::Tcp(listener)
            }
            Listen::Unix { path, mode } => Socket::Unix(net::bind_unix(path, *mode, UNIX_BACKLOG)?),
        };
        Ok(Listener { socket, tls })
    }

    /// Where it is bound; `None` for a unix socket.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            Socket::Unix(_) => None,
        }
    }
}

/// Serves a listener until it is told to stop and every request under way is answered: whoever cannot wait so long drops the
/// future. Needs a tokio runtime.
pub async fn serve(listener: Listener, router: Router, stop: Stop) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
    let tls = listener.tls.map(TlsAcceptor::from);
    let (close, closed) = watch::channel(false);
    let door = Door { router, tls, stop: closed };
    match listener.socket {
        Socket::Tcp(listener) => {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            until(stop, async {
                loop {
                    let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                    match listener.accept().await {
                        Ok((socket, remote)) => {
                            let _ = socket.set_nodelay(true);
                            door.admit(socket, remote.to_string(), place);
                        }
                        Err(_) => sleep(ACCEPT_PAUSE).await,
                    }
                }
            })
            .await;
        }
        Socket::Unix(listener) => {
            let listener = tokio::net::UnixListener::from_std(listener)?;
            until(stop, async {
                loop {
                    let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                    match listener.accept().await {
                        Ok((socket, _)) => door.admit(socket, "@".to_owned(), place),
                        Err(_) => sleep(ACCEPT_PAUSE).await,
                    }
                }
            })
            .await;
        }
    }
    // The listener is closed. Only now connections are told: who sees one end and comes again is not let in.
    close.send_replace(true);
    // Each connection holds a place until it has ended.
    let _ = places.acquire_many(CONNECTIONS_MAX).await;
    Ok(())
}

async fn until(stop: Stop, work: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = stopped(stop) => {}
        () = work => {}
    }
}

async fn stopped(mut stop: Stop) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What all connections of a listener share.
struct Door {
    router: Router,
    tls: Option<TlsAcceptor>,
    stop: Stop,
}

impl Door {
    fn admit<S>(&self, socket: S, remote: String, place: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let link = Link { remote, tls: self.tls.is_some() };
        let (tls, stop) = (self.tls.clone(), self.stop.clone());
        let router = self.router.clone().layer(Extension(link.clone()));
        tokio::spawn(async move {
            match tls {
                None => converse(socket, router, stop).await,
                Some(tls) => {
                    let handshake = timeout(HANDSHAKE_DEADLINE, tls.accept(socket).into_fallible());
                    let shaken = tokio::select! {
                        shaken = handshake => shaken,
                        () = stopped(stop.clone()) => return,
                    };
                    match shaken {
                        Ok(Ok(socket)) => converse(socket, router, stop).await,
                        Ok(Err((error, socket))) => {
                            debug!(remote = link.remote, %error, "TLS handshake failed");
                            if is_no_tls(&error) {
                                explain(socket).await;
                            }
                        }
                        Err(_) => debug!(remote = link.remote, "TLS handshake took too long"),
                    }
                }
            }
            drop(place);
        });
    }
}

/// Whether a handshake failed because the client began to speak something else.
fn is_no_tls(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)))
}

/// Tells a client so, in Go's words, as far as it takes them at once.
async fn explain<S: AsyncWrite + Unpin>(mut socket: S) {
    let words = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    let _ = timeout(EXPLAIN_DEADLINE, socket.write_all(words)).await;
    let _ = timeout(EXPLAIN_DEADLINE, socket.shutdown()).await;
}

/// Requests and answers of one connection.
async fn converse<S>(socket: S, router: Router, stop: Stop)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .half_close(true)
        .header_read_timeout(HEAD_DEADLINE)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(Worded::new(socket)), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let result = tokio::select! {
        result = &mut connection => result,
        () = stopped(stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        debug!(%error, "HTTP connection ended");
    }
}
