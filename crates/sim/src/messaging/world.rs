//! The whole simulation: lives of a daemon, clients and the network between them, driven by one agenda.
//!
//! ```text
//! 0 ............ chaos ............ healed: everything is drained ...... nothing is missing ...... a last life: nothing is left
//! clients come, lives end
//! ```

mod connections;
mod ephemeral;
mod import;
mod lives;
mod operator;
mod passing;
mod pending;
mod phases;
mod rot;
mod troubles;

use journal::MemFiles;
use net::Instant;
use queue::queue::ChannelStats;

use self::pending::Pending;
use super::body::Uid;
use super::client::Client;
use super::daemon::Daemon;
use super::oracle::Oracle;
use super::report::Report;
use super::scenario::{End as LifeEnd, Scenario, Trouble};
use super::session::Session;
use super::tamper::Tamper;
use crate::agenda::Agenda;
use crate::network::{End, Happening, LinkId, Network};
use crate::rng::Rng;

/// Event count above which a run is considered endless.
const EVENTS_MAX: u64 = 2_000_000;

/// Number of a life of the daemon.
type Life = u32;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    Network(LinkId, End, Happening),
    Turn(Life),
    /// A disk thread has finished its job.
    Job(Life, usize),
    Connect(usize),
    Wake(usize),
    /// The daemon starts.
    Start,
    /// A life ends.
    End(LifeEnd),
    /// Statistics are requested and checked.
    Look,
    /// A disk fault begins.
    Trouble(Trouble),
    /// Space and descriptors are available again.
    Relief,
    /// The wall clock is stepped by this many nanoseconds.
    Step(i64),
    /// An operator gives an order, or resumes a pause.
    Order,
    Resume,
}

pub(crate) struct World {
    scenario: Scenario,
    rng: Rng,
    net: Network,
    files: MemFiles,
    /// Deliberate bug of this run.
    tamper: Option<Tamper>,
    daemon: Option<Daemon>,
    life: Life,
    /// End of the last life.
    ended: Option<LifeEnd>,
    /// Nanoseconds by which the wall clock is ahead of simulated time.
    wall: i64,
    clients: Vec<Client>,
    sessions: Vec<Session>,
    agenda: Agenda<Event>,
    oracle: Oracle,
    /// Unanswered orders.
    pending: Vec<Pending>,
    uid: Uid,
    /// For deliberate bugs: ephemeral channels in the last statistics, with their topics.
    seen_ephemeral: Vec<(String, ChannelStats)>,
    /// True if a bit of the inventory has flipped since the last start.
    inventory_rotten: bool,
    /// True when chaos is over: clients that lose their connection stay away.
    healed: bool,
    events: u64,
    trace: bool,
}

impl World {
    pub(crate) fn new(seed: u64, tamper: Option<Tamper>) -> World {
        let mut scenario = Scenario::of(seed);
        if let Some(tamper) = tamper {
            tamper.bend(&mut scenario);
        }
        let trace = std::env::var_os("NUTHATCH_SIM_TRACE").is_some();
        if trace {
            eprintln!("{scenario:#?}");
        }
        let files = MemFiles::new(seed);
        files.set_unflushed(tamper.and_then(Tamper::unflushed));
        let mut rng = Rng::new(seed ^ 0x9a7e);
        let mut believed = scenario.options.clone();
        if let Some(tamper) = tamper {
            tamper.distort_options(&mut believed);
        }
        World {
            net: Network::new(rng.fork()),
            files,
            tamper,
            daemon: None,
            life: 0,
            ended: None,
            wall: 1_700_000_000_000_000_000,
            clients: Vec::new(),
            sessions: Vec::new(),
            agenda: Agenda::new(),
            oracle: Oracle::new(&believed, scenario.fill_max),
            seen_ephemeral: Vec::new(),
            pending: Vec::new(),
            uid: 0,
            inventory_rotten: false,
            healed: false,
            events: 0,
            trace,
            rng,
            scenario,
        }
    }

    fn now(&self) -> Instant {
        self.net.now
    }

    fn wall_now(&self) -> i64 {
        self.wall + self.net.now.0 as i64 * 1000
    }

    fn at(&mut self, at: Instant, event: Event) {
        let lot = self.rng.next();
        self.agenda.add(at.max(self.net.now), lot, event);
    }

    fn after(&mut self, micros: u64, event: Event) {
        self.at(Instant(self.net.now.0 + micros), event);
    }

    /// Runs until this time, or until a rule is broken.
    fn until(&mut self, end: Instant) -> Result<(), String> {
        while self.agenda.next_at().is_some_and(|at| at <= end)
            && let Some((at, event)) = self.agenda.pop()
        {
            self.events += 1;
            if self.events > EVENTS_MAX {
                return Err(format!("it does not come to rest: {} µs, {event:?}", at.0));
            }
            self.net.now = at;
            if self.trace {
                eprintln!("{:>10} {event:?}", at.0);
            }
            self.handle(event);
            self.collect();
            self.complain()?;
        }
        self.net.now = end;
        Ok(())
    }

    fn complain(&self) -> Result<(), String> {
        match self.oracle.faults.first() {
            Some(fault) => Err(format!("at {} µs: {fault}", self.net.now.0)),
            None => Ok(()),
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Network(link, end, what) => self.network(link, end, what),
            Event::Turn(life) if life == self.life => self.turn(),
            Event::Job(life, worker) if life == self.life => self.job(worker),
            Event::Turn(_) | Event::Job(..) => {}
            Event::Connect(client) => self.connect(client),
            Event::Wake(client) => self.wake_client(client),
            Event::Start => self.start(),
            Event::End(how) => self.end_life(how),
            Event::Look => self.look(),
            Event::Trouble(trouble) => self.trouble(trouble),
            Event::Relief => self.relieve(),
            Event::Step(nanos) => self.step(nanos),
            Event::Order => self.give_order(),
            Event::Resume => self.resume(),
        }
    }

    /// Schedules events of the network and the disk threads.
    fn collect(&mut self) {
        for (at, link, end, what) in std::mem::take(&mut self.net.due) {
            self.at(at, Event::Network(link, end, what));
        }
        let woken = self.daemon.as_mut().map(|daemon| daemon.workers.collect()).unwrap_or_default();
        for worker in woken {
            self.plan_job(worker);
        }
    }

    fn plan_job(&mut self, worker: usize) {
        let micros = self.rng.between(1, self.scenario.job_us_max);
        self.after(micros, Event::Job(self.life, worker));
    }

    pub(super) fn report(&self) -> Report {
        Report { events: self.events, time_us: self.net.now.0, ..self.oracle.report }
    }
}
