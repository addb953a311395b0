//! The event loop over real sockets: what the app and its peers observe.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use nuthatch_net as net;

use net::{
    Address, App, ClientPlaces, ConnId, EventLoop, Fault, Handle, Input, Io, ListenAddress, Peer, Resolver,
    Shard, SocketOptions,
};

/// Events the app received.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Connected,
    Failed(Fault),
    Ended,
    Timer(u64),
    Received(usize),
    Stopping,
}

/// Messages of a test to the app.
enum Order {
    Connect(Address),
    /// Sets these timers in one turn.
    Timers(Vec<(Duration, u64)>),
    Resume,
}

/// Echoes its input, a line at a time; `pause`, `resume` (of the paused connection), `gate` (blocks until the
/// test lets it continue), `hold` and `quit` are commands.
struct Echo {
    told: mpsc::Sender<Told>,
    clients: usize,
    paused: Option<ConnId>,
    share: bool,
    gate: mpsc::Receiver<()>,
}

impl App<EventLoop> for Echo {
    type Mail = Order;

    fn accepted(&mut self, _: &mut EventLoop, _: u32, _: ConnId, _: Peer) {
        self.clients += 1;
    }

    fn connected(&mut self, io: &mut EventLoop, conn: ConnId) {
        let _ = self.told.send(Told::Connected);
        io.send(conn, b"hello\n");
    }

    fn received(&mut self, io: &mut EventLoop, conn: ConnId, input: &mut Input<'_>) {
        let _ = self.told.send(Told::Received(input.bytes().len()));
        while let Some(at) = input.bytes().iter().position(|b| *b == b'\n') {
            let line = input.bytes()[..at].to_vec();
            if self.share {
                let bytes = input.take(at + 1);
                io.send_shared(conn, bytes);
            } else {
                io.send(conn, &input.bytes()[..=at]);
                input.consume(at + 1);
            }
            match line.as_slice() {
                b"quit" => {
                    self.clients -= 1;
                    return io.finish(conn);
                }
                b"resume" => {
                    if let Some(conn) = self.paused.take() {
                        io.resume(conn);
                    }
                }
                b"gate" => self.gate.recv().unwrap(),
                b"hold" => io.hold(conn),
                b"pause" => {
                    self.paused = Some(conn);
                    return io.pause(conn);
                }
                _ => {}
            }
        }
    }

    fn ended(&mut self, io: &mut EventLoop, conn: ConnId) {
        let _ = self.told.send(Told::Ended);
        self.clients = self.clients.saturating_sub(1);
        io.send(conn, b"bye\n");
        io.finish(conn);
    }

    fn failed(&mut self, _: &mut EventLoop, _: ConnId, fault: Fault) {
        let _ = self.told.send(Told::Failed(fault));
    }

    fn timer(&mut self, _: &mut EventLoop, token: u64) {
        let _ = self.told.send(Told::Timer(token));
    }

    fn mail(&mut self, io: &mut EventLoop, order: Order) {
        match order {
            Order::Connect(to) => {
                let options =
                    SocketOptions { connect_timeout: Duration::from_secs(3), ..SocketOptions::default() };
                io.connect(&to, &options);
            }
            Order::Timers(timers) => {
                for (after, token) in timers {
                    io.set_timer(io.now() + after, token);
                }
            }
            Order::Resume => {
                if let Some(conn) = self.paused.take() {
                    io.resume(conn);
                }
            }
        }
    }

    fn stopping(&mut self, _: &mut EventLoop) {
        let _ = self.told.send(Told::Stopping);
    }

    fn idle(&self) -> bool {
        self.clients == 0
    }
}

struct Running {
    address: SocketAddr,
    told: mpsc::Receiver<Told>,
    gate: mpsc::Sender<()>,
    handle: Handle<Order>,
    thread: std::thread::JoinHandle<()>,
}

fn start(share: bool) -> Running {
    start_limited(share, ClientPlaces::default())
}

fn start_limited(share: bool, places: ClientPlaces) -> Running {
    let listeners = net::bind(&ListenAddress::Tcp("127.0.0.1".into(), 0), 64, 1, 0).unwrap();
    let address = listeners[0].local_address().unwrap();
    let shard = Shard::new(listeners, Resolver::start().unwrap()).unwrap().limiting(places);
    let handle = shard.handle();
    let (sender, told) = mpsc::channel();
    let (gate_sender, gate) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        shard.run(|_| Echo { told: sender, clients: 0, paused: None, share, gate }).unwrap();
    });
    Running { address, told, gate: gate_sender, handle, thread }
}

impl Running {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn next(&self) -> Told {
        // An unreachable resolver takes up to half a minute to fail.
        self.told.recv_timeout(Duration::from_mins(2)).unwrap()
    }

    fn stop(self) {
        self.handle.stop(Duration::from_secs(10));
        self.thread.join().unwrap();
    }
}

