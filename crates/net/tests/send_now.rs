//! Output that is sent at once: it takes its place in the order, and what the kernel does not take counts.

use std::io::Read;
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nuthatch_net as net;

use net::{App, ConnId, EventLoop, Fault, Handle, Input, Io, ListenAddress, Peer, Resolver, Shard};

const SOON: Duration = Duration::from_secs(20);

type Change = Box<dyn FnOnce(&mut EventLoop) + Send>;

/// Tells what happens to its clients, and does what it is asked.
struct Listening {
    accepted: mpsc::Sender<ConnId>,
    failed: mpsc::Sender<Fault>,
}

impl App<EventLoop> for Listening {
    type Mail = Change;

    fn accepted(&mut self, _: &mut EventLoop, _: u32, conn: ConnId, _: Peer) {
        let _ = self.accepted.send(conn);
    }

    fn connected(&mut self, _: &mut EventLoop, _: ConnId) {}
    fn received(&mut self, _: &mut EventLoop, _: ConnId, _: &mut Input<'_>) {}

    fn ended(&mut self, io: &mut EventLoop, conn: ConnId) {
        io.finish(conn);
    }

    fn failed(&mut self, _: &mut EventLoop, _: ConnId, fault: Fault) {
        let _ = self.failed.send(fault);
    }

    fn timer(&mut self, _: &mut EventLoop, _: u64) {}

    fn mail(&mut self, io: &mut EventLoop, change: Change) {
        change(io);
    }
}

/// A shard with one client.
struct Running {
    client: TcpStream,
    conn: ConnId,
    failed: mpsc::Receiver<Fault>,
    handle: Handle<Change>,
    thread: JoinHandle<()>,
}

impl Running {
    fn start() -> Running {
        let listeners = net::bind(&ListenAddress::Tcp("127.0.0.1".into(), 0), 64, 1, 0).unwrap();
        let address = listeners[0].local_address().unwrap();
        let shard = Shard::new(listeners, Resolver::start().unwrap()).unwrap();
        let handle = shard.handle();
        let (accepted, accepts) = mpsc::channel();
        let (sender, failed) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            shard.run(|_| Listening { accepted, failed: sender }).unwrap();
        });
        let client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(SOON)).unwrap();
        let conn = accepts.recv_timeout(SOON).unwrap();
        Running { client, conn, failed, handle, thread }
    }

    /// Runs `change` within one turn of the shard and returns its result.
    fn ask<T: Send + 'static>(&self, change: impl FnOnce(&mut EventLoop) -> T + Send + 'static) -> T {
        let (sender, answer) = mpsc::channel();
        assert!(self.handle.send(Box::new(move |io| sender.send(change(io)).unwrap())));
        answer.recv_timeout(SOON).unwrap()
    }

    /// Sends without a reader until the kernel takes no more. Returns what was sent, of which so much waits.
    fn fill(&self) -> (Vec<u8>, usize) {
        let (conn, mut sent) = (self.conn, Vec::new());
        for round in 0.. {
            let piece = vec![b'a' + (round % 26) as u8; 15_000 + round];
            sent.extend_from_slice(&piece);
            let (left, unsent) = self.ask(move |io| (io.send_now(conn, &piece), io.unsent(conn)));
            assert_eq!(left, unsent);
            if left > 0 {
                return (sent, left);
            }
        }
        unreachable!()
    }

    fn gets(&mut self, expected: &[u8]) {
        let mut bytes = vec![0; expected.len()];
        self.client.read_exact(&mut bytes).unwrap();
        assert!(bytes == expected);
    }

    fn stop(self) {
        drop(self.client);
        self.handle.stop(Duration::from_secs(10));
        self.thread.join().unwrap();
    }
}

#[test]
fn it_leaves_within_the_turn_and_holds_no_memory() {
    let mut running = Running::start();
    let conn = running.conn;
    let (sender, sent) = mpsc::channel();
    let (go_on, gate) = mpsc::channel::<()>();
    let change = move |io: &mut EventLoop| {
        let before = io.buffered();
        sender.send((io.send_now(conn, b"now"), io.buffered() - before)).unwrap();
        gate.recv_timeout(SOON).unwrap();
    };
    assert!(running.handle.send(Box::new(change)));
    assert_eq!(sent.recv_timeout(SOON).unwrap(), (0, 0));
    running.gets(b"now");
    go_on.send(()).unwrap();
    running.stop();
}

#[test]
fn it_does_not_overtake_what_waits() {
    let mut running = Running::start();
    let conn = running.conn;
    let left = running.ask(move |io| {
        io.send(conn, b"gathered,");
        let first = io.send_now(conn, b"behind it,");
        io.send_shared(conn, Bytes::from(vec![b's'; 20_000]));
        let second = io.send_now(conn, b",last;");
        io.send(conn, b"end");
        (first, second, io.unsent(conn))
    });
    assert_eq!(left, (19, 20_025, 20_028));
    let expected = [b"gathered,behind it,".to_vec(), vec![b's'; 20_000], b",last;end".to_vec()].concat();
    running.gets(&expected);
    running.stop();
}

#[test]
fn what_a_slow_peer_does_not_take_waits_in_order_and_counts() {
    let mut running = Running::start();
    let conn = running.conn;
    let (mut sent, mut left) = running.fill();
    for n in 0..100u8 {
        let piece = vec![n; 1000];
        sent.extend_from_slice(&piece);
        left += running.ask(move |io| {
            let before = io.unsent(conn);
            io.send_now(conn, &piece) - before
        });
    }
    assert!(running.ask(move |io| (io.unsent(conn), io.buffered())).1 >= left - 1000);
    running.gets(&sent);
    let deadline = Instant::now() + SOON;
    while running.ask(move |io| io.unsent(conn)) > 0 {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(running.ask(move |io| io.send_now(conn, b"free again")), 0);
    running.gets(b"free again");
    running.stop();
}

#[test]
fn who_has_gone_gets_nothing() {
    let mut running = Running::start();
    let conn = running.conn;
    let left = running.ask(move |io| {
        io.send(conn, b"last words");
        io.finish(conn);
        let finished = io.send_now(conn, b"too late");
        (finished, io.unsent(conn))
    });
    assert_eq!(left, (10, 10), "only what was sent before");
    let mut all = Vec::new();
    running.client.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"last words");
    running.stop();
    let running = Running::start();
    let conn = running.conn;
    let left = running.ask(move |io| {
        io.abort(conn);
        io.send_now(conn, b"too late")
    });
    assert_eq!(left, 0);
    running.stop();
}

/// The kernel tells of a reset once; the write at the end of the turn has to fail as well.
#[test]
fn a_reset_that_it_meets_is_told_once() {
    let running = Running::start();
    let conn = running.conn;
    let (go_on, gate) = mpsc::channel::<()>();
    let (begun, begins) = mpsc::channel();
    let change = move |io: &mut EventLoop| {
        begun.send(()).unwrap();
        gate.recv_timeout(SOON).unwrap();
        assert_eq!(io.send_now(conn, b"x"), 1);
    };
    assert!(running.handle.send(Box::new(change)));
    begins.recv_timeout(SOON).unwrap();
    socket2::SockRef::from(&running.client).set_linger(Some(Duration::ZERO)).unwrap();
    let Running { client, failed, handle, thread, .. } = running;
    drop(client);
    go_on.send(()).unwrap();
    assert_eq!(failed.recv_timeout(SOON).unwrap(), Fault::Reset);
    handle.stop(Duration::from_secs(10));
    thread.join().unwrap();
    assert_eq!(failed.try_recv(), Err(mpsc::TryRecvError::Disconnected));
}
