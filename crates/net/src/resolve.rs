//! Name resolution off the shard threads: getaddrinfo can take seconds.
//!
//! One resolver thread serves all shards of the process. Nothing is cached: each connect resolves the name
//! again, so that a changed address is used from the next connection on. The system's resolver has its own
//! caches, and servers that cannot be reached are not tried more often than their backoff allows.
//!
//! Requests gather during a lookup. Those for the same name share one lookup, so that a hanging resolver is
//! not queried again for each connect attempted meanwhile.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;

type Answer = Box<dyn FnOnce(Vec<SocketAddr>) + Send>;

struct Request {
    host: String,
    port: u16,
    answer: Answer,
}

/// A handle to the resolver thread.
#[derive(Clone)]
pub struct Resolver {
    requests: mpsc::Sender<Request>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

impl Resolver {
    /// Starts the thread; it ends when the last handle is dropped.
    pub fn start() -> std::io::Result<Resolver> {
        Resolver::with(|host, port| (host, port).to_socket_addrs().map(Iterator::collect).unwrap_or_default())
    }

    /// A resolver with another function from name and port to addresses, in order of preference, than the
    /// system's. None means an unknown name.
    pub fn with(
        mut lookup: impl FnMut(&str, u16) -> Vec<SocketAddr> + Send + 'static,
    ) -> std::io::Result<Resolver> {
        let (requests, inbox) = mpsc::channel::<Request>();
        std::thread::Builder::new().name("resolver".into()).spawn(move || {
            while let Ok(first) = inbox.recv() {
                let mut asked = vec![first];
                while let Some(Request { host, port, .. }) = asked.first() {
                    let (host, port) = (host.clone(), *port);
                    let found = lookup(&host, port);
                    asked.extend(inbox.try_iter());
                    let same = |r: &mut Request| r.host == host && r.port == port;
                    asked.extract_if(.., same).for_each(|r| (r.answer)(found.clone()));
                }
            }
        })?;
        Ok(Resolver { requests })
    }

    /// Calls `answer` with all addresses of `host`, in the system's order of preference; none on failure.
    pub(crate) fn ask(&self, host: String, port: u16, answer: Answer) {
        // The thread lives as long as this handle does.
        let _ = self.requests.send(Request { host, port, answer });
    }
}

/// The address if `host` is a literal, which needs no resolver.
pub(crate) fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_gather_get_one_lookup_for_each_name() {
        let (begun, begins) = mpsc::channel();
        let (go_on, gate) = mpsc::channel::<()>();
        let resolver = Resolver::with(move |host, port| {
            begun.send(host.to_owned()).unwrap();
            gate.recv().unwrap();
            if host == "none" { vec![] } else { vec![SocketAddr::from(([127, 0, 0, 1], port))] }
        })
        .unwrap();
        let (told, answers) = mpsc::channel();
        let ask = |host: &str, port| {
            let (told, name) = (told.clone(), format!("{host}:{port}"));
            resolver.ask(
                host.into(),
                port,
                Box::new(move |found| told.send((name, found.first().map(SocketAddr::port))).unwrap()),
            );
        };
        ask("a", 1);
        assert_eq!(begins.recv().unwrap(), "a");
        // The first lookup hangs.
        for (host, port) in [("b", 1), ("a", 1), ("b", 2), ("none", 1), ("a", 1), ("b", 1)] {
            ask(host, port);
        }
        (0..4).for_each(|_| go_on.send(()).unwrap());
        let mut found: Vec<_> = (0..7).map(|_| answers.recv().unwrap()).collect();
        found.sort();
        let wanted = [("a:1", 1), ("a:1", 1), ("a:1", 1), ("b:1", 1), ("b:1", 1), ("b:2", 2), ("none:1", 0)];
        let wanted = wanted.map(|(name, port)| (name.to_owned(), (port > 0).then_some(port)));
        assert_eq!(found, wanted);
        assert_eq!(begins.try_iter().collect::<Vec<_>>(), ["b", "b", "none"]);
    }
}
