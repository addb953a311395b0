//! TLS of listeners and of connects, over real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use nuthatch_net as net;

use net::tls::{ClientAuth, MinVersion, client_config, server_config};
use net::{
    Address, App, ClientTls, ConnId, EventLoop, Fault, Handle, Input, Io, LayerFault, LayerInfo,
    ListenAddress, ListenOptions, ListenerId, Peer, Resolver, ServerTls, Shard, SocketOptions,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};

/// Timeout for events that must happen.
const SOON: Duration = Duration::from_secs(20);
/// The first connection of a shard.
const FIRST: ConnId = ConnId { index: 0, generation: 0 };
/// The answer to a client without TLS.
const PLAIN_ANSWER: &[u8] = b"-ERR this port speaks TLS\r\n";

// ---- certificates -----------------------------------------------------------------------------------------

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, PEM.
struct Identity(String, String);

impl Authority {
    fn new(name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, name: &str, until: i32) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        params.distinguished_name.push(DnType::CommonName, format!("{name} itself"));
        Identity(params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn issue(&self, name: &str) -> Identity {
        self.sign(name, 4000)
    }

    fn trusting(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        let identity = identity.map(|Identity(certificate, key)| (certificate.as_bytes(), key.as_bytes()));
        client_config(self.pem.as_bytes(), identity, MinVersion::Tls12).unwrap()
    }
}

fn serving(Identity(certificate, key): &Identity, clients: Option<&Authority>) -> Arc<ServerConfig> {
    let (policy, roots) = match clients {
        Some(authority) => (ClientAuth::RequireVerify, Some(authority.pem.as_bytes())),
        None => (ClientAuth::None, None),
    };
    server_config(certificate.as_bytes(), key.as_bytes(), roots, policy, MinVersion::Tls12).unwrap()
}

fn name(name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned()).unwrap()
}

// ---- the shard --------------------------------------------------------------------------------------------

/// Events the app has received.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Accepted,
    Connected,
    Layered(LayerInfo),
    Failed(Fault),
    Ended,
    Received(Vec<u8>),
}

type Change = Box<dyn FnOnce(&mut EventLoop) + Send>;

/// Echoes its input. Greets clients; `bye` makes the greeting the last words too.
struct Echo {
    told: mpsc::Sender<Told>,
    greeting: &'static [u8],
    bye: bool,
    /// Shard to which new clients are passed.
    other: Option<Handle<Change>>,
}

impl Echo {
    fn tell(&self, told: Told) {
        let _ = self.told.send(told);
    }
}

impl App<EventLoop> for Echo {
    type Mail = Change;

    fn accepted(&mut self, io: &mut EventLoop, _: u32, conn: ConnId, _: Peer) {
        self.tell(Told::Accepted);
        if let Some(other) = &self.other {
            let parcel = io.release(conn).expect("nothing of it is held");
            assert!(other.send(Box::new(move |io| assert!(io.adopt(parcel).is_some()))));
            return;
        }
        io.send(conn, self.greeting);
        if self.bye {
            io.finish(conn);
        }
    }

    fn connected(&mut self, _: &mut EventLoop, _: ConnId) {
        self.tell(Told::Connected);
    }

    fn layered(&mut self, _: &mut EventLoop, _: ConnId, info: LayerInfo) {
        self.tell(Told::Layered(info));
    }

    fn received(&mut self, io: &mut EventLoop, conn: ConnId, input: &mut Input<'_>) {
        self.tell(Told::Received(input.bytes().to_vec()));
        io.send(conn, input.bytes());
        input.consume(input.bytes().len());
    }

    fn ended(&mut self, io: &mut EventLoop, conn: ConnId) {
        self.tell(Told::Ended);
        io.finish(conn);
    }

    fn failed(&mut self, _: &mut EventLoop, _: ConnId, fault: Fault) {
        self.tell(Told::Failed(fault));
    }

    fn timer(&mut self, _: &mut EventLoop, _: u64) {}

    fn mail(&mut self, io: &mut EventLoop, change: Change) {
        change(io);
    }
}

struct Running {
    address: SocketAddr,
    listener: ListenerId,
    told: mpsc::Receiver<Told>,
    handle: Handle<Change>,
    thread: JoinHandle<()>,
}

impl Running {
    /// A shard whose listener has TLS if `tls` is given.
    fn start(tls: Option<Arc<ServerConfig>>) -> Running {
        Running::with(tls, b"", false, None)
    }

    fn greeting(tls: Option<Arc<ServerConfig>>, greeting: &'static [u8], bye: bool) -> Running {
        Running::with(tls, greeting, bye, None)
    }

