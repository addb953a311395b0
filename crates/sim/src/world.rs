//! The whole simulation: shards, backends, clients and the network between them, driven by one event queue.
//!
//! Events are ordered by simulated time, and within the same time by the seed. Nothing else has an influence:
//! no clock, no thread, no hash order. So a seed always replays the same run.
//!
//! ```text
//! 0 ............ chaos ............ all backends behave again ........ no more events: check
//! clients come, backends change moods      clients finish or have left      backends close: check again
//! ```

mod build;
mod check;
mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use net::{ConnId, Fault, Instant, ListenerId};
use proxy::{Generation, Mail, Notice, Proxy, ServerId};
use telemetry::ShardStats;

use crate::agenda::Agenda;
use crate::backend::{Backend, BackendConn, Mood, Watch};
use crate::client::{Around, Client};
use crate::expect::{Certainty, Got};
use crate::io::NOBODY;
use crate::network::{End, Happening, LinkId, Network, Who};
use crate::oracle::Oracle;
use crate::reload::{Changes, Timeouts};
use crate::report::Report;
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::shard::{Ready, Shard};
use crate::tamper::{Plan, Tamper};

/// Event count above which a run is considered endless.
const EVENTS_MAX: u64 = 3_000_000;
/// Simulated time above which a run is considered endless.
const TIME_MAX: Instant = Instant(600_000_000);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    Network(LinkId, End, Happening),
    /// A shard's connection attempt has reached the server.
    Syn(usize, ConnId, usize),
    Ready(usize, Ready),
    Turn(usize),
    Arrive(usize),
    WakeClient(usize),
    WakeBackend(usize),
    /// A backend changes its mood.
    Mood(usize),
    /// A backend sends an unsolicited reply.
    Stray,
    /// The end of chaos.
    Heal,
    /// The pools change.
    Reload,
}

pub(crate) struct World {
    scenario: Scenario,
    rng: Rng,
    net: Network,
    shards: Vec<Shard<Proxy>>,
    /// Listener of each existing pool, the same on all shards.
    listeners: Vec<Option<ListenerId>>,
    /// Generation served by the shards.
    generation: Arc<Generation>,
    backends: Vec<Backend>,
    conns: Vec<BackendConn>,
    clients: Vec<Client>,
    queue: Agenda<Event>,
    oracle: Oracle,
    plan: Plan,
    leaked: Option<(usize, Got)>,
    certainty: Certainty,
    /// Pools under change, and the number of changes to come.
    changes: Option<(Changes, u64)>,
    /// Shards that have not yet taken the last step, for which the next one waits.
    steps: Arc<AtomicUsize>,
    /// Every generation so far.
    generations: Vec<Arc<Generation>>,
    timeouts: Timeouts,
    /// Time of the last removal of each pool, by number.
    removed: BTreeMap<usize, Instant>,
    uid: u64,
    mail: Arc<Mutex<Vec<(usize, Mail)>>>,
    notices: Arc<Mutex<Vec<Notice>>>,
    healed: bool,
    events: u64,
    memory_peak: usize,
    /// Statistics rows seen above zero.
    moved: Report,
    shard_stats: Vec<Arc<ShardStats>>,
    trace: bool,
}

impl World {
    /// Runs until no events are left, or a rule is broken.
    pub(crate) fn run(mut self) -> Result<Report, String> {
        self.until_quiet()?;
        self.check_quiet()?;
        for conn in &mut self.conns {
            conn.close(&mut self.net, false);
        }
        self.collect();
        self.until_quiet()?;
        self.check_empty()?;
        Ok(self.report())
    }

    fn until_quiet(&mut self) -> Result<(), String> {
        while let Some((at, event)) = self.queue.pop() {
            self.events += 1;
            if self.events > EVENTS_MAX || at > TIME_MAX {
                let stuck = self.stuck();
                return Err(format!("it does not come to rest: {} at {at:?}, {stuck}", self.events));
            }
            self.net.now = at;
            if self.trace {
                eprintln!("{:>10} {event:?}", at.0);
            }
            self.handle(event);
            self.collect();
            if let Some(fault) = self.oracle.faults.first() {
                return Err(format!("at {} µs: {fault}", self.net.now.0));
            }
        }
        Ok(())
    }

    fn at(&mut self, at: Instant, event: Event) {
        let lot = self.rng.next();
        self.queue.add(at.max(self.net.now), lot, event);
    }

    /// Schedules a wake-up, unless an earlier one is scheduled, which will schedule the next.
    fn wake_at(&mut self, at: Instant, event: Event) {
        let planned = match event {
            Event::WakeClient(index) => &mut self.clients[index].wake_at,
            Event::WakeBackend(index) => &mut self.conns[index].wake_at,
            _ => return,
        };
        if planned.is_none_or(|p| p <= self.net.now || at < p) {
            *planned = Some(at);
            self.at(at, event);
        }
    }

