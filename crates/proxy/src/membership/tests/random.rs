//! Pools and servers come and go between any two events, and nobody is forgotten: every request has its one reply, nothing is held
//! afterwards.

use std::collections::BTreeMap;

use net::Fault;
use wire::redis::{Limits, RequestScanner, Scan};

use super::*;
use crate::alarm::Alarm;

/// A small generator (splitmix64): the same seed draws the same.
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

struct Fleet {
    world: World,
    dice: Dice,
    /// All keys that there ever were, most of them stale.
    pools: Vec<PoolKey>,
    servers: Vec<ServerKey>,
    clients: Vec<ConnId>,
    /// Bytes a client has sent and the proxy has not taken, and the number of its requests.
    asked: BTreeMap<ConnId, (Vec<u8>, usize)>,
    /// Bytes sent to a server that it has answered.
    answered: BTreeMap<ConnId, usize>,
    connected: Vec<ConnId>,
    next_port: u16,
}

impl Fleet {
    fn new(seed: u64) -> Fleet {
        Fleet {
            world: World::new(POOL),
            dice: Dice(seed),
            pools: vec![P],
            servers: vec![A, B],
            clients: Vec::new(),
            asked: BTreeMap::new(),
            answered: BTreeMap::new(),
            connected: Vec::new(),
            next_port: 100,
        }
    }

    fn step(&mut self) {
        match self.dice.below(16) {
            0 => {
                if let Some(pool) = self.dice.pick(&self.pools) {
                    let client = self.world.accept(pool.tag());
                    self.clients.push(client);
                }
            }
            1..5 => self.ask(),
            5..9 => self.answer(),
            9 => self.fail(),
            10 => self.change_servers(),
            11 => self.change_pools(),
            12 => {
                let time = Duration::from_millis(self.dice.below(3_000) as u64);
                self.world.pass_time(time);
            }
            13 => self.stale(),
            14 => self.world.proxy.turn_end(&mut self.world.io),
            _ => self.hear(),
        }
        let census = self.world.proxy.census();
        assert_eq!(census.held, census.held_counted);
    }

    fn ask(&mut self) {
        let Some(client) = self.dice.pick(&self.clients) else { return };
        let key = |dice: &mut Dice| format!("k{}", dice.below(50));
        let keys: Vec<String> = (0..1 + self.dice.below(3)).map(|_| key(&mut self.dice)).collect();
        let request = match &keys[..] {
            [only] => get(only),
            _ => {
                let words = keys.iter().map(|key| format!("${}\r\n{key}\r\n", key.len())).collect::<String>();
                format!("*{}\r\n$4\r\nMGET\r\n{words}", keys.len() + 1).into_bytes()
            }
        };
        let (unread, count) = self.asked.entry(client).or_default();
        unread.extend_from_slice(&request);
        *count += 1;
        self.hear();
    }

    /// Reads the requests of clients that are read.
    fn hear(&mut self) {
        let World { io, proxy } = &mut self.world;
        for (client, (unread, _)) in &mut self.asked {
            if !unread.is_empty() && !io.paused.contains(client) && !io.closed.contains(client) {
                let mut input = Input::scratch(unread);
                proxy.received(io, *client, &mut input);
                let taken = input.outcome().0;
                unread.drain(..taken);
            }
        }
    }

    /// A connection to a server that is open.
    fn conn(&mut self) -> Option<ConnId> {
        let open = self.world.io.connects.iter().map(|(id, _)| *id);
        let open: Vec<ConnId> = open.filter(|id| !self.world.io.closed.contains(id)).collect();
        let conn = self.dice.pick(&open)?;
        if !self.connected.contains(&conn) {
            self.connected.push(conn);
            self.world.proxy.connected(&mut self.world.io, conn);
        }
        Some(conn)
    }

    fn answer(&mut self) {
        let Some(conn) = self.conn() else { return };
        self.answer_on(conn);
    }

    /// Answers the next request on a connection; false if there is none.
    fn answer_on(&mut self, conn: ConnId) -> bool {
        let done = self.answered.entry(conn).or_default();
        let sent = &self.world.io.sent(conn)[*done..];
        let Scan::Done(request) = RequestScanner::new().scan(sent, &Limits::default()) else { return false };
        let args: Vec<&[u8]> = request.args(sent).map(|arg| arg.bytes()).collect();
        let reply = match args[0] {
            b"PING" => "+PONG\r\n".to_owned(),
            b"GET" => "$1\r\nv\r\n".to_owned(),
            _ => format!("*{}\r\n{}", args.len() - 1, "$1\r\nv\r\n".repeat(args.len() - 1)),
        };
        *done += request.len();
        self.world.receive(conn, reply.as_bytes());
        true
    }

