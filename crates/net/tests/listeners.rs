//! Adding, changing and removing listeners while a shard runs, over real sockets.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use nuthatch_net as net;

use net::{
    App, ClientPlaces, ConnId, EventLoop, Fault, Handle, Input, Io, ListenAddress, ListenOptions, Listener,
    ListenerId, Peer, Resolver, Shard, SocketFile,
};

/// Timeout for events that must happen.
const SOON: Duration = Duration::from_secs(20);

type Change = Box<dyn FnOnce(&mut EventLoop) + Send>;

/// Sends each client its listener's tag and the shard's name.
struct Greeter {
    name: u8,
}

impl App<EventLoop> for Greeter {
    type Mail = Change;

    fn accepted(&mut self, io: &mut EventLoop, tag: u32, conn: ConnId, _: Peer) {
        io.send(conn, &[tag as u8, self.name]);
    }

    fn connected(&mut self, _: &mut EventLoop, _: ConnId) {}

    fn received(&mut self, _: &mut EventLoop, _: ConnId, input: &mut Input<'_>) {
        input.consume(input.bytes().len());
    }

    fn ended(&mut self, io: &mut EventLoop, conn: ConnId) {
        io.finish(conn);
    }

    fn failed(&mut self, _: &mut EventLoop, _: ConnId, _: Fault) {}

    fn timer(&mut self, _: &mut EventLoop, _: u64) {}

    fn mail(&mut self, io: &mut EventLoop, change: Change) {
        change(io);
    }
}

struct Running {
    handle: Handle<Change>,
    thread: JoinHandle<()>,
}

impl Running {
    fn start(name: u8, listeners: Vec<Listener>, places: ClientPlaces) -> Running {
        let shard = Shard::new(listeners, Resolver::start().unwrap()).unwrap().limiting(places);
        let handle = shard.handle();
        let thread = std::thread::spawn(move || {
            shard.run(|_| Greeter { name }).unwrap();
        });
        Running { handle, thread }
    }

    /// Runs `change` in the shard and returns its result.
    fn ask<T: Send + 'static>(&self, change: impl FnOnce(&mut EventLoop) -> T + Send + 'static) -> T {
        let (sender, answer) = mpsc::channel();
        assert!(self.handle.send(Box::new(move |io| sender.send(change(io)).unwrap())));
        answer.recv_timeout(SOON).unwrap()
    }

    fn unlisten(&self, id: ListenerId) {
        self.ask(move |io| io.unlisten(id));
    }

    fn stop(self) {
        self.handle.stop(Duration::from_secs(10));
        self.thread.join().unwrap();
    }
}

fn bound(shards: usize, tag: u32) -> (Vec<Listener>, SocketAddr) {
    let listeners = net::bind(&ListenAddress::Tcp("127.0.0.1".into(), 0), 64, shards, tag).unwrap();
    let address = listeners[0].local_address().unwrap();
    (listeners, address)
}

fn one(tag: u32) -> (Listener, SocketAddr) {
    let (mut listeners, address) = bound(1, tag);
    (listeners.remove(0), address)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// The tag of the client's listener, and the shard's name.
fn greeting(client: &mut impl Read) -> [u8; 2] {
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).unwrap();
    greeting
}

/// Waits until nobody listens. While a socket is closing, connects get no answer.
fn await_refusal(address: SocketAddr) {
    let deadline = std::time::Instant::now() + SOON;
    while std::time::Instant::now() < deadline {
        match TcpStream::connect_timeout(&address, Duration::from_secs(3)) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
            _ => {}
        }
    }
    panic!("{address} is still listened on");
}

#[test]
fn a_running_shard_takes_a_listener_and_drops_it() {
    let running = Running::start(b'a', Vec::new(), ClientPlaces::default());
    let (first, at_first) = one(1);
    let (second, at_second) = one(2);
    let (first_id, second_id) = (first.id(), second.id());
    // It is already waiting when the shard begins to listen.
    let mut early = connect(at_first);
    running.ask(move |io| io.listen(first).unwrap());
    assert_eq!(greeting(&mut early), [1, b'a']);
    running.ask(move |io| io.listen(second).unwrap());
    assert_eq!(greeting(&mut connect(at_second)), [2, b'a']);
    running.unlisten(first_id);
    await_refusal(at_first);
    assert_eq!(greeting(&mut connect(at_second)), [2, b'a']);
    // The place is reused.
    let (third, at_third) = one(3);
    running.ask(move |io| io.listen(third).unwrap());
    assert_eq!(greeting(&mut connect(at_third)), [3, b'a']);
    running.unlisten(second_id);
    await_refusal(at_second);
    assert_eq!(greeting(&mut connect(at_third)), [3, b'a']);
    running.stop();
}

