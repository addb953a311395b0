//! The mailbox: mail that is always taken, and requests refused when too many wait.

use std::sync::mpsc;
use std::time::Duration;

use nuthatch_net as net;

use net::{App, ConnId, EventLoop, Fault, Input, NotTaken, Peer, Resolver, Shard};

/// Timeout for events that must happen.
const SOON: Duration = Duration::from_secs(20);

/// Calls the closures it is sent.
struct Caller;

impl App<EventLoop> for Caller {
    type Mail = Box<dyn FnOnce() + Send>;

    fn accepted(&mut self, _: &mut EventLoop, _: u32, _: ConnId, _: Peer) {}
    fn connected(&mut self, _: &mut EventLoop, _: ConnId) {}
    fn received(&mut self, _: &mut EventLoop, _: ConnId, _: &mut Input<'_>) {}
    fn ended(&mut self, _: &mut EventLoop, _: ConnId) {}
    fn failed(&mut self, _: &mut EventLoop, _: ConnId, _: Fault) {}
    fn timer(&mut self, _: &mut EventLoop, _: u64) {}

    fn mail(&mut self, _: &mut EventLoop, call: Self::Mail) {
        call();
    }
}

#[test]
fn requests_are_refused_while_many_wait_and_answers_are_not() {
    let shard = Shard::new(Vec::new(), Resolver::start().unwrap()).unwrap();
    let handle = shard.handle();
    let thread = std::thread::spawn(move || shard.run(|_| Caller).map(drop).unwrap());
    let (entered, inside) = mpsc::channel();
    let (go, gate) = mpsc::channel::<()>();
    assert!(handle.send(Box::new(move || {
        entered.send(()).unwrap();
        gate.recv().unwrap();
    })));
    inside.recv_timeout(SOON).unwrap();
    // The shard is busy.
    let (done, count) = mpsc::channel();
    let call = |done: &mpsc::Sender<u8>, kind| {
        let done = done.clone();
        Box::new(move || done.send(kind).unwrap())
    };
    let mut taken = 0;
    let refused = loop {
        match handle.request(call(&done, b'r')) {
            Ok(()) => taken += 1,
            Err(why) => break why,
        }
        assert!(taken < 1_000_000, "there is no limit");
    };
    assert_eq!(refused, NotTaken::Full);
    assert!(handle.send(call(&done, b'a')));
    go.send(()).unwrap();
    let got: Vec<u8> = (0..=taken).map(|_| count.recv_timeout(SOON).unwrap()).collect();
    assert_eq!(got.iter().filter(|kind| **kind == b'r').count(), taken, "none that was taken is lost");
    // Requests taken out make room.
    handle.request(call(&done, b'r')).unwrap();
    assert_eq!(count.recv_timeout(SOON).unwrap(), b'r');
    handle.stop(Duration::from_secs(10));
    thread.join().unwrap();
    assert_eq!(handle.request(call(&done, b'r')), Err(NotTaken::Stopped));
    assert!(!handle.send(call(&done, b'a')));
}
