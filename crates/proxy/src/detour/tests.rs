//! Detours against scripted nodes.

mod chaos;

use std::collections::BTreeMap;
use std::sync::Arc;

use net::{App, Fault};
use wire::redis::cluster::{Node, NodeHealth};

use super::scripted::{Cluster, POOL, request, view};
use crate::generation::Settings;
use crate::testing::settings;
use crate::topology::SlotMap;

// foo has slot 12182, a 15495, b 3300.

#[test]
fn requests_wait_for_the_first_map() {
    let mut c = Cluster::unknown();
    let client = c.ask(&["GET foo"]);
    assert_eq!(c.w.io.connects.len(), 0);
    assert_eq!(c.w.told.doubts.lock().expect("doubts").len(), 1);
    c.learn(6, &[(0, 9999, 1), (10000, 16383, 2)]);
    c.at(2, &["GET foo"], "$1\r\nv\r\n");
    assert_eq!(c.w.sent(client), "$1\r\nv\r\n");
}

#[test]
fn without_a_map_requests_fail_at_their_deadline() {
    let mut c = Cluster::unknown();
    let client = c.ask(&["GET foo"]);
    c.pass(990);
    assert_eq!(c.w.sent(client), "");
    c.pass(11);
    assert_eq!(c.w.sent(client), "-CLUSTERDOWN no node is known that serves this key's slot\r\n");
    assert_eq!(c.w.proxy.census().detours, 0);
}

#[test]
fn a_moved_slot_is_followed_and_remembered() {
    let mut c = Cluster::new();
    let client = c.ask(&["GET foo"]);
    c.at(2, &["GET foo"], "-MOVED 12182 127.0.0.1:1\r\n");
    c.at(1, &["GET foo"], "$1\r\nv\r\n");
    assert_eq!(c.w.sent(client), "$1\r\nv\r\n");
    assert_eq!(c.more(client, &["SET foo w"]), 1);
    c.at(1, &["SET foo w"], "+OK\r\n");
    // Other slots stay where they are.
    assert_eq!(c.more(client, &["GET a"]), 1);
    c.at(2, &["GET a"], "$1\r\nx\r\n");
    assert_eq!(c.w.sent(client), "$1\r\nv\r\n+OK\r\n$1\r\nx\r\n");
    assert_eq!(c.w.told.doubts.lock().expect("doubts").len(), 1);
}

#[test]
fn requests_of_one_client_keep_their_order_over_a_move() {
    let mut c = Cluster::new();
    let client = c.ask(&["RPUSH foo 1", "RPUSH foo 2", "RPUSH foo 3"]);
    let other = c.ask(&["RPUSH foo x"]);
    let pushes = ["RPUSH foo 1", "RPUSH foo 2", "RPUSH foo 3", "RPUSH foo x"];
    c.at(2, &pushes, "-MOVED 12182 127.0.0.1:1\r\n-MOVED 12182 127.0.0.1:1\r\n");
    // The second waits for the first, and a new one for all of them.
    assert_eq!(c.more(client, &["RPUSH foo 4"]), 0);
    c.at(1, &["RPUSH foo 1"], "");
    c.at(2, &[], "-MOVED 12182 127.0.0.1:1\r\n-MOVED 12182 127.0.0.1:1\r\n");
    c.at(1, &["RPUSH foo x"], ":1\r\n");
    c.pass(0);
    c.at(1, &["RPUSH foo 2"], ":9\r\n:2\r\n");
    c.pass(0);
    c.at(1, &["RPUSH foo 3"], ":3\r\n");
    assert_eq!((c.w.sent(client).as_str(), c.w.sent(other).as_str()), (":1\r\n:2\r\n:3\r\n", ":9\r\n"));
    assert_eq!(c.more(client, &["RPUSH foo 4", "RPUSH foo 5"]), 1, "one by one while the slot is unsettled");
    c.at(1, &["RPUSH foo 4"], ":4\r\n");
    c.pass(1200);
    c.pass(200);
    assert_eq!(c.more(client, &["RPUSH foo 5", "RPUSH foo 6"]), 2);
    c.at(1, &["RPUSH foo 5", "RPUSH foo 6"], ":5\r\n:6\r\n");
    assert_eq!(c.w.proxy.census().detours, 0);
}

#[test]
fn ask_is_followed_with_asking_and_changes_nothing() {
    let mut c = Cluster::new();
    let client = c.ask(&["GET foo"]);
    c.at(2, &["GET foo"], "-ASK 12182 127.0.0.1:1\r\n");
    c.at(1, &["ASKING", "GET foo"], "+OK\r\n$1\r\nv\r\n");
    assert_eq!(c.w.sent(client), "$1\r\nv\r\n");
    c.more(client, &["GET foo"]);
    c.at(2, &["GET foo"], "$-1\r\n");
    assert_eq!(c.w.sent(client), "$1\r\nv\r\n$-1\r\n");
}

