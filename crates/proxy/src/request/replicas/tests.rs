use std::time::Duration;

use net::{App, ConnId, Fault};

use crate::testing::{World, reply, send};

const ONE: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\ntimeout = \"1s\"\n";
const ROLE: &str = "*1\r\n$4\r\nROLE\r\n";
const PING: &str = "*1\r\n$4\r\nPING\r\n";

/// A master's reply to ROLE, with the offsets of its replicas.
fn master(offset: u64, replicas: &[u64]) -> String {
    let one = |at: &u64| format!("*3\r\n$1\r\nh\r\n$1\r\n1\r\n${}\r\n{at}\r\n", at.to_string().len());
    let list: String = replicas.iter().map(one).collect();
    format!("*3\r\n$6\r\nmaster\r\n:{offset}\r\n*{}\r\n{list}", replicas.len())
}

fn inner(millis: u64) -> String {
    let millis = millis.to_string();
    format!("*3\r\n$4\r\nWAIT\r\n$7\r\n1000000\r\n${}\r\n{millis}\r\n{ROLE}", millis.len())
}

/// A client that has written, and waits: with the shared connection and its own.
fn waits(request: &str) -> (World, ConnId, [ConnId; 2]) {
    let mut w = World::new(ONE);
    let client = w.accept(0);
    send(&mut w, client, &["SET k v"]);
    let shared = w.server(0);
    // It is not asked before the write was executed.
    w.receive(client, &crate::testing::lines(&[request]));
    w.proxy.turn_end(&mut w.io);
    assert_eq!(w.io.connects.len(), 1);
    reply(&mut w, shared, "+OK\r\n");
    send(&mut w, client, &[request]);
    let private = w.server(1);
    assert_eq!(w.sent(private), ROLE);
    (w, client, [shared, private])
}

fn is_even(w: &World) {
    let census = w.proxy.census();
    assert_eq!(census.held, census.held_counted, "{census:?}");
}

#[test]
fn replicas_that_are_there_count_at_once() {
    let (mut w, client, [_, private]) = waits("WAIT 1 0");
    reply(&mut w, private, &master(42, &[41, 42, 43]));
    assert_eq!(w.sent(client), "+OK\r\n:2\r\n");
    // It is served again, and the connection is given back.
    send(&mut w, client, &["PING"]);
    assert!(w.sent(client).ends_with("+PONG\r\n"));
    let other = w.accept(0);
    send(&mut w, other, &["WAIT 0 0"]);
    assert_eq!((w.sent(private), w.io.connects.len()), (ROLE.repeat(2), 2));
    is_even(&w);
}

#[test]
fn the_server_asks_its_replicas_and_is_woken() {
    let (mut w, client, [shared, private]) = waits("WAIT 2 1000");
    reply(&mut w, private, &master(42, &[42, 41]));
    assert_eq!(w.sent(private), ROLE.to_owned() + &inner(1));
    let before = w.sent(shared).len();
    w.pass_time(Duration::from_millis(1));
    assert_eq!(w.sent(shared).len(), before);
    w.pass_time(Duration::from_millis(1));
    assert_eq!(w.sent(shared)[before..], *PING);
    // Others have written meanwhile: that does not matter.
    reply(&mut w, private, &format!(":1\r\n{}", master(99, &[99, 41])));
    assert!(w.sent(private).ends_with(&inner(2)));
    assert_eq!(w.sent(client), "+OK\r\n");
    reply(&mut w, private, &format!(":2\r\n{}", master(99, &[99, 42])));
    assert_eq!(w.sent(client), "+OK\r\n:2\r\n");
    w.pass_time(Duration::from_millis(100));
    assert_eq!(w.sent(shared)[before..], *PING, "nobody waits any more");
    assert!(w.proxy.nudges.is_empty());
    is_even(&w);
}

#[test]
fn who_wants_none_is_told_how_many_there_are() {
    let (mut w, client, [_, private]) = waits("WAIT 0 0");
    // The server's own question to its replicas is part of what it writes to them.
    reply(&mut w, private, &master(79, &[42, 42]));
    assert_eq!(w.sent(private), ROLE.to_owned() + &inner(1));
    reply(&mut w, private, &format!(":1\r\n{}", master(116, &[79, 42])));
    assert_eq!(w.sent(client), "+OK\r\n:1\r\n");
    is_even(&w);
}

#[test]
fn when_the_time_is_over_those_that_are_there_are_told() {
    let (mut w, client, [_, private]) = waits("WAIT 2 100");
    reply(&mut w, private, &master(42, &[42, 7]));
    let mut inner_waits = Vec::new();
    while w.sent(client) == "+OK\r\n" {
        let text = w.sent(private);
        let millis: u64 = text.rsplit("\r\n").nth(4).unwrap().parse().unwrap();
        inner_waits.push(millis);
        w.pass_time(Duration::from_millis(millis));
        reply(&mut w, private, &format!(":1\r\n{}", master(42, &[42, 7])));
    }
    assert_eq!(w.sent(client), "+OK\r\n:1\r\n");
    assert_eq!(inner_waits, [1, 2, 4, 8, 16, 32, 32, 5], "the last one ends with its time");
    assert_eq!(w.io.now.0 / 1000, 100);
    is_even(&w);
}

