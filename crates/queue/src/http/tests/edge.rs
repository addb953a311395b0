//! Conversations cut short: a client that stops sending before it has its answer, and a daemon that stops
//! while it owes one.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use super::daemon::{Daemon, converse, read_answer, settings};
use super::gate::{Gate, LARGE};

#[test]
fn a_client_that_stops_sending_gets_its_whole_answer() {
    let gate = Gate::start(16);
    let mut waiting = gate.wait();
    waiting.shutdown(Shutdown::Write).unwrap();
    // Requests of others are answered meanwhile; by then the server has seen the first client's end of input.
    for _ in 0..2 {
        let mut other = TcpStream::connect(gate.address).unwrap();
        assert_eq!(converse(&mut other, "GET", "/", "", b"").status, 200);
    }
    gate.open.add_permits(1);
    let got = read_answer(&mut waiting);
    assert_eq!((got.status, got.text().as_str()), (200, "waited"));

    let mut large = gate.ask("/large");
    large.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_answer(&mut large).body.len(), LARGE);
    gate.stop.send_replace(true);
    gate.serving.join().unwrap();
}

#[test]
fn a_publication_counts_although_its_client_stops_sending() {
    let daemon = Daemon::start(settings(&[]), None);
    let publish = |body: &str| {
        let mut stream = TcpStream::connect(daemon.http).unwrap();
        write!(stream, "POST /pub?topic=t HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n{body}").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let answer = publish("hello");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nOK"), "{answer}");
    // An incomplete body is refused.
    let answer = publish("hell");
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    let stats = daemon.request("GET", "/stats?format=json", b"");
    let stats: serde_json::Value = serde_json::from_slice(&stats.body).unwrap();
    assert_eq!(stats["topics"][0]["message_count"], 1);
}

#[test]
fn a_stop_waits_for_answers_under_way_and_for_nobody_else() {
    let gate = Gate::start(16);
    let (mut idle, mut waiting, mut large) = (gate.ask("/"), gate.wait(), gate.ask("/large"));
    for stream in [&mut idle, &mut large] {
        stream.read_exact(&mut [0; 15]).unwrap();
    }
    gate.stop.send_replace(true);
    // The idle connection is closed, which shows that the stop was noticed.
    idle.read_to_end(&mut Vec::new()).unwrap();
    let let_in = TcpStream::connect(gate.address).and_then(|mut late| {
        late.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")?;
        late.read(&mut [0; 1])
    });
    assert!(matches!(let_in, Err(_) | Ok(0)), "nobody is let in any more");
    assert!(!gate.serving.is_finished());
    gate.open.add_permits(1);
    assert_eq!(read_answer(&mut waiting).text(), "waited");
    let mut rest = Vec::new();
    large.read_to_end(&mut rest).unwrap();
    assert!(rest.len() > LARGE, "{} bytes", rest.len());
    gate.serving.join().unwrap();
}