#[test]
fn two_nodes_that_point_at_each_other_get_time_to_agree() {
    let mut c = Cluster::new();
    let client = c.ask(&["INCR foo"]);
    for _ in 0..5 {
        c.at(2, &["INCR foo"], "-MOVED 12182 127.0.0.1:1\r\n");
        c.pass(25);
        c.at(1, &["INCR foo"], "-MOVED 12182 127.0.0.1:2\r\n");
        c.pass(25);
    }
    c.at(2, &["INCR foo"], ":1\r\n");
    assert_eq!(c.w.sent(client), ":1\r\n");
}

#[test]
fn keys_that_have_partly_moved_are_asked_for_one_by_one() {
    let mut c = Cluster::new();
    let client = c.ask(&["MGET {foo}1 {foo}2", "DEL {foo}1 {foo}2", "MSET {foo}1 x b y"]);
    let again = "-TRYAGAIN Multiple keys request during rehashing of slot\r\n";
    c.at(2, &["MGET {foo}1 {foo}2", "DEL {foo}1 {foo}2", "mset {foo}1 x"], &again.repeat(2));
    c.at(1, &["mset b y"], "+OK\r\n");
    c.pass(0);
    c.at(2, &["mget {foo}1"], "+OK\r\n-ASK 12182 127.0.0.1:1\r\n");
    c.at(1, &["ASKING", "mget {foo}1"], "+OK\r\n*1\r\n$1\r\nA\r\n");
    c.pass(0);
    c.at(2, &["mget {foo}2"], "*1\r\n$1\r\nB\r\n");
    assert_eq!(c.w.sent(client), "*2\r\n$1\r\nA\r\n$1\r\nB\r\n");
    c.pass(0);
    c.at(2, &["del {foo}1"], ":1\r\n");
    c.pass(0);
    c.at(2, &["del {foo}2"], ":1\r\n");
    assert_eq!(c.w.sent(client), "*2\r\n$1\r\nA\r\n$1\r\nB\r\n:2\r\n+OK\r\n");
    assert_eq!((c.w.proxy.census().detours, c.w.proxy.gathers.open_count()), (0, 0));
}

#[test]
fn keys_are_sent_by_slot_and_a_failed_part_is_no_value() {
    let mut c = Cluster::new();
    let client = c.ask(&["MGET foo a b {foo}2", "SINTER foo a"]);
    c.at(1, &["mget b"], "*1\r\n$1\r\nB\r\n");
    c.at(2, &["mget foo {foo}2", "mget a"], "*2\r\n$1\r\nF\r\n$-1\r\n-ERR broken\r\n");
    let crossed = "-CROSSSLOT Keys in request don't hash to the same slot\r\n";
    assert_eq!(c.w.sent(client), format!("-ERR broken (server 127.0.0.1:2)\r\n{crossed}"));
}

/// Experiment 8.
#[test]
fn the_error_of_a_split_request_names_the_node_that_is_dead() {
    let mut c = Cluster::new();
    let client = c.ask(&["MGET foo b"]);
    c.at(1, &["mget b"], "*1\r\n$1\r\nB\r\n");
    for _ in 0..50 {
        let dead = c.node(2);
        c.w.proxy.failed(&mut c.w.io, dead, Fault::Refused);
        c.pass(25);
        if !c.pending(1).is_empty() {
            c.at(1, &["mget foo"], "-MOVED 12182 127.0.0.1:2\r\n");
        }
    }
    let error = c.w.sent(client);
    assert!(error.starts_with("-CLUSTERDOWN ") && error.ends_with(" (server 127.0.0.1:2)\r\n"), "{error}");
    assert_eq!((c.w.proxy.census().detours, c.w.proxy.gathers.open_count()), (0, 0));
}

#[test]
fn a_dead_master_is_waited_for_and_others_are_asked() {
    let mut c = Cluster::new();
    let client = c.ask(&["INCR foo", "INCR b"]);
    let dead = c.node(2);
    c.w.proxy.failed(&mut c.w.io, dead, Fault::Refused);
    c.at(1, &["INCR b"], ":7\r\n");
    assert_eq!(c.w.sent(client), "");
    // Another node knows no better, until there is a new master.
    c.pass(25);
    c.at(1, &["INCR foo"], "-CLUSTERDOWN The cluster is down\r\n");
    c.learn(7, &[(0, 9999, 1), (10000, 16383, 3)]);
    c.at(3, &["INCR foo"], ":1\r\n");
    assert_eq!(c.w.sent(client), ":1\r\n:7\r\n");
    assert_eq!(c.w.proxy.census().detours, 0);
}

