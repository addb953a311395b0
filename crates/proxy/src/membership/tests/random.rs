//! Generations change between any two events, and nothing is lost: every request has exactly one reply and
//! the right one, no request overtakes another of its client to the same server, no memory is held
//! afterwards.

use std::collections::BTreeMap;

use net::{Fault, Input};
use wire::redis::{Limits, RequestScanner, Scan};

use super::*;

/// A small random generator (splitmix64), repeatable from its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { Some(from[self.below(from.len())]) }
    }
}

/// A pool's section of the configuration.
struct Section {
    name: String,
    port: u16,
    /// Port, weight and name of each server.
    servers: Vec<(u16, u32, u16)>,
    options: BTreeMap<&'static str, &'static str>,
}

/// Options that may change, and their values.
const OPTIONS: &[(&str, &[&str])] = &[
    ("timeout", &["\"off\"", "\"50s\"", "\"60s\""]),
    ("hash_tag", &["\"{}\"", "\"cn\""]),
    ("distribution", &["\"modula\"", "\"ketama\""]),
    ("hash", &["\"md5\"", "\"murmur\""]),
    ("db", &["0", "3"]),
    ("keepalive", &["\"5s\"", "\"6s\""]),
    ("server_connections", &["1", "2"]),
    ("preconnect", &["true", "false"]),
    ("auto_eject_hosts", &["true", "false"]),
    ("server_queue_max", &["1", "3", "1000"]),
    ("client_pipeline_max", &["2", "1000"]),
];

impl Section {
    fn text(&self) -> String {
        let servers =
            self.servers.iter().map(|(port, weight, name)| format!("\"127.0.0.1:{port}:{weight} s{name}\""));
        let servers = servers.collect::<Vec<_>>().join(", ");
        let options: String =
            self.options.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        let Section { name, port, .. } = self;
        format!("[pool.{name}]\nlisten = \"127.0.0.1:{port}\"\nservers = [{servers}]\n{options}")
    }
}

/// A request under way.
struct Sent {
    client: ConnId,
    seq: usize,
    port: u16,
    conn: ConnId,
}

struct Fleet {
    world: World,
    dice: Dice,
    /// Nothing fails: every reply is the right one.
    calm: bool,
    sections: Vec<Section>,
    by_hand: BTreeMap<(String, String), ByHand>,
    clients: Vec<ConnId>,
    /// Bytes that a client has sent and the proxy has not taken, and the keys of all its requests.
    asked: BTreeMap<ConnId, (Vec<u8>, Vec<Vec<String>>)>,
    /// Bytes sent to a server that were checked, and that it has answered.
    seen: BTreeMap<ConnId, (usize, usize)>,
    on_the_way: Vec<Sent>,
    connected: Vec<ConnId>,
    next_name: u16,
}

impl Fleet {
    fn new(seed: u64) -> Fleet {
        let servers = vec![(100, 1, 0), (101, 1, 1)];
        let section = Section { name: "p0".into(), port: 1, servers, options: BTreeMap::new() };
        Fleet {
            world: World::with_budget(&section.text(), 1 << 30),
            dice: Dice(seed),
            calm: seed.is_multiple_of(2),
            sections: vec![section],
            by_hand: BTreeMap::new(),
            clients: Vec::new(),
            asked: BTreeMap::new(),
            seen: BTreeMap::new(),
            on_the_way: Vec::new(),
            connected: Vec::new(),
            next_name: 2,
        }
    }

    fn step(&mut self) {
        match self.dice.below(16) {
            0 => self.accept(),
            1..5 => self.ask(),
            5..9 => self.answer(),
            9 if !self.calm => self.fail(),
            10 | 11 => self.change(),
            12 => {
                let time =
                    Duration::from_millis(self.dice.below(if self.calm { 100 } else { 30_000 }) as u64);
                self.world.pass_time(time);
            }
            13 if !self.calm => self.stale(),
            14 => self.world.proxy.turn_end(&mut self.world.io),
            _ => self.hear(),
        }
        self.look();
        let census = self.world.proxy.census();
        assert_eq!(census.held, census.held_counted);
    }

