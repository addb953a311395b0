//! Handing a connection from one shard to another, over real sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use nuthatch_net as net;

use net::{App, ConnId, EventLoop, Fault, Handle, Input, Io, ListenAddress, Parcel, Peer, Resolver, Shard};

/// Answers each line with the shard's number. After the line `move` it passes the connection to the other
/// shard, as soon as no bytes of it are held.
struct Counter {
    number: u32,
    other: Handle<Parcel>,
    moving: Option<ConnId>,
    clients: u32,
}

impl App<EventLoop> for Counter {
    type Mail = Parcel;

    fn accepted(&mut self, _: &mut EventLoop, _: u32, _: ConnId, _: Peer) {
        self.clients += 1;
    }

    fn connected(&mut self, _: &mut EventLoop, _: ConnId) {}

    fn received(&mut self, io: &mut EventLoop, conn: ConnId, input: &mut Input<'_>) {
        while let Some(at) = input.bytes().iter().position(|b| *b == b'\n') {
            if &input.bytes()[..at] == b"move" {
                self.moving = Some(conn);
            }
            io.send(conn, format!("{}\n", self.number).as_bytes());
            input.consume(at + 1);
        }
    }

    fn ended(&mut self, io: &mut EventLoop, conn: ConnId) {
        self.clients -= 1;
        io.finish(conn);
    }

    fn failed(&mut self, _: &mut EventLoop, _: ConnId, _: Fault) {
        self.clients -= 1;
    }

    fn timer(&mut self, _: &mut EventLoop, _: u64) {}

    fn mail(&mut self, io: &mut EventLoop, parcel: Parcel) {
        assert!(io.adopt(parcel).is_some());
        self.clients += 1;
    }

    fn turn_end(&mut self, io: &mut EventLoop) {
        let Some(conn) = self.moving else { return };
        match io.release(conn) {
            Some(parcel) => {
                self.moving = None;
                self.clients -= 1;
                assert!(self.other.send(parcel));
            }
            // Its reply is not written yet: try again in the next turn.
            None => {
                io.set_timer(io.now(), 0);
            }
        }
    }

    fn idle(&self) -> bool {
        self.clients == 0
    }
}

#[test]
fn every_line_is_answered_once_while_the_connection_moves_to_and_fro() {
    let resolver = Resolver::start().unwrap();
    let listeners = net::bind(&ListenAddress::Tcp("127.0.0.1".into(), 0), 64, 1, 0).unwrap();
    let address = listeners[0].local_address().unwrap();
    let shards = [listeners, Vec::new()].map(|l| Shard::<Parcel>::new(l, resolver.clone()).unwrap());
    let handles: Vec<Handle<Parcel>> = shards.iter().map(Shard::handle).collect();
    let mut threads = Vec::new();
    for (number, shard) in shards.into_iter().enumerate() {
        let other = handles[1 - number].clone();
        let counter = Counter { number: number as u32, other, moving: None, clients: 0 };
        threads.push(std::thread::spawn(move || shard.run(|_| counter).map(drop).unwrap()));
    }
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut replies = BufReader::new(client.try_clone().unwrap());
    let mut at = 0;
    for round in 0..200 {
        // Three lines after the command arrive before, during or after the move.
        client.write_all(b"move\n").unwrap();
        client.write_all(b"a\nb\nc\n").unwrap();
        let mut answered = Vec::new();
        for _ in 0..4 {
            let mut line = String::new();
            replies.read_line(&mut line).unwrap();
            answered.push(line.trim().parse::<u32>().unwrap());
        }
        assert_eq!(answered[0], at, "round {round}: the order is answered before the move");
        assert!(answered.windows(2).all(|w| w[0] == w[1] || w[1] == 1 - at), "round {round}: {answered:?}");
        while *answered.last().unwrap() == at {
            client.write_all(b"there yet?\n").unwrap();
            let mut line = String::new();
            replies.read_line(&mut line).unwrap();
            answered.push(line.trim().parse().unwrap());
        }
        at = 1 - at;
    }
    client.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    replies.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
    for handle in handles {
        handle.stop(Duration::from_secs(10));
    }
    for thread in threads {
        thread.join().unwrap();
    }
}