    fn with(
        tls: Option<Arc<ServerConfig>>,
        greeting: &'static [u8],
        bye: bool,
        other: Option<Handle<Change>>,
    ) -> Running {
        let mut listeners = net::bind(&ListenAddress::Tcp("127.0.0.1".into(), 0), 64, 1, 0).unwrap();
        listeners[0].options.tls = tls.map(|config| ServerTls { config, plain_answer: PLAIN_ANSWER });
        let (address, listener) = (listeners[0].local_address().unwrap(), listeners[0].id());
        let shard = Shard::new(listeners, Resolver::start().unwrap()).unwrap();
        let handle = shard.handle();
        let (sender, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            shard.run(|_| Echo { told: sender, greeting, bye, other }).unwrap();
        });
        Running { address, listener, told, handle, thread }
    }

    /// Runs `change` in the shard and returns its result.
    fn ask<T: Send + 'static>(&self, change: impl FnOnce(&mut EventLoop) -> T + Send + 'static) -> T {
        let (sender, answer) = mpsc::channel();
        assert!(self.handle.send(Box::new(move |io| sender.send(change(io)).unwrap())));
        answer.recv_timeout(SOON).unwrap()
    }

    /// Connects to `to` under TLS and sends bytes at once.
    fn connect(&self, to: SocketAddr, config: Arc<ClientConfig>, server: &str, timeout: Duration) {
        let tls = Some(ClientTls { config, server_name: name(server) });
        let options = SocketOptions { connect_timeout: timeout, tls, ..SocketOptions::default() };
        self.ask(move |io| {
            let conn = io.connect(&Address::Tcp { host: to.ip().to_string(), port: to.port() }, &options);
            io.send(conn, b"AUTH secret\r\n");
        });
    }

    fn next(&self) -> Told {
        self.told.recv_timeout(SOON).unwrap()
    }

    fn layered(&self) -> LayerInfo {
        match self.next() {
            Told::Layered(info) => info,
            other => panic!("{other:?} instead of the end of a handshake"),
        }
    }

    fn stop(self) {
        self.handle.stop(Duration::from_secs(10));
        self.thread.join().unwrap();
    }
}

