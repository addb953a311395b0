//! A model of a shard among its peers, with prices of polls, events, writes and wake-ups, for tests.
//!
//! ```text
//!   clients ─request─▶ shard ─▶ peers' core: two servers and the load, one after the other ─reply─▶ ...
//! ```
//! The shard's thread works, blocks in a poll until something arrives, or sleeps as [`Coalesce`] decides.
//! Everybody else shares one core with a line of work: who finds it idle wakes it, which takes time there and
//! CPU here. Times are in microseconds.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use super::{Clocks, Coalesce, Gathering, Round};
use crate::Instant;

/// Time after which a peer runs that others have kept waiting.
const STARVED: f64 = 3000.0;

/// Prices and the load.
#[derive(Debug, Clone, Copy)]
pub(super) struct World {
    /// Clients that wait for their reply before they ask again.
    pub(super) clients: usize,
    /// Requests per second of clients that do not wait; none if zero.
    pub(super) rate: f64,
    /// Time a waiting client takes before it asks again.
    pub(super) think: f64,
    pub(super) bytes: usize,
    /// CPU of the shard: a poll, going to sleep and being woken, an event, a write, waking a peer.
    pub(super) poll: f64,
    pub(super) block: f64,
    pub(super) event: f64,
    pub(super) write: f64,
    pub(super) wake: f64,
    /// Delay from an arrival to the shard's return from a blocking poll, and of the end of a sleep.
    pub(super) late: f64,
    /// CPU of a peer for an item of work, and for being woken.
    pub(super) peer_item: f64,
    pub(super) peer_wake: f64,
    /// Cores of the peers. With 0 the peers share the shard's core: they work only while it does not.
    pub(super) cores: usize,
}

impl World {
    /// Prices as on the machine of the tables, proxy alone on its core.
    pub(super) fn closed(clients: usize) -> World {
        World {
            clients,
            rate: 0.0,
            think: 0.0,
            bytes: 100,
            poll: 1.0,
            block: 3.0,
            event: 1.5,
            write: 2.0,
            wake: 6.0,
            late: 5.0,
            peer_item: 4.0,
            peer_wake: 8.0,
            cores: 1,
        }
    }

    pub(super) fn open(rate: f64) -> World {
        World { rate, ..World::closed(0) }
    }

    /// Every price times `factor`: a slower machine.
    pub(super) fn slower(self, factor: f64) -> World {
        World {
            poll: self.poll * factor,
            block: self.block * factor,
            event: self.event * factor,
            write: self.write * factor,
            wake: self.wake * factor,
            late: self.late * factor,
            peer_item: self.peer_item * factor,
            peer_wake: self.peer_wake * factor,
            ..self
        }
    }
}

/// Results of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome {
    pub(super) requests: u64,
    pub(super) cpu: f64,
    pub(super) us: f64,
    pub(super) sleeps: u64,
    pub(super) slept: f64,
    pub(super) longest: f64,
    pub(super) rounds: u64,
    pub(super) events: u64,
    pub(super) latencies: Vec<f64>,
}

impl Outcome {
    /// CPU of the shard for a request.
    pub(super) fn cost(&self) -> f64 {
        self.cpu / self.requests as f64
    }

    /// Replies per second.
    pub(super) fn rate(&self) -> f64 {
        self.requests as f64 / self.us * 1e6
    }

    pub(super) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get((sorted.len() as f64 * share) as usize).copied().unwrap_or(0.0)
    }

    pub(super) fn per_round(&self) -> f64 {
        self.events as f64 / self.rounds.max(1) as f64
    }
}

/// An arrival at the shard: its time in nanoseconds, the send time of its request, and a server's number for
/// a reply.
type Arrival = Reverse<(u64, u64, Option<usize>)>;

/// The model in motion.
pub(super) struct Model {
    pub(super) world: World,
    coalesce: Coalesce,
    now: f64,
    arrivals: BinaryHeap<Arrival>,
    /// Two servers and the clients' process: the times at which their items of work came, and the requests.
    work: [VecDeque<(f64, u64)>; 3],
    /// Times from which the peers' cores are idle.
    idle_from: Vec<f64>,
    next_open: f64,
    random: u64,
    cpu: f64,
    handled: u64,
    /// Requests under way, by send time: when the shard read them.
    read_at: HashMap<u64, f64>,
    seen: Vec<u32>,
    out: Outcome,
}

