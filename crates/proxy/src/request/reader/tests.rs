//! Reads from replicas against scripted nodes.

mod sentinel;

use net::{App, Fault};
use wire::redis::cluster::{Node, NodeHealth};

use crate::detour::scripted::{Cluster, request, view};
use crate::replica_watch::Standing;

const fn fit(distance: u8) -> Standing {
    Standing { is_fit: true, distance }
}

const fn unfit(distance: u8) -> Standing {
    Standing { is_fit: false, distance }
}

/// Node 1 has the slots up to 9999, node 2 the rest and the replicas 3 and 4.
fn learn(c: &mut Cluster, standings: &[(u16, Standing)]) {
    let mut view = view(6, &[(0, 9999, 1), (10000, 16383, 2)]);
    let node = |port: u16| Node {
        host: Some("127.0.0.1".into()),
        port,
        id: format!("id{port}"),
        health: NodeHealth::Online,
    };
    view.slots.ranges[1].nodes.extend([node(3), node(4)]);
    c.learn_view(view, standings);
}

fn cluster(policy: &str, standings: &[(u16, Standing)]) -> Cluster {
    let mut c = Cluster::with(&format!("read_from = \"{policy}\"\n"));
    learn(&mut c, standings);
    c
}

/// The port of the node that a new client's `GET foo` goes to, or the client's answer.
fn read(c: &mut Cluster) -> Result<u16, String> {
    let client = c.ask(&["GET foo"]);
    let answer = c.w.sent(client);
    if !answer.is_empty() {
        return Err(answer);
    }
    for port in [2, 3, 4] {
        if c.is_known(port) && !c.pending(port).is_empty() {
            c.at(port, &["GET foo"], "$1\r\nv\r\n");
            assert_eq!(c.w.sent(client), "$1\r\nv\r\n");
            return Ok(port);
        }
    }
    Err("nobody was asked".into())
}

/// A policy, the standings of nodes, and the nodes that clients read from.
type Case<'a> = (&'a str, &'a [(u16, Standing)], &'a [Result<u16, String>]);

// foo has slot 12182, b 3300.

#[test]
fn policies() {
    let no_replica =
        "-ERR no replica of this key may be read from now (read_from, replica_lag_max): try again later\r\n";
    let none = Err(no_replica.to_owned());
    let cases: &[Case<'_>] = &[
        ("primary", &[(3, fit(0)), (4, fit(0))], &[Ok(2), Ok(2)]),
        ("replica", &[(2, unfit(0)), (3, fit(3)), (4, unfit(0))], &[Ok(3), Ok(3)]),
        ("replica", &[(3, fit(3)), (4, fit(2))], &[Ok(4), Ok(4)]),
        ("replica", &[(3, unfit(0))], &[none.clone(), none]),
        ("prefer_replica", &[(2, unfit(0)), (3, fit(9))], &[Ok(3), Ok(3)]),
        ("prefer_replica", &[(3, unfit(0))], &[Ok(2), Ok(2)]),
        ("nearest", &[(2, unfit(1)), (3, fit(2)), (4, fit(9))], &[Ok(2), Ok(2)]),
        ("nearest", &[(2, unfit(3)), (3, fit(2)), (4, unfit(0))], &[Ok(3), Ok(3)]),
    ];
    for (policy, standings, wanted) in cases {
        let mut c = cluster(policy, standings);
        let found: Vec<_> = wanted.iter().map(|_| read(&mut c)).collect();
        assert_eq!(&found, wanted, "{policy} {standings:?}");
    }
}

/// Found by the simulator: two clients that had watched one number and read it from a replica both changed
/// it.
#[test]
fn a_client_that_watches_keys_reads_from_the_master() {
    let mut c = cluster("replica", &[(3, fit(0))]);
    let client = c.ask(&["WATCH foo"]);
    let private = c.node(2);
    c.w.proxy.connected(&mut c.w.io, private);
    c.w.receive(private, b"+PONG\r\n+OK\r\n");
    c.more(client, &["GET foo", "MGET foo {foo}2"]);
    let asked =
        [request("PING"), request("WATCH foo"), request("GET foo"), request("mget foo {foo}2")].concat();
    assert_eq!(c.w.sent(private).to_lowercase(), asked.to_lowercase());
    assert!(!c.is_known(3));
    c.w.receive(private, b"$1\r\n7\r\n*2\r\n$1\r\n7\r\n$-1\r\n");
    assert_eq!(c.more(client, &["UNWATCH", "GET foo"]), 1, "it waits until nothing is under way");
    assert_eq!(c.w.sent(client), "+OK\r\n$1\r\n7\r\n*2\r\n$1\r\n7\r\n$-1\r\n");
    c.w.receive(private, b"+OK\r\n");
    c.more(client, &["GET foo"]);
    c.at(3, &["GET foo"], "$1\r\n7\r\n");
}