/// Experiment 9: a master that is cut off from the others refuses everything, and knows of no other owner.
#[test]
fn other_nodes_are_asked_while_the_owner_says_that_the_cluster_is_down() {
    let mut c = Cluster::unknown();
    c.learn(6, &[(0, 4999, 1), (5000, 9999, 3), (10000, 16383, 2)]);
    let client = c.ask(&["INCR foo"]);
    c.at(2, &["INCR foo"], "-CLUSTERDOWN The cluster is down\r\n");
    c.pass(25);
    c.at(1, &["INCR foo"], "-CLUSTERDOWN The cluster is down\r\n");
    c.at(2, &["INCR foo"], "-CLUSTERDOWN The cluster is down\r\n");
    // In turn with the others, since it may be back.
    c.pass(25);
    c.at(2, &["INCR foo"], "-CLUSTERDOWN The cluster is down\r\n");
    c.pass(25);
    c.at(3, &["INCR foo"], ":1\r\n");
    assert_eq!(c.w.sent(client), ":1\r\n");
    assert_eq!(c.w.proxy.census().detours, 0);
}

/// Requests that had left before cannot be called back.
#[test]
fn what_comes_after_keys_that_have_partly_moved_waits_for_them() {
    let mut c = Cluster::new();
    let client = c.ask(&["MSET {foo}1 x {foo}2 y"]);
    c.at(2, &["MSET {foo}1 x {foo}2 y"], "-TRYAGAIN Multiple keys request during rehashing of slot\r\n");
    assert_eq!(c.more(client, &["SET {foo}2 z"]), 0);
    c.pass(0);
    c.at(2, &["mset {foo}1 x"], "+OK\r\n");
    c.pass(0);
    c.at(2, &["mset {foo}2 y"], "+OK\r\n");
    assert_eq!(c.more(client, &["SET {foo}2 z"]), 1);
    c.at(2, &["SET {foo}2 z"], "+OK\r\n");
    assert_eq!(c.w.sent(client), "+OK\r\n+OK\r\n");
}

#[test]
fn a_lost_write_fails_and_a_lost_read_is_sent_again() {
    let mut c = Cluster::new();
    let (writer, reader) = (c.ask(&["INCR foo"]), c.ask(&["GET foo"]));
    c.at(2, &["INCR foo", "GET foo"], "");
    let lost = c.node(2);
    c.w.proxy.failed(&mut c.w.io, lost, Fault::Reset);
    assert_eq!(
        (c.w.sent(writer).as_str(), c.w.sent(reader).as_str()),
        ("-ERR Connection reset by peer\r\n", "")
    );
    c.pass(25);
    c.at(1, &["GET foo"], "-MOVED 12182 127.0.0.1:2\r\n");
    c.at(2, &[], "");
    c.pass(0);
    c.at(2, &["GET foo"], "$1\r\nv\r\n");
    assert_eq!(c.w.sent(reader), "$1\r\nv\r\n");
}

#[test]
fn a_node_that_is_new_is_found_by_the_next_map() {
    let mut c = Cluster::new();
    let client = c.ask(&["GET foo"]);
    c.at(2, &["GET foo"], "-MOVED 12182 127.0.0.1:5\r\n");
    assert_eq!(c.w.told.doubts.lock().expect("doubts").len(), 1);
    c.learn(7, &[(0, 9999, 1), (10000, 16383, 5)]);
    c.at(5, &["GET foo"], "$1\r\nv\r\n");
    assert_eq!(c.w.sent(client), "$1\r\nv\r\n");
}

#[test]
fn words_of_a_script_about_another_slot_are_its_reply() {
    let mut c = Cluster::new();
    let client = c.ask(&["EVAL x 1 foo"]);
    c.at(2, &["EVAL x 1 foo"], "-MOVED 1 10.0.0.1:1\r\n");
    assert_eq!(c.w.sent(client), "-MOVED 1 10.0.0.1:1\r\n");
    assert_eq!(c.w.proxy.census().detours, 0);
}

#[test]
fn requests_to_every_node_leave_replicas_out() {
    let mut c = Cluster::unknown();
    let mut view = view(6, &[(0, 9999, 1), (10000, 16383, 2)]);
    view.slots.ranges[0].nodes.push(Node {
        host: Some("127.0.0.1".into()),
        port: 3,
        id: "id3".into(),
        health: NodeHealth::Online,
    });
    let map = Arc::new(SlotMap::believe(None, &[view]).expect("a map"));
    let topologies = BTreeMap::from([("p".to_owned(), map)]);
    c.w.reload(Settings { topologies, ..settings(POOL) });
    let client = c.ask(&["DBSIZE"]);
    c.at(1, &["DBSIZE"], ":1\r\n");
    c.at(2, &["DBSIZE"], ":2\r\n");
    assert_eq!((c.w.sent(client).as_str(), c.w.io.connects.len()), (":3\r\n", 2));
}

