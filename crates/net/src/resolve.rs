//! Names to addresses, off the shard threads: getaddrinfo can take seconds.
//!
//! One resolver thread serves all shards of the process. Each shard remembers an answer for [`FRESH_FOR`].

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

/// How long an answer is used before the name is asked for again.
pub(crate) const FRESH_FOR: Duration = Duration::from_secs(15);

type Answer = Box<dyn FnOnce(Vec<SocketAddr>) + Send>;

/// A handle to the resolver thread.
#[derive(Clone)]
pub struct Resolver {
    questions: mpsc::Sender<(String, u16, Answer)>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

impl Resolver {
    /// Starts the thread; it ends when the last handle is dropped.
    pub fn start() -> std::io::Result<Resolver> {
        let (questions, inbox) = mpsc::channel::<(String, u16, Answer)>();
        std::thread::Builder::new().name("resolver".into()).spawn(move || {
            while let Ok((host, port, answer)) = inbox.recv() {
                answer((host.as_str(), port).to_socket_addrs().map(Iterator::collect).unwrap_or_default());
            }
        })?;
        Ok(Resolver { questions })
    }

    /// Calls `answer` with all addresses of `host`, in the system's order of preference; none means a failure.
    pub(crate) fn ask(&self, host: String, port: u16, answer: Answer) {
        // The thread lives as long as this handle does.
        let _ = self.questions.send((host, port, answer));
    }
}

/// A literal IPv4 or IPv6 address needs no resolver.
pub(crate) fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port))
}
