//! The world of a run: shards, nodes, clients and the network between them, driven by one event queue.
//!
//! Events are ordered by simulated time, and within the same time by the seed.

mod ask;
mod build;
mod check;
mod trouble;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use config::checked::Pool;
use net::{ConnId, Fault, Instant, ListenerId};
use proxy::{Doubt, Mail, Proxy};

use super::client::Client;
use super::conn::NodeConn;
use super::control::Control;
use super::oracle;
use super::report::Report;
use super::scenario::Scenario;
use super::store::Store;
use super::truth::{Mood, Truth};
use crate::agenda::Agenda;
use crate::io::NOBODY;
use crate::network::{End, Happening, LinkId, Network, Who};
use crate::rng::Rng;
use crate::shard::{Ready, Shard};

/// Event count above which a run is considered endless.
const EVENTS_MAX: u64 = 3_000_000;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    Network(LinkId, End, Happening),
    /// A shard's connection attempt has reached the node.
    Syn(usize, ConnId, usize),
    Ready(usize, Ready),
    Turn(usize),
    Arrive(usize),
    WakeClient(usize),
    WakeNode(usize),
    /// A node hears of the latest change.
    Inform(usize),
    /// Something happens.
    Trouble,
    /// A slot's move goes on.
    Move(usize),
    /// All nodes notice that this one is gone.
    Down(usize),
    /// Its partner takes its place.
    Promote(usize),
    /// It is back.
    Back(usize),
    /// Control asks nodes,
    Ask,
    /// and gets the views of these.
    Views(Vec<usize>),
    Refresh,
    /// Looks whether the shards can take the next map.
    Send,
    /// Control asks a node about its replication,
    AskNode(usize),
    /// gets the answer to a question of then,
    Hear(usize, Instant),
    /// and looks at all of them.
    Look,
    /// The end of all trouble.
    Heal,
    /// Begin of the last round of requests.
    LastRound,
}

pub(super) struct World {
    scenario: Scenario,
    pool: Arc<Pool>,
    rng: Rng,
    net: Network,
    shards: Vec<Shard<Proxy>>,
    listener: ListenerId,
    truth: Truth,
    store: Store,
    conns: Vec<NodeConn>,
    clients: Vec<Client>,
    control: Control,
    queue: Agenda<Event>,
    mail: Arc<Mutex<Vec<(usize, Mail)>>>,
    doubts: Arc<Mutex<Vec<Doubt>>>,
    report: Report,
    is_healed: bool,
    is_over: bool,
    events: u64,
    fault: Option<String>,
    trace: bool,
}

impl World {
    /// Runs until no events are left, or a rule is broken.
    pub(super) fn run(mut self) -> Result<Report, String> {
        self.until_quiet()?;
        self.check_quiet()?;
        for conn in &mut self.conns {
            conn.close(&mut self.net, false);
        }
        self.collect();
        self.until_quiet()?;
        self.check_empty()?;
        oracle::check(&self.store, &self.clients)?;
        Ok(self.report())
    }

    fn until_quiet(&mut self) -> Result<(), String> {
        while let Some((at, event)) = self.queue.pop() {
            self.events += 1;
            if self.events > EVENTS_MAX {
                return Err(format!("it does not come to rest at {at:?}: {}", self.stuck()));
            }
            (self.net.now, self.store.now) = (at, at);
            if self.trace {
                eprintln!("{:>10} {event:?}", at.0);
            }
            self.handle(event);
            self.collect();
            let fault = self.fault.take().or_else(|| self.store.faults.pop());
            if let Some(fault) = fault {
                let Scenario { trouble, reads, sessions, .. } = &self.scenario;
                let of = format!("{trouble:?}, {reads:?}, sessions {sessions}");
                return Err(format!("{of}, at {} µs: {fault}", self.net.now.0));
            }
        }
        Ok(())
    }

    fn at(&mut self, at: Instant, event: Event) {
        let lot = self.rng.next();
        self.queue.add(at.max(self.net.now), lot, event);
    }

    fn after(&mut self, micros: u64, event: Event) {
        self.at(self.net.now + Duration::from_micros(micros), event);
    }

