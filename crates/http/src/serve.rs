//! Listeners of the HTTP API: TCP, TLS over TCP, and unix sockets.
//!
//! Connections are counted; when there are too many, those waiting for their client make room
//! ([`crate::places`]). A connection is closed if its head does not arrive, its handshake does not end, or it
//! has been idle for a minute. A client may close its side after its request and still gets its answer.
//!
//! At shutdown listeners close first; whoever waits in the backlog of a socket that somebody else holds as
//! well waits there for the next process. Connections without a request are closed, the others after their
//! answer; one that has just been accepted has [`FIRST_REQUEST`] to send its request. [`serve`] ends with the
//! last of them.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::{Extension, Router};
use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use telemetry::debug;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::login::conceal;
use crate::malformed::Worded;
use crate::places::{Activity, Places, Tracked};
use crate::request::Link;
use crate::secure::{ServerTls, secure};

/// Most connections at once, per listener.
const CONNECTIONS_MAX: usize = 1024;
/// Longest time for a request's head, and for an idle connection.
const HEAD_DEADLINE: Duration = Duration::from_mins(1);
/// Time between a client's connecting and its first request, if it connects to send one.
pub const FIRST_REQUEST: Duration = Duration::from_millis(200);
/// Pause after a failed accept, so that a lack of file descriptors does not cause a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Signals listeners and connections to end, once it is true or its sender is gone.
pub type Stop = watch::Receiver<bool>;

/// TLS configuration towards clients; a new value applies to later handshakes.
pub type Tls = watch::Receiver<ServerTls>;

/// A bound listener, not yet served.
pub struct Listener {
    socket: Socket,
    tls: Option<Tls>,
}

/// A bound socket of either kind, blocking or not.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpListener),
    /// A unix socket.
    Unix(UnixListener),
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Listener {{ {:?} }}", self.local_address())
    }
}

impl Listener {
    /// A listener for `socket`; with `tls`, clients must use TLS.
    ///
    /// # Errors
    /// The system's, if the socket cannot be set to non-blocking.
    pub fn new(socket: Socket, tls: Option<Arc<rustls::ServerConfig>>) -> io::Result<Listener> {
        Listener::following(socket, tls.map(|tls| watch::channel(tls.into()).1))
    }

    /// [`Listener::new`] with TLS that may change while serving.
    ///
    /// # Errors
    /// As [`Listener::new`].
    pub fn following(socket: Socket, tls: Option<Tls>) -> io::Result<Listener> {
        match &socket {
            Socket::Tcp(listener) => listener.set_nonblocking(true)?,
            Socket::Unix(listener) => listener.set_nonblocking(true)?,
        }
        Ok(Listener { socket, tls })
    }

    /// The bound address; `None` for a unix socket.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            Socket::Unix(_) => None,
        }
    }
}

/// Serves a listener until it is stopped and every request under way is answered; drop the future to end it
/// sooner. Needs a tokio runtime.
///
/// # Errors
/// The system's, if the socket cannot be served.
pub async fn serve(listener: Listener, router: Router, stop: Stop) -> io::Result<()> {
    serve_at_most(CONNECTIONS_MAX, listener, router, stop).await
}

/// [`serve`] with another limit on connections at once.
///
/// # Errors
/// As [`serve`].
pub async fn serve_at_most(
    connections_max: usize,
    listener: Listener,
    router: Router,
    stop: Stop,
) -> io::Result<()> {
    let places = Places::new(connections_max);
    let (close, closed) = watch::channel(false);
    let door = Door { router, tls: listener.tls, stop: closed, places: Arc::clone(&places) };
    match listener.socket {
        Socket::Tcp(listener) => {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            while let Some(accepted) = until(&stop, listener.accept()).await {
                match accepted {
                    Ok((socket, remote)) => {
                        let _ = socket.set_nodelay(true);
                        door.admit(socket, shown(remote)).await;
                    }
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                }
            }
        }
        Socket::Unix(listener) => {
            let listener = tokio::net::UnixListener::from_std(listener)?;
            while let Some(accepted) = until(&stop, listener.accept()).await {
                match accepted {
                    Ok((socket, _)) => door.admit(socket, "@".to_owned()).await,
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                }
            }
        }
    }
    // Only after closing the listener: a client whose connection ends cannot connect again.
    close.send_replace(true);
    places.all_free().await;
    Ok(())
}

