//! A queue with its HTTP API, for tests: real files or files in memory, real sockets, on ports chosen by the
//! system.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use ::http::{Listener, LoginDesk, Socket, router, serve};
use config::checked::LogLevel;
use config::nsqd::{check, from_arguments};
use journal::{Files, MemFiles};
use net::{EventLoop, Handle, ListenAddress, Resolver, Shard, WallTime};
use tokio::sync::watch;

use crate::disk::DiskThreads;
use crate::http::{About, Adjustable, Api, SendRequest};
use crate::outside::Nobody;
use crate::{Clock, Mail, Queue, QueueOptions, Settings};

/// A daemon. Dropping it stops everything.
pub(super) struct Daemon {
    pub(super) tcp: SocketAddr,
    pub(super) http: SocketAddr,
    pub(super) https: Option<SocketAddr>,
    pub(super) files: MemFiles,
    handle: Handle<Mail>,
    stop: Option<watch::Sender<bool>>,
    threads: Vec<JoinHandle<()>>,
}

/// An answer: status, headers as sent, body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub(super) struct Knobs(Mutex<(Vec<String>, LogLevel)>);

impl Default for Knobs {
    fn default() -> Knobs {
        Knobs(Mutex::new((Vec::new(), LogLevel::Info)))
    }
}

impl Adjustable for Knobs {
    fn lookup_addresses(&self) -> Vec<String> {
        self.0.lock().unwrap().0.clone()
    }
    fn set_lookup_addresses(&self, addresses: Vec<String>) {
        self.0.lock().unwrap().0 = addresses;
    }
    fn log_level(&self) -> LogLevel {
        self.0.lock().unwrap().1
    }
    fn set_log_level(&self, level: LogLevel) {
        self.0.lock().unwrap().1 = level;
    }
}

/// The settings made by these flags.
pub(super) fn settings(flags: &[&str]) -> Settings {
    let mut all = vec!["--broadcast-address=127.0.0.1".to_owned()];
    all.extend(flags.iter().map(|flag| (*flag).to_owned()));
    check(&from_arguments(&all).unwrap()).unwrap().queue
}

fn options(settings: &Settings) -> QueueOptions {
    QueueOptions::from(Settings { data_path: "/data".into(), max_deferred: 3, ..settings.clone() })
}

impl Daemon {
    /// Starts a daemon; with `tls` also on an HTTPS port.
    pub(super) fn start(settings: Settings, tls: Option<Arc<rustls::ServerConfig>>) -> Daemon {
        Daemon::start_with(settings, tls, None)
    }

    /// Works like [`Daemon::start`], with a desk at which HTTP clients log in.
    pub(super) fn start_with(
        settings: Settings,
        tls: Option<Arc<rustls::ServerConfig>>,
        desk: Option<Arc<LoginDesk>>,
    ) -> Daemon {
        let any = ListenAddress::Tcp("127.0.0.1".into(), 0);
        let listeners = net::bind(&any, 128, 1, 0).unwrap();
        let tcp = listeners[0].local_address().unwrap();
        let shard: Shard<Mail> = Shard::new(listeners, Resolver::start().unwrap()).unwrap();
        let handle = shard.handle();
        let report = handle.clone();
        let disk = DiskThreads::start(move |done| {
            report.send(Mail::Done(done));
        })
        .unwrap();
        let files = MemFiles::new(1);
        let shared: Arc<dyn Files> = Arc::new(files.clone());
        let clock = Clock { now: net::monotonic_now(), wall: WallTime(1_700_000_000_000_000_000) };
        let queue = Queue::open(options(&settings), shared, Box::new(disk), Box::new(Nobody), clock).unwrap();
        let shard = std::thread::spawn(move || {
            let start = move |io: &mut EventLoop| {
                let mut queue = queue;
                queue.start(io);
                queue
            };
            shard.run(start).unwrap();
        });
        let bind = |tls| Listener::new(Socket::Tcp(TcpListener::bind("127.0.0.1:0").unwrap()), tls).unwrap();
        let plain = bind(None);
        let secure = tls.map(|tls| bind(Some(tls)));
        let http = plain.local_address().unwrap();
        let https = secure.as_ref().and_then(Listener::local_address);
        let about = About {
            hostname: "host".into(),
            tcp_port: tcp.port().into(),
            http_port: http.port().into(),
            https_port: https.map_or(-1, |address| address.port().into()),
            started: 1_700_000_000,
        };
        let knobs = Arc::new(Knobs::default());
        let api = Api::new(about, Arc::new(settings), ask(&handle), knobs);
        let api = Arc::new(match desk {
            Some(desk) => api.with_logins(desk),
            None => api,
        });
        let (stop, stopping) = watch::channel(false);
        let listeners: Vec<Listener> = std::iter::once(plain).chain(secure).collect();
        let control = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut served = tokio::task::JoinSet::new();
                for listener in listeners {
                    served.spawn(serve(listener, router(Arc::clone(&api)), stopping.clone()));
                }
                served.join_all().await;
            });
        });
        Daemon { tcp, http, https, files, handle, stop: Some(stop), threads: vec![control, shard] }
    }

    /// Sender of requests to the queue.
    pub(super) fn ask(&self) -> SendRequest {
        ask(&self.handle)
    }

    /// Sends one request on its own connection.
    pub(super) fn request(&self, method: &str, target: &str, body: &[u8]) -> Got {
        let mut stream = TcpStream::connect(self.http).unwrap();
        converse(&mut stream, method, target, "", body)
    }
}

fn ask(handle: &Handle<Mail>) -> SendRequest {
    let handle = handle.clone();
    Box::new(move |ask, reply| handle.request(Mail::Request(ask, reply)))
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.handle.stop(Duration::from_secs(5));
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "a thread of the daemon panicked");
        }
    }
}

/// Sends a request and reads its answer until the end of the connection. `headers` end in CR LF each.
pub(super) fn converse(
    stream: &mut (impl Read + Write),
    method: &str,
    target: &str,
    headers: &str,
    body: &[u8],
) -> Got {
    let length = match body {
        b"" if !matches!(method, "POST" | "PUT") => String::new(),
        body => format!("Content-Length: {}\r\n", body.len()),
    };
    let head = format!("{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{headers}{length}\r\n");
    let mut request = head.into_bytes();
    request.extend_from_slice(body);
    stream.write_all(&request).unwrap();
    read_answer(stream)
}

/// Reads an answer until the end of the connection.
pub(super) fn read_answer(stream: &mut impl Read) -> Got {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    parse_answer(&answer)
}

/// Reads one answer, until it is complete; the connection may stay open.
pub(super) fn read_one_answer(stream: &mut impl Read) -> Got {
    let mut answer = Vec::new();
    let mut byte = [0];
    loop {
        stream.read_exact(&mut byte).expect("an answer");
        answer.push(byte[0]);
        if answer.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    let length = parse_answer(&answer).header("Content-Length").map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("its body");
    answer.extend(body);
    parse_answer(&answer)
}

fn parse_answer(answer: &[u8]) -> Got {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer with a head");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Got { status, headers, body: answer[end + 4..].to_vec() }
}