fn read_exactly(stream: &mut TcpStream, n: usize) -> Vec<u8> {
    let mut bytes = vec![0; n];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn echoes_whatever_the_pieces() {
    let running = start(false);
    let mut client = running.connect();
    for byte in b"one\ntwo\n" {
        client.write_all(&[*byte]).unwrap();
    }
    assert_eq!(read_exactly(&mut client, 8), b"one\ntwo\n");
    drop(client);
    running.stop();
}

#[test]
fn output_on_hold_leaves_with_what_follows_it() {
    for share in [false, true] {
        let running = start(share);
        let (mut client, mut other) = (running.connect(), running.connect());
        client.write_all(b"one\nhold\n").unwrap();
        assert_eq!(running.next(), Told::Received(9));
        // Two turns later.
        for _ in 0..2 {
            other.write_all(b"x\n").unwrap();
            assert_eq!(read_exactly(&mut other, 2), b"x\n");
            assert_eq!(running.next(), Told::Received(2));
        }
        client.set_nonblocking(true).unwrap();
        assert_eq!(client.read(&mut [0; 9]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        client.set_nonblocking(false).unwrap();
        client.write_all(b"two\n").unwrap();
        assert_eq!(read_exactly(&mut client, 13), b"one\nhold\ntwo\n");
        client.write_all(b"hold\n").unwrap();
        drop(other);
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(read_exactly(&mut client, 9), b"hold\nbye\n");
        drop(client);
        running.stop();
    }
}

#[test]
fn a_client_without_a_place_is_not_accepted_and_waits_for_one() {
    let places = ClientPlaces::new(2);
    let running = start_limited(false, places.clone());
    let echo = |client: &mut TcpStream| {
        client.write_all(b"x\n").unwrap();
        read_exactly(client, 2)
    };
    let (mut first, mut second) = (running.connect(), running.connect());
    assert_eq!((echo(&mut first), echo(&mut second)), (b"x\n".to_vec(), b"x\n".to_vec()));
    let mut third = running.connect();
    third.write_all(b"x\n").unwrap();
    third.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert!(third.read(&mut [0; 2]).is_err(), "it has no place");
    assert_eq!((echo(&mut first), places.taken()), (b"x\n".to_vec(), 2), "the others are served");
    third.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    drop(first);
    assert_eq!(read_exactly(&mut third, 2), b"x\n");
    // Outgoing connections take none.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    running.handle.send(Order::Connect(Address::Tcp {
        host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
    }));
    let (mut accepted, _) = listener.accept().unwrap();
    assert_eq!(read_exactly(&mut accepted, 6), b"hello\n");
    assert_eq!(places.taken(), 2);
    let mut fourth = running.connect();
    fourth.write_all(b"x\n").unwrap();
    places.set_max(3);
    assert_eq!(read_exactly(&mut fourth, 2), b"x\n");
    drop((second, third, fourth, accepted));
    running.stop();
    assert_eq!(places.taken(), 0);
}

#[test]
fn a_client_accepted_just_before_a_stop_sends_its_request_first() {
    let running = start(false);
    let mut gated = running.connect();
    gated.write_all(b"gate\n").unwrap();
    assert_eq!(running.next(), Told::Received(5));
    // Both are found in the same turn: the client in the backlog, and the letter.
    let mut late = running.connect();
    late.write_all(b"x\n").unwrap();
    running.handle.stop(Duration::from_secs(10));
    running.gate.send(()).unwrap();
    assert_eq!((running.next(), running.next()), (Told::Received(2), Told::Stopping));
    assert_eq!((read_exactly(&mut gated, 5), read_exactly(&mut late, 2)), (b"gate\n".into(), b"x\n".into()));
    drop((gated, late));
    running.thread.join().unwrap();
}

#[test]
fn a_client_that_says_nothing_holds_up_a_stop_for_a_moment_only() {
    let running = start(false);
    let mut gated = running.connect();
    gated.write_all(b"gate\n").unwrap();
    assert_eq!(running.next(), Told::Received(5));
    let silent = running.connect();
    running.handle.stop(Duration::from_mins(1));
    running.gate.send(()).unwrap();
    assert_eq!(running.next(), Told::Stopping);
    assert_eq!(read_exactly(&mut gated, 5), b"gate\n");
    drop((gated, silent));
    running.thread.join().unwrap();
}

#[test]
fn large_lines_come_back_whole() {
    for share in [false, true] {
        let running = start(share);
        let client = running.connect();
        let mut line = vec![b'x'; 3 << 20];
        line.push(b'\n');
        let expected = line.clone();
        let mut writer = client.try_clone().unwrap();
        let sending = std::thread::spawn(move || {
            for _ in 0..3 {
                writer.write_all(&line).unwrap();
            }
        });
        let mut client = client;
        for _ in 0..3 {
            assert!(read_exactly(&mut client, expected.len()) == expected);
        }
        sending.join().unwrap();
        drop(client);
        running.stop();
    }
}

