//! Subscribers of a ring whose servers misbehave at random: connections are refused and lost,
//! acknowledgements come late, clients come and vanish. Replayed by its seed alone.
//!
//! - A client gets each message that a server sent for what it is subscribed to, once, at once and in order,
//!   from the acknowledgement to the end of its subscription, and no other.
//! - Each request has one answer, in order, which counts what the client is subscribed to.
//! - A channel is asked for at one server, a pattern at all; after every loss again.
//! - What nobody is subscribed to is left, and nothing is kept of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use net::{Address, App, ConnId, Fault};

use super::{TWO, array, is_even, push};
use crate::testing::{Random, World, lines};

const NAMES: [(&str, &str); 6] = [
    ("subscribe", "a"),
    ("subscribe", "b"),
    ("subscribe", "news.1"),
    ("subscribe", "__keyevent@0__:del"),
    ("psubscribe", "news.*"),
    ("psubscribe", "[ab]*"),
];
/// Channels that are published to, and the patterns that match each.
const CHANNELS: [(&str, &[&str]); 5] = [
    ("a", &["[ab]*"]),
    ("b", &["[ab]*"]),
    ("news.1", &["news.*"]),
    ("news.2", &["news.*"]),
    ("__keyevent@0__:del", &[]),
];
const SERVERS: [u16; 2] = [11, 12];

/// A command that begins a subscription, and its name.
type Name = (String, String);

struct Client {
    conn: ConnId,
    resp3: bool,
    /// Output that was looked at.
    seen: usize,
    /// Requests that the proxy does not read yet.
    unread: Vec<u8>,
    /// Requests without an answer.
    waiting: VecDeque<Name>,
    subscribed: BTreeSet<Name>,
}

/// A subscription connection, as its server sees it.
struct Link {
    conn: ConnId,
    port: u16,
    is_connected: bool,
    /// Bytes of requests that were executed.
    read: usize,
    subscribed: BTreeSet<Name>,
}

struct Chaos {
    w: World,
    random: Random,
    clients: Vec<Client>,
    links: Vec<Link>,
    /// Connections of the proxy that were looked at.
    connects: usize,
    /// The server of each channel, once it was asked for there.
    homes: BTreeMap<String, u16>,
    published: u64,
}

/// The answers and messages in some output: the words of each.
fn items(mut text: &str) -> Vec<Vec<String>> {
    let mut items = Vec::new();
    let line = |text: &mut &str| {
        let (line, rest) = text.split_once("\r\n").expect("whole lines");
        *text = rest;
        line.to_owned()
    };
    while !text.is_empty() {
        let head = line(&mut text);
        if !head.starts_with(['*', '>']) {
            items.push(vec![head]);
            continue;
        }
        let count: usize = head[1..].parse().expect("a number");
        let word = |text: &mut &str| {
            let head = line(text);
            if head.starts_with('$') { line(text) } else { head[1..].to_owned() }
        };
        items.push((0..count).map(|_| word(&mut text)).collect());
    }
    items
}

impl Chaos {
    fn new(seed: u64) -> Chaos {
        let w = World::new(TWO);
        let random = Random(seed);
        Chaos {
            w,
            random,
            clients: Vec::new(),
            links: Vec::new(),
            connects: 0,
            homes: BTreeMap::new(),
            published: 0,
        }
    }

    fn end_turn(&mut self) {
        for client in &mut self.clients {
            if !client.unread.is_empty() && !self.w.io.paused.contains(&client.conn) {
                let taken = self.w.receive(client.conn, &client.unread);
                client.unread.drain(..taken);
            }
        }
        self.w.proxy.turn_end(&mut self.w.io);
        for (conn, address) in &self.w.io.connects[self.connects..] {
            let Address::Tcp { port, .. } = *address else { panic!("{address:?}") };
            let (conn, subscribed) = (*conn, BTreeSet::new());
            self.links.push(Link { conn, port, is_connected: false, read: 0, subscribed });
        }
        self.connects = self.w.io.connects.len();
        self.links.retain(|link| !self.w.io.closed.contains(&link.conn));
    }

