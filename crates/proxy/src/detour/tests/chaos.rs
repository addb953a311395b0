//! A cluster that misbehaves at random, with an oracle: slots move, masters die and freeze, views are late,
//! connections are lost. Replayed by its seed alone.
//!
//! Each client pushes numbers to lists, singly and in transactions, many at a time. Whatever happens:
//!
//! - a client's numbers stand in each list in its order, and none stands there twice;
//! - what was acknowledged is there, and what a reply counts is what was there;
//! - both pushes of a transaction stand next to each other;
//! - every request has a reply, and nothing is left behind.

mod oracle;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use net::{App, ConnId, Fault, Instant};

use crate::detour::scripted::{Cluster, request, view};
use crate::testing::Random;

const NODES: u16 = 4;
const KEYS: [&str; 6] = ["{a}1", "{a}2", "{b}1", "{b}2", "{foo}1", "{foo}2"];

/// A hash slot: its owner, and the node that it moves to.
#[derive(Clone)]
struct Slot {
    number: u16,
    owner: u16,
    target: Option<u16>,
    /// Keys that are at the target already.
    moved: BTreeSet<String>,
    /// Nodes that had it, and until when. One that has it back at once executes what waits in its sockets,
    /// after it has declined what came before: nobody in front of it can keep the order then.
    left: BTreeMap<u16, Instant>,
}

impl Slot {
    fn may_go_to(&self, node: u16, now: Instant) -> bool {
        node != self.owner && self.left.get(&node).is_none_or(|left| now.since(*left) > BACK)
    }

    /// Gives it to this node.
    fn give(&mut self, owner: u16, now: Instant) {
        let target = self.target.take().filter(|target| *target != owner);
        self.left.extend(target.into_iter().chain([self.owner]).map(|node| (node, now)));
        (self.owner, self.moved) = (owner, BTreeSet::new());
    }
}

/// Time after which a node may have a slot back.
const BACK: Duration = Duration::from_millis(1300);

/// A connection to a node.
#[derive(Default)]
struct Link {
    /// Bytes of requests that were executed.
    read: usize,
    asking: bool,
    /// Requests between MULTI and EXEC; None outside. An error spoils it.
    queued: Option<(Vec<Vec<String>>, bool)>,
    connected: bool,
    /// Bytes of requests that waited at a frozen node when another took its place: it executes them when it
    /// goes on, and all of that is lost.
    void: usize,
}

struct Client {
    conn: ConnId,
    unread: Vec<u8>,
    /// Requests sent: key and numbers of each; None for a read.
    sent: Vec<(String, Vec<u64>)>,
    next: u64,
}

struct Chaos {
    c: Cluster,
    random: Random,
    slots: Vec<Slot>,
    /// Owners as each node knows them: an earlier truth.
    views: BTreeMap<u16, Vec<(u16, u16)>>,
    lists: BTreeMap<String, Vec<u64>>,
    /// Nodes that do nothing, and the earliest time at which each may go on.
    frozen: BTreeMap<u16, Instant>,
    links: BTreeMap<ConnId, (u16, Link)>,
    clients: Vec<Client>,
    epoch: u64,
}

fn slot_of(key: &str) -> u16 {
    ring::key_slot(key.as_bytes())
}

/// The first whole request: its words and its length.
fn parse(bytes: &[u8]) -> Option<(Vec<String>, usize)> {
    let line = |from: usize| {
        let end = bytes[from..].windows(2).position(|pair| pair == b"\r\n")? + from;
        Some((std::str::from_utf8(&bytes[from + 1..end]).ok()?.parse::<usize>().ok()?, end + 2))
    };
    let (count, mut at) = line(0)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let (len, begin) = line(at)?;
        words.push(String::from_utf8(bytes.get(begin..begin + len)?.to_vec()).ok()?);
        at = begin + len + 2;
    }
    (at <= bytes.len()).then_some((words, at))
}