#[test]
fn a_client_that_has_sent_everything_still_gets_its_replies() {
    let running = start(false);
    let mut client = running.connect();
    client.write_all(b"a\nb\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"a\nb\nbye\n");
    running.stop();
}

#[test]
fn finishing_with_unread_input_does_not_destroy_what_was_sent() {
    let running = start(false);
    let mut client = running.connect();
    let mut request = b"quit\n".to_vec();
    request.extend_from_slice(&vec![b'z'; 200_000]);
    client.write_all(&request).unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"quit\n");
    running.stop();
}

#[test]
fn a_paused_connection_is_shown_its_input_after_the_resume() {
    let running = start(false);
    let mut client = running.connect();
    client.write_all(b"pause\nlater\n").unwrap();
    assert_eq!(read_exactly(&mut client, 6), b"pause\n");
    client.write_all(b"more\n").unwrap();
    assert!(running.handle.send(Order::Resume));
    assert_eq!(read_exactly(&mut client, 11), b"later\nmore\n");
    drop(client);
    running.stop();
}

#[test]
fn a_fin_does_not_overtake_input_that_a_resume_is_about_to_show() {
    let running = start(false);
    let (mut paused, mut other, mut third) = (running.connect(), running.connect(), running.connect());
    paused.write_all(b"pause\nrest\n").unwrap();
    assert_eq!(read_exactly(&mut paused, 6), b"pause\n");
    // While the loop waits in the third connection's callback, the resume and the FIN become ready in this
    // order, so that one turn sees both.
    third.write_all(b"gate\n").unwrap();
    while running.next() != Told::Received(5) {}
    other.write_all(b"resume\n").unwrap();
    paused.shutdown(Shutdown::Write).unwrap();
    running.gate.send(()).unwrap();
    let mut left = Vec::new();
    paused.read_to_end(&mut left).unwrap();
    assert_eq!(left, b"rest\nbye\n");
}

#[test]
fn connects_by_name_and_tells_failures() {
    let running = start(false);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    running.handle.send(Order::Connect(Address::Tcp { host: "localhost".into(), port }));
    let (mut accepted, _) = listener.accept().unwrap();
    assert_eq!(running.next(), Told::Connected);
    assert_eq!(read_exactly(&mut accepted, 6), b"hello\n");
    drop(listener);
    running.handle.send(Order::Connect(Address::Tcp { host: "127.0.0.1".into(), port }));
    assert_eq!(running.next(), Told::Failed(Fault::Refused));
    running.handle.send(Order::Connect(Address::Tcp { host: "no-such-host.invalid".into(), port }));
    assert_eq!(running.next(), Told::Failed(Fault::Unresolved));
    running.handle.send(Order::Connect(Address::Unix("/nonexistent/nuthatch.sock".into())));
    assert_eq!(running.next(), Told::Failed(Fault::Os(libc::ENOENT)));
    drop(accepted);
    assert_eq!(running.next(), Told::Ended);
    running.stop();
}

#[test]
fn timers_fire_in_order_of_their_time() {
    let running = start(false);
    running.handle.send(Order::Timers(vec![(Duration::from_millis(30), 2), (Duration::from_millis(1), 1)]));
    assert_eq!((running.next(), running.next()), (Told::Timer(1), Told::Timer(2)));
    running.stop();
}

/// A client that connects while the sockets of several shards are being bound waits or is refused, but is
/// never accepted and then reset.
#[test]
fn a_client_that_connects_while_the_sockets_are_bound_stays() {
    for round in 0..300 {
        // Below the range of ephemeral ports, so that no client connects to itself.
        let mut ports = (0..).map(|n| 20_001 + (round * 97 + n * 31) % 12_000);
        let port = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap();
        let (tell, refused) = mpsc::channel();
        let client = std::thread::spawn(move || {
            loop {
                match TcpStream::connect(("127.0.0.1", port)) {
                    Err(_) => drop(tell.send(())),
                    Ok(stream) => {
                        stream.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
                        return (&stream).read(&mut [0]).map_err(|e| e.kind());
                    }
                }
            }
        });
        refused.recv().unwrap();
        let listeners = net::bind(&ListenAddress::Tcp("127.0.0.1".into(), port), 16, 4, 0).unwrap();
        let outcome = client.join().unwrap();
        assert_eq!(outcome, Err(std::io::ErrorKind::WouldBlock), "round {round}");
        drop(listeners);
    }
}

#[test]
fn an_address_in_use_is_noticed_even_between_shards_that_share_ports() {
    let first = net::bind(&ListenAddress::Tcp("127.0.0.1".into(), 0), 16, 2, 0).unwrap();
    let port = first[0].local_address().unwrap().port();
    let second = net::bind(&ListenAddress::Tcp("127.0.0.1".into(), port), 16, 2, 0);
    assert_eq!(second.unwrap_err().error().kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn a_live_unix_socket_is_not_taken_over_and_a_dead_one_is() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let address = ListenAddress::Unix(path.clone(), Some(0o600));
    let first = net::bind(&address, 16, 2, 0).unwrap();
    assert_eq!(net::bind(&address, 16, 1, 0).unwrap_err().error().kind(), std::io::ErrorKind::AddrInUse);
    drop(first);
    assert!(path.exists());
    assert!(net::bind(&address, 16, 1, 0).is_ok());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}