#[test]
fn equals_share_the_clients_and_a_client_keeps_to_one() {
    let mut c = cluster("replica", &[(3, fit(0)), (4, fit(0))]);
    let ports: Vec<u16> = (0..8).map(|_| read(&mut c).expect("a replica")).collect();
    assert!(ports.contains(&3) && ports.contains(&4), "{ports:?}");
    let client = c.ask(&["GET foo"]);
    let port = if c.pending(3).is_empty() { 4 } else { 3 };
    for _ in 0..3 {
        c.at(port, &["GET foo"], "$1\r\nv\r\n");
        c.more(client, &["GET foo"]);
    }
}

#[test]
fn writes_and_times_of_use_are_the_masters() {
    let mut c = cluster("replica", &[(3, fit(0))]);
    let client = c.ask(&[
        "SET foo v",
        "TOUCH foo",
        "OBJECT IDLETIME foo",
        "GET foo",
        "MGET foo {foo}2",
        "EVAL x 1 foo",
    ]);
    c.at(2, &["SET foo v", "TOUCH foo", "OBJECT IDLETIME foo", "EVAL x 1 foo"], "+OK\r\n:1\r\n:0\r\n+e\r\n");
    c.at(3, &["GET foo", "MGET foo {foo}2"], "$1\r\nv\r\n*2\r\n$1\r\nv\r\n$1\r\nw\r\n");
    let replies = "+OK\r\n:1\r\n:0\r\n$1\r\nv\r\n*2\r\n$1\r\nv\r\n$1\r\nw\r\n+e\r\n";
    assert_eq!(c.w.sent(client), replies);
}

#[test]
fn keys_of_several_slots_are_read_from_the_replicas_of_each() {
    let mut c = cluster("prefer_replica", &[(3, fit(0))]);
    let client = c.ask(&["MGET foo b"]);
    c.at(3, &["mget foo"], "*1\r\n$1\r\nF\r\n");
    c.at(1, &["mget b"], "*1\r\n$1\r\nB\r\n");
    assert_eq!(c.w.sent(client), "*2\r\n$1\r\nF\r\n$1\r\nB\r\n");
    let mut c = cluster("replica", &[(3, fit(0))]);
    let client = c.ask(&["MGET foo b"]);
    assert!(c.w.sent(client).starts_with("-ERR no replica"), "no part is missing");
}

#[test]
fn what_a_replica_declines_or_loses_goes_to_its_master() {
    for error in [
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-MOVED 12182 127.0.0.1:2\r\n",
        "-CLUSTERDOWN The cluster is down\r\n",
    ] {
        let mut c = cluster("replica", &[(3, fit(0))]);
        let client = c.ask(&["GET foo"]);
        c.at(3, &["GET foo"], error);
        c.at(2, &["GET foo"], "$1\r\nv\r\n");
        assert_eq!(c.w.sent(client), "$1\r\nv\r\n", "{error}");
    }
    let mut c = cluster("replica", &[(3, fit(0))]);
    let client = c.ask(&["GET foo"]);
    c.at(3, &["GET foo"], "");
    let replica = c.node(3);
    c.w.proxy.failed(&mut c.w.io, replica, Fault::Reset);
    c.at(2, &["GET foo"], "$1\r\nv\r\n");
    assert_eq!(c.w.sent(client), "$1\r\nv\r\n");
    // Until it has shown that it lives, further reads go there as well.
    c.more(client, &["GET foo"]);
    c.at(2, &["GET foo"], "$1\r\nw\r\n");
    assert_eq!(c.w.sent(client), "$1\r\nv\r\n$1\r\nw\r\n");
    assert_eq!(c.w.proxy.census().detours, 0);
}

