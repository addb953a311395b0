//! Making room when all places of a listener are taken.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::daemon::converse;
use super::gate::{Gate, LARGE};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// A connection that is idle after an answer.
fn idle(gate: &Gate) -> TcpStream {
    let mut stream = gate.ask("/");
    assert!(asks(&mut stream, b""));
    stream
}

/// True if this is answered with status 200 and no body.
fn asks(stream: &mut TcpStream, request: &[u8]) -> bool {
    let mut answer = Vec::new();
    let mut byte = [0];
    if stream.write_all(request).is_err() {
        return false;
    }
    while !answer.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => answer.push(byte[0]),
            _ => return false,
        }
    }
    answer.starts_with(b"HTTP/1.1 200 OK\r\n")
}

/// Checks that a new connection gets an answer and is closed.
fn newcomer(gate: &Gate) {
    let mut stream = TcpStream::connect(gate.address).unwrap();
    assert_eq!(converse(&mut stream, "GET", "/", "", b"").status, 200);
}

fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0]), Ok(0) | Err(_))
}

fn end(gate: Gate) {
    gate.stop.send_replace(true);
    gate.serving.join().unwrap();
}

#[test]
fn idle_connections_make_room_the_oldest_first() {
    let gate = Gate::start(3);
    let mut idle: Vec<TcpStream> = (0..3).map(|_| idle(&gate)).collect();
    assert!(asks(&mut idle[0], REQUEST), "now the second has been idle for longest");
    newcomer(&gate);
    assert!(is_closed(&mut idle[1]));
    assert!(asks(&mut idle[0], REQUEST) && asks(&mut idle[2], REQUEST));
    end(gate);
}

#[test]
fn connections_that_never_ask_make_room() {
    let gate = Gate::start(3);
    let _silent: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(gate.address).unwrap()).collect();
    newcomer(&gate);
    end(gate);
}

#[test]
fn a_body_or_an_answer_that_waits_for_its_client_makes_room() {
    let gate = Gate::start(2);
    let mut sends = TcpStream::connect(gate.address).unwrap();
    sends.write_all(b"POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf").unwrap();
    let mut large = gate.ask("/large");
    large.read_exact(&mut [0; 15]).unwrap();
    let mut waits = gate.wait();
    let mut others = gate.wait();
    assert!(is_closed(&mut sends));
    // Both places are taken by requests in progress: the unread answer is cut off.
    let mut rest = Vec::new();
    let _ = large.read_to_end(&mut rest);
    assert!(rest.len() < LARGE, "{} bytes", rest.len());
    gate.open.add_permits(2);
    for stream in [&mut waits, &mut others] {
        assert!(asks(stream, b""));
    }
    end(gate);
}

#[test]
fn a_request_under_way_keeps_its_place_and_new_ones_wait_for_it() {
    let gate = Gate::start(1);
    let mut waits = gate.wait();
    let mut late = gate.ask("/");
    gate.let_through();
    assert!(asks(&mut waits, b""));
    // It has its answer, so it makes room.
    assert!(asks(&mut late, b""));
    let mut rest = String::new();
    let _ = waits.read_to_string(&mut rest);
    assert_eq!(rest, "waited");
    end(gate);
}