    // ---- clients ------------------------------------------------------------------------------------------

    fn accept(&mut self) {
        let tags = self.world.generation.pools.iter().map(|pool| pool.id.0);
        let Some(tag) = self.dice.pick(&tags.collect::<Vec<_>>()) else { return };
        let client = self.world.accept(tag);
        self.clients.push(client);
    }

    fn ask(&mut self) {
        let Some(client) = self.dice.pick(&self.clients) else { return };
        let count = 1 + self.dice.below(3);
        let (unread, requests) = self.asked.entry(client).or_default();
        let seq = requests.len();
        let keys: Vec<String> = (0..count).map(|n| format!("c{}n{seq}k{n}", client.index)).collect();
        let words = keys.iter().map(|key| format!("${}\r\n{key}\r\n", key.len())).collect::<String>();
        let (name, len) = if count == 1 { ("GET", 3) } else { ("MGET", 4) };
        unread.extend_from_slice(format!("*{}\r\n${len}\r\n{name}\r\n{words}", count + 1).as_bytes());
        requests.push(keys);
        self.hear();
    }

    /// Feeds the proxy the requests of clients that are not paused.
    fn hear(&mut self) {
        let World { io, proxy, .. } = &mut self.world;
        for (client, (unread, _)) in &mut self.asked {
            if !unread.is_empty() && !io.paused.contains(client) && !io.closed.contains(client) {
                let mut input = Input::scratch(unread);
                proxy.received(io, *client, &mut input);
                let taken = input.outcome().0;
                unread.drain(..taken);
            }
        }
    }

    // ---- servers ------------------------------------------------------------------------------------------

    fn open(&self) -> Vec<(ConnId, u16)> {
        let port = |to: &net::Address| match to {
            net::Address::Tcp { port, .. } => *port,
            net::Address::Unix(_) => unreachable!("there is none"),
        };
        let open = self.world.io.connects.iter().filter(|(id, _)| !self.world.io.closed.contains(id));
        open.map(|(id, to)| (*id, port(to))).collect()
    }

    /// Records the requests sent to servers: none overtakes one on another connection to the same server.
    fn look(&mut self) {
        for (conn, port) in self.open() {
            let seen = self.seen.entry(conn).or_default();
            let bytes = &self.world.io.sent(conn)[seen.0..];
            let mut at = 0;
            while let Scan::Done(request) = RequestScanner::new().scan(&bytes[at..], &Limits::default()) {
                let key =
                    request.args(&bytes[at..]).nth(1).map(|arg| arg.bytes().to_vec()).unwrap_or_default();
                at += request.len();
                let Some((client, seq)) = owner(&key) else { continue };
                let before =
                    |sent: &&Sent| sent.client.index == client && sent.port == port && sent.seq < seq;
                let other = self.on_the_way.iter().filter(before).find(|sent| sent.conn != conn);
                assert!(!self.calm || other.is_none(), "{} overtakes", key.escape_ascii());
                let client = ConnId { index: client, generation: 0 };
                self.on_the_way.push(Sent { client, seq, port, conn });
            }
            seen.0 += at;
        }
    }

    /// A random open connection to a server.
    fn conn(&mut self) -> Option<ConnId> {
        let open: Vec<ConnId> = self.open().into_iter().map(|(id, _)| id).collect();
        let conn = self.dice.pick(&open)?;
        self.connect(conn);
        Some(conn)
    }

    fn connect(&mut self, conn: ConnId) {
        if !self.connected.contains(&conn) {
            self.connected.push(conn);
            self.world.proxy.connected(&mut self.world.io, conn);
        }
    }

    fn answer(&mut self) {
        let Some(conn) = self.conn() else { return };
        self.answer_on(conn);
    }