#[test]
fn a_client_that_goes_leaves_nothing_behind() {
    let mut c = Cluster::new();
    let client = c.ask(&["GET foo", "GET a"]);
    let again = "-CLUSTERDOWN The cluster is down\r\n";
    c.at(2, &["GET foo", "GET a"], &again.repeat(2));
    assert_eq!(c.w.proxy.census().detours, 2);
    c.w.proxy.failed(&mut c.w.io, client, Fault::Reset);
    c.pass(1001);
    let census = c.w.proxy.census();
    assert_eq!((census.detours, census.held), (0, census.held_counted));
}

/// A frozen master would execute what it was sent when it goes on, and all of that is lost.
#[test]
fn no_reply_of_a_former_master_reaches_a_client() {
    let mut c = Cluster::new();
    let (writer, reader) = (c.ask(&["INCR foo"]), c.ask(&["GET foo"]));
    c.at(2, &["INCR foo", "GET foo"], "");
    c.learn(7, &[(0, 9999, 1), (10000, 16383, 3)]);
    // A planned change: the old owner says where to go.
    c.pass(150);
    assert_eq!((c.w.sent(writer), c.w.sent(reader)), (String::new(), String::new()));
    let old = c.node(2);
    for _ in 0..3 {
        c.pass(100);
    }
    let lost = "-ERR the node did not answer before another took its place\r\n";
    assert_eq!((c.w.sent(writer).as_str(), c.w.io.closed.contains(&old)), (lost, true));
    c.at(3, &["BITFIELD foo GET u1 0", "GET foo"], "*1\r\n:0\r\n$1\r\nv\r\n");
    assert_eq!(c.w.sent(reader), "$1\r\nv\r\n");
}

#[test]
fn a_node_that_does_not_show_that_it_lives_gets_no_requests() {
    let mut c = Cluster::new();
    let client = c.ask(&["INCR foo"]);
    let frozen = c.node(2);
    c.w.proxy.connected(&mut c.w.io, frozen);
    assert_eq!(c.w.sent(frozen), request("PING"));
    c.learn(7, &[(0, 9999, 1), (10000, 16383, 3)]);
    c.pass(25);
    c.at(3, &["INCR foo"], ":1\r\n");
    assert_eq!((c.w.sent(client).as_str(), c.w.sent(frozen)), (":1\r\n", request("PING")));
}

#[test]
fn a_silent_node_is_cut_off_at_the_first_deadline() {
    let mut c = Cluster::new();
    let first = c.ask(&["INCR foo"]);
    c.at(2, &["INCR foo"], "");
    c.pass(600);
    let (second, third) = (c.ask(&["INCR foo"]), c.ask(&["GET foo"]));
    c.pass(401);
    let late = "-ERR Connection timed out\r\n";
    assert_eq!((c.w.sent(first).as_str(), c.w.sent(second).as_str()), (late, late));
    // The read goes on, first at another node.
    c.pass(25);
    c.at(1, &["GET foo"], "$1\r\nv\r\n");
    assert_eq!(c.w.sent(third), "$1\r\nv\r\n");
}

#[test]
fn a_handshake_that_hangs_holds_no_request_up() {
    let mut c = Cluster::new();
    let client = c.ask(&["INCR foo"]);
    let frozen = c.node(2);
    c.w.proxy.connected(&mut c.w.io, frozen);
    c.pass(251);
    assert!(c.w.io.closed.contains(&frozen));
    c.pass(25);
    c.at(1, &["INCR foo"], "-MOVED 12182 127.0.0.1:2\r\n");
    // A new connection to it gets no request before it has shown that it lives.
    let again = c.node(2);
    c.w.proxy.connected(&mut c.w.io, again);
    c.pass(30);
    c.at(1, &["INCR foo"], "-MOVED 12182 127.0.0.1:2\r\n");
    assert_eq!(c.w.sent(again), request("PING"));
    c.pass(30);
    c.at(1, &["INCR foo"], ":1\r\n");
    assert_eq!(c.w.sent(client), ":1\r\n");
}