    fn after(&mut self, micros: u64, event: Event) {
        self.at(self.net.now + Duration::from_micros(micros), event);
    }

    /// Schedules events of the network, and mail between shards.
    fn collect(&mut self) {
        for (at, link, end, what) in std::mem::take(&mut self.net.due) {
            self.at(at, Event::Network(link, end, what));
        }
        let mail = std::mem::take(&mut *self.mail.lock().expect("one thread"));
        for (to, mail) in mail {
            let slowest = if matches!(mail, Mail::Generation(_)) { 20_000 } else { 2000 };
            let letters = &mut self.shards[to].letters;
            letters.push(Some(mail));
            let letter = letters.len() - 1;
            let delay = self.rng.between(1, slowest);
            self.after(delay, Event::Ready(to, Ready::Mail(letter)));
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Network(link, end, what) => self.network(link, end, what),
            Event::Syn(shard, conn, backend) => self.syn(shard, conn, backend),
            Event::Ready(shard, ready) => self.make_ready(shard, ready),
            Event::Turn(shard) => self.turn(shard),
            Event::Arrive(client) => self.arrive(client),
            Event::WakeClient(client) => self.wake_client(client),
            Event::WakeBackend(conn) => self.wake_backend(conn),
            Event::Mood(backend) => self.change_mood(backend),
            Event::Stray => self.stray(),
            Event::Heal => self.heal(),
            Event::Reload => self.reload(),
        }
    }

    fn network(&mut self, link: LinkId, end: End, what: Happening) {
        if !self.net.happen(link, end, what) {
            return;
        }
        let (shard, conn, who) =
            (self.net.link(link).shard, self.net.link(link).conn, self.net.link(link).who);
        match (end, who) {
            (End::Proxy, _) if what == Happening::Room => self.make_ready(shard, Ready::Writable(conn)),
            (End::Proxy, _) => {
                self.make_ready(shard, Ready::Readable(conn));
                if what == Happening::Reset {
                    // epoll reports EPOLLOUT too.
                    self.make_ready(shard, Ready::Writable(conn));
                }
            }
            (End::Peer, Who::Client(client)) => self.wake_client(client),
            // When server connections are replaced, some of them are read later than others.
            (End::Peer, Who::Backend(conn)) if self.changes.is_some() && self.rng.one_in(4) => {
                let delay = self.rng.below(10_000);
                self.after(delay, Event::WakeBackend(conn));
            }
            (End::Peer, Who::Backend(conn)) => self.wake_backend(conn),
        }
    }

    // ---- shards -------------------------------------------------------------------------------------------

    fn make_ready(&mut self, shard: usize, ready: Ready) {
        self.shards[shard].note(ready);
        let at = self.net.now + Duration::from_micros(self.rng.between(1, 100));
        self.plan_turn(shard, at);
    }

    fn plan_turn(&mut self, shard: usize, at: Instant) {
        // A timer may be set for a time in the past.
        let at = at.max(self.net.now);
        if self.shards[shard].plan(at) {
            self.at(at, Event::Turn(shard));
        }
    }

    fn turn(&mut self, index: usize) {
        if self.shards[index].turn_at != Some(self.net.now) {
            return;
        }
        self.run_turn(index);
        if let Some(at) = self.shards[index].after_turn(self.net.now) {
            self.plan_turn(index, at);
        }
    }

    fn run_turn(&mut self, index: usize) {
        let shard = &mut self.shards[index];
        shard.turn_at = None;
        shard.turn(&mut self.net);
        let opening = std::mem::take(&mut shard.looped.opening);
        self.oracle.faults.append(&mut shard.faults);
        for opening in opening {
            let delay = self.net.delay(self.scenario.travel);
            self.at(self.net.now + delay, Event::Syn(index, opening.conn, opening.backend));
        }
        self.check_turn(index);
    }

    /// Handles a connection attempt according to the server's state.
    fn syn(&mut self, shard: usize, conn: ConnId, backend: usize) {
        let ready = match self.backends[backend].mood {
            Mood::Vanished => return,
            Mood::Refuse => Ready::ConnectFailed(conn, Fault::Refused),
            Mood::Unresolved => Ready::ConnectFailed(conn, Fault::Unresolved),
            _ => {
                let who = Who::Backend(self.conns.len());
                let link = self.net.open(shard, conn, who, self.scenario.travel);
                self.conns.push(BackendConn::new(backend, link));
                Ready::Connected(conn, link)
            }
        };
        let delay = self.net.delay(self.scenario.travel);
        self.at(self.net.now + delay, Event::Ready(shard, ready));
    }

    // ---- clients ------------------------------------------------------------------------------------------