#[test]
fn who_waits_in_the_backlog_is_accepted_before_the_socket_is_closed() {
    let (listener, address) = one(1);
    let id = listener.id();
    let running = Running::start(b'a', vec![listener], ClientPlaces::default());
    let (entered, inside) = mpsc::channel();
    let (go, gate) = mpsc::channel::<()>();
    assert!(running.handle.send(Box::new(move |io: &mut EventLoop| {
        entered.send(()).unwrap();
        gate.recv().unwrap();
        io.unlisten(id);
    })));
    inside.recv_timeout(SOON).unwrap();
    // The shard is busy: all of these are in the backlog when the close is requested.
    let mut waiting: Vec<TcpStream> = (0..50).map(|_| connect(address)).collect();
    go.send(()).unwrap();
    for client in &mut waiting {
        assert_eq!(greeting(client), [1, b'a']);
    }
    await_refusal(address);
    // Accepted clients are not disturbed, and do not keep the filter of the closed socket.
    waiting[0].shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(waiting[0].read(&mut [0; 1]).unwrap(), 0);
    running.stop();
}

/// A client that connects while one of two shards closes its socket reaches the other shard: at once, or on
/// its retry.
#[test]
fn clients_of_a_shard_that_stops_listening_meet_the_others() {
    let (mut listeners, address) = bound(2, 7);
    let id = listeners[0].id();
    assert_eq!(id, listeners[1].id(), "one address");
    let b = Running::start(b'b', vec![listeners.pop().unwrap()], ClientPlaces::default());
    let a = Running::start(b'a', listeners, ClientPlaces::default());
    a.unlisten(id);
    let clients: Vec<JoinHandle<[u8; 2]>> =
        (0..32).map(|_| std::thread::spawn(move || greeting(&mut connect(address)))).collect();
    let met: Vec<[u8; 2]> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    assert!(met.iter().all(|met| *met == [7, b'b']), "{met:?}");
    b.unlisten(id);
    await_refusal(address);
    a.stop();
    b.stop();
}

#[test]
fn clients_that_find_no_place_are_waited_for_and_then_given_up() {
    let (listener, address) = one(1);
    let id = listener.id();
    let running = Running::start(b'a', vec![listener], ClientPlaces::new(1));
    let mut first = connect(address);
    assert_eq!(greeting(&mut first), [1, b'a']);
    let mut second = connect(address);
    let mut third = connect(address);
    running.unlisten(id);
    drop(first);
    assert_eq!(greeting(&mut second), [1, b'a'], "its place became free in time");
    // The third never gets one.
    assert!(matches!(third.read(&mut [0; 1]), Ok(0) | Err(_)));
    await_refusal(address);
    running.stop();
}

#[test]
fn a_listener_changes_its_tag_for_clients_that_come_later() {
    let (listener, address) = one(1);
    let id = listener.id();
    let running = Running::start(b'a', vec![listener], ClientPlaces::default());
    assert_eq!(greeting(&mut connect(address)), [1, b'a']);
    running.ask(move |io| io.set_listener(id, ListenOptions { tag: 9, ..ListenOptions::default() }));
    assert_eq!(greeting(&mut connect(address)), [9, b'a']);
    running.stop();
}

#[test]
fn a_shard_that_stops_takes_no_listener() {
    let running = Running::start(b'a', Vec::new(), ClientPlaces::default());
    let (listener, address) = one(1);
    let (sender, answer) = mpsc::channel();
    running.handle.stop(Duration::from_secs(10));
    let sent = running.handle.send(Box::new(move |io: &mut EventLoop| {
        sender.send(io.listen(listener).is_err()).unwrap();
    }));
    running.thread.join().unwrap();
    assert!(!sent || answer.recv_timeout(SOON).unwrap_or(true));
    await_refusal(address);
}

#[test]
fn clients_of_a_socket_that_another_process_holds_wait_for_it() {
    let (listener, address) = one(1);
    let held = listener.try_clone().unwrap();
    let running = Running::start(b'a', vec![listener], ClientPlaces::default());
    assert_eq!(greeting(&mut connect(address)), [1, b'a']);
    running.handle.close_listeners();
    // The shard has done that when it does what comes after it.
    running.ask(|_| ());
    let mut waiting = connect(address);
    running.stop();
    let next = Running::start(b'b', vec![held], ClientPlaces::default());
    assert_eq!(greeting(&mut waiting), [1, b'b']);
    drop(waiting);
    next.stop();
}