impl Model {
    pub(super) fn new(world: World, max_us: u64) -> Model {
        let mut model = Model {
            world,
            coalesce: Coalesce::new(Duration::from_micros(max_us)),
            now: 0.0,
            arrivals: BinaryHeap::new(),
            work: Default::default(),
            idle_from: Vec::new(),
            next_open: 0.0,
            random: 0x9e37_79b9_7f4a_7c15,
            cpu: 0.0,
            handled: 0,
            read_at: HashMap::new(),
            seen: Vec::new(),
            out: Outcome::default(),
        };
        model.change(world);
        model
    }

    /// Changes the longest sleep.
    pub(super) fn set_max(&mut self, max_us: u64) {
        self.coalesce.set_max(Duration::from_micros(max_us));
    }

    /// Counts of the controller.
    pub(super) fn gathering(&self) -> Gathering {
        self.coalesce.gathering()
    }

    /// Changes the load. Requests under way are lost, as if all clients had gone and others come.
    pub(super) fn change(&mut self, world: World) {
        self.world = world;
        self.arrivals.clear();
        self.read_at.clear();
        self.work = Default::default();
        self.idle_from = vec![self.now; world.cores.max(1)];
        self.next_open = self.now;
        for n in 0..world.clients {
            self.arrive(self.now + n as f64 * 0.1, None, self.now + n as f64 * 0.1);
        }
    }

    fn arrive(&mut self, at: f64, server: Option<usize>, sent: f64) {
        self.arrivals.push(Reverse(((at * 1000.0) as u64, (sent * 1000.0) as u64, server)));
    }

    fn uniform(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        ((self.random >> 11) as f64 + 1.0) / (1u64 << 53) as f64
    }

    /// Runs for some time and tells what it was like.
    pub(super) fn run(&mut self, us: f64) -> Outcome {
        let (end, cpu, begun) = (self.now + us, self.cpu, self.now);
        self.out = Outcome::default();
        while self.now < end {
            self.round(end);
        }
        let mut out = std::mem::take(&mut self.out);
        (out.cpu, out.us) = (self.cpu - cpu, self.now - begun);
        out
    }

    fn fill(&mut self, until: f64) {
        while self.world.rate > 0.0 && self.next_open <= until {
            let at = self.next_open;
            self.arrive(at, None, at);
            self.next_open += -self.uniform().ln() * 1e6 / self.world.rate;
        }
    }

    fn spend(&mut self, us: f64) {
        self.now += us;
        self.cpu += us;
    }

    /// Time of the next arrival at the shard that is known by now.
    fn next_arrival(&self) -> f64 {
        let first = self.arrivals.peek().map_or(f64::INFINITY, |Reverse((at, ..))| *at as f64 / 1000.0);
        if self.world.rate > 0.0 { first.min(self.next_open) } else { first }
    }

    /// Lets one peer work on all that it has; false if that would begin after `until`.
    fn peer_batch(&mut self, until: f64) -> bool {
        let w = self.world;
        let oldest = |queue: &VecDeque<(f64, u64)>| queue.front().map_or(f64::INFINITY, |item| item.0);
        // Who was woken last runs first, as schedulers have it, unless another has waited for long.
        let longest = (0..3).min_by(|a, b| oldest(&self.work[*a]).total_cmp(&oldest(&self.work[*b])));
        let late = longest.filter(|peer| self.now - oldest(&self.work[*peer]) > STARVED);
        let woken = (0..3).filter(|peer| late.map_or(!self.work[*peer].is_empty(), |late| *peer == late));
        let Some(peer) = woken.max_by(|a, b| oldest(&self.work[*a]).total_cmp(&oldest(&self.work[*b])))
        else {
            return false;
        };
        let Some(core) =
            (0..self.idle_from.len()).min_by(|a, b| self.idle_from[*a].total_cmp(&self.idle_from[*b]))
        else {
            return false;
        };
        let begin = self.idle_from[core].max(oldest(&self.work[peer]));
        if begin >= until {
            return false;
        }
        let mut at = begin + w.peer_wake;
        while self.work[peer].front().is_some_and(|item| item.0 <= begin) {
            let Some((_, sent)) = self.work[peer].pop_front() else { break };
            at += w.peer_item;
            if peer < 2 {
                self.arrive(at, Some(peer), sent as f64 / 1000.0);
            } else {
                self.out.requests += 1;
                self.out.latencies.push(at - sent as f64 / 1000.0);
                if w.rate == 0.0 {
                    let again = at + w.think * (0.5 + self.uniform());
                    self.arrive(again, None, again);
                }
            }
        }
        self.idle_from[core] = at;
        true
    }