    /// Answers the next request on a connection with its keys; false if there is none.
    fn answer_on(&mut self, conn: ConnId) -> bool {
        self.look();
        let done = &mut self.seen.entry(conn).or_default().1;
        let sent = &self.world.io.sent(conn)[*done..];
        let Scan::Done(request) = RequestScanner::new().scan(sent, &Limits::default()) else { return false };
        let args: Vec<String> =
            request.args(sent).map(|arg| String::from_utf8_lossy(arg.bytes()).into_owned()).collect();
        let reply = match args[0].as_str() {
            "PING" => "+PONG\r\n".to_owned(),
            "SELECT" => "+OK\r\n".to_owned(),
            "GET" => value(&args[1]),
            _ => format!(
                "*{}\r\n{}",
                args.len() - 1,
                args[1..].iter().map(|key| value(key)).collect::<String>()
            ),
        };
        *done += request.len();
        if let Some((client, seq)) = args.get(1).and_then(|key| owner(key.as_bytes())) {
            let is_it = |sent: &Sent| (sent.client.index, sent.seq, sent.conn) == (client, seq, conn);
            let at = self.on_the_way.iter().position(is_it).expect("it was noted");
            self.on_the_way.remove(at);
        }
        self.world.receive(conn, reply.as_bytes());
        true
    }

    fn fail(&mut self) {
        let Some(conn) = self.conn() else { return };
        self.world.io.closed.push(conn);
        self.world.proxy.failed(&mut self.world.io, conn, Fault::Reset);
    }

    // ---- generations --------------------------------------------------------------------------------------

    fn change(&mut self) {
        for _ in 0..=self.dice.below(3) {
            self.change_one();
        }
        self.let_somebody_serve();
        let text: String = self.sections.iter().map(Section::text).collect();
        self.world.reload(Settings { by_hand: self.by_hand.clone(), ..settings(&text) });
    }

    fn change_one(&mut self) {
        let at = self.dice.below(self.sections.len());
        let name = self.next_name;
        self.next_name += 1;
        match self.dice.below(12) {
            0 if self.sections.len() < 3 => {
                let servers = vec![(100 + name % 8, 1, name)];
                let section =
                    Section { name: format!("p{name}"), port: name, servers, options: BTreeMap::new() };
                self.sections.push(section);
            }
            1 if self.sections.len() > 1 => drop(self.sections.remove(at)),
            2 => self.sections[at].name = format!("p{name}"),
            3..6 => {
                let Some(port) = self.free_port(at) else { return };
                self.sections[at].servers.push((port, 1, name));
            }
            6 | 7 if self.sections[at].servers.len() > 1 => {
                let servers = &mut self.sections[at].servers;
                servers.remove(self.dice.below(servers.len()));
            }
            8 => {
                let Some(port) = self.free_port(at) else { return };
                let servers = &mut self.sections[at].servers;
                let which = self.dice.below(servers.len());
                servers[which] = (port, servers[which].1 % 3 + 1, servers[which].2);
            }
            9 => self.change_by_hand(at),
            _ => {
                let (name, values) = OPTIONS[self.dice.below(OPTIONS.len())];
                match self.dice.pick(values).filter(|_| self.dice.below(4) > 0) {
                    Some(value) => self.sections[at].options.insert(name, value),
                    None => self.sections[at].options.remove(name),
                };
            }
        }
    }

    /// A port that no server of a section has. There are few, so that ports of former servers are reused.
    fn free_port(&mut self, at: usize) -> Option<u16> {
        let taken: Vec<u16> = self.sections[at].servers.iter().map(|(port, ..)| *port).collect();
        let free: Vec<u16> = (100..106).filter(|port| !taken.contains(port)).collect();
        self.dice.pick(&free)
    }

    /// Makes sure that, if nothing fails, each pool has a server in the ring.
    fn let_somebody_serve(&mut self) {
        for section in self.sections.iter().filter(|_| self.calm) {
            let key = |name: u16| (section.name.clone(), format!("s{name}"));
            let is_out = |name| self.by_hand.get(&key(name)).is_some_and(|by_hand| by_hand.out.is_some());
            if section.servers.iter().all(|(.., name)| is_out(*name)) {
                self.by_hand.remove(&key(section.servers[0].2));
            }
        }
    }