/// The client's address for display; an IPv4 client is shown as such, on a dual-stack listener too.
fn shown(remote: SocketAddr) -> String {
    match remote.ip().to_canonical() {
        IpAddr::V4(four) => SocketAddr::from((four, remote.port())).to_string(),
        IpAddr::V6(_) => remote.to_string(),
    }
}

/// The result of `work`; None if it is stopped first.
async fn until<T>(stop: &Stop, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = stopped(stop.clone()) => None,
        done = work => Some(done),
    }
}

async fn stopped(mut stop: Stop) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// State shared by all connections of a listener.
struct Door {
    router: Router,
    tls: Option<Tls>,
    stop: Stop,
    places: Arc<Places>,
}

impl Door {
    /// Serves a connection once it has a place.
    async fn admit<S>(&self, socket: S, remote: String)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let since = Instant::now();
        let link = Link::new(remote, self.tls.is_some());
        let place = self.places.take(link.host()).await;
        let activity = place.activity();
        let router = self.router.clone();
        let talk = Talk { link, router, activity: activity.clone(), stop: self.stop.clone(), since };
        let tls = self.tls.as_ref().map(|tls| tls.borrow().clone());
        let socket = Tracked::new(socket, activity);
        tokio::spawn(place.hold(async move {
            match tls {
                None => talk.converse(socket).await,
                Some(tls) => talk.shake_hands(socket, tls).await,
            }
        }));
    }
}

/// State of one connection.
struct Talk {
    link: Link,
    router: Router,
    activity: Activity,
    stop: Stop,
    /// Time of its accept.
    since: Instant,
}

impl Talk {
    /// Does the TLS handshake, then serves the connection.
    async fn shake_hands<S>(mut self, socket: S, tls: ServerTls)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let secured = tokio::select! {
            secured = secure(socket, &tls, &self.link.remote) => secured,
            () = async { stopped(self.stop.clone()).await; sleep_until(self.since + FIRST_REQUEST).await } => return,
        };
        if let Some((socket, names)) = secured {
            self.link.caller = self.link.caller.with_names(names);
            self.converse(socket).await;
        }
    }

    /// Serves requests.
    async fn converse<S>(self, socket: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = self.router.layer(Extension(self.link));
        let (service, activity) = (TowerToHyperService::new(router), self.activity);
        let (asked, first) = (Arc::new(Notify::new()), self.since + FIRST_REQUEST);
        let asks = Arc::clone(&asked);
        let answering = service_fn(move |mut request: Request<Incoming>| {
            asks.notify_one();
            conceal(request.headers_mut());
            let answering = activity.answering();
            let answer = service.call(request.map(|body| Awaited::new(body, activity.clone())));
            async move {
                let answer = answer.await;
                drop(answering);
                answer
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .half_close(true)
            .header_read_timeout(HEAD_DEADLINE)
            .title_case_headers(true)
            .serve_connection(TokioIo::new(Worded::new(socket)), answering);
        tokio::pin!(connection);
        let result = tokio::select! {
            result = &mut connection => result,
            () = stopped(self.stop) => {
                tokio::select! {
                    result = &mut connection => result,
                    () = async { tokio::select! { () = asked.notified() => {}, () = sleep_until(first) => {} } } => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                }
            }
        };
        if let Err(error) = result {
            debug!(%error, "HTTP connection ended");
        }
    }
}

/// A request body that marks the answer as owed once it has arrived.
struct Awaited {
    body: Incoming,
    activity: Activity,
}

impl Awaited {
    fn new(body: Incoming, activity: Activity) -> Awaited {
        let awaited = Awaited { body, activity };
        awaited.look();
        awaited
    }

    fn look(&self) {
        if self.body.is_end_stream() {
            self.activity.begin_answer();
        }
    }
}

impl Body for Awaited {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match frame {
            None => self.activity.begin_answer(),
            Some(_) => self.look(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
