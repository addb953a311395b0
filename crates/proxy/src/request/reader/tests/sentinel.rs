//! Reads from replicas that Sentinels have named.

use std::time::Duration;

use net::{Address, App, Fault};

use crate::generation::Settings;
use crate::testing::{World, behind_sentinels, lines};

const ROLE: &str = "*1\r\n$4\r\nROLE\r\n";
const PING: &str = "*1\r\n$4\r\nPING\r\n";
const MASTER: &[u8] = b"*3\r\n$6\r\nmaster\r\n:14\r\n*0\r\n";
const NO_REPLICA: &str =
    "-ERR no replica of this key may be read from now (read_from, replica_lag_max): try again later\r\n";

/// A pool whose master has this port, with replicas at others, each with whether it may be read from.
fn named(policy: &str, master: u16, replicas: &[(u16, bool)]) -> Settings {
    behind_sentinels(&format!("read_from = \"{policy}\"\n"), master, replicas)
}

fn world(policy: &str, replicas: &[(u16, bool)]) -> World {
    World::behind_sentinels(&format!("read_from = \"{policy}\"\n"), replicas)
}

fn is_asked(w: &World, port: u16) -> bool {
    w.io.connects.iter().any(|(_, address)| matches!(address, Address::Tcp { port: own, .. } if *own == port))
}

/// Answers the master's handshake, then the request that must follow it.
fn master_answers(w: &mut World, port: u16, request: &str, reply: &str) {
    let master = w.node(port);
    assert_eq!(w.sent(master), ROLE);
    w.receive(master, MASTER);
    let request = String::from_utf8(lines(&[request])).expect("text");
    assert_eq!(w.sent(master), format!("{ROLE}{request}"));
    w.receive(master, reply.as_bytes());
}

#[test]
fn reads_go_to_a_replica_and_writes_to_the_master() {
    let mut w = world("replica", &[(2, true), (3, false)]);
    let client = w.ask(lines(&["GET k", "MGET k j"]));
    let replica = w.node(2);
    assert_eq!(w.sent(replica), format!("{ROLE}{PING}"));
    w.receive(replica, b"+OK\r\n+PONG\r\n$1\r\nv\r\n*2\r\n$1\r\nv\r\n$-1\r\n");
    assert_eq!(w.sent(client), "$1\r\nv\r\n*2\r\n$1\r\nv\r\n$-1\r\n");
    assert!(!is_asked(&w, 1) && !is_asked(&w, 3));
    let writer = w.ask(lines(&["SET k v"]));
    master_answers(&mut w, 1, "SET k v", "+OK\r\n");
    assert_eq!(w.sent(writer), "+OK\r\n");
    // What goes to every server goes to masters.
    let counter = w.ask(lines(&["DBSIZE"]));
    let master = w.node(1);
    w.receive(master, b":7\r\n");
    assert_eq!(w.sent(counter), ":7\r\n");
}

#[test]
fn without_a_replica_that_is_fit() {
    for (policy, is_refused) in [("replica", true), ("prefer_replica", false), ("nearest", false)] {
        let mut w = world(policy, &[(2, false)]);
        let client = w.ask(lines(&["GET k"]));
        assert_eq!(w.sent(client), if is_refused { NO_REPLICA } else { "" }, "{policy}");
        assert_eq!((is_asked(&w, 1), is_asked(&w, 2)), (!is_refused, false), "{policy}");
    }
}

