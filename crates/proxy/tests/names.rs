//! A server configured by name whose address changes: over real sockets, with a fake resolver.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use access::Book;
use net::{EventLoop, ListenAddress, Resolver, Shard};
use nuthatch_proxy::{Budget, Generation, Notice, Proxy, Settings, Setup};

const POOL: &str =
    "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"cache.test:6379:1 c\"]\ntimeout = \"20s\"\n";

/// A server that answers every GET with its own name and can close its connections.
struct Server {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

fn server(name: &'static str) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::<Mutex<Vec<TcpStream>>>::default();
    let kept = Arc::clone(&connections);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            kept.lock().unwrap().push(stream.try_clone().unwrap());
            std::thread::spawn(move || {
                // `*2 $3 GET $1 k`: five lines.
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                while lines.nth(4).is_some() {
                    write!(&stream, "${}\r\n{name}\r\n", name.len()).unwrap();
                }
            });
        }
    });
    Server { address, connections }
}

impl Server {
    /// Closes its connections, as a restarted server does.
    fn hang_up(&self) {
        for stream in self.connections.lock().unwrap().drain(..) {
            stream.shutdown(std::net::Shutdown::Both).unwrap();
        }
    }
}

struct Client(TcpStream);

impl Client {
    fn get(&mut self) -> String {
        self.0.write_all(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n").unwrap();
        let (mut line, mut byte) = (String::new(), [0]);
        let mut read_line = || {
            line.clear();
            while !line.ends_with("\r\n") {
                self.0.read_exact(&mut byte).unwrap();
                line.push(char::from(byte[0]));
            }
            line.trim_end().to_owned()
        };
        let first = read_line();
        if first.starts_with('$') { read_line() } else { first }
    }

    /// Repeats the GET until the answer is `wanted`: a closed connection is noticed a moment later, and the
    /// next attempt to connect may have to back off.
    fn get_until(&mut self, wanted: &str, allowed: &[&str]) {
        loop {
            let got = self.get();
            if got == wanted {
                return;
            }
            assert!(allowed.contains(&got.as_str()), "{got}");
        }
    }
}

#[test]
fn a_name_that_changes_its_address() {
    let (one, other) = (server("one"), server("other"));
    let addresses = Arc::new(Mutex::new(vec![one.address]));
    let set = |to: &[SocketAddr]| *addresses.lock().unwrap() = to.to_vec();
    let known = Arc::clone(&addresses);
    let resolver = Resolver::with(move |_, _| known.lock().unwrap().clone()).unwrap();
    let listeners = net::bind(&ListenAddress::Tcp("127.0.0.1".into(), 0), 64, 1, 0).unwrap();
    let address = listeners[0].local_address().unwrap();
    let shard = Shard::new(listeners, resolver).unwrap();
    let handle = shard.handle();
    let (notify, notices) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        shard.run(|io: &mut EventLoop| Proxy::new(setup(notify), io)).unwrap();
    });
    let mut client = Client(TcpStream::connect(address).unwrap());
    client.0.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(client.get(), "one");

    // The open connection is kept; the next one goes to the new address.
    set(&[other.address]);
    assert_eq!(client.get(), "one");
    one.hang_up();
    client.get_until("other", &["one", "-ERR unknown"]);

    // A name that no longer resolves closes no open connection.
    set(&[]);
    (0..10).for_each(|_| assert_eq!(client.get(), "other"));
    let quiet: Vec<Notice> = notices.try_iter().collect();
    assert!(quiet.iter().all(|n| !format!("{n:?}").contains("resolve")), "{quiet:?}");

    // Without a connection it matters, and is reported once, however many attempts fail.
    other.hang_up();
    client.get_until("-ERR Host is down", &["other", "-ERR unknown"]);
    (0..200).for_each(|_| assert_eq!(client.get(), "-ERR Host is down"));
    set(&[one.address]);
    client.get_until("one", &["-ERR Host is down"]);
    let said: Vec<Notice> = notices.try_iter().collect();
    let failed = |n: &&Notice| matches!(n, Notice::ServerFailed { .. });
    let works = |n: &&Notice| matches!(n, Notice::ServerWorks { .. });
    assert_eq!((said.iter().filter(failed).count(), said.iter().filter(works).count()), (1, 1), "{said:?}");
    let Some(Notice::ServerFailed { reason, server, .. }) = said.iter().find(failed) else { panic!() };
    assert!(
        ["its name cannot be resolved", "the server closed the connection"].contains(&reason.as_str()),
        "{reason}"
    );
    assert_eq!(server, "c");

    drop(client);
    handle.stop(Duration::from_secs(10));
    thread.join().unwrap();
}

fn setup(notify: mpsc::Sender<Notice>) -> Setup {
    let config = config::native::check(POOL, 1).config.expect("valid");
    Setup {
        generation: Arc::new(Generation::first(1, Settings::of(&config, Book::default()))),
        budget: Arc::new(Budget::new(64 << 20, 1)),
        stats: Arc::default(),
        seed: 1,
        notify: Box::new(move |notice| {
            let _ = notify.send(notice);
        }),
        shard: 0,
        loads: Arc::new([AtomicU32::new(0)]),
        post: Box::new(|_, _| {}),
        client_numbers: Arc::new(AtomicU64::new(1)),
        doubt: Box::new(drop),
        verify: Box::new(|_| false),
    }
}