    fn arrive(&mut self, index: usize) {
        if self.clients[index].link.is_some() {
            return;
        }
        let listener = self.listeners[self.clients[index].pool];
        if listener.is_none() && !self.healed {
            // Its pool may come back.
            let pause = self.rng.between(10_000, 100_000);
            return self.after(pause, Event::Arrive(index));
        }
        let shard = self.rng.below(self.shards.len() as u64) as usize;
        let link = self.net.open(shard, NOBODY, Who::Client(index), self.scenario.travel);
        let client = &mut self.clients[index];
        (client.link, client.arrived) = (Some(link), self.net.now);
        match listener.filter(|listener| self.shards[shard].looped.listens(*listener)) {
            Some(listener) if !self.has_stopped() => self.make_ready(shard, Ready::Accept { listener, link }),
            // No listener any more, or not yet.
            _ => return self.clients[index].vanish(&mut self.net),
        }
        let delay = self.rng.between(0, 300);
        self.after(delay, Event::WakeClient(index));
    }

    fn has_stopped(&self) -> bool {
        self.scenario.stop_at.is_some_and(|at| self.net.now >= Instant(0) + at)
    }

    fn wake_client(&mut self, index: usize) {
        let stopping = self.has_stopped();
        let client = &self.clients[index];
        let removed = self.removed.get(&client.pool).is_some_and(|at| *at >= client.arrived);
        let mut around = Around {
            net: &mut self.net,
            oracle: &mut self.oracle,
            uid: &mut self.uid,
            plan: &mut self.plan,
            leaked: &mut self.leaked,
            stopping,
            certainty: self.certainty,
            removed,
            trace: self.trace,
        };
        if let Some(at) = self.clients[index].wake(&mut around) {
            self.wake_at(at, Event::WakeClient(index));
        }
    }

    // ---- backends -----------------------------------------------------------------------------------------

    fn wake_backend(&mut self, index: usize) {
        let conn = &mut self.conns[index];
        let backend = &mut self.backends[conn.backend];
        let mut watch = Watch { index: conn.backend, oracle: &mut self.oracle, plan: &mut self.plan };
        if let Some(at) = conn.wake(&mut self.net, backend, &mut watch) {
            self.wake_at(at, Event::WakeBackend(index));
        }
    }

    fn set_mood(&mut self, index: usize, mood: Mood) {
        self.backends[index].mood = mood;
        for conn in 0..self.conns.len() {
            if self.conns[conn].backend == index && !self.conns[conn].closed {
                self.wake_backend(conn);
            }
        }
    }

    fn change_mood(&mut self, index: usize) {
        if self.healed {
            return;
        }
        let mood = self.backends[index].draw_mood();
        self.set_mood(index, mood);
        let next = self.rng.between(20_000, 900_000);
        self.after(next, Event::Mood(index));
    }

    fn heal(&mut self) {
        self.healed = true;
        for index in 0..self.backends.len() {
            self.set_mood(index, Mood::Good);
        }
        for index in 0..self.clients.len() {
            if self.clients[index].is_mute() && !self.clients[index].is_done() {
                self.clients[index].vanish(&mut self.net);
            }
        }
    }

    /// Sends an unsolicited reply on an idle server connection; the proxy must discard it.
    fn stray(&mut self) {
        let quiet: Vec<usize> = (0..self.conns.len()).filter(|c| self.is_quiet(*c)).collect();
        if quiet.is_empty() || self.healed {
            return;
        }
        let link = self.conns[self.rng.pick(&quiet)].link;
        let (shard, conn) = (self.net.link(link).shard, self.net.link(link).conn);
        let words: [&[u8]; 6] =
            [b"+STRAY\r\n", b"+STR", b"$9\r\nc1:1", b"END\r\n", b"VALUE p:", b"-ERR stray\r\n"];
        let words = self.rng.pick(&words);
        self.net.inject(link, words);
        // The shard has nothing else to do in this turn.
        let ready = std::mem::replace(&mut self.shards[shard].ready, vec![Ready::Readable(conn)]);
        let planned = self.shards[shard].turn_at;
        self.run_turn(shard);
        self.shards[shard].ready = ready;
        let at = self.net.now + Duration::from_micros(1);
        self.plan_turn(shard, planned.unwrap_or(at).min(at));
        if self.shards[shard].looped.get(conn).is_some() {
            let words = words.escape_ascii();
            self.oracle.fault(format!("a server said '{words}' though nobody had asked, and was believed"));
        }
    }

    fn is_quiet(&self, index: usize) -> bool {
        let conn = &self.conns[index];
        let link = self.net.link(conn.link);
        let known = self.shards[link.shard].looped.get(link.conn);
        let idle =
            known.is_some_and(|c| c.link == Some(conn.link) && c.outbox.is_empty() && c.inbox.is_empty());
        let silent = [End::Proxy, End::Peer].iter().all(|end| self.net.under_way(conn.link, *end) == 0);
        !conn.closed && idle && silent && conn.is_idle()
    }
}
