//! Connecting by name: which addresses are tried, and when.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use nuthatch_net as net;

use net::{Address, App, ConnId, EventLoop, Fault, Handle, Input, Io, Peer, Resolver, Shard, SocketOptions};

/// Connects on request, with this timeout.
struct Caller {
    told: mpsc::Sender<Result<(), Fault>>,
}

impl App<EventLoop> for Caller {
    type Mail = (Address, Duration);

    fn accepted(&mut self, _: &mut EventLoop, _: u32, _: ConnId, _: Peer) {}
    fn connected(&mut self, io: &mut EventLoop, conn: ConnId) {
        io.send(conn, b"hello");
        self.told.send(Ok(())).unwrap();
    }
    fn received(&mut self, _: &mut EventLoop, _: ConnId, input: &mut Input<'_>) {
        input.consume(input.bytes().len());
    }
    fn ended(&mut self, io: &mut EventLoop, conn: ConnId) {
        io.abort(conn);
    }
    fn failed(&mut self, _: &mut EventLoop, _: ConnId, fault: Fault) {
        self.told.send(Err(fault)).unwrap();
    }
    fn timer(&mut self, _: &mut EventLoop, _: u64) {}
    fn mail(&mut self, io: &mut EventLoop, (to, connect_timeout): Self::Mail) {
        io.connect(&to, &SocketOptions { connect_timeout, ..SocketOptions::default() });
    }
}

struct Running {
    /// Current addresses of the name.
    addresses: Arc<Mutex<Vec<SocketAddr>>>,
    told: mpsc::Receiver<Result<(), Fault>>,
    handle: Handle<(Address, Duration)>,
    thread: std::thread::JoinHandle<()>,
}

fn start(lookup: impl FnMut(&str, u16) -> Vec<SocketAddr> + Send + 'static) -> Running {
    let shard = Shard::new(vec![], Resolver::with(lookup).unwrap()).unwrap();
    let handle = shard.handle();
    let (sender, told) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        shard.run(|_| Caller { told: sender }).unwrap();
    });
    Running { addresses: Arc::default(), told, handle, thread }
}

/// Starts with one known name, whose addresses can be changed.
fn start_with_a_name() -> Running {
    let addresses = Arc::<Mutex<Vec<SocketAddr>>>::default();
    let known = Arc::clone(&addresses);
    let running = start(move |host, port| {
        assert_eq!((host, port), ("cache.test", 6379));
        known.lock().unwrap().clone()
    });
    Running { addresses, ..running }
}

impl Running {
    fn connect(&self, within: Duration) -> Result<(), Fault> {
        let to = Address::Tcp { host: "cache.test".into(), port: 6379 };
        assert!(self.handle.send((to, within)));
        self.told.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    fn set(&self, addresses: &[SocketAddr]) {
        *self.addresses.lock().unwrap() = addresses.to_vec();
    }

    fn stop(self) {
        self.handle.stop(Duration::from_secs(10));
        self.thread.join().unwrap();
    }
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address where nobody listens.
fn closed() -> SocketAddr {
    listen().1
}

/// An address that does not answer connects: its backlog is full and nobody accepts.
fn silent() -> (socket2::Socket, Vec<TcpStream>, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut fillers = Vec::new();
    while let Ok(filler) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        fillers.push(filler);
        assert!(fillers.len() < 10, "the queue does not fill");
    }
    (socket, fillers, address)
}

fn said(listener: &TcpListener) -> [u8; 5] {
    let mut hello = [0; 5];
    listener.accept().unwrap().0.read_exact(&mut hello).unwrap();
    hello
}

const AMPLE: Duration = Duration::from_secs(20);

#[test]
fn every_address_is_tried_in_order() {
    let running = start_with_a_name();
    let ((second, second_at), (_third, third_at)) = (listen(), listen());
    running.set(&[closed(), second_at, third_at]);
    assert_eq!(running.connect(AMPLE), Ok(()));
    assert_eq!(&said(&second), b"hello");
    running.set(&[closed(), closed(), closed()]);
    assert_eq!(running.connect(AMPLE), Err(Fault::Refused));
    running.stop();
}

#[test]
fn an_address_that_never_answers_leaves_time_for_the_others() {
    let running = start_with_a_name();
    let (_socket, _fillers, silent_at) = silent();
    let (open, open_at) = listen();
    running.set(&[silent_at, open_at]);
    // On a machine under load the time left for the second address may pass without its thread having run.
    let tries = [1, 4, 16].map(Duration::from_secs);
    assert!(tries.into_iter().any(|within| running.connect(within) == Ok(())));
    assert_eq!(&said(&open), b"hello");
    running.set(&[silent_at]);
    assert_eq!(running.connect(Duration::from_millis(100)), Err(Fault::ConnectTimeout));
    running.stop();
}

#[test]
fn a_changed_address_is_used_by_the_next_connection() {
    let running = start_with_a_name();
    let ((old, old_at), (new, new_at)) = (listen(), listen());
    running.set(&[old_at]);
    assert_eq!(running.connect(AMPLE), Ok(()));
    assert_eq!(&said(&old), b"hello");
    running.set(&[new_at]);
    assert_eq!(running.connect(AMPLE), Ok(()));
    assert_eq!(&said(&new), b"hello");
    running.set(&[]);
    assert_eq!(running.connect(AMPLE), Err(Fault::Unresolved));
    running.set(&[old_at]);
    assert_eq!(running.connect(AMPLE), Ok(()));
    running.stop();
}

#[test]
fn a_resolver_that_hangs_is_not_waited_for() {
    let (go_on, gate) = mpsc::channel::<()>();
    let running = start(move |_, _| {
        let _ = gate.recv();
        vec![]
    });
    assert_eq!(running.connect(Duration::from_millis(50)), Err(Fault::Unresolved));
    drop(go_on);
    running.stop();
}