fn plain_client(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

type TlsClient = StreamOwned<ClientConnection, TcpStream>;

fn client(address: SocketAddr, config: Arc<ClientConfig>) -> TlsClient {
    let connection = ClientConnection::new(config, name("server.internal")).unwrap();
    StreamOwned::new(connection, plain_client(address))
}

fn echo(client: &mut (impl Read + Write), bytes: &[u8]) {
    client.write_all(bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    client.read_exact(&mut back).unwrap();
    assert!(back == bytes);
}

// ---- listeners --------------------------------------------------------------------------------------------

#[test]
fn a_listener_has_tls_from_the_first_byte() {
    let authority = Authority::new("authority");
    let running = Running::start(Some(serving(&authority.issue("server.internal"), None)));
    let mut first = client(running.address, authority.trusting(None));
    echo(&mut first, b"hello\n");
    assert_eq!(running.next(), Told::Accepted);
    let info = running.layered();
    assert_eq!((info.tls_version.as_str(), info.client_certificate, info.resumed), ("TLS1.3", false, false));
    assert_eq!(running.next(), Told::Received(b"hello\n".to_vec()));
    let content: Vec<u8> = (0..3_000_000u32).map(|i| (i >> 5) as u8).collect();
    let mut writer = client(running.address, authority.trusting(None));
    for piece in content.chunks(100_000) {
        echo(&mut writer, piece);
    }
    writer.conn.send_close_notify();
    assert_eq!(writer.read(&mut [0; 1]).unwrap(), 0, "an orderly end");
    running.stop();
}

/// The other shard does the handshake: a client that speaks first loses nothing.
#[test]
fn a_new_client_is_placed_on_another_shard_before_its_handshake() {
    let authority = Authority::new("authority");
    let serving_shard = Running::start(None);
    let config = serving(&authority.issue("server.internal"), None);
    let accepting = Running::with(Some(config), b"", false, Some(serving_shard.handle.clone()));
    for _ in 0..3 {
        let mut placed = client(accepting.address, authority.trusting(None));
        echo(&mut placed, b"hello\n");
        assert_eq!(accepting.next(), Told::Accepted);
        assert!(!serving_shard.layered().resumed);
        assert_eq!(serving_shard.next(), Told::Received(b"hello\n".to_vec()));
        let late = serving_shard.ask(|io| io.release(FIRST).is_none());
        assert!(late, "a connection with TLS under way stays");
        drop(placed);
        while !matches!(serving_shard.next(), Told::Ended | Told::Failed(_)) {}
    }
    assert_eq!(accepting.ask(|io| io.buffered()), 0, "nothing of them is left");
    let mut plain = plain_client(accepting.address);
    plain.write_all(b"PING\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert_eq!(answer, PLAIN_ANSWER);
    accepting.stop();
    serving_shard.stop();
}

#[test]
fn listeners_of_one_shard_differ() {
    let authority = Authority::new("authority");
    let running = Running::start(None);
    let mut plain = plain_client(running.address);
    echo(&mut plain, b"plain\n");
    let mut more = net::bind(&ListenAddress::Tcp("127.0.0.1".into(), 0), 64, 1, 1).unwrap();
    let config = serving(&authority.issue("server.internal"), None);
    more[0].options.tls = Some(ServerTls { config, plain_answer: b"" });
    let secure = more[0].local_address().unwrap();
    running.ask(move |io| io.listen(more.remove(0)).unwrap());
    echo(&mut client(secure, authority.trusting(None)), b"secret\n");
    echo(&mut plain, b"plain\n");
    running.stop();
}

#[test]
fn a_client_without_tls_is_answered_in_its_own_words() {
    let authority = Authority::new("authority");
    let running = Running::start(Some(serving(&authority.issue("server.internal"), None)));
    for request in [&b"P"[..], b"*1\r\n$4\r\nPING\r\n", &vec![b'x'; 100_000]] {
        let mut plain = plain_client(running.address);
        plain.write_all(request).unwrap();
        let mut answer = Vec::new();
        let _ = plain.read_to_end(&mut answer);
        assert_eq!(answer, PLAIN_ANSWER);
        assert_eq!(running.next(), Told::Accepted);
        assert_eq!(running.next(), Told::Failed(Fault::Layer(LayerFault::PlainText)));
    }
    running.stop();
}

#[test]
fn a_client_that_says_nothing_is_given_up() {
    let authority = Authority::new("authority");
    let running = Running::start(Some(serving(&authority.issue("server.internal"), None)));
    let mut silent = plain_client(running.address);
    assert_eq!(running.next(), Told::Accepted);
    assert_eq!(running.next(), Told::Failed(Fault::Layer(LayerFault::Timeout)));
    assert!(matches!(silent.read(&mut [0; 1]), Ok(0) | Err(_)));
    let leaving = plain_client(running.address);
    assert_eq!(running.next(), Told::Accepted);
    drop(leaving);
    assert_eq!(running.next(), Told::Failed(Fault::Layer(LayerFault::Closed)));
    running.stop();
}

#[test]
fn certificates_of_clients_are_verified_and_named() {
    let (authority, other) = (Authority::new("authority"), Authority::new("other"));
    let config = serving(&authority.issue("server.internal"), Some(&authority));
    let running = Running::start(Some(config));
    let identity = authority.issue("app-1");
    let mut known = client(running.address, authority.trusting(Some(&identity)));
    echo(&mut known, b"x");
    assert_eq!(running.next(), Told::Accepted);
    let info = running.layered();
    assert_eq!((info.names, info.client_certificate), (vec!["app-1 itself".into(), "app-1".into()], true));
    assert_eq!(running.next(), Told::Received(b"x".to_vec()));
    for (identity, fault) in [
        (None, LayerFault::NoCertificate),
        (Some(other.issue("app-1")), LayerFault::UnknownAuthority),
        (Some(authority.sign("app-1", 2001)), LayerFault::Expired),
    ] {
        let mut refused = client(running.address, authority.trusting(identity.as_ref()));
        let result = refused.write_all(b"x").and_then(|()| refused.read(&mut [0; 1]));
        assert!(!matches!(result, Ok(1)), "{fault:?}");
        assert_eq!(running.next(), Told::Accepted);
        assert_eq!(running.next(), Told::Failed(Fault::Layer(fault)));
    }
    running.stop();
}

/// Output of the app, even the last, waits for the handshake; it counts as held until it leaves.
#[test]
fn what_is_sent_before_the_handshake_waits_for_it() {
    let authority = Authority::new("authority");
    for bye in [false, true] {
        let config = serving(&authority.issue("server.internal"), None);
        let running = Running::greeting(Some(config), vec![b'w'; 50_000].leak(), bye);
        let mut socket = plain_client(running.address);
        assert_eq!(running.next(), Told::Accepted);
        assert!(running.ask(|io| io.buffered()) >= 50_000);
        if !bye {
            assert_eq!(running.ask(|io| io.unsent(FIRST)), 50_000);
            assert_eq!(running.ask(|io| io.send_now(FIRST, b"at once")), 50_007);
        }
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(socket.read(&mut [0; 1]).is_err(), "nothing in clear");
        socket.set_read_timeout(Some(SOON)).unwrap();
        let connection = ClientConnection::new(authority.trusting(None), name("server.internal")).unwrap();
        let mut client = StreamOwned::new(connection, socket);
        let mut greeting = vec![0; 50_000];
        client.read_exact(&mut greeting).unwrap();
        assert!(greeting == vec![b'w'; 50_000]);
        if bye {
            assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "an orderly end");
        } else {
            let mut more = [0; 7];
            client.read_exact(&mut more).unwrap();
            assert_eq!(&more, b"at once");
            running.ask(|io| io.send_now(FIRST, b"and yet"));
            client.read_exact(&mut more).unwrap();
            assert_eq!(&more, b"and yet");
            echo(&mut client, b"x");
            assert_eq!(running.ask(|io| io.unsent(FIRST)), 0);
        }
        running.stop();
    }
}

#[test]
fn a_certificate_is_replaced_for_clients_that_come_later() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let running = Running::start(Some(serving(&old.issue("server.internal"), None)));
    let mut first = client(running.address, old.trusting(None));
    echo(&mut first, b"x");
    let config = serving(&new.issue("server.internal"), None);
    let listener = running.listener;
    running.ask(move |io| {
        let tls = Some(ServerTls { config, plain_answer: b"" });
        io.set_listener(listener, ListenOptions { tls, ..ListenOptions::default() });
    });
    echo(&mut client(running.address, new.trusting(None)), b"y");
    echo(&mut first, b"z");
    running.stop();
}

// ---- connects ---------------------------------------------------------------------------------------------

#[test]
fn a_connect_is_done_when_the_server_has_proved_its_name() {
    let authority = Authority::new("authority");
    let identity = authority.issue("app-1");
    let server = Running::start(Some(serving(&authority.issue("server.internal"), Some(&authority))));
    let running = Running::start(None);
    running.connect(server.address, authority.trusting(Some(&identity)), "server.internal", SOON);
    assert_eq!(running.layered().names, ["server.internal itself", "server.internal"]);
    assert_eq!(running.next(), Told::Connected);
    assert_eq!(running.next(), Told::Received(b"AUTH secret\r\n".to_vec()), "echoed");
    running.stop();
    server.stop();
}

#[test]
fn servers_that_cannot_be_trusted_get_nothing() {
    let (authority, other) = (Authority::new("authority"), Authority::new("other"));
    let running = Running::start(None);
    for (identity, fault) in [
        (authority.issue("else.internal"), LayerFault::WrongName),
        (other.issue("server.internal"), LayerFault::UnknownAuthority),
        (authority.sign("server.internal", 2001), LayerFault::Expired),
    ] {
        let server = Running::start(Some(serving(&identity, None)));
        running.connect(server.address, authority.trusting(None), "server.internal", SOON);
        assert_eq!(running.next(), Told::Failed(Fault::Layer(fault)));
        assert_eq!(server.next(), Told::Accepted);
        let Told::Failed(Fault::Layer(LayerFault::Alert(_))) = server.next() else { panic!("no alert") };
        server.stop();
    }
    running.stop();
}

#[test]
fn a_server_without_tls_never_sees_what_was_meant_for_it() {
    let authority = Authority::new("authority");
    let running = Running::start(None);
    let soon = Duration::from_millis(500);
    for (answer, closes, timeout, fault) in [
        (&b"-ERR unknown command\r\n"[..], false, SOON, LayerFault::PlainText),
        (b"", true, SOON, LayerFault::Closed),
        (b"", false, soon, LayerFault::Timeout),
    ] {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        running.connect(server.local_addr().unwrap(), authority.trusting(None), "server.internal", timeout);
        let (mut socket, _) = server.accept().unwrap();
        let mut hello = [0; 4096];
        let n = socket.read(&mut hello).unwrap();
        assert_eq!(hello[0], 22, "a handshake");
        assert!(!hello[..n].windows(4).any(|bytes| bytes == b"AUTH"));
        socket.write_all(answer).unwrap();
        if closes {
            socket.shutdown(std::net::Shutdown::Write).unwrap();
        }
        assert_eq!(running.next(), Told::Failed(Fault::Layer(fault)));
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest);
        assert!(!rest.windows(4).any(|bytes| bytes == b"AUTH"), "{}", rest.escape_ascii());
    }
    running.stop();
}

/// A rustls server, with our client, which is rejected only after the handshake is done on our side.
#[test]
fn a_server_that_wants_a_certificate_says_so() {
    let authority = Authority::new("authority");
    let config = serving(&authority.issue("server.internal"), Some(&authority));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
        let _ = stream.read(&mut [0; 100]);
    });
    let running = Running::start(None);
    running.connect(address, authority.trusting(None), "server.internal", SOON);
    running.layered();
    assert_eq!(running.next(), Told::Connected);
    let Told::Failed(Fault::Layer(fault)) = running.next() else { panic!("not refused") };
    assert_eq!(fault, LayerFault::Alert(116));
    assert!(fault.to_string().ends_with("(alert 116, certificate_required: it wants a certificate of ours)"));
    running.stop();
    server.join().unwrap();
}