    /// Takes the answers that clients have got, in the order of their requests.
    fn take_answers(&mut self) {
        for client in &mut self.clients {
            let text = self.w.sent(client.conn);
            for item in items(&text[client.seen..]) {
                let (command, name) = client.waiting.pop_front().expect("a request");
                if item[0].starts_with("-ERR") {
                    assert!(!command.contains("un"), "{item:?}");
                    continue;
                }
                assert_eq!(item[..2], [command.clone(), name.clone()], "{item:?}");
                let begins = command.replace("un", "");
                if command == begins {
                    client.subscribed.insert((begins, name));
                } else {
                    client.subscribed.remove(&(begins, name));
                }
                assert_eq!(item[2], client.subscribed.len().to_string(), "{item:?}");
            }
            client.seen = text.len();
        }
    }

    /// A client sends a request, or comes first.
    fn ask(&mut self) {
        if self.clients.len() < 2 || (self.clients.len() < 12 && self.random.one_in(4)) {
            let (conn, resp3) = (self.w.accept(0), self.random.one_in(2));
            if resp3 {
                self.w.receive(conn, &lines(&["HELLO 3"]));
            }
            let seen = self.w.sent(conn).len();
            self.clients.push(Client {
                conn,
                resp3,
                seen,
                unread: Vec::new(),
                waiting: VecDeque::new(),
                subscribed: BTreeSet::new(),
            });
        }
        let at = self.random.below(self.clients.len());
        let (begins, name) = self.random.pick(&NAMES);
        let command = if self.random.one_in(3) { begins.replace("sub", "unsub") } else { begins.to_owned() };
        let client = &mut self.clients[at];
        client.waiting.push_back((command.clone(), name.to_owned()));
        client.unread.extend(lines(&[&format!("{command} {name}")]));
        self.end_turn();
        self.take_answers();
    }