#[test]
fn an_address_is_bound_again_beside_itself_without_a_gap() {
    let (listener, address) = one(1);
    let id = listener.id();
    let running = Running::start(b'a', vec![listener], ClientPlaces::default());
    let same = ListenAddress::Tcp(address.ip().to_string(), address.port());
    assert!(net::bind(&same, 64, 1, 2).is_err(), "it is in use, by us or by others");
    let everywhere = ListenAddress::Tcp("0.0.0.0".into(), address.port());
    for (beside, tag) in [(&same, 2), (&everywhere, 3)] {
        let beside = net::bind_beside(beside, 64, 2, tag).unwrap();
        assert!(beside.iter().all(|socket| socket.local_address().unwrap().port() == address.port()));
        let beside_id = beside[0].id();
        running.ask(move |io| beside.into_iter().for_each(|socket| io.listen(socket).unwrap()));
        assert!([1, tag as u8].contains(&greeting(&mut connect(address))[0]));
        running.unlisten(beside_id);
    }
    running.unlisten(id);
    await_refusal(address);
    running.stop();
}

#[test]
fn a_unix_socket_moves_from_one_listener_to_the_next_without_a_gap() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let address = ListenAddress::Unix(path.clone(), Some(0o600));
    let first = net::bind(&address, 64, 1, 1).unwrap().remove(0);
    let (first_id, first_file) = (first.id(), SocketFile::at(&path).unwrap());
    let first_path = first.unix_path().map(Path::to_owned);
    let running = Running::start(b'a', vec![first], ClientPlaces::default());
    assert_eq!(greeting(&mut UnixStream::connect(&path).unwrap()), [1, b'a']);
    let second = net::bind_beside(&address, 64, 1, 2).unwrap().remove(0);
    assert_eq!((first_path.as_deref(), second.unix_path()), (Some(&*path), Some(&*path)));
    let (second_id, second_file) = (second.id(), SocketFile::at(&path).unwrap());
    running.ask(move |io| io.listen(second).unwrap());
    assert_eq!(greeting(&mut UnixStream::connect(&path).unwrap()), [2, b'a']);
    running.unlisten(first_id);
    assert!(!first_file.remove().unwrap(), "the file is the second's");
    let mut waiting = UnixStream::connect(&path).unwrap();
    assert!(second_file.remove().unwrap());
    running.unlisten(second_id);
    assert_eq!(greeting(&mut waiting), [2, b'a']);
    assert_eq!(UnixStream::connect(&path).unwrap_err().kind(), ErrorKind::NotFound);
    running.stop();
}

#[test]
fn descriptors_are_adopted_and_given_on() {
    let theirs = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = theirs.local_addr().unwrap();
    let adopted = Listener::adopt(vec![theirs.into()], 5).unwrap();
    assert_eq!(adopted[0].local_address(), Some(address));
    let copy = adopted[0].descriptor().unwrap().try_clone_to_owned().unwrap();
    let old = Running::start(b'o', adopted, ClientPlaces::default());
    assert_eq!(greeting(&mut connect(address)), [5, b'o']);
    // The next process has a descriptor of the socket; the old one leaves without a reset.
    old.ask(Io::leave_listeners);
    let mut waiting = connect(address);
    old.stop();
    let new = Running::start(b'n', Listener::adopt(vec![copy], 6).unwrap(), ClientPlaces::default());
    assert_eq!(greeting(&mut waiting), [6, b'n']);
    new.stop();
}

#[test]
fn what_is_no_listening_stream_socket_is_not_adopted() {
    let directory = tempfile::tempdir().unwrap();
    let unix = UnixListener::bind(directory.path().join("s")).unwrap();
    let adopted = Listener::adopt(vec![unix.into()], 1).unwrap();
    assert_eq!(adopted[0].unix_path(), Some(&*directory.path().join("s")));
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(listening.local_addr().unwrap()).unwrap();
    assert!(Listener::adopt(vec![connected.into()], 1).is_err());
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    assert!(Listener::adopt(vec![datagrams.into()], 1).is_err());
    let file = std::fs::File::open(Path::new("/dev/null")).unwrap();
    assert!(Listener::adopt(vec![file.into()], 1).is_err());
}
