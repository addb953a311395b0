use std::time::Duration;

use net::{App, ConnId, Fault};

use crate::testing::{World, lines, reply, send};

const ONE: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\ntimeout = \"1s\"\n";
const TWO: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nhash = \"fnv1a_64\"\ndistribution = \"modula\"\n\
                   servers = [\"127.0.0.1:11:1 a\", \"127.0.0.1:12:1 b\"]\ntimeout = \"1s\"\n";

/// Text sent on a connection after its first `before` bytes.
fn sent_since(w: &World, conn: ConnId, before: usize) -> String {
    w.sent(conn)[before..].replace("\r\n", " ").to_lowercase()
}

fn in_lines(requests: &[&str]) -> String {
    String::from_utf8(lines(requests)).unwrap().replace("\r\n", " ").to_lowercase()
}

fn is_even(w: &World) {
    let census = w.proxy.census();
    assert_eq!(census.held, census.held_counted, "{census:?}");
    assert_eq!(census.gathers, 0, "{census:?}");
}

#[test]
fn watch_to_exec_on_one_connection_that_the_next_client_uses_again() {
    let mut w = World::new(ONE);
    for round in 0..3 {
        let client = w.accept(0);
        send(&mut w, client, &["WATCH k"]);
        let private = w.server(0);
        let before = if round == 0 { 0 } else { w.sent(private).len() - lines(&["WATCH k"]).len() };
        reply(&mut w, private, "+OK\r\n");
        send(&mut w, client, &["GET k", "MULTI", "SET k 1"]);
        assert_eq!(sent_since(&w, private, before), in_lines(&["WATCH k", "GET k"]));
        reply(&mut w, private, "$-1\r\n");
        send(&mut w, client, &["EXEC"]);
        assert_eq!(
            sent_since(&w, private, before),
            in_lines(&["WATCH k", "GET k", "MULTI", "SET k 1", "EXEC"])
        );
        reply(&mut w, private, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
        assert_eq!(w.sent(client), "+OK\r\n$-1\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
        assert!(w.proxy.clients().all(|client| client.session.state.is_none()));
        is_even(&w);
    }
    assert_eq!(w.io.connects.len(), 1);
}

/// Everything in one packet: the proxy reads on when it may.
#[test]
fn nothing_overtakes_where_connections_change() {
    let mut w = World::new(ONE);
    let client = w.accept(0);
    let mut unread = lines(&["SET k 0", "WATCH k", "GET k", "UNWATCH", "GET k"]);
    let taken = w.receive(client, &unread);
    unread.drain(..taken);
    assert_eq!(unread, lines(&["WATCH k", "GET k", "UNWATCH", "GET k"]), "SET is on another connection");
    let shared = w.server(0);
    reply(&mut w, shared, "+OK\r\n");
    let taken = w.receive(client, &unread);
    unread.drain(..taken);
    let private = w.server(1);
    assert_eq!(
        (sent_since(&w, private, 0), unread.len()),
        (in_lines(&["WATCH k", "GET k", "UNWATCH", "GET k"]), 0)
    );
    reply(&mut w, private, "+OK\r\n$1\r\n0\r\n+OK\r\n$1\r\n0\r\n");
    send(&mut w, client, &["GET k"]);
    assert_eq!(sent_since(&w, shared, lines(&["SET k 0"]).len()), in_lines(&["GET k"]));
    assert_eq!(w.sent(client), "+OK\r\n+OK\r\n$1\r\n0\r\n+OK\r\n$1\r\n0\r\n");
    is_even(&w);
}

/// Ends of a watch, and the requests that reach the private connection after WATCH.
#[test]
fn however_a_watch_ends_the_connection_is_clean() {
    let cases: [(&[&str], &[&str]); 5] = [
        (&["UNWATCH"], &["UNWATCH"]),
        (&["MULTI", "DISCARD"], &["UNWATCH"]),
        (&["MULTI", "GET", "EXEC"], &["UNWATCH"]),
        (&["RESET"], &["UNWATCH"]),
        (&["MULTI", "EXEC"], &["MULTI", "EXEC"]),
    ];
    for (requests, expected) in cases {
        let mut w = World::new(ONE);
        let client = w.accept(0);
        send(&mut w, client, &["WATCH k"]);
        let private = w.server(0);
        reply(&mut w, private, "+OK\r\n");
        let before = w.sent(private).len();
        send(&mut w, client, requests);
        assert_eq!(sent_since(&w, private, before), in_lines(expected), "{requests:?}");
        reply(&mut w, private, if expected.len() == 1 { "+OK\r\n" } else { "+OK\r\n*0\r\n" });
        assert!(w.proxy.clients().all(|client| client.session.state.is_none()), "{requests:?}");
        let gauge =
            w.proxy.servers.values().map(|server| server.stats.private_connections.get()).sum::<u64>();
        assert_eq!(gauge, 0, "{requests:?}");
        is_even(&w);
    }
    // A client that goes away.
    let mut w = World::new(ONE);
    let client = w.accept(0);
    send(&mut w, client, &["WATCH k"]);
    let private = w.server(0);
    reply(&mut w, private, "+OK\r\n");
    w.proxy.failed(&mut w.io, client, Fault::Reset);
    w.proxy.turn_end(&mut w.io);
    assert!(w.sent(private).ends_with("UNWATCH\r\n"));
    let next = w.accept(0);
    send(&mut w, next, &["WATCH k"]);
    reply(&mut w, private, "+OK\r\n+OK\r\n");
    assert_eq!((w.sent(next).as_str(), w.io.connects.len()), ("+OK\r\n", 1));
}

/// The client had to stay with that server, on which it watched nothing.
#[test]
fn a_watch_that_was_refused_binds_to_no_server() {
    let mut w = World::new(TWO);
    let client = w.accept(0);
    send(&mut w, client, &["WATCH a", "WATCH a"]);
    let private = w.server(0);
    reply(&mut w, private, "-MOVED 1 127.0.0.1:12\r\n");
    assert!(w.proxy.clients().all(|client| client.session.state.is_some()), "one is not answered");
    reply(&mut w, private, "-MOVED 1 127.0.0.1:12\r\n");
    assert!(w.proxy.clients().all(|client| client.session.state.is_none()));
    send(&mut w, client, &["WATCH b"]);
    let other = w.server(1);
    reply(&mut w, other, "+OK\r\n");
    send(&mut w, client, &["WATCH b", "MULTI", "EXEC"]);
    reply(&mut w, other, "-NOPERM\r\n+OK\r\n*0\r\n");
    let refused = "-MOVED 1 127.0.0.1:12\r\n".repeat(2);
    assert_eq!(w.sent(client), format!("{refused}+OK\r\n-NOPERM\r\n+OK\r\n*0\r\n"));
    assert!(
        w.sent(other).ends_with(&String::from_utf8(lines(&["MULTI", "EXEC"])).unwrap()),
        "it still watches"
    );
    is_even(&w);
    // A transaction that is open goes where the watch went.
    send(&mut w, client, &["WATCH a", "MULTI", "SET a 1"]);
    reply(&mut w, private, "+OK\r\n-MOVED 1 127.0.0.1:12\r\n");
    send(&mut w, client, &["EXEC"]);
    assert!(w.sent(private).ends_with(&String::from_utf8(lines(&["MULTI", "SET a 1", "EXEC"])).unwrap()));
}

#[test]
fn a_watch_whose_connection_was_lost_fails_as_if_the_key_had_changed() {
    for (hello, null) in [("PING", "*-1\r\n"), ("HELLO 3", "_\r\n")] {
        let mut w = World::new(ONE);
        let client = w.accept(0);
        send(&mut w, client, &[hello, "WATCH k"]);
        let private = w.io.connects[0].0;
        w.proxy.connected(&mut w.io, private);
        if hello != "PING" {
            reply(&mut w, private, "%0\r\n");
        }
        reply(&mut w, private, "+OK\r\n");
        w.proxy.failed(&mut w.io, private, Fault::Reset);
        send(&mut w, client, &["MULTI", "SET k 1", "EXEC", "PING"]);
        let tail = format!("+OK\r\n+QUEUED\r\n{null}+PONG\r\n");
        assert!(w.sent(client).ends_with(&tail), "{}", w.sent(client));
        assert_eq!(w.io.connects.len(), 1, "nothing is executed");
        is_even(&w);
    }
}

#[test]
fn a_transaction_and_its_watch_are_for_one_server() {
    let mut w = World::new(TWO);
    let client = w.accept(0);
    send(&mut w, client, &["WATCH a"]);
    let private = w.server(0);
    reply(&mut w, private, "+OK\r\n");
    send(&mut w, client, &["WATCH b", "MULTI", "SET b 1", "EXEC"]);
    let replies = w.sent(client);
    let words: Vec<&str> = replies.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["+OK", "-CROSSSLOT", "+OK", "-CROSSSLOT", "-EXECABORT"]);
    // Other servers are reached while keys are watched on this one.
    send(&mut w, client, &["WATCH a", "GET b"]);
    let other = w.server(1);
    assert_eq!(sent_since(&w, other, 0), in_lines(&["GET b"]));
}

#[test]
fn a_blocked_client_holds_up_nobody_and_is_served_in_order() {
    for (request, answer) in [
        ("BLPOP k 0", "*2\r\n$1\r\nk\r\n$1\r\nv\r\n"),
        ("BLMOVE k k LEFT RIGHT 7", "$1\r\nv\r\n"),
        ("XREAD BLOCK 5000 STREAMS k $", "*-1\r\n"),
        ("BZMPOP 0.5 1 k MIN", "*-1\r\n"),
    ] {
        let mut w = World::new(ONE);
        let client = w.accept(0);
        let mut unread = lines(&[request, "GET k"]);
        let taken = w.receive(client, &unread);
        unread.drain(..taken);
        w.proxy.turn_end(&mut w.io);
        let private = w.server(0);
        assert_eq!((sent_since(&w, private, 0), &unread), (in_lines(&[request]), &lines(&["GET k"])));
        assert_eq!(w.receive(client, &unread), 0, "what comes behind it waits");
        let other = w.ask(lines(&["GET k"]));
        let shared = w.server(1);
        reply(&mut w, shared, "$1\r\n1\r\n");
        assert_eq!(w.sent(other), "$1\r\n1\r\n");
        reply(&mut w, private, answer);
        assert_eq!(w.sent(client), answer);
        assert!(!w.io.paused.contains(&client));
        send(&mut w, client, &["GET k"]);
        assert_eq!(w.sent(shared).matches("GET").count(), 2);
        // The next client that blocks uses the connection again.
        let next = w.accept(0);
        send(&mut w, next, &[request]);
        assert_eq!(
            (w.sent(private).matches(request.split(' ').next().unwrap()).count(), w.io.connects.len()),
            (2, 2)
        );
        is_even(&w);
    }
}

/// A request, the time after which it counts as lost.
#[test]
fn a_blocking_request_has_the_deadline_that_it_names() {
    for (request, millis) in
        [("BLPOP k 0", None), ("BLPOP k 2", Some(3000)), ("XREAD BLOCK 500 STREAMS k 0", Some(1500))]
    {
        let mut w = World::new(ONE);
        let client = w.ask(lines(&[request]));
        w.server(0);
        match millis {
            None => w.pass_time(Duration::from_hours(1)),
            Some(millis) => {
                for _ in 0..millis / 100 - 1 {
                    w.pass_time(Duration::from_millis(100));
                    assert_eq!(w.sent(client), "", "{request}");
                }
                w.pass_time(Duration::from_millis(201));
            }
        }
        let expected = if millis.is_some() { "-ERR Connection timed out\r\n" } else { "" };
        assert_eq!(w.sent(client), expected, "{request}");
    }
}

#[test]
fn a_client_that_goes_away_unblocks_its_server() {
    for ends in [true, false] {
        let mut w = World::new(ONE);
        let client = w.accept(0);
        send(&mut w, client, &["BLPOP k 0"]);
        let private = w.server(0);
        if ends {
            w.proxy.ended(&mut w.io, client);
        } else {
            w.proxy.failed(&mut w.io, client, Fault::Reset);
        }
        w.proxy.turn_end(&mut w.io);
        assert!(w.io.closed.contains(&private));
        let pool = w.proxy.pools.values().next().unwrap();
        assert_eq!((pool.stats.blocked_clients_gone.get(), w.proxy.census().clients), (1, 0));
        is_even(&w);
    }
}

#[test]
fn the_loss_of_a_blocked_connection_is_an_error_and_the_client_goes_on() {
    let mut w = World::new(ONE);
    let client = w.accept(0);
    send(&mut w, client, &["BLPOP k 0"]);
    let private = w.server(0);
    w.proxy.failed(&mut w.io, private, Fault::Reset);
    w.proxy.turn_end(&mut w.io);
    assert_eq!(w.sent(client), "-ERR Connection reset by peer\r\n");
    send(&mut w, client, &["PING"]);
    assert!(w.sent(client).ends_with("+PONG\r\n"));
    is_even(&w);
}

#[test]
fn at_the_limit_clients_wait_their_turn_and_then_get_an_error() {
    let mut w = World::new(&format!("{ONE}private_connections = 1\n"));
    let [first, second, third] = [(); 3].map(|()| w.accept(0));
    send(&mut w, first, &["BLPOP k 0"]);
    let private = w.server(0);
    let request = lines(&["BLPOP l 0"]);
    for client in [second, third] {
        assert_eq!(w.receive(client, &request), 0);
        assert!(w.io.paused.contains(&client));
    }
    reply(&mut w, private, "*-1\r\n");
    assert!(!w.io.paused.contains(&second) && w.io.paused.contains(&third));
    assert_eq!(w.receive(second, &request), request.len());
    w.pass_time(Duration::from_millis(1001));
    assert!(!w.io.paused.contains(&third));
    assert_eq!(w.receive(third, &request), request.len());
    let error = "-ERR all connections to this server for single clients are in use (private_connections): try again later\r\n";
    assert_eq!((w.sent(third).as_str(), w.io.connects.len()), (error, 1));
    // A client of the other version takes the place of a free connection.
    reply(&mut w, private, "*-1\r\n");
    let other = w.accept(0);
    send(&mut w, other, &["HELLO 3", "BLPOP k 0"]);
    assert!(w.io.closed.contains(&private) && w.io.connects.len() == 2);
}

#[test]
fn who_waits_for_the_embedded_cache_needs_no_connection() {
    let mut w = World::new("[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"local\"]\n");
    let client = w.ask(lines(&["XREAD BLOCK 0 STREAMS k 0", "PING"]));
    assert_eq!((w.sent(client), w.io.connects.len()), (String::new(), 0));
}