    /// A server takes the next step on a connection. False if there is none.
    fn serve(&mut self, at: usize) -> bool {
        let Some(link) = self.links.get_mut(at) else { return false };
        if !std::mem::replace(&mut link.is_connected, true) {
            self.w.proxy.connected(&mut self.w.io, link.conn);
            self.end_turn();
            return true;
        }
        let text = self.w.sent(link.conn)[link.read..].to_owned();
        // Whole requests, of which the first is executed.
        let Some(words) = items(&text).into_iter().next() else { return false };
        link.read += format!("*{}\r\n", words.len()).len()
            + words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()).len()).sum::<usize>();
        let reply = match words[0].as_str() {
            "HELLO" => "%0\r\n".to_owned(),
            "PING" => "+PONG\r\n".to_owned(),
            command => {
                let (begins, name) = (command.replace("un", ""), words[1].clone());
                if command == begins {
                    let everywhere = begins == "psubscribe" || name.starts_with("__");
                    let home = *self.homes.entry(name.clone()).or_insert(link.port);
                    assert!(everywhere || home == link.port, "{name} is at {home} and {}", link.port);
                    link.subscribed.insert((begins, name.clone()));
                } else {
                    link.subscribed.remove(&(begins, name.clone()));
                }
                push(&[command, &name, &link.subscribed.len().to_string()])
            }
        };
        let conn = link.conn;
        self.w.receive(conn, reply.as_bytes());
        self.end_turn();
        self.take_answers();
        true
    }

    /// A message reaches its server, which sends it to those who are subscribed there.
    fn publish(&mut self) {
        self.end_turn();
        self.take_answers();
        let (channel, patterns) = self.random.pick(&CHANNELS);
        let port = match self.homes.get(channel) {
            Some(home) if !channel.starts_with("__") => *home,
            _ => self.random.pick(&SERVERS),
        };
        self.published += 1;
        let text = format!("m{}", self.published);
        let own = ("subscribe".to_owned(), channel.to_owned());
        let mut feeds = vec![(own, vec!["message", channel, &text])];
        for pattern in patterns {
            feeds.push((
                ("psubscribe".to_owned(), (*pattern).to_owned()),
                vec!["pmessage", pattern, channel, &text],
            ));
        }
        let (mut pushes, mut sent) = (BTreeMap::new(), Vec::new());
        for link in self.links.iter().filter(|link| link.port == port) {
            for (name, words) in feeds.iter().filter(|(name, _)| link.subscribed.contains(name)) {
                pushes.entry(link.conn).or_insert_with(String::new).push_str(&push(words));
                sent.push((name.clone(), words.clone()));
            }
        }
        for (conn, text) in pushes {
            self.w.receive(conn, text.as_bytes());
        }
        self.end_turn();
        for client in &mut self.clients {
            let form = if client.resp3 { push } else { array };
            let wanted = sent.iter().filter(|(name, _)| client.subscribed.contains(name));
            let wanted: String = wanted.map(|(_, words)| form(words)).collect();
            let text = self.w.sent(client.conn);
            assert_eq!(text[client.seen..], wanted, "{:?}", client.subscribed);
            client.seen = text.len();
        }
    }

    fn lose(&mut self) {
        if self.links.is_empty() {
            return;
        }
        let link = self.links.swap_remove(self.random.below(self.links.len()));
        let fault = if link.is_connected { Fault::Reset } else { Fault::Refused };
        self.w.proxy.failed(&mut self.w.io, link.conn, fault);
        if self.random.below(4) == 0 {
            // Timers of the same turn.
            let time = Duration::from_millis(self.random.below(6000) as u64);
            self.w.pass_time(time);
        }
        self.end_turn();
        self.take_answers();
    }

    fn vanish(&mut self) {
        if self.clients.is_empty() {
            return;
        }
        let client = self.clients.swap_remove(self.random.below(self.clients.len()));
        self.w.proxy.failed(&mut self.w.io, client.conn, Fault::Reset);
        self.end_turn();
    }

    fn pass(&mut self, time: Duration) {
        self.w.pass_time(time);
        self.end_turn();
        self.take_answers();
    }

    fn step(&mut self) {
        match self.random.below(40) {
            0 => self.lose(),
            1 => self.vanish(),
            2 | 3 => {
                let time = Duration::from_millis(self.random.below(300) as u64);
                self.pass(time);
            }
            4..12 => self.ask(),
            12..24 => self.publish(),
            _ => {
                if !self.links.is_empty() {
                    let at = self.random.below(self.links.len());
                    self.serve(at);
                }
            }
        }
    }

    /// Lets everything be answered that can be.
    fn settle(&mut self) {
        for _ in 0..20 {
            for at in 0..self.links.len() {
                while self.serve(at) {}
            }
            self.pass(Duration::from_millis(200));
        }
    }

    fn finish(mut self) {
        self.settle();
        let mut wanted = BTreeSet::new();
        for client in &self.clients {
            assert!(client.waiting.is_empty() && client.unread.is_empty(), "{:?}", client.waiting);
            wanted.extend(client.subscribed.iter().cloned());
        }
        for name in &wanted {
            let everywhere = name.0 == "psubscribe" || name.1.starts_with("__");
            let sources = self.links.iter().filter(|link| link.subscribed.contains(name)).count();
            assert_eq!(sources, if everywhere { SERVERS.len() } else { 1 }, "{name:?}");
        }
        let left = self.links.iter().flat_map(|link| &link.subscribed).find(|name| !wanted.contains(*name));
        assert_eq!(left, None, "nobody is subscribed to it");
        (0..50).for_each(|_| self.publish());
        while !self.clients.is_empty() {
            self.vanish();
        }
        self.settle();
        assert!(self.links.iter().all(|link| link.subscribed.is_empty()));
        assert!(self.w.proxy.pools.values().all(|pool| pool.feeds.is_empty()));
        is_even(&self.w);
    }
}

#[test]
fn subscribers_get_what_they_are_subscribed_to_whatever_servers_do() {
    let only = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in only.map_or(0..300, |seed: u64| seed..seed + 1) {
        let run = || {
            let mut chaos = Chaos::new(seed);
            (0..400).for_each(|_| chaos.step());
            assert!(chaos.published > 50);
            chaos.finish();
        };
        let held = std::panic::catch_unwind(run);
        assert!(held.is_ok(), "SEED={seed}");
    }
}