/// The server's replies, and the client's.
#[test]
fn what_is_no_master_and_no_role() {
    let cases = [
        ("-NOPERM no\r\n", "-NOPERM no\r\n"),
        (
            "*5\r\n$5\r\nslave\r\n$1\r\nh\r\n:1\r\n$7\r\nconnect\r\n:-1\r\n",
            "-ERR WAIT cannot be used with replica",
        ),
        ("+OK\r\n", "-ERR Invalid argument\r\n"),
    ];
    for (said, answer) in cases {
        let (mut w, client, [_, private]) = waits("WAIT 1 0");
        reply(&mut w, private, said);
        assert!(w.sent(client).starts_with(&format!("+OK\r\n{answer}")), "{said}: {}", w.sent(client));
        send(&mut w, client, &["PING"]);
        assert!(w.sent(client).ends_with("+PONG\r\n"));
        is_even(&w);
    }
}

#[test]
fn a_server_that_is_lost_or_silent_fails_the_request() {
    let (mut w, client, [_, private]) = waits("WAIT 1 0");
    reply(&mut w, private, &master(42, &[]));
    w.proxy.failed(&mut w.io, private, Fault::Reset);
    w.proxy.turn_end(&mut w.io);
    assert_eq!(w.sent(client), "+OK\r\n-ERR Connection reset by peer\r\n");
    is_even(&w);
    let (mut w, client, [_, private]) = waits("WAIT 1 0");
    reply(&mut w, private, &master(42, &[]));
    for _ in 0..20 {
        w.pass_time(Duration::from_millis(100));
        w.proxy.turn_end(&mut w.io);
    }
    assert_eq!(w.sent(client), "+OK\r\n-ERR Connection timed out\r\n");
    is_even(&w);
}

/// Its connection stays, since keys are watched there; what came next was taken for an answer to ROLE.
#[test]
fn a_request_that_failed_is_over_where_the_connection_stays() {
    let mut w = World::new(ONE);
    let client = w.accept(0);
    send(&mut w, client, &["WATCH k"]);
    let private = w.server(0);
    reply(&mut w, private, "+OK\r\n");
    send(&mut w, client, &["WAIT 1 0"]);
    for _ in 0..20 {
        w.pass_time(Duration::from_millis(100));
        w.proxy.turn_end(&mut w.io);
    }
    assert_eq!(w.sent(client), "+OK\r\n-ERR Connection timed out\r\n");
    assert!(
        w.proxy.client_mut(client).unwrap().session.state.as_ref().is_none_or(|it| it.counting.is_none())
    );
    is_even(&w);
}

#[test]
fn a_client_that_goes_or_is_unblocked_waits_no_longer() {
    let (mut w, client, [_, private]) = waits("WAIT 2 0");
    reply(&mut w, private, &master(42, &[42]));
    w.proxy.failed(&mut w.io, client, Fault::Reset);
    w.proxy.turn_end(&mut w.io);
    assert!(w.io.closed.contains(&private), "the server may still be waiting");
    w.pass_time(Duration::from_millis(10));
    is_even(&w);
    let (mut w, client, [_, private]) = waits("WAIT 2 0");
    reply(&mut w, private, &master(42, &[42]));
    let other = w.accept(0);
    let number = w.proxy.client_mut(client).unwrap().session.number;
    send(&mut w, other, &[&format!("CLIENT UNBLOCK {number}")]);
    assert_eq!((w.sent(other).as_str(), w.sent(client).as_str()), (":1\r\n", "+OK\r\n:1\r\n"));
    is_even(&w);
}

/// Requests, and the answers; no server is asked.
#[test]
fn what_is_refused() {
    let two = ONE.replace("1 a\"", "1 a\", \"127.0.0.1:12:1 b\"");
    let local = ONE.replace("127.0.0.1:11:1 a", "local");
    let number = "-ERR value is not an integer or out of range\r\n";
    let cases = [
        (ONE, "WAIT x 1", number),
        (ONE, "WAIT 1.5 1", number),
        (ONE, "WAIT 1 x", "-ERR timeout is not an integer or out of range\r\n"),
        (ONE, "WAIT 1 -5", "-ERR timeout is negative\r\n"),
        (ONE, "WAIT 1", "-ERR wrong number of arguments for 'wait' command\r\n"),
        (
            &two,
            "WAIT 1 1",
            "-ERR unknown command 'wait', unsupported by this proxy: each server counts its own replicas only",
        ),
        (&local, "WAIT 1 1", "-ERR 'wait' is not served by the embedded cache\r\n"),
    ];
    for (pool, request, answer) in cases {
        let mut w = World::new(pool);
        let client = w.accept(0);
        send(&mut w, client, &[request]);
        assert!(w.sent(client).starts_with(answer), "{request}: {}", w.sent(client));
        assert!(w.io.connects.is_empty());
    }
}