    /// Gives a peer an item of work; waking it costs if it has none.
    fn give(&mut self, peer: usize, sent: u64) {
        let idle = self.idle_from.iter().any(|from| *from <= self.now);
        if self.work[peer].is_empty() {
            self.spend(if idle { self.world.wake } else { self.world.wake / 4.0 });
        }
        self.work[peer].push_back((self.now, sent));
    }

    /// The peers work while the shard does not, or beside it.
    fn let_peers_work(&mut self, until: f64) {
        if self.world.cores > 0 {
            while self.peer_batch(until) {}
        }
    }

    /// The shard is off its core until `until`, or if that is infinite until something arrives.
    fn be_away(&mut self, until: f64, end: f64) {
        let shared = self.world.cores == 0;
        if shared {
            self.idle_from[0] = self.idle_from[0].max(self.now);
        }
        if until.is_finite() {
            while self.peer_batch(until) {}
            self.now = until;
        } else {
            while self.next_arrival() > self.idle_from[0].max(self.now) && self.peer_batch(end) {}
            self.now = self.next_arrival().max(self.now).min(end) + self.world.late;
        }
        if shared {
            // Peers that can run do so before it comes back.
            while self.peer_batch(self.now) {}
            self.now = self.now.max(self.idle_from[0]);
        }
    }

    fn round(&mut self, end: f64) {
        let w = self.world;
        self.let_peers_work(self.now);
        self.fill(self.now);
        if self.next_arrival() > self.now {
            self.cpu += w.block;
            self.be_away(f64::INFINITY, end);
            self.fill(self.now);
        }
        let polled = self.now;
        let (mut requests, mut replies, mut servers) = (Vec::new(), Vec::new(), [false; 2]);
        while let Some(&Reverse((at, sent, server))) = self.arrivals.peek() {
            if at as f64 / 1000.0 > polled {
                break;
            }
            self.arrivals.pop();
            match server {
                None => requests.push(sent),
                Some(server) => {
                    servers[server] = true;
                    replies.push(sent);
                }
            }
        }
        let events = requests.len() + servers.iter().filter(|any| **any).count();
        if events == 0 {
            return;
        }
        self.out.rounds += 1;
        self.out.events += events as u64;
        self.spend(w.poll + (requests.len() + replies.len()) as f64 * w.event);
        for sent in replies {
            self.spend(w.write);
            if let Some(read_at) = self.read_at.remove(&sent) {
                self.seen.push((self.now - read_at) as u32);
            }
            self.give(2, sent);
        }
        let mut to: [Vec<u64>; 2] = Default::default();
        for sent in requests {
            self.handled += 1;
            self.read_at.insert(sent, polled);
            let server = usize::from(self.uniform() < 0.5);
            to[server].push(sent);
        }
        for (server, sent) in to.into_iter().enumerate().filter(|(_, sent)| !sent.is_empty()) {
            self.spend(w.write);
            for sent in sent {
                self.give(server, sent);
            }
        }
        self.sleep(polled, events, end);
    }

    fn sleep(&mut self, polled: f64, events: usize, end: f64) {
        let round = Round {
            now: Instant(polled as u64),
            events,
            bytes: events * self.world.bytes,
            clients: if self.world.rate > 0.0 { 50 } else { self.world.clients },
            timer: None,
        };
        let (cpu, handled) = (self.cpu, self.handled);
        let seen = &mut self.seen;
        let sleep = self.coalesce.sleep_after(&round, || {
            let len = seen.len();
            let latency_us = (len >= 8).then(|| *seen.select_nth_unstable(len / 2).1);
            seen.clear();
            Clocks { cpu_ns: (cpu * 1000.0) as u64, handled, latency_us }
        });
        let sleep = sleep.as_secs_f64() * 1e6;
        if sleep > 0.0 {
            self.cpu += self.world.block;
            self.be_away(self.now + sleep + self.world.late, end);
            self.out.sleeps += 1;
            self.out.slept += sleep;
            self.out.longest = self.out.longest.max(sleep);
        }
    }
}