    fn fail(&mut self) {
        let Some(conn) = self.conn() else { return };
        self.world.io.closed.push(conn);
        self.world.proxy.failed(&mut self.world.io, conn, Fault::Reset);
    }

    fn change_servers(&mut self) {
        if self.dice.below(2) == 0 {
            if let Some(server) = self.dice.pick(&self.servers) {
                self.world.proxy.remove_server(&mut self.world.io, server);
            }
            return;
        }
        self.next_port += 1;
        let list = format!("127.0.0.1:{}:1 s{}", self.next_port, self.next_port);
        let pool = checked(&POOL.replace("127.0.0.1:11:1 a\", \"127.0.0.1:12:1 b", &list));
        let stats = Arc::new(ServerStats::new(&pool.servers[0].identity));
        let Some(into) = self.dice.pick(&self.pools) else { return };
        let World { io, proxy } = &mut self.world;
        self.servers.extend(proxy.add_server(io, into, &pool.servers[0], stats));
    }

    fn change_pools(&mut self) {
        let World { io, proxy } = &mut self.world;
        if self.dice.below(3) == 0 {
            if let Some(pool) = self.dice.pick(&self.pools) {
                proxy.remove_pool(io, pool);
            }
            return;
        }
        let stats = Arc::new(PoolStats::new("q", &["a", "b"]));
        let pool =
            proxy.add_pool(io, (Arc::new(checked(POOL)), stats, Arc::default())).expect("there is room");
        self.pools.push(pool);
        self.servers.extend_from_slice(&proxy.pools[pool].servers);
    }

    /// Timers and mail for what may be gone.
    fn stale(&mut self) {
        let Some(server) = self.dice.pick(&self.servers) else { return };
        let number = self.dice.below(3) as u16;
        let World { io, proxy } = &mut self.world;
        match self.dice.below(3) {
            // One that is there has the timers that it has set.
            0 if proxy.servers.get(server).is_none() => {
                proxy.timer(io, Alarm::Deadline(LaneKey { server, number }).token());
                proxy.timer(io, Alarm::Probe(server).token());
            }
            1 => proxy.mail(io, Mail::Ejected { server }),
            _ => proxy.released.push(LaneKey { server, number }),
        }
    }

    /// Everybody answers until nothing is left to be answered, and every client has what it is owed.
    fn settle(&mut self) {
        loop {
            self.hear();
            let open: Vec<ConnId> = self.world.io.connects.iter().map(|(id, _)| *id).collect();
            let mut any = false;
            for conn in open.into_iter().filter(|id| !self.world.io.closed.contains(id)).collect::<Vec<_>>() {
                if !self.connected.contains(&conn) {
                    self.connected.push(conn);
                    self.world.proxy.connected(&mut self.world.io, conn);
                }
                any |= !self.world.io.closed.contains(&conn) && self.answer_on(conn);
            }
            if !any {
                break;
            }
        }
        for (client, (unread, count)) in &self.asked {
            if self.world.io.closed.contains(client) {
                continue;
            }
            let replies = self.world.io.sent(*client).split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
            // A value is two lines of a reply, and an array announces its own.
            let (mut left, mut replies_seen) = (0usize, 0);
            for line in replies.filter(|line| !line.is_empty()) {
                match line[0] {
                    b'*' => {
                        left =
                            2 * String::from_utf8_lossy(&line[1..]).trim().parse::<usize>().expect("a count")
                    }
                    b'$' if left == 0 => left = 1,
                    _ => left = left.saturating_sub(1),
                }
                replies_seen += usize::from(left == 0);
            }
            assert_eq!((replies_seen, unread.len()), (*count, 0), "{client:?}");
        }
    }
}

#[test]
fn every_request_has_one_reply_whatever_comes_and_goes() {
    for seed in 0..100 {
        eprintln!("seed {seed}");
        let mut fleet = Fleet::new(seed);
        (0..300).for_each(|_| fleet.step());
        fleet.settle();
        let World { io, proxy } = &mut fleet.world;
        for pool in std::mem::take(&mut fleet.pools) {
            proxy.remove_pool(io, pool);
        }
        let census = proxy.census();
        assert_eq!((census.clients, census.waiting, census.in_flight, census.gathers), (0, 0, 0, 0));
        assert_eq!((fleet.world.timers(), fleet.world.proxy.servers.values().count()), (0, 0));
    }
}