#[test]
fn what_a_replica_does_not_answer_goes_to_the_master() {
    let declined: [&[u8]; 2] = [
        b"+OK\r\n+PONG\r\n-LOADING Redis is loading the dataset in memory\r\n",
        b"+OK\r\n+PONG\r\n-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
    ];
    for error in declined {
        let mut w = world("replica", &[(2, true)]);
        let client = w.ask(lines(&["GET k"]));
        let replica = w.node(2);
        w.receive(replica, error);
        master_answers(&mut w, 1, "GET k", "$1\r\nv\r\n");
        assert_eq!(w.sent(client), "$1\r\nv\r\n");
    }
    for fault in [Fault::Refused, Fault::Reset] {
        let mut w = world("replica", &[(2, true)]);
        let client = w.ask(lines(&["GET k"]));
        let replica = w.io.connects[0].0;
        if fault == Fault::Reset {
            let replica = w.node(2);
            w.receive(replica, b"+OK\r\n+PONG\r\n");
        }
        w.proxy.failed(&mut w.io, replica, fault);
        // The next read does not wait for a replica that has just failed.
        let next = w.ask(lines(&["GET k"]));
        let master = w.node(1);
        w.receive(master, MASTER);
        w.receive(master, b"$1\r\nv\r\n$1\r\nw\r\n");
        assert_eq!((w.sent(client).as_str(), w.sent(next).as_str()), ("$1\r\nv\r\n", "$1\r\nw\r\n"));
    }
}

#[test]
fn a_frozen_replica_holds_reads_up_for_a_moment_only() {
    let mut w = world("replica", &[(2, true)]);
    let client = w.ask(lines(&["GET k"]));
    let replica = w.node(2);
    w.receive(replica, b"+OK\r\n+PONG\r\n");
    w.pass_time(Duration::from_millis(249));
    assert!(!w.io.closed.contains(&replica));
    w.pass_time(Duration::from_millis(2));
    assert!(w.io.closed.contains(&replica));
    master_answers(&mut w, 1, "GET k", "$1\r\nv\r\n");
    assert_eq!(w.sent(client), "$1\r\nv\r\n");
    let census = w.proxy.census();
    assert_eq!(census.held, census.held_counted);
}

#[test]
fn a_replica_that_has_just_started_is_not_read_from() {
    let mut w = world("replica", &[(2, true)]);
    let client = w.ask(lines(&["GET k"]));
    let replica = w.node(2);
    w.receive(replica, b"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$4\r\nsync\r\n:-1\r\n");
    assert!(w.io.closed.contains(&replica));
    master_answers(&mut w, 1, "GET k", "$1\r\nv\r\n");
    assert_eq!(w.sent(client), "$1\r\nv\r\n");
}

#[test]
fn an_error_of_the_command_is_the_reply() {
    let mut w = world("replica", &[(2, true)]);
    let client = w.ask(lines(&["GET k"]));
    let replica = w.node(2);
    w.receive(replica, b"+OK\r\n+PONG\r\n-WRONGTYPE Operation against a key\r\n");
    assert_eq!(w.sent(client), "-WRONGTYPE Operation against a key\r\n");
    assert!(!is_asked(&w, 1));
}

#[test]
fn a_replica_that_is_the_master_now_is_asked_as_one() {
    let mut w = world("replica", &[(2, true)]);
    let client = w.ask(lines(&["GET k"]));
    let replica = w.node(2);
    w.receive(replica, b"+OK\r\n+PONG\r\n$1\r\nv\r\n");
    // It is promoted; the old master comes back as a replica.
    w.reload(named("replica", 2, &[(1, true)]));
    w.receive(client, &lines(&["SET k w", "GET k"]));
    let master = w.node(2);
    w.receive(master, MASTER);
    w.receive(master, b"+OK\r\n");
    let replica = w.node(1);
    assert_eq!(w.sent(replica), format!("{ROLE}{PING}"));
    w.receive(replica, b"+OK\r\n+PONG\r\n$1\r\nw\r\n");
    assert_eq!(w.sent(client), "$1\r\nv\r\n+OK\r\n$1\r\nw\r\n");
    let names: Vec<&str> =
        w.generation.pools[0].config.servers.iter().map(|server| server.identity.as_str()).collect();
    assert_eq!(names, ["m", "h:1"]);
    let nodes = w.generation.pools[0].replica_nodes();
    let nodes: Vec<(u16, Option<&str>)> =
        nodes.iter().map(|node| (node.port, node.master.as_deref())).collect();
    assert_eq!(nodes, [(2, None), (1, Some("m"))]);
}
