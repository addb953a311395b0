use net::{App, ConnId, Fault};

use super::*;
use crate::testing::{World, lines};

/// Accepts ROLE, and PING.
const PONG: &[u8] = b"+OK\r\n+PONG\r\n";
const PING: &str = "*1\r\n$4\r\nROLE\r\n*1\r\n$4\r\nPING\r\n";
const ROLE: &str = "*1\r\n$4\r\nROLE\r\n";
const MASTER: &[u8] = b"*3\r\n$6\r\nmaster\r\n:14\r\n*0\r\n";

/// Hedged after 10 ms, with replicas at ports 2 and 3.
fn world() -> World {
    World::behind_sentinels("read_from = \"replica\"\nhedge_after = \"10ms\"\n", &[(2, true), (3, true)])
}

/// A client, with the connections of the replica that it reads from, and of the other one after a hedge.
fn hedged(w: &mut World, request: &str) -> (ConnId, ConnId, ConnId) {
    let client = w.ask(lines(&[request]));
    let first = w.io.connects.last().expect("a connection").0;
    w.proxy.connected(&mut w.io, first);
    w.receive(first, PONG);
    w.pass_time(Duration::from_millis(9));
    assert_eq!(w.io.connects.len(), 1, "not yet");
    w.pass_time(Duration::from_millis(2));
    assert_eq!(w.io.connects.len(), 2, "another node is asked");
    let copy = w.io.connects[1].0;
    w.proxy.connected(&mut w.io, copy);
    w.receive(copy, PONG);
    assert_eq!(w.sent(copy), format!("{PING}{}", text(&[request])));
    (client, first, copy)
}

fn text(requests: &[&str]) -> String {
    String::from_utf8(lines(requests)).expect("text")
}

fn counted(w: &World) -> (u64, u64) {
    let pool = w.proxy.pools.values().next().expect("a pool");
    (pool.stats.hedged_reads.get(), pool.stats.hedges_won.get())
}

/// Nothing is left, and memory is what was counted.
fn check_end(w: &World) {
    assert!(w.proxy.hedges.is_empty());
    let census = w.proxy.census();
    assert_eq!(census.held, census.held_counted);
}

#[test]
fn the_first_answer_counts_and_the_other_keeps_its_place() {
    for copy_is_first in [true, false] {
        let mut w = world();
        let (client, first, copy) = hedged(&mut w, "GET k");
        let (winner, loser) = if copy_is_first { (copy, first) } else { (first, copy) };
        w.receive(winner, b"$1\r\nv\r\n");
        assert_eq!(w.sent(client), "$1\r\nv\r\n");
        assert_eq!(counted(&w), (1, u64::from(copy_is_first)));
        w.receive(client, &lines(&["GET next"]));
        assert!(w.sent(winner).ends_with(&text(&["GET next"])), "the loser is held up");
        w.receive(winner, b"$1\r\nn\r\n");
        // Both have an answer now, and the client goes back to the replica that it keeps to.
        w.receive(loser, b"$4\r\nlate\r\n");
        w.receive(client, &lines(&["GET last"]));
        assert!(w.sent(first).ends_with(&text(&["GET last"])));
        w.receive(first, b"$1\r\nl\r\n");
        assert_eq!(w.sent(client), "$1\r\nv\r\n$1\r\nn\r\n$1\r\nl\r\n");
        check_end(&w);
    }
}

#[test]
fn a_request_behind_a_late_one_on_its_connection_gets_its_own_reply() {
    let mut w = world();
    let client = w.ask(lines(&["GET k", "GET next"]));
    let first = w.io.connects[0].0;
    w.proxy.connected(&mut w.io, first);
    w.receive(first, PONG);
    w.pass_time(Duration::from_millis(11));
    let copy = w.io.connects[1].0;
    w.proxy.connected(&mut w.io, copy);
    w.receive(copy, PONG);
    assert_eq!(w.sent(copy), format!("{PING}{}", text(&["GET k", "GET next"])));
    // The second one is answered by its first node, behind the reply that nobody wants any more.
    w.receive(copy, b"$1\r\nv\r\n");
    w.receive(first, b"$4\r\nlate\r\n$1\r\nn\r\n");
    assert_eq!(w.sent(client), "$1\r\nv\r\n$1\r\nn\r\n");
    w.receive(copy, b"$4\r\nlate\r\n");
    assert_eq!((w.sent(client).as_str(), counted(&w)), ("$1\r\nv\r\n$1\r\nn\r\n", (2, 1)));
    check_end(&w);
}

