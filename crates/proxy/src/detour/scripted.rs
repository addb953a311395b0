//! A cluster of scripted nodes for unit tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use net::{App, ConnId};
use wire::redis::cluster::{Info, Node, NodeHealth, SlotRange, SlotView};

use crate::generation::Settings;
use crate::replica_watch::Standing;
use crate::testing::{World, settings};
use crate::topology::{SlotMap, View};

/// A pool over a cluster.
pub(crate) const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\ntopology = \"cluster\"\nservers = [\"127.0.0.1:9\"]\n\
                    timeout = \"1s\"\n";

/// A request, as an array.
pub(crate) fn request(words: &str) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    let text = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect::<String>();
    format!("*{}\r\n{text}", words.len())
}

/// Node 1 has the slots up to 9999, node 2 the rest, until `owners` says otherwise.
pub(crate) struct Cluster {
    pub(crate) w: World,
    pool: String,
    /// Bytes that each connection was sent and that were checked.
    seen: BTreeMap<ConnId, usize>,
}

pub(crate) fn view(epoch: u64, owners: &[(u16, u16, u16)]) -> View {
    let node = |port: u16| Node {
        host: Some("127.0.0.1".into()),
        port,
        id: format!("id{port}"),
        health: NodeHealth::Online,
    };
    let ranges = owners.iter().map(|(first, last, port)| SlotRange {
        first: *first,
        last: *last,
        nodes: vec![node(*port)],
    });
    let slots = SlotView { ranges: ranges.collect(), ..SlotView::default() };
    View { host: "127.0.0.1".into(), info: Info { is_ok: true, epoch }, slots }
}

impl Cluster {
    pub(crate) fn unknown() -> Cluster {
        Cluster::with("")
    }

    /// A pool with more options.
    pub(crate) fn with(options: &str) -> Cluster {
        let pool = format!("{POOL}{options}");
        Cluster { w: World::new(&pool), pool, seen: BTreeMap::new() }
    }

    pub(crate) fn new() -> Cluster {
        let mut cluster = Cluster::unknown();
        cluster.learn(6, &[(0, 9999, 1), (10000, 16383, 2)]);
        cluster
    }

    pub(crate) fn learn(&mut self, epoch: u64, owners: &[(u16, u16, u16)]) {
        self.learn_view(view(epoch, owners), &[]);
    }

    /// Takes a view, and the standings of nodes by port.
    pub(crate) fn learn_view(&mut self, view: View, standings: &[(u16, Standing)]) {
        let map = SlotMap::believe(None, &[view]).expect("a map");
        let topologies = BTreeMap::from([("p".to_owned(), Arc::new(map))]);
        let standings = standings.iter().map(|(port, standing)| (format!("127.0.0.1:{port}"), *standing));
        let standings = BTreeMap::from([("p".to_owned(), standings.collect())]);
        self.w.reload(Settings { topologies, standings, ..settings(&self.pool) });
        self.pass(0);
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.w.pass_time(Duration::from_millis(ms));
        self.w.proxy.turn_end(&mut self.w.io);
    }

    /// True if a node has been connected to.
    pub(crate) fn is_known(&self, port: u16) -> bool {
        let own = format!(":{port}");
        self.w.io.connects.iter().any(|(_, address)| address.to_string().ends_with(&own))
    }

    /// The last connection to the node at this port.
    pub(crate) fn node(&mut self, port: u16) -> ConnId {
        let is_it =
            |address: &net::Address| matches!(address, net::Address::Tcp { port: own, .. } if *own == port);
        let at = self.w.io.connects.iter().rposition(|(_, address)| is_it(address)).expect("a connection");
        self.w.io.connects[at].0
    }

    /// Bytes that a node has been sent since the last check, with its handshake done.
    pub(crate) fn pending(&mut self, port: u16) -> String {
        self.handshake(port);
        let conn = self.node(port);
        self.w.sent(conn)[self.seen[&conn]..].to_owned()
    }

    /// Answers a node's handshake, if it was not answered before.
    #[track_caller]
    pub(crate) fn handshake(&mut self, port: u16) {
        let conn = self.node(port);
        if self.seen.contains_key(&conn) {
            return;
        }
        self.w.proxy.connected(&mut self.w.io, conn);
        let is_replica = self.w.sent(conn).starts_with(&request("READONLY"));
        let (first, answers) = if is_replica {
            (request("READONLY") + &request("ROLE"), "+OK\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n")
        } else {
            (String::new(), "")
        };
        let handshake = first + &request("PING");
        assert_eq!(self.w.sent(conn), handshake, "nothing else before it is known to live");
        self.seen.insert(conn, handshake.len());
        self.w.receive(conn, format!("{answers}+PONG\r\n").as_bytes());
    }

    /// Checks what a node has been sent since the last time, and answers with `reply`.
    #[track_caller]
    pub(crate) fn at(&mut self, port: u16, expected: &[&str], reply: &str) {
        let conn = self.node(port);
        self.handshake(port);
        let seen = self.seen.entry(conn).or_default();
        let sent = self.w.sent(conn);
        let expected: String = expected.iter().map(|words| request(words)).collect();
        assert_eq!(&sent[*seen..], expected, "node {port}");
        *seen = sent.len();
        self.w.receive(conn, reply.as_bytes());
    }

    pub(crate) fn ask(&mut self, words: &[&str]) -> ConnId {
        let client = self.w.accept(0);
        self.more(client, words);
        client
    }

    /// Sends requests of a client. Returns the number of them that were taken.
    pub(crate) fn more(&mut self, client: ConnId, words: &[&str]) -> usize {
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