    /// Schedules events of the network, mail between shards, and questions about doubts.
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
        let doubts = std::mem::take(&mut *self.doubts.lock().expect("one thread"));
        if !doubts.is_empty() {
            self.plan_question();
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Network(link, end, what) => self.network(link, end, what),
            Event::Syn(shard, conn, node) => self.syn(shard, conn, node),
            Event::Ready(shard, ready) => self.make_ready(shard, ready),
            Event::Turn(shard) => self.turn(shard),
            Event::Arrive(client) => self.arrive(client),
            Event::WakeClient(client) => self.wake_client(client),
            Event::WakeNode(conn) => self.wake_node(conn),
            Event::Inform(node) => self.truth.inform(node),
            Event::Trouble => self.trouble(),
            Event::Move(slot) => self.go_on_moving(slot),
            Event::Down(node) => self.go_down(node),
            Event::Promote(node) => self.promote(node),
            Event::Back(node) => self.bring_back(node),
            Event::Ask => self.ask(),
            Event::Views(nodes) => self.take_views(&nodes),
            Event::Refresh => self.refresh(),
            Event::Send => self.send_map(),
            Event::AskNode(node) => self.ask_node(node),
            Event::Hear(node, asked) => self.hear_node(node, asked),
            Event::Look => self.look_at_replicas(),
            Event::Heal => self.heal(),
            Event::LastRound => self.begin_last_round(),
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
                    self.make_ready(shard, Ready::Writable(conn));
                }
            }
            (End::Peer, Who::Client(client)) => self.wake_client(client),
            (End::Peer, Who::Backend(conn)) => self.wake_node(conn),
        }
    }

    // ---- shards -------------------------------------------------------------------------------------------

    fn make_ready(&mut self, shard: usize, ready: Ready) {
        self.shards[shard].note(ready);
        let at = self.net.now + Duration::from_micros(self.rng.between(1, 100));
        self.plan_turn(shard, at);
    }

    fn plan_turn(&mut self, shard: usize, at: Instant) {
        let at = at.max(self.net.now);
        if self.shards[shard].plan(at) {
            self.at(at, Event::Turn(shard));
        }
    }

    fn turn(&mut self, index: usize) {
        if self.shards[index].turn_at != Some(self.net.now) {
            return;
        }
        let shard = &mut self.shards[index];
        shard.turn_at = None;
        shard.turn(&mut self.net);
        let opening = std::mem::take(&mut shard.looped.opening);
        self.fault = self.fault.take().or_else(|| shard.faults.pop());
        for opening in opening {
            let delay = self.net.delay(self.scenario.travel);
            self.at(self.net.now + delay, Event::Syn(index, opening.conn, opening.backend));
        }
        let census = self.shards[index].app.census();
        if census.held != census.held_counted {
            let (held, counted) = (census.held, census.held_counted);
            self.fault = Some(format!("shard {index} holds {held} bytes and believes they are {counted}"));
        }
        if let Some(at) = self.shards[index].after_turn(self.net.now) {
            self.plan_turn(index, at);
        }
    }

    fn syn(&mut self, shard: usize, conn: ConnId, node: usize) {
        let is_dead = self.truth.nodes.get(node).is_none_or(|node| node.mood == Mood::Dead);
        let ready = if is_dead {
            Ready::ConnectFailed(conn, Fault::Refused)
        } else {
            // The kernel of a frozen node accepts, too.
            let who = Who::Backend(self.conns.len());
            let link = self.net.open(shard, conn, who, self.scenario.travel);
            self.conns.push(NodeConn::new(node, link));
            Ready::Connected(conn, link)
        };
        let delay = self.net.delay(self.scenario.travel);
        self.at(self.net.now + delay, Event::Ready(shard, ready));
    }

    // ---- clients and nodes --------------------------------------------------------------------------------

    fn arrive(&mut self, index: usize) {
        if self.control.known.is_none() || self.control.is_busy() {
            // A transaction does not wait for the first map.
            return self.after(5000, Event::Arrive(index));
        }
        let shard = self.rng.below(self.shards.len() as u64) as usize;
        let link = self.net.open(shard, NOBODY, Who::Client(index), self.scenario.travel);
        self.clients[index].link = Some(link);
        self.make_ready(shard, Ready::Accept { listener: self.listener, link });
        self.after(1, Event::WakeClient(index));
    }

    fn wake_client(&mut self, index: usize) {
        match self.clients[index].wake(&mut self.net, &mut self.store) {
            Ok(Some(at)) => {
                let planned = &mut self.clients[index].wake_at;
                if planned.is_none_or(|planned| planned <= self.net.now || at < planned) {
                    *planned = Some(at);
                    self.at(at, Event::WakeClient(index));
                }
            }
            Ok(None) => {}
            Err(why) => self.fault = Some(why),
        }
    }

    fn wake_node(&mut self, index: usize) {
        let conn = &mut self.conns[index];
        if let Some(at) = conn.wake(&mut self.net, &mut self.truth, &mut self.store, &mut self.rng) {
            let planned = &mut conn.wake_at;
            if planned.is_none_or(|planned| planned <= self.net.now || at < planned) {
                *planned = Some(at);
                self.at(at, Event::WakeNode(index));
            }
        }
    }

    /// Wakes all connections of a node.
    fn wake_all(&mut self, node: usize) {
        for conn in 0..self.conns.len() {
            if self.conns[conn].node == node && !self.conns[conn].is_closed {
                self.wake_node(conn);
            }
        }
    }

    fn begin_last_round(&mut self) {
        self.is_over = true;
        for client in 0..self.clients.len() {
            self.clients[client].begin_last_round(self.net.now);
            self.wake_client(client);
        }
    }
}
