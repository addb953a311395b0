//! The client's peers: the binary as nsqd in a directory of its own, with its topics or with an engine for
//! them, and an authorization server.
//!
//! Ports are the system's choice; the daemon is ready when it accepts connections.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_nsq::{
    NSQChannel, NSQConfigShared, NSQConsumer, NSQConsumerConfig, NSQConsumerConfigSources,
    NSQConsumerLookupConfig, NSQProducer, NSQProducerConfig, NSQTopic,
};

use crate::PATIENCE;

/// The binary under test.
fn binary() -> PathBuf {
    std::env::var_os("NUTHATCH_BIN").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/release/nuthatch"),
        PathBuf::from,
    )
}

/// The program of the engine.
fn nats_server() -> String {
    std::env::var("NATS_SERVER").unwrap_or_else(|_| "nats-server".to_owned())
}

/// True if topics can be put on an engine here.
pub fn has_engine() -> bool {
    Command::new(nats_server()).arg("--version").stdout(Stdio::null()).status().is_ok_and(|it| it.success())
}

/// From when ports are chosen until the program has them nobody else here looks for some.
static STARTING: Mutex<()> = Mutex::new(());

/// Addresses on ports that are free now.
fn free_addresses<const N: usize>() -> [String; N] {
    let listeners: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a port"));
    listeners.map(|one| one.local_addr().expect("an address").to_string())
}

