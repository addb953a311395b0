//! A service with a gate: `/wait` is answered when the test lets it through, so that nothing depends on time.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use ::http::{Listener, Socket, serve_at_most};
use axum::Router;
use axum::body::Body;
use axum::http::Uri;
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, watch};

/// Bytes that do not fit in the buffers of a socket.
pub(super) const LARGE: usize = 8 << 20;
const PATIENCE: Duration = Duration::from_mins(1);

/// The running service.
pub(super) struct Gate {
    pub(super) address: SocketAddr,
    pub(super) stop: watch::Sender<bool>,
    pub(super) serving: JoinHandle<()>,
    arrivals: mpsc::Receiver<()>,
    pub(super) open: Arc<Semaphore>,
}

impl Gate {
    /// Starts the service with at most this many connections.
    pub(super) fn start(connections_max: usize) -> Gate {
        let socket = Socket::Tcp(TcpListener::bind("127.0.0.1:0").unwrap());
        let listener = Listener::new(socket, None).unwrap();
        let address = listener.local_address().unwrap();
        let (stop, stopping) = watch::channel(false);
        let (arrived, arrivals) = mpsc::channel();
        let open = Arc::new(Semaphore::new(0));
        let gate = Arc::clone(&open);
        let serving = std::thread::spawn(move || {
            let router = Router::new().fallback(move |uri: Uri, body: Body| {
                let (arrived, gate) = (arrived.clone(), Arc::clone(&gate));
                async move {
                    match uri.path() {
                        "/wait" => {
                            arrived.send(()).unwrap();
                            gate.acquire().await.unwrap().forget();
                            "waited".to_owned()
                        }
                        "/large" => "x".repeat(LARGE),
                        "/body" => body
                            .collect()
                            .await
                            .map(|all| all.to_bytes().len().to_string())
                            .unwrap_or_default(),
                        _ => String::new(),
                    }
                }
            });
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve_at_most(connections_max, listener, router, stopping)).unwrap();
        });
        Gate { address, stop, serving, arrivals, open }
    }

    /// A connection on which `target` was requested.
    pub(super) fn ask(&self, target: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        stream
    }

    /// A connection whose request waits at the gate.
    pub(super) fn wait(&self) -> TcpStream {
        let stream = self.ask("/wait");
        self.arrivals.recv_timeout(PATIENCE).unwrap();
        stream
    }

    /// Lets one request through.
    pub(super) fn let_through(&self) {
        self.open.add_permits(1);
    }
}