#[test]
fn a_node_that_falls_silent_is_given_up_once_another_has_its_slot() {
    let mut c = Cluster::new();
    let (writer, reader) = (c.ask(&["INCR foo"]), c.ask(&["GET foo"]));
    c.at(2, &["INCR foo", "GET foo"], "");
    c.pass(251);
    c.at(1, &["BITFIELD foo GET u1 0"], "-MOVED 12182 127.0.0.1:2\r\n");
    c.pass(50);
    c.at(1, &["BITFIELD foo GET u1 0"], "-CLUSTERDOWN The cluster is down\r\n");
    let silent = c.node(2);
    assert!(!c.w.io.closed.contains(&silent) && c.w.sent(writer).is_empty());
    assert!(!c.w.told.doubts.lock().expect("doubts").is_empty());
    c.pass(50);
    // The node that another one names has to say it itself.
    c.learn(6, &[(0, 9999, 1), (10000, 16382, 2), (16383, 16383, 3)]);
    c.at(1, &["BITFIELD foo GET u1 0"], "-MOVED 12182 127.0.0.1:3\r\n");
    assert!(!c.w.io.closed.contains(&silent));
    c.at(3, &["BITFIELD foo GET u1 0"], "*1\r\n:1\r\n");
    assert!(c.w.io.closed.contains(&silent));
    let lost = "-ERR the node did not answer before another took its place\r\n";
    assert_eq!((c.w.sent(writer).as_str(), c.w.sent(reader).as_str()), (lost, ""));
    c.pass(25);
    c.at(3, &["GET foo"], "$1\r\nv\r\n");
    assert_eq!(c.w.sent(reader), "$1\r\nv\r\n");
}

const QUEUED: &str = "+OK\r\n+QUEUED\r\n+QUEUED\r\n";
const PIECE: [&str; 4] = ["MULTI", "SET foo 1", "INCR foo", "EXEC"];

/// A client that has sent a transaction about `foo`.
fn transact(c: &mut Cluster) -> net::ConnId {
    let client = c.ask(&PIECE);
    assert_eq!(c.w.sent(client), QUEUED);
    client
}

fn outcome(c: &Cluster, client: net::ConnId) -> String {
    c.w.sent(client)[QUEUED.len()..].to_owned()
}