    fn change_by_hand(&mut self, at: usize) {
        let section = &self.sections[at];
        let Some((_, _, name)) = self.dice.pick(&section.servers) else { return };
        let out = self.dice.pick(&[None, None, Some(Out::Ejected), Some(Out::Drained)]).flatten();
        let weight = self.dice.pick(&[None, Some(1), Some(7)]).flatten();
        self.by_hand.insert((section.name.clone(), format!("s{name}")), ByHand { weight, out });
    }

    /// Timers and mail for things that may be gone.
    fn stale(&mut self) {
        let server = ServerId(self.dice.below(2 * usize::from(self.next_name)) as u64);
        let World { io, proxy, .. } = &mut self.world;
        match self.dice.below(3) {
            0 => proxy.mail(io, Mail::Ejected { server }),
            1 => proxy.mail(io, Mail::Restore { server }),
            _ => {
                let keys: Vec<ServerKey> = proxy.servers.iter().map(|(key, _)| key).collect();
                let Some(server) = self.dice.pick(&keys) else { return };
                proxy.released.push(LaneKey { server, number: self.dice.below(3) as u16 });
            }
        }
    }

    // ---- the end ------------------------------------------------------------------------------------------

    /// Lets servers answer until no request is left; checks that every client has its replies.
    fn settle(&mut self) {
        loop {
            self.hear();
            self.world.proxy.turn_end(&mut self.world.io);
            let mut any = false;
            for (conn, _) in self.open() {
                if !self.world.io.closed.contains(&conn) {
                    self.connect(conn);
                    any |= self.answer_on(conn);
                }
            }
            if !any {
                break;
            }
        }
        for (client, (unread, requests)) in &self.asked {
            self.check(*client, unread, requests);
        }
    }

    fn check(&self, client: ConnId, unread: &[u8], requests: &[Vec<String>]) {
        let mut sent = self.world.io.sent(client);
        let mut requests = requests.iter();
        loop {
            if let Some(rest) = sent.strip_prefix(POOL_GONE) {
                assert!(rest.is_empty() && self.world.io.closed.contains(&client), "{client:?}");
                return;
            }
            let Some(keys) = requests.next() else { break };
            let values = keys.iter().map(|key| value(key)).collect::<String>();
            let right = if keys.len() == 1 { values } else { format!("*{}\r\n{values}", keys.len()) };
            sent = match sent.strip_prefix(right.as_bytes()) {
                Some(rest) => rest,
                None if !self.calm && sent.starts_with(b"-ERR ") => {
                    let end = sent.windows(2).position(|end| end == b"\r\n").expect("a line");
                    &sent[end + 2..]
                }
                None => panic!("{client:?} {keys:?}: {}", sent.escape_ascii()),
            };
        }
        assert_eq!((sent, unread), (&b""[..], &b""[..]), "{client:?}");
    }
}

fn value(key: &str) -> String {
    format!("${}\r\n{key}\r\n", key.len())
}

/// Index of the client and of its request, parsed from a key.
fn owner(key: &[u8]) -> Option<(u32, usize)> {
    let text = std::str::from_utf8(key).ok()?;
    let (client, rest) = text.strip_prefix('c')?.split_once('n')?;
    Some((client.parse().ok()?, rest.split_once('k')?.0.parse().ok()?))
}

#[test]
fn every_request_has_its_reply_whatever_comes_and_goes() {
    for seed in 0..100 {
        eprintln!("seed {seed}");
        let mut fleet = Fleet::new(seed);
        (0..300).for_each(|_| fleet.step());
        fleet.settle();
        fleet.world.become_("");
        let census = fleet.world.proxy.census();
        assert_eq!((census.clients, census.waiting, census.in_flight, census.gathers), (0, 0, 0, 0));
        let (pools, servers) = (&fleet.world.proxy.pools, &fleet.world.proxy.servers);
        assert_eq!((fleet.world.timers(), pools.values().count(), servers.values().count()), (0, 0, 0));
    }
}