impl Chaos {
    fn new(seed: u64) -> Chaos {
        let mut numbers: Vec<u16> = KEYS.iter().map(|key| slot_of(key)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let slot = |(n, number): (usize, u16)| Slot {
            number,
            owner: n as u16 % NODES + 1,
            target: None,
            moved: BTreeSet::new(),
            left: BTreeMap::new(),
        };
        let slots = numbers.into_iter().enumerate().map(slot).collect();
        let mut chaos = Chaos {
            c: Cluster::unknown(),
            random: Random(seed),
            slots,
            views: BTreeMap::new(),
            lists: BTreeMap::new(),
            frozen: BTreeMap::new(),
            links: BTreeMap::new(),
            clients: Vec::new(),
            epoch: 1,
        };
        for node in 1..=NODES {
            chaos.inform(node);
        }
        chaos.publish(1);
        for n in 0..3 {
            let conn = chaos.c.w.accept(0);
            chaos.clients.push(Client { conn, unread: Vec::new(), sent: Vec::new(), next: n * 1_000_000 });
        }
        chaos
    }

    /// Lets a node know the truth.
    fn inform(&mut self, node: u16) {
        let truth = self.slots.iter().map(|slot| (slot.number, slot.owner)).collect();
        self.views.insert(node, truth);
    }

    /// Lets the proxy have a node's view as its map.
    fn publish(&mut self, node: u16) {
        self.epoch += 1;
        let truth = self.views[&node].clone();
        let mut owners = Vec::new();
        let mut next = 0;
        for (number, owner) in truth {
            if next < number {
                owners.push((next, number - 1, 1));
            }
            owners.push((number, number, owner));
            next = number + 1;
        }
        owners.push((next, 16383, 1));
        // Every node has a slot that nobody uses, so that all are known.
        let last = owners.pop().expect("the rest");
        owners.extend((1..=NODES).map(|node| (last.0 + node - 1, last.0 + node - 1, node)));
        owners.push((last.0 + NODES, 16383, 1));
        self.c.learn_view(view(self.epoch, &owners), &[]);
    }

    fn step(&mut self) {
        match self.random.below(24) {
            0..=5 => self.client_sends(),
            6..=17 => self.node_works(),
            18 => self.slot_moves(),
            19 => self.trouble(),
            20 => {
                let node = self.random.below(usize::from(NODES)) as u16 + 1;
                self.inform(node);
            }
            21 if self.random.one_in(3) => {
                let node = self.random.below(usize::from(NODES)) as u16 + 1;
                self.publish(node);
            }
            _ => {
                let ms = self.random.below(30) as u64;
                self.c.pass(ms);
            }
        }
        self.look_around();
    }

    /// Notices what the proxy has opened and closed, and offers it what clients have not got rid of.
    fn look_around(&mut self) {
        let opened: Vec<(ConnId, u16)> = self
            .c
            .w
            .io
            .connects
            .iter()
            .filter(|(conn, _)| !self.links.contains_key(conn))
            .map(|(conn, address)| match address {
                net::Address::Tcp { port, .. } => (*conn, *port),
                net::Address::Unix(_) => panic!("no such node"),
            })
            .collect();
        for (conn, port) in opened {
            self.links.insert(conn, (port, Link::default()));
        }
        for n in 0..self.clients.len() {
            let (conn, unread) = (self.clients[n].conn, std::mem::take(&mut self.clients[n].unread));
            let is_paused = self.c.w.io.paused.contains(&conn);
            let taken = if is_paused || unread.is_empty() { 0 } else { self.c.w.receive(conn, &unread) };
            self.clients[n].unread = unread[taken..].to_vec();
        }
    }

    fn client_sends(&mut self) {
        let n = self.random.below(self.clients.len());
        for _ in 0..=self.random.below(4) {
            let key = KEYS[self.random.below(KEYS.len())].to_owned();
            let client = &mut self.clients[n];
            let mut number = || {
                client.next += 1;
                client.next
            };
            let (words, numbers) = match self.random.below(6) {
                0 => (vec![format!("LLEN {key}")], vec![]),
                1 => {
                    let pair = vec![number(), number()];
                    let pushes = pair.iter().map(|number| format!("RPUSH {key} {number}"));
                    let all = std::iter::once("MULTI".to_owned()).chain(pushes).chain(["EXEC".to_owned()]);
                    (all.collect(), pair)
                }
                _ => {
                    let number = number();
                    (vec![format!("RPUSH {key} {number}")], vec![number])
                }
            };
            let bytes: String = words.iter().map(|words| request(words)).collect();
            client.unread.extend_from_slice(bytes.as_bytes());
            client.sent.push((key, numbers));
        }
    }

    /// Connections on which a node may do something.
    fn open_links(&self) -> Vec<ConnId> {
        let closed = &self.c.w.io.closed;
        self.links.keys().copied().filter(|conn| !closed.contains(conn)).collect()
    }

    fn node_works(&mut self) {
        let open = self.open_links();
        let awake: Vec<ConnId> =
            open.into_iter().filter(|conn| !self.frozen.contains_key(&self.links[conn].0)).collect();
        if awake.is_empty() {
            return;
        }
        let conn = awake[self.random.below(awake.len())];
        for _ in 0..=self.random.below(5) {
            if !self.work(conn) {
                break;
            }
        }
    }

    /// Executes one request of a connection. False if there is none.
    fn work(&mut self, conn: ConnId) -> bool {
        let Some((port, mut link)) = self.links.remove(&conn) else { return false };
        if !std::mem::replace(&mut link.connected, true) {
            self.c.w.proxy.connected(&mut self.c.w.io, conn);
        }
        let parsed = parse(&self.c.w.io.sent(conn)[link.read..]);
        let Some((words, len)) = parsed else {
            self.links.insert(conn, (port, link));
            return false;
        };
        let is_void = link.read < link.void;
        link.read += len;
        let reply = if is_void { ":1\r\n".to_owned() } else { self.execute(port, &mut link, words) };
        self.links.insert(conn, (port, link));
        self.c.w.receive(conn, reply.as_bytes());
        self.c.w.proxy.turn_end(&mut self.c.w.io);
        !self.c.w.io.closed.contains(&conn)
    }

    fn execute(&mut self, port: u16, link: &mut Link, words: Vec<String>) -> String {
        let command = words[0].to_uppercase();
        match command.as_str() {
            "PING" => return "+PONG\r\n".into(),
            "ASKING" => {
                link.asking = true;
                return "+OK\r\n".into();
            }
            "MULTI" => {
                link.queued = Some((Vec::new(), false));
                return "+OK\r\n".into();
            }
            "EXEC" => {
                let asking = std::mem::take(&mut link.asking);
                let Some((queued, is_spoiled)) = link.queued.take() else { return "-ERR EXEC\r\n".into() };
                if is_spoiled {
                    return "-EXECABORT Transaction discarded because of previous errors.\r\n".into();
                }
                if let Some(error) = queued.iter().find_map(|words| self.declines(port, asking, &words[1])) {
                    return error;
                }
                let replies: String = queued.iter().map(|words| self.apply(words)).collect();
                return format!("*{}\r\n{replies}", queued.len());
            }
            _ => {}
        }
        let asking = if link.queued.is_some() { link.asking } else { std::mem::take(&mut link.asking) };
        let declined = self.declines(port, asking, &words[1]);
        if let Some((queued, is_spoiled)) = &mut link.queued {
            *is_spoiled |= declined.is_some();
            queued.push(words);
            return declined.unwrap_or_else(|| "+QUEUED\r\n".into());
        }
        declined.unwrap_or_else(|| self.apply(&words))
    }

    /// The error of a node that does not serve a key now.
    fn declines(&mut self, port: u16, asking: bool, key: &str) -> Option<String> {
        let number = slot_of(key);
        let slot = self.slots.iter().find(|slot| slot.number == number).expect("a slot");
        if slot.owner == port {
            let target = slot.target.filter(|_| slot.moved.contains(key))?;
            return Some(format!("-ASK {number} 127.0.0.1:{target}\r\n"));
        }
        if slot.target == Some(port) && asking {
            return None;
        }
        let known = self.views[&port].iter().find(|(other, _)| *other == number).expect("a view").1;
        if known == port {
            // It has just lost the slot and knows that much.
            return Some("-CLUSTERDOWN The cluster is down\r\n".into());
        }
        Some(format!("-MOVED {number} 127.0.0.1:{known}\r\n"))
    }

    fn apply(&mut self, words: &[String]) -> String {
        let list = self.lists.entry(words[1].clone()).or_default();
        match words[0].to_uppercase().as_str() {
            "RPUSH" => {
                list.push(words[2].parse().expect("a number"));
                format!(":{}\r\n", list.len())
            }
            "LLEN" => format!(":{}\r\n", list.len()),
            "BITFIELD" => "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n".into(),
            other => panic!("{other}"),
        }
    }

    /// Begins, goes on with, or ends the move of a slot. Keys that a node has not got are as good as moved.
    fn slot_moves(&mut self) {
        let n = self.random.below(self.slots.len());
        let to = self.random.below(usize::from(NODES)) as u16 + 1;
        let now = self.c.w.io.now;
        let slot = &mut self.slots[n];
        match slot.target {
            None if slot.may_go_to(to, now) => slot.target = Some(to),
            None => {}
            Some(_) if self.random.one_in(2) => {
                let keys = KEYS.iter().filter(|key| slot_of(key) == slot.number);
                if let Some(key) = keys.map(|key| (*key).to_owned()).find(|key| !slot.moved.contains(key)) {
                    slot.moved.insert(key);
                }
            }
            Some(target) => {
                let from = slot.owner;
                slot.give(target, now);
                self.inform(from);
                self.inform(target);
            }
        }
    }

    fn trouble(&mut self) {
        let node = self.random.below(usize::from(NODES)) as u16 + 1;
        match self.random.below(5) {
            0 => self.lose_connection(),
            1 => {
                let now = self.c.w.io.now;
                self.frozen.entry(node).or_insert(now);
            }
            2 => {
                let now = self.c.w.io.now;
                self.frozen.retain(|known, until| *known != node || *until > now);
            }
            _ => self.fail_over(node),
        }
    }

    /// A connection is lost, with requests that were executed and not answered.
    fn lose_connection(&mut self) {
        let open = self.open_links();
        if open.is_empty() {
            return;
        }
        let conn = open[self.random.below(open.len())];
        let Some((port, mut link)) = self.links.remove(&conn) else { return };
        if link.connected && !self.frozen.contains_key(&port) {
            for _ in 0..self.random.below(4) {
                let Some((words, len)) = parse(&self.c.w.io.sent(conn)[link.read..]) else { break };
                link.read += len;
                self.execute(port, &mut link, words);
            }
        }
        self.links.insert(conn, (port, link));
        self.c.w.io.closed.push(conn);
        self.c.w.proxy.failed(&mut self.c.w.io, conn, Fault::Reset);
    }

    /// Another node takes all slots of this one, which does not know it yet if it is frozen.
    fn fail_over(&mut self, node: u16) {
        let heir = node % NODES + 1;
        let now = self.c.w.io.now;
        let concerns = |slot: &&mut Slot| slot.owner == node || slot.target == Some(node);
        let is_possible = |slot: &Slot| slot.owner == heir || slot.may_go_to(heir, now);
        if !self.slots.iter_mut().filter(concerns).all(|slot| is_possible(slot)) {
            return;
        }
        for slot in self.slots.iter_mut().filter(concerns) {
            slot.give(heir, now);
        }
        self.inform(heir);
        let Some(until) = self.frozen.get_mut(&node) else { return self.inform(node) };
        // By then its silence has been noticed, or the deadline of what it was sent has passed.
        *until = self.c.w.io.now + Duration::from_millis(1300);
        for (conn, (port, link)) in &mut self.links {
            if *port == node {
                link.void = self.c.w.io.sent(*conn).len();
            }
        }
    }

    /// Ends all trouble, and lets everybody finish.
    fn settle(&mut self) {
        for _ in 0..150 {
            self.node_works();
            self.c.pass(10);
            self.look_around();
        }
        self.frozen.clear();
        for slot in &mut self.slots {
            if let Some(target) = slot.target.take() {
                (slot.owner, slot.moved) = (target, BTreeSet::new());
            }
        }
        (1..=NODES).for_each(|node| self.inform(node));
        self.publish(1);
        for _ in 0..400 {
            for conn in self.open_links() {
                while self.work(conn) {}
            }
            self.c.pass(10);
            self.look_around();
        }
    }
}

#[test]
fn whatever_becomes_of_a_cluster_nothing_is_out_of_order_twice_or_without_a_reply() {
    let only = std::env::var("NUTHATCH_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds = only.map_or(0..200, |seed| seed..seed + 1);
    for seed in seeds {
        let run = || {
            let mut chaos = Chaos::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1_e995);
            for _ in 0..600 {
                chaos.step();
            }
            chaos.settle();
            chaos.check();
        };
        if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
            eprintln!("seed {seed}: NUTHATCH_SEED={seed} replays it");
            std::panic::resume_unwind(panic);
        }
    }
}