#[test]
fn an_error_does_not_win_and_two_errors_are_one() {
    for error in ["-LOADING Redis is loading the dataset in memory\r\n", "-ERR x\r\n"] {
        for copy_fails in [true, false] {
            let mut w = world();
            let (client, first, copy) = hedged(&mut w, "GET k");
            let (one, other) = if copy_fails { (copy, first) } else { (first, copy) };
            w.receive(one, error.as_bytes());
            assert_eq!(w.sent(client), "");
            w.receive(other, b"$1\r\nv\r\n");
            assert_eq!(w.sent(client), "$1\r\nv\r\n");
            check_end(&w);
        }
    }
    let mut w = world();
    let (client, first, copy) = hedged(&mut w, "GET k");
    w.receive(copy, b"-WRONGTYPE x\r\n");
    w.receive(first, b"-WRONGTYPE x\r\n");
    assert_eq!(w.sent(client), "-WRONGTYPE x\r\n");
    check_end(&w);
}

#[test]
fn a_lost_connection_leaves_the_answer_to_the_other() {
    for copy_is_lost in [true, false] {
        let mut w = world();
        let (client, first, copy) = hedged(&mut w, "GET k");
        let (lost, other) = if copy_is_lost { (copy, first) } else { (first, copy) };
        w.proxy.failed(&mut w.io, lost, Fault::Reset);
        assert_eq!((w.sent(client).as_str(), w.io.connects.len()), ("", 2), "it is not sent a third time");
        w.receive(other, b"$1\r\nv\r\n");
        assert_eq!(w.sent(client), "$1\r\nv\r\n");
        check_end(&w);
    }
    // Both are lost: the master has it.
    let mut w = world();
    let (client, first, copy) = hedged(&mut w, "GET k");
    w.proxy.failed(&mut w.io, first, Fault::Reset);
    w.proxy.failed(&mut w.io, copy, Fault::Reset);
    let master = w.node(1);
    w.receive(master, MASTER);
    w.receive(master, b"$1\r\nv\r\n");
    assert_eq!(w.sent(client), "$1\r\nv\r\n");
    check_end(&w);
}

#[test]
fn silence_of_both_ends_at_the_master() {
    let mut w = world();
    let (client, _, _) = hedged(&mut w, "GET k");
    for _ in 0..60 {
        w.pass_time(Duration::from_millis(10));
    }
    let master = w.node(1);
    assert_eq!(w.sent(master), ROLE);
    w.receive(master, MASTER);
    assert_eq!(w.sent(master), format!("{ROLE}{}", text(&["GET k"])));
    w.receive(master, b"$1\r\nv\r\n");
    assert_eq!(w.sent(client), "$1\r\nv\r\n");
    check_end(&w);
}

#[test]
fn parts_of_a_request_are_hedged_and_a_client_that_leaves_takes_nothing_along() {
    let mut w = world();
    let (client, first, copy) = hedged(&mut w, "MGET a b");
    w.receive(copy, b"*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
    assert_eq!(w.sent(client), "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
    w.receive(first, b"*2\r\n$-1\r\n$-1\r\n");
    check_end(&w);
    let mut w = world();
    let (client, first, copy) = hedged(&mut w, "GET k");
    w.proxy.failed(&mut w.io, client, Fault::Reset);
    w.receive(copy, b"$1\r\nv\r\n");
    w.receive(first, b"$1\r\nv\r\n");
    check_end(&w);
}

#[test]
fn the_master_gets_a_copy_only_of_the_last_request_and_no_write_is_ever_copied() {
    let one = || World::behind_sentinels("read_from = \"nearest\"\nhedge_after = \"10ms\"\n", &[(2, true)]);
    // The client has sent a write since: at the master its read would see it.
    let mut w = one();
    let client = w.ask(lines(&["GET k"]));
    let reader = w.io.connects[0].0;
    let is_replica = matches!(&w.io.connects[0].1, net::Address::Tcp { port: 2, .. });
    w.proxy.connected(&mut w.io, reader);
    w.receive(reader, if is_replica { PONG } else { MASTER });
    w.receive(client, &lines(&["SET k w", "INCR n"]));
    w.pass_time(Duration::from_millis(11));
    assert_eq!(counted(&w).0, 0);
    // Writes alone.
    let mut w = one();
    w.ask(lines(&["SET k v", "INCR n", "GETDEL k", "RPUSH l x"]));
    let master = w.node(1);
    w.receive(master, MASTER);
    w.pass_time(Duration::from_millis(50));
    assert_eq!((counted(&w).0, w.io.connects.len()), (0, 1));
}