/// True once `address` accepts; false if the program ends first, as it does if somebody took one of its ports
/// meanwhile.
fn listens(child: &mut Child, address: &str) -> bool {
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        if child.try_wait().expect("a status").is_some() {
            return false;
        }
        assert!(Instant::now() < end, "the program does not listen at {address}");
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// The binary as nsqlookupd; killed when dropped.
pub struct Lookup {
    child: Child,
    tcp: String,
    http: String,
}

impl Lookup {
    /// Starts it; again with other ports when it ends at once.
    pub fn start() -> Lookup {
        (0..5).find_map(|_| Lookup::start_once()).expect("the lookup starts")
    }

    fn start_once() -> Option<Lookup> {
        let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let [tcp, http] = free_addresses();
        let mut command = Command::new(binary());
        command.args(["nsqlookupd", &format!("--tcp-address={tcp}"), &format!("--http-address={http}")]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|fault| panic!("{}: {fault}", binary().display()));
        let mut lookup = Lookup { child, tcp, http };
        listens(&mut lookup.child, &lookup.http).then_some(lookup)
    }

    /// Starts a daemon that registers here.
    pub fn daemon(&self) -> Daemon {
        Daemon::start(&["--broadcast-address=127.0.0.1", &format!("--lookupd-tcp-address={}", self.tcp)])
    }

    /// A consumer that knows this lookup only, and asks it often.
    pub fn consumer(&self, topic: &Arc<NSQTopic>) -> NSQConsumer {
        let lookups = NSQConsumerLookupConfig::new()
            .set_poll_interval(Duration::from_millis(100))
            .set_addresses([format!("http://{}", self.http)].into());
        NSQConsumerConfig::new(topic.clone(), NSQChannel::new("channel").expect("a name"))
            .set_max_in_flight(4)
            .set_sources(NSQConsumerConfigSources::Lookup(lookups))
            .build()
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary as nsqd, in a directory of its own; killed when dropped.
pub struct Daemon {
    child: Child,
    /// The engine of its topics, if they are on one.
    engine: Option<Child>,
    address: String,
    _directory: tempfile::TempDir,
}

impl Daemon {
    /// Starts it; again with other ports when it ends at once, as it does if somebody took one of them
    /// meanwhile.
    pub fn start(options: &[&str]) -> Daemon {
        (0..5).find_map(|_| Daemon::start_once(options, false)).expect("the daemon starts")
    }

    /// Starts it with a certificate.
    pub fn start_certified() -> Daemon {
        (0..5).find_map(|_| Daemon::start_once(&[], true)).expect("the daemon starts")
    }

    fn start_once(options: &[&str], has_tls: bool) -> Option<Daemon> {
        let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = tempfile::tempdir().expect("a directory");
        let [tcp, http, https] = free_addresses();
        let mut command = Command::new(binary());
        command.args(["nsqd", &format!("--tcp-address={tcp}"), &format!("--http-address={http}")]);
        command.arg(format!("--https-address={https}"));
        command.arg(format!("--data-path={}", directory.path().display()));
        command.args(options);
        if has_tls {
            certify(directory.path());
            command.args(["--tls-cert=cert.pem", "--tls-key=key.pem"]);
        }
        command.current_dir(directory.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|fault| panic!("{}: {fault}", binary().display()));
        let mut daemon = Daemon { child, engine: None, address: tcp, _directory: directory };
        listens(&mut daemon.child, &daemon.address).then_some(daemon)
    }

    /// Starts it with its topics on an engine: a nats-server of its own. `NATS_SERVER` names the program.
    pub fn start_on_engine() -> Daemon {
        (0..5).find_map(|_| Daemon::start_on_engine_once()).expect("the daemon and its engine start")
    }

    fn start_on_engine_once() -> Option<Daemon> {
        let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = tempfile::tempdir().expect("a directory");
        let [tcp, http, nats] = free_addresses();
        let mut engine = Command::new(nats_server());
        engine.args(["-js", "-a", "127.0.0.1", "-p", nats.rsplit(':').next().expect("a port")]);
        engine.arg("-sd").arg(directory.path().join("nats")).stdout(Stdio::null()).stderr(Stdio::null());
        let engine = engine.spawn().expect("nats-server starts");
        let data = directory.path().display();
        let configuration = format!(
            "[queue]\ntcp = \"{tcp}\"\nhttp = \"{http}\"\ndata_path = \"{data}\"\nstorage = \"engine\"\n\
             [engine]\nservers = [\"{nats}\"]\nreplicas = 1\n"
        );
        let file = directory.path().join("nuthatch.toml");
        std::fs::write(&file, configuration).expect("a configuration");
        let mut command = Command::new(binary());
        command.arg("run").arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|fault| panic!("{}: {fault}", binary().display()));
        let mut daemon = Daemon { child, engine: Some(engine), address: tcp, _directory: directory };
        let up = daemon.engine.as_mut().is_some_and(|engine| listens(engine, &nats));
        (up && listens(&mut daemon.child, &daemon.address)).then_some(daemon)
    }

    pub fn producer(&self, shared: &NSQConfigShared) -> NSQProducer {
        NSQProducerConfig::new(&self.address).set_shared(shared.clone()).build()
    }

    pub fn consumer(&self, topic: &Arc<NSQTopic>, shared: &NSQConfigShared) -> NSQConsumer {
        NSQConsumerConfig::new(topic.clone(), NSQChannel::new("channel").expect("a name"))
            .set_max_in_flight(1)
            .set_sources(NSQConsumerConfigSources::Daemons(vec![self.address.clone()]))
            .set_shared(shared.clone())
            .build()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        for child in [Some(&mut self.child), self.engine.as_mut()].into_iter().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Makes `cert.pem` and `key.pem`.
fn certify(directory: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(directory)
        .stderr(Stdio::null())
        .status();
    assert!(made.is_ok_and(|status| status.success()), "openssl makes no certificate");
}

/// An authorization server that lets in who knows the secret, to everything.
pub struct Authority {
    /// Where it listens.
    pub address: String,
    refused: Receiver<String>,
}

impl Authority {
    /// Starts it; it answers until the test's process ends.
    pub fn start(secret: &'static str) -> Authority {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (tell, refused) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(guess) = answer(stream, secret) {
                    let _ = tell.send(guess);
                }
            }
        });
        Authority { address, refused }
    }

    /// Waits until somebody was refused; what that one took for the secret.
    pub fn refused(&self) -> Option<String> {
        self.refused.recv_timeout(PATIENCE).ok()
    }
}

/// Answers one question, and says which secret was wrong.
fn answer(mut stream: TcpStream, secret: &str) -> Option<String> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let request = lines.next()?.ok()?;
    while !lines.next()?.ok()?.is_empty() {}
    let query = request.split([' ', '?']).nth(2)?.to_owned();
    let guess = query.split('&').find_map(|pair| pair.strip_prefix("secret="))?;
    let guess = guess.replace('+', " ").replace("%20", " ");
    let is_right = guess == secret;
    let (status, body) = if is_right {
        let grant = r#"{"topic":".*","channels":[".*"],"permissions":["subscribe","publish"]}"#;
        ("200 OK", format!(r#"{{"ttl":3600,"identity":"tester","authorizations":[{grant}]}}"#))
    } else {
        ("403 Forbidden", r#"{"message":"NOT_AUTHORIZED"}"#.to_owned())
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .ok()?;
    (!is_right).then_some(guess)
}