#[test]
fn a_transaction_is_sent_again_as_one_piece_wherever_it_was_declined() {
    let moved = "-MOVED 12182 127.0.0.1:1\r\n";
    let aborted = "-EXECABORT Transaction discarded because of previous errors.\r\n";
    for answers in [
        format!("+OK\r\n{moved}{moved}{aborted}"),
        format!("+OK\r\n+QUEUED\r\n{moved}{aborted}"),
        format!("+OK\r\n+QUEUED\r\n+QUEUED\r\n{moved}"),
    ] {
        let mut c = Cluster::new();
        let client = transact(&mut c);
        c.at(2, &PIECE, &answers);
        assert_eq!(outcome(&c, client), "");
        c.at(1, &PIECE, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n");
        assert_eq!(outcome(&c, client), "*2\r\n+OK\r\n:2\r\n", "{answers}");
        let census = c.w.proxy.census();
        assert_eq!(
            (census.detours, c.w.proxy.gathers.open_count(), census.held),
            (0, 0, census.held_counted)
        );
    }
}

#[test]
fn asking_goes_before_multi_and_what_has_partly_moved_waits() {
    let mut c = Cluster::new();
    let client = transact(&mut c);
    c.at(
        2,
        &PIECE,
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
    );
    c.pass(25);
    c.at(2, &PIECE, "+OK\r\n+QUEUED\r\n+QUEUED\r\n-ASK 12182 127.0.0.1:1\r\n");
    let asking: Vec<&str> = std::iter::once("ASKING").chain(PIECE).collect();
    c.at(1, &asking, "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n");
    assert_eq!(outcome(&c, client), "*2\r\n+OK\r\n:2\r\n");
}

#[test]
fn requests_behind_a_transaction_wait_for_it() {
    let mut c = Cluster::new();
    let client = c.ask(&["MULTI", "SET foo 1", "INCR foo", "EXEC", "GET foo"]);
    let moved = "-MOVED 12182 127.0.0.1:1\r\n";
    let sent: Vec<&str> = PIECE.into_iter().chain(["GET foo"]).collect();
    c.at(2, &sent, &format!("+OK\r\n{}-EXECABORT x\r\n{moved}", moved.repeat(2)));
    c.at(1, &PIECE, "");
    c.pass(0);
    c.at(1, &[], "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n");
    c.pass(0);
    c.at(1, &["GET foo"], "$1\r\n2\r\n");
    assert_eq!(outcome(&c, client), "*2\r\n+OK\r\n:2\r\n$1\r\n2\r\n");
    // The slot is unsettled: the next one goes by the line as well.
    assert_eq!(c.more(client, &PIECE), 4);
    c.at(1, &PIECE, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n");
    assert_eq!(c.w.proxy.census().detours, 0);
}

#[test]
fn a_transaction_that_no_node_takes_fails_whole_at_its_deadline() {
    let mut c = Cluster::new();
    let client = transact(&mut c);
    let down = "-CLUSTERDOWN The cluster is down\r\n";
    for _ in 0..60 {
        if c.w.sent(client).len() > QUEUED.len() {
            break;
        }
        if !c.pending(2).is_empty() {
            c.at(2, &PIECE, &format!("+OK\r\n{}-EXECABORT x\r\n", down.repeat(2)));
        }
        if c.is_known(1) && !c.pending(1).is_empty() {
            c.at(1, &PIECE, &format!("+OK\r\n{}-EXECABORT x\r\n", down.repeat(2)));
        }
        c.pass(25);
    }
    let wanted = "-EXECABORT Transaction discarded because of: CLUSTERDOWN The cluster is down\r\n";
    assert_eq!(outcome(&c, client), wanted);
    let census = c.w.proxy.census();
    assert_eq!((census.detours, c.w.proxy.gathers.open_count(), census.held), (0, 0, census.held_counted));
}

#[test]
fn a_transaction_that_may_have_run_is_never_sent_again() {
    let mut c = Cluster::new();
    let client = transact(&mut c);
    c.at(2, &PIECE, "+OK\r\n+QUEUED\r\n");
    let lost = c.node(2);
    c.w.proxy.failed(&mut c.w.io, lost, Fault::Reset);
    c.pass(100);
    assert_eq!(
        outcome(&c, client),
        "-ERR Connection reset by peer (the transaction may have been executed)\r\n"
    );
    assert_eq!((c.w.proxy.census().detours, c.w.io.connects.len()), (0, 1));
}

#[test]
fn a_transaction_that_has_not_left_waits_for_the_next_master() {
    let mut c = Cluster::new();
    let client = transact(&mut c);
    let dead = c.node(2);
    c.w.proxy.failed(&mut c.w.io, dead, Fault::Refused);
    assert_eq!(outcome(&c, client), "");
    c.learn(7, &[(0, 9999, 1), (10000, 16383, 3)]);
    c.at(3, &PIECE, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n");
    assert_eq!(outcome(&c, client), "*2\r\n+OK\r\n:2\r\n");
}

#[test]
fn requests_on_private_connections_get_the_error_and_the_next_ones_the_right_node() {
    let mut c = Cluster::new();
    let client = c.ask(&["WATCH foo"]);
    let private = c.node(2);
    c.w.proxy.connected(&mut c.w.io, private);
    c.w.receive(private, b"+PONG\r\n");
    assert_eq!(c.w.sent(private), request("PING") + &request("WATCH foo"));
    c.w.receive(private, b"-MOVED 12182 127.0.0.1:1\r\n");
    assert_eq!(c.w.sent(client), "-MOVED 12182 127.0.0.1:1\r\n");
    let other = c.ask(&["GET foo"]);
    c.at(1, &["GET foo"], "$1\r\nv\r\n");
    assert_eq!(c.w.sent(other), "$1\r\nv\r\n");
}

/// Found by the chaos test.
#[test]
fn a_transaction_does_not_overtake_what_its_client_has_sent_to_a_slot_that_moves() {
    let mut c = Cluster::new();
    let (client, other) = (c.ask(&["RPUSH foo 1"]), c.ask(&["GET {foo}2"]));
    c.at(2, &["RPUSH foo 1", "GET {foo}2"], "");
    // Another client learns first that the slot has moved.
    assert_eq!(c.more(client, &["MULTI", "SET foo 1", "INCR foo"]), 3);
    c.learn(7, &[(0, 12182, 1), (12183, 16383, 2)]);
    assert_eq!(c.more(client, &["EXEC"]), 0, "it waits for the push");
    c.at(2, &[], "-MOVED 12182 127.0.0.1:1\r\n-MOVED 12182 127.0.0.1:1\r\n");
    c.at(1, &["RPUSH foo 1", "GET {foo}2"], ":1\r\n$-1\r\n");
    assert_eq!(c.w.sent(other), "$-1\r\n");
    assert_eq!(c.more(client, &["EXEC"]), 1);
    c.at(1, &PIECE, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n");
    assert_eq!(c.w.sent(client), ":1\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n");
}

#[test]
fn requests_behind_a_full_socket_have_not_left_and_go_to_the_next_owner() {
    let mut c = Cluster::new();
    let clients = [c.ask(&["INCR foo"]), c.ask(&["RPUSH {foo}l x"]), c.ask(&["SET foo 2"]), transact(&mut c)];
    let old = c.node(2);
    c.handshake(2);
    // The first has left whole, the second in part.
    let behind: usize = ["SET foo 2"].iter().chain(&PIECE).map(|words| request(words).len()).sum();
    c.w.io.unsent.insert(old, behind + 1);
    c.w.proxy.failed(&mut c.w.io, old, Fault::Reset);
    assert_eq!(c.w.sent(clients[0]), "-ERR Connection reset by peer\r\n");
    c.learn(7, &[(0, 9999, 1), (10000, 16383, 3)]);
    let again: Vec<&str> = ["RPUSH {foo}l x", "SET foo 2"].into_iter().chain(PIECE).collect();
    c.at(3, &again, ":1\r\n+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n");
    assert_eq!(c.w.sent(clients[1]), ":1\r\n");
    assert_eq!(c.w.sent(clients[2]), "+OK\r\n");
    assert_eq!(outcome(&c, clients[3]), "*2\r\n+OK\r\n:2\r\n");
}

#[test]
fn a_transaction_of_which_the_end_has_not_left_was_not_executed() {
    let mut c = Cluster::new();
    let client = transact(&mut c);
    c.at(2, &PIECE, "+OK\r\n+QUEUED\r\n");
    let old = c.node(2);
    c.w.io.unsent.insert(old, 1);
    c.w.proxy.failed(&mut c.w.io, old, Fault::Reset);
    c.learn(7, &[(0, 9999, 1), (10000, 16383, 3)]);
    c.at(3, &PIECE, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n");
    assert_eq!(outcome(&c, client), "*2\r\n+OK\r\n:2\r\n");
}

/// Found by the simulator.
#[test]
fn a_transaction_is_bound_to_its_slot_and_not_to_the_owner_of_the_moment() {
    let mut c = Cluster::new();
    let client = c.ask(&["MULTI", "SET foo 1"]);
    c.learn(7, &[(0, 12181, 1), (12182, 12182, 3), (12183, 16383, 2)]);
    assert_eq!(c.more(client, &["INCR foo", "EXEC"]), 2);
    c.at(3, &PIECE, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n");
    assert_eq!(outcome(&c, client), "*2\r\n+OK\r\n:2\r\n");
    // Without an owner it waits, as any request does; also while no node is known at all.
    for is_known in [true, false] {
        let mut c = Cluster::unknown();
        if is_known {
            c.learn(6, &[(0, 9999, 1)]);
        }
        let client = transact(&mut c);
        assert_eq!(outcome(&c, client), "");
        c.learn(7, &[(0, 9999, 1), (10000, 16383, 2)]);
        c.at(2, &PIECE, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n");
        assert_eq!(outcome(&c, client), "*2\r\n+OK\r\n:2\r\n");
    }
    let mut c = Cluster::unknown();
    let client = transact(&mut c);
    c.pass(1001);
    let unserved = "-EXECABORT Transaction discarded because of: CLUSTERDOWN no node is known that serves this key's slot\r\n";
    assert_eq!(outcome(&c, client), unserved);
    let census = c.w.proxy.census();
    assert_eq!((census.detours, c.w.proxy.gathers.open_count(), census.held), (0, 0, census.held_counted));
}

/// A frozen master executes what it was sent when it goes on, and it is lost.
#[test]
fn keys_that_are_watched_at_a_former_master_are_no_longer_watched() {
    let mut c = Cluster::new();
    let client = c.ask(&["WATCH foo"]);
    let private = c.node(2);
    c.w.proxy.connected(&mut c.w.io, private);
    c.w.receive(private, b"+PONG\r\n+OK\r\n");
    assert_eq!(c.w.sent(client), "+OK\r\n");
    c.learn(7, &[(0, 9999, 1), (10000, 16383, 3)]);
    assert!(c.w.io.closed.contains(&private));
    c.more(client, &["MULTI", "SET foo 1", "EXEC"]);
    assert_eq!(c.w.sent(client), "+OK\r\n+OK\r\n+QUEUED\r\n*-1\r\n", "as if a watched key had changed");
}

/// Found by the simulator: they were sent on the private connection, where no redirect is followed, and
/// overtook a transaction that was not.
#[test]
fn requests_behind_a_watched_transaction_wait_for_it_and_follow_redirects() {
    // Requests, the number of those that are taken at once, and what the node is sent.
    let cases: [(&[&str], usize, &[&str]); 4] = [
        (&["RPUSH foo 2"], 0, &["RPUSH foo 2"]),
        (&["MULTI", "RPUSH foo 2", "EXEC"], 2, &["MULTI", "RPUSH foo 2", "EXEC"]),
        (&["MSET foo 1 b 2"], 0, &["mset foo 1"]),
        (&["EVAL x 1 foo"], 0, &["EVAL x 1 foo"]),
    ];
    for (requests, at_once, sent) in cases {
        let mut c = Cluster::new();
        let client = c.ask(&["WATCH foo"]);
        let private = c.node(2);
        c.w.proxy.connected(&mut c.w.io, private);
        c.w.receive(private, b"+PONG\r\n+OK\r\n");
        assert_eq!(c.more(client, &["MULTI", "RPUSH foo 1", "EXEC"]), 3);
        assert_eq!(c.more(client, requests), at_once, "{requests:?}");
        let before = c.w.sent(private);
        assert!(before.ends_with(&request("EXEC")));
        c.w.receive(private, b"+OK\r\n+QUEUED\r\n*1\r\n:1\r\n");
        let rest = &requests[at_once..];
        assert_eq!(c.more(client, rest), rest.len(), "{requests:?}");
        assert_eq!(c.w.sent(private), before, "{requests:?}");
        assert_ne!(c.node(2), private);
        let redirect = "-ASK 12182 127.0.0.1:1\r\n";
        c.at(2, sent, &redirect.repeat(sent.len()));
        let asking = [&["ASKING"][..], sent].concat();
        assert!(c.pending(1).ends_with(&asking.iter().map(|words| request(words)).collect::<String>()));
        assert!(!c.w.sent(client).contains("ASK "), "{requests:?}");
    }
}

/// Found by the simulator: a client in cluster mode would follow the redirect, past the proxy.
#[test]
fn a_redirect_is_no_reply_even_at_the_deadline() {
    let mut c = Cluster::new();
    let client = c.ask(&["GET foo"]);
    c.at(2, &["GET foo"], "-MOVED 12182 127.0.0.1:9\r\n");
    for _ in 0..100 {
        if !c.pending(2).is_empty() {
            c.at(2, &["GET foo"], "-MOVED 12182 127.0.0.1:9\r\n");
        }
        c.pass(20);
    }
    let error =
        "-CLUSTERDOWN the nodes redirected the request until its deadline, and none has executed it\r\n";
    assert_eq!(c.w.sent(client), error);
}

/// Found by the simulator: the deadline of what is sent again was that of the younger requests before it.
#[test]
fn a_request_that_is_sent_again_keeps_its_deadline_behind_younger_ones() {
    let mut c = Cluster::new();
    let old = c.ask(&["GET foo"]);
    c.at(2, &["GET foo"], "");
    c.pass(240);
    let young = c.ask(&["GET bar"]);
    c.at(1, &["GET bar"], "");
    c.at(2, &[], "-MOVED 12182 127.0.0.1:1\r\n");
    c.at(1, &["GET foo"], "");
    c.pass(761);
    assert_eq!(c.w.sent(old), "-ERR Connection timed out\r\n");
    assert_eq!(c.w.sent(young), "");
    c.at(1, &[], "$1\r\n1\r\n$1\r\n2\r\n");
    assert_eq!(
        (c.w.sent(old), c.w.sent(young)),
        ("-ERR Connection timed out\r\n".into(), "$1\r\n1\r\n".into())
    );
    assert_eq!(c.w.proxy.census().detours, 0);
}

/// Its owner had the script once, and has lost it behind our back.
#[test]
fn a_script_that_the_new_owner_has_lost_is_brought_along() {
    const SHA: &str = "a0f1490a20d0211c997b44bc357e1972deab8ae3";
    const NOSCRIPT: &str = "-NOSCRIPT No matching script. Please use EVAL.\r\n";
    let load = "SCRIPT LOAD s";
    let [near, far] = ["c", "foo"].map(|key| format!("EVALSHA {SHA} 1 {key}"));
    let loaded = |reply: &str| format!("$40\r\n{SHA}\r\n{reply}");
    let mut c = Cluster::new();
    let client = c.ask(&["EVAL s 1 c"]);
    c.at(1, &["EVAL s 1 c"], ":1\r\n");
    assert_eq!(c.more(client, &[&near]), 1);
    c.at(1, &[load, &near], &loaded(":2\r\n"));
    assert_eq!(c.more(client, &[&far]), 1);
    c.at(2, &[load, &far], &loaded("-MOVED 12182 127.0.0.1:1\r\n"));
    c.at(1, &[&far], NOSCRIPT);
    c.at(1, &[load, &far], &loaded(":3\r\n"));
    assert_eq!(c.w.sent(client), ":1\r\n:2\r\n:3\r\n");
    // A node that never keeps it has the last word.
    let unknown = "EVALSHA 0000000000000000000000000000000000000000 1 a";
    assert_eq!(c.more(client, &[unknown]), 1);
    c.at(2, &[unknown], "-MOVED 15495 127.0.0.1:1\r\n");
    c.at(1, &[unknown], NOSCRIPT);
    assert!(c.w.sent(client).ends_with(NOSCRIPT));
    assert_eq!(c.w.proxy.census().detours, 0);
}