/// Experiment 7: the replicas of the old owner do not know of keys that have moved.
#[test]
fn what_a_replica_says_is_missing_its_master_is_asked_for() {
    for (words, missing, there) in [
        ("GET foo", "$-1\r\n", "$1\r\nv\r\n"),
        ("EXISTS foo {foo}2", ":1\r\n", ":2\r\n"),
        ("MGET foo {foo}2", "*2\r\n$1\r\nv\r\n$-1\r\n", "*2\r\n$1\r\nv\r\n$1\r\nw\r\n"),
        ("HGETALL foo", "*0\r\n", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
    ] {
        let mut c = cluster("replica", &[(3, fit(0))]);
        let client = c.ask(&[words]);
        c.at(3, &[words], missing);
        // It has moved already; or its master has it; or it is missing.
        c.at(2, &[words], "-ASK 12182 127.0.0.1:1\r\n");
        c.at(1, &["ASKING", words], &format!("+OK\r\n{there}"));
        assert_eq!(c.w.sent(client), there, "{words}");
        let mut c = cluster("replica", &[(3, fit(0))]);
        let client = c.ask(&[words, "GET {foo}3"]);
        c.at(3, &[words, "GET {foo}3"], &format!("{missing}$1\r\nx\r\n"));
        c.at(2, &[words], missing);
        assert_eq!(c.w.sent(client), format!("{missing}$1\r\nx\r\n"), "{words}");
        let census = c.w.proxy.census();
        assert_eq!((census.detours, census.held), (0, census.held_counted));
    }
}

/// Node 3 takes the place of node 2, which is its replica from then on.
fn fail_over(c: &mut Cluster, standings: &[(u16, Standing)]) {
    let mut view = view(7, &[(0, 9999, 1), (10000, 16383, 3)]);
    let demoted =
        Node { host: Some("127.0.0.1".into()), port: 2, id: "id2".into(), health: NodeHealth::Online };
    view.slots.ranges[1].nodes.push(demoted);
    c.learn_view(view, standings);
}

const LINKED: &str = "+OK\r\n*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:3\r\n$9\r\nconnected\r\n:7\r\n";

/// Found by the simulator: a master that had just been demoted said, as a replica, that a key was missing
/// which its new master had, and the map still called it the owner.
#[test]
fn a_key_is_missing_once_a_node_says_so_that_may_not_answer_as_a_replica() {
    let mut c = cluster("prefer_replica", &[(3, unfit(0))]);
    assert_eq!(read(&mut c), Ok(2));
    let master = c.node(2);
    assert!(!c.w.sent(master).contains("READONLY"), "as a replica it names the owner");
    learn(&mut c, &[(3, fit(0))]);
    assert_eq!(read(&mut c), Ok(3));
    let replica = c.node(3);
    assert!(c.w.sent(replica).starts_with(&(request("READONLY") + &request("ROLE"))));
    // It is promoted: what it says now counts only without READONLY.
    let client = c.ask(&["SET foo v"]);
    c.at(2, &["SET foo v"], "-MOVED 12182 127.0.0.1:3\r\n");
    c.at(3, &["READWRITE", "SET foo v"], "+OK\r\n+OK\r\n");
    c.more(client, &["GET foo"]);
    c.at(3, &["GET foo"], "$-1\r\n");
    assert_eq!(c.w.sent(client), "+OK\r\n$-1\r\n");
    assert_eq!(c.w.proxy.census().detours, 0);
}

#[test]
fn connections_in_use_follow_the_roles_of_their_nodes() {
    let mut c = cluster("prefer_replica", &[(3, fit(0))]);
    let client = c.ask(&["SET foo v", "GET foo"]);
    c.at(2, &["SET foo v"], "+OK\r\n");
    c.at(3, &["GET foo"], "");
    fail_over(&mut c, &[(2, fit(0)), (3, unfit(0))]);
    // The first answer is still one of a replica, and the next one is not.
    c.at(3, &["READWRITE"], "$-1\r\n");
    c.at(3, &["GET foo"], "+OK\r\n$-1\r\n");
    c.at(2, &["READONLY", "ROLE"], LINKED);
    assert_eq!(c.w.sent(client), "+OK\r\n$-1\r\n");
    c.pass(1200);
    c.pass(200);
    c.more(client, &["GET foo", "SET foo w"]);
    c.at(2, &["GET foo"], "$-1\r\n");
    c.at(3, &["SET foo w", "GET foo"], "+OK\r\n$1\r\nv\r\n");
    assert_eq!(c.w.sent(client), "+OK\r\n$-1\r\n$1\r\nv\r\n+OK\r\n");
    let census = c.w.proxy.census();
    assert_eq!((census.detours, census.held), (0, census.held_counted));
}

#[test]
fn a_node_in_use_that_is_a_replica_without_its_master_is_not_read_from() {
    let mut c = cluster("prefer_replica", &[(3, unfit(0))]);
    assert_eq!(read(&mut c), Ok(2));
    let demoted = c.node(2);
    fail_over(&mut c, &[(2, unfit(0))]);
    c.pass(1200);
    c.pass(200);
    fail_over(&mut c, &[(2, fit(0))]);
    let client = c.ask(&["GET foo"]);
    let role = "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:3\r\n$7\r\nconnect\r\n:-1\r\n";
    c.at(2, &["READONLY", "ROLE", "GET foo"], &format!("+OK\r\n{role}"));
    assert!(c.w.io.closed.contains(&demoted));
    c.at(3, &["GET foo"], "$1\r\nv\r\n");
    assert_eq!(c.w.sent(client), "$1\r\nv\r\n");
}

/// A replica that has started again has what it had saved once, or nothing, until its master has sent it
/// everything; and its last report may say that it is fit.
#[test]
fn a_replica_that_is_not_connected_to_its_master_is_not_read_from() {
    let mut c = cluster("replica", &[(3, fit(0)), (4, unfit(0))]);
    let client = c.ask(&["GET foo"]);
    let replica = c.node(3);
    c.w.proxy.connected(&mut c.w.io, replica);
    let role = "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:2\r\n$7\r\nconnect\r\n:-1\r\n";
    c.w.receive(replica, format!("+OK\r\n{role}").as_bytes());
    assert!(c.w.io.closed.contains(&replica));
    c.at(2, &["GET foo"], "$1\r\nv\r\n");
    assert_eq!(c.w.sent(client), "$1\r\nv\r\n");
    assert!(read(&mut c).expect_err("no other").starts_with("-ERR no replica"));
    // Until it is reported to be fit, and is connected.
    learn(&mut c, &[(3, fit(0))]);
    assert_eq!(read(&mut c), Ok(3));
}

#[test]
fn reads_of_a_slot_that_is_moving_go_where_writes_go() {
    let mut c = cluster("replica", &[(3, fit(0))]);
    let client = c.ask(&["SET foo v"]);
    c.at(2, &["SET foo v"], "-ASK 12182 127.0.0.1:1\r\n");
    c.at(1, &["ASKING", "SET foo v"], "+OK\r\n+OK\r\n");
    c.more(client, &["GET foo"]);
    c.at(2, &["GET foo"], "-ASK 12182 127.0.0.1:1\r\n");
    c.at(1, &["ASKING", "GET foo"], "+OK\r\n$1\r\nv\r\n");
    assert_eq!(c.w.sent(client), "+OK\r\n$1\r\nv\r\n");
    c.pass(1200);
    c.pass(200);
    c.more(client, &["GET foo"]);
    c.at(3, &["GET foo"], "$1\r\nv\r\n");
}

#[test]
fn a_frozen_replica_is_given_up_for_its_master() {
    let mut c = cluster("replica", &[(3, fit(0))]);
    let client = c.ask(&["GET foo"]);
    c.at(3, &["GET foo"], "");
    let frozen = c.node(3);
    let question = "BITFIELD foo GET u1 0";
    for _ in 0..3 {
        c.pass(251);
        for port in [1, 2] {
            if c.is_known(port) && !c.w.io.closed.contains(&frozen) {
                let questions = vec![question; c.pending(port).matches("BITFIELD").count()];
                let answer = if port == 2 { "*1\r\n:0\r\n" } else { "-MOVED 12182 127.0.0.1:2\r\n" };
                c.at(port, &questions, &answer.repeat(questions.len()));
            }
        }
    }
    assert!(c.w.io.closed.contains(&frozen));
    c.at(2, &["GET foo"], "$1\r\nv\r\n");
    assert_eq!(c.w.sent(client), "$1\r\nv\r\n");
}
