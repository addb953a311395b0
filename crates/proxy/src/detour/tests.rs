//! Detours against scripted nodes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use net::{App, ConnId, Fault};
use wire::redis::cluster::{Info, Node, SlotRange};

use crate::generation::Settings;
use crate::testing::{World, settings};
use crate::topology::{SlotMap, View};

const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\ntopology = \"cluster\"\nservers = [\"127.0.0.1:9\"]\n\
                    timeout = \"1s\"\n";

/// A request, as an array.
fn request(words: &str) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    let text = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect::<String>();
    format!("*{}\r\n{text}", words.len())
}

/// Node 1 has the slots up to 9999, node 2 the rest, until `owners` says otherwise.
struct Cluster {
    w: World,
    /// Bytes that each connection was sent and that were checked.
    seen: BTreeMap<ConnId, usize>,
}

fn view(epoch: u64, owners: &[(u16, u16, u16)]) -> View {
    let node = |port: u16| Node { host: Some("127.0.0.1".into()), port, id: format!("id{port}") };
    let ranges = owners.iter().map(|(first, last, port)| SlotRange {
        first: *first,
        last: *last,
        nodes: vec![node(*port)],
    });
    View { host: "127.0.0.1".into(), info: Info { is_ok: true, epoch }, ranges: ranges.collect() }
}

impl Cluster {
    fn unknown() -> Cluster {
        Cluster { w: World::new(POOL), seen: BTreeMap::new() }
    }

    fn new() -> Cluster {
        let mut cluster = Cluster::unknown();
        cluster.learn(6, &[(0, 9999, 1), (10000, 16383, 2)]);
        cluster
    }

    fn learn(&mut self, epoch: u64, owners: &[(u16, u16, u16)]) {
        let map = SlotMap::believe(None, &[view(epoch, owners)]).expect("a map");
        let topologies = BTreeMap::from([("p".to_owned(), Arc::new(map))]);
        self.w.reload(Settings { topologies, ..settings(POOL) });
        self.pass(0);
    }

    fn pass(&mut self, ms: u64) {
        self.w.pass_time(Duration::from_millis(ms));
        self.w.proxy.turn_end(&mut self.w.io);
    }

    /// The last connection to the node at this port.
    fn node(&mut self, port: u16) -> ConnId {
        let is_it =
            |address: &net::Address| matches!(address, net::Address::Tcp { port: own, .. } if *own == port);
        let at = self.w.io.connects.iter().rposition(|(_, address)| is_it(address)).expect("a connection");
        self.w.io.connects[at].0
    }

    /// Checks what a node has been sent since the last time, and answers with `reply`.
    #[track_caller]
    fn at(&mut self, port: u16, expected: &[&str], reply: &str) {
        let conn = self.node(port);
        let seen = self.seen.entry(conn).or_default();
        if *seen == 0 {
            self.w.proxy.connected(&mut self.w.io, conn);
            assert_eq!(self.w.sent(conn), request("PING"), "nothing else before it is known to live");
            *seen = request("PING").len();
            self.w.receive(conn, b"+PONG\r\n");
        }
        let sent = self.w.sent(conn);
        let expected: String = expected.iter().map(|words| request(words)).collect();
        assert_eq!(&sent[*seen..], expected, "node {port}");
        *seen = sent.len();
        self.w.receive(conn, reply.as_bytes());
    }

    fn ask(&mut self, words: &[&str]) -> ConnId {
        let client = self.w.accept(0);
        self.more(client, words);
        client
    }

    /// Sends requests of a client. Returns the number of them that were taken.
    fn more(&mut self, client: ConnId, words: &[&str]) -> usize {
        let requests: Vec<String> = words.iter().map(|words| request(words)).collect();
        let mut taken = self.w.receive(client, requests.concat().as_bytes());
        requests
            .iter()
            .take_while(|request| {
                let is = taken >= request.len();
                taken = taken.saturating_sub(request.len());
                is
            })
            .count()
    }
}

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
    assert_eq!(c.w.sent(client), format!("-ERR broken\r\n{crossed}"));
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
    view.ranges[0].nodes.push(Node { host: Some("127.0.0.1".into()), port: 3, id: "id3".into() });
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
    c.at(3, &["GET foo"], "$1\r\nv\r\n");
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
