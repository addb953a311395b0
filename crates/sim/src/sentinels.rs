//! Sentinels and nodes around the real [`proxy::MasterWatch`]: failovers, views that lie or are late, lost
//! connections at any moment.
//!
//! ```text
//! nodes: master, replicas, a stranger      Sentinels: honest (on time or late), fewer than half lie
//!                └────────── roles ──────────┐   ┌───── views ─────┘        lost and back at random
//!                                        MasterWatch ─▶ address ─▶ oracle
//! ```
//! The oracle: an address that is taken over is that of the latest promoted master, or of the one before
//! while most honest Sentinels do not know better, but not while the latest was found and is in reach; never
//! a false one (an old master that is back) and never a stranger; when the world has been quiet and reachable
//! for a while, the address is right; and an unplanned failover that is seen from its beginning, with all in
//! reach, is followed within `PROMPT` of the promotion.

use std::time::Duration;

use net::Instant;
use proxy::{MasterView, MasterWatch, NodeAddress, Role};

use crate::rng::Rng;

const TICK: Duration = Duration::from_millis(50);
/// Ticks of a run: about two minutes.
const TICKS: u64 = 2_400;
/// Quiet ticks after which the address has to be right.
const QUIET: u64 = 60;
/// Ticks from a promotion until it is followed.
const PROMPT: u64 = 4;
/// Port of a master of somebody else.
const STRANGER: u16 = 99;

/// A node.
#[derive(Debug, Clone, Copy)]
struct Node {
    claims_master: bool,
    is_up: bool,
    /// Reachable from here.
    is_in_reach: bool,
    /// Tick at which an old master is back, as a false one,
    back_at: Option<u64>,
    /// and at which it becomes a replica.
    converted_at: Option<u64>,
}

/// A Sentinel.
#[derive(Debug, Clone, Copy)]
struct Sentinel {
    lies: bool,
    is_connected: bool,
    /// Node and epoch that it knows, and the tick at which it learns the latest.
    knows: (usize, u64),
    learns_at: u64,
}

/// A failover under way.
#[derive(Debug, Clone, Copy)]
struct Failover {
    begun: u64,
    is_planned: bool,
    leader: usize,
    next: usize,
    promoted: bool,
}

/// The world of one seed.
struct World {
    rng: Rng,
    tick: u64,
    nodes: Vec<Node>,
    sentinels: Vec<Sentinel>,
    master: usize,
    epoch: u64,
    failover: Option<Failover>,
    /// Tick of the last disturbance.
    disturbed: u64,
    /// Promotion that has to be followed promptly.
    promoted_at: Option<u64>,
    watch: MasterWatch,
    /// It has had an address,
    knows: bool,
    /// and that of the latest master.
    has_followed: bool,
}

/// Events of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Failovers of the world.
    pub failovers: u64,
    /// Addresses taken over.
    pub followed: u64,
    /// Failovers that were followed before any Sentinel named the new master.
    pub early: u64,
}

/// Runs a seed. The error names the broken rule and its tick.
pub fn run(seed: u64) -> Result<Outcome, String> {
    let mut world = World::new(seed);
    let mut outcome = Outcome::default();
    for tick in 1..=TICKS {
        world.tick = tick;
        world.disturb();
        outcome.failovers += u64::from(world.fail_over());
        world.convert();
        world.observe(&mut outcome).map_err(|why| {
            format!(
                "seed {seed}, tick {tick}: {why}; master {}, {:?}, {:?}",
                world.master, world.failover, world.watch
            )
        })?;
    }
    Ok(outcome)
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = Rng::new(seed);
        let count: usize = if rng.one_in(3) { 5 } else { 3 };
        let liars = rng.below(count.div_ceil(2) as u64) as usize;
        let node =
            Node { claims_master: false, is_up: true, is_in_reach: true, back_at: None, converted_at: None };
        let mut nodes = vec![node; 3];
        nodes[0].claims_master = true;
        let sentinel = Sentinel { lies: false, is_connected: true, knows: (0, 1), learns_at: 0 };
        let mut sentinels = vec![sentinel; count];
        sentinels.iter_mut().take(liars).for_each(|one| one.lies = true);
        World {
            rng,
            tick: 0,
            nodes,
            sentinels,
            master: 0,
            epoch: 1,
            failover: None,
            disturbed: 0,
            promoted_at: None,
            watch: MasterWatch::default(),
            knows: false,
            has_followed: false,
        }
    }

    fn now(&self) -> Instant {
        Instant(1_000_000_000) + TICK * u32::try_from(self.tick).unwrap_or(u32::MAX)
    }

    /// True in stretches of time in which everybody can be reached.
    fn is_calm(&self) -> bool {
        (self.tick / 400).is_multiple_of(2)
    }

    /// Loses connections and finds them again, in some stretches of time only.
    fn disturb(&mut self) {
        if self.is_calm() {
            let mut back = false;
            for sentinel in &mut self.sentinels {
                back |= !std::mem::replace(&mut sentinel.is_connected, true);
            }
            for node in &mut self.nodes {
                back |= !std::mem::replace(&mut node.is_in_reach, true);
            }
            if back {
                self.disturbed = self.tick;
            }
            return;
        }
        for at in 0..self.sentinels.len() {
            if self.rng.one_in(20) {
                let sentinel = &mut self.sentinels[at];
                sentinel.is_connected = !sentinel.is_connected;
                (self.disturbed, self.promoted_at) = (self.tick, None);
            }
        }
        for at in 0..self.nodes.len() {
            if self.rng.one_in(40) {
                let node = &mut self.nodes[at];
                node.is_in_reach = !node.is_in_reach;
                (self.disturbed, self.promoted_at) = (self.tick, None);
            }
        }
    }

    /// Begins, continues and ends failovers. True at a promotion.
    fn fail_over(&mut self) -> bool {
        let Some(failover) = self.failover else {
            self.begin_failover();
            return false;
        };
        self.disturbed = self.tick;
        let age = self.tick - failover.begun;
        let promotion = if failover.is_planned { 4 } else { 47 };
        if age == promotion {
            self.promote(failover);
            return true;
        }
        if age >= promotion + 60 {
            self.failover = None;
        }
        for sentinel in &mut self.sentinels {
            if failover.promoted && sentinel.learns_at <= self.tick {
                sentinel.knows = (self.master, self.epoch);
            }
        }
        false
    }

    fn begin_failover(&mut self) {
        let is_settled = |node: &Node| node.is_up && node.converted_at.is_none();
        let settled = self.nodes.iter().all(is_settled);
        if !settled || !self.rng.one_in(100) {
            return;
        }
        let honest = self.honest();
        let leader = honest[self.rng.below(honest.len() as u64) as usize];
        let replicas: Vec<usize> = (0..self.nodes.len()).filter(|at| *at != self.master).collect();
        let next = replicas[self.rng.below(replicas.len() as u64) as usize];
        let is_planned = self.rng.one_in(3);
        if !is_planned {
            self.nodes[self.master].is_up = false;
        }
        self.failover = Some(Failover { begun: self.tick, is_planned, leader, next, promoted: false });
    }

    fn promote(&mut self, failover: Failover) {
        self.has_followed = false;
        let old = std::mem::replace(&mut self.master, failover.next);
        self.epoch += 1;
        self.nodes[self.master].claims_master = true;
        if failover.is_planned {
            self.nodes[old].converted_at = Some(self.tick + 22);
        } else {
            self.nodes[old].back_at = Some(self.tick + 20 + self.rng.below(200));
        }
        // A minority is late by seconds, also after the old master is back.
        let mut late = (self.sentinels.len() - 1) / 2 - self.sentinels.iter().filter(|one| one.lies).count();
        for at in 0..self.sentinels.len() {
            let is_late = at != failover.leader && !self.sentinels[at].lies && late > 0 && self.rng.one_in(2);
            late -= usize::from(is_late);
            let delay = match (at == failover.leader, is_late) {
                (true, _) => 14,
                (false, false) => 15 + self.rng.below(20),
                (false, true) => 35 + self.rng.below(20),
            };
            self.sentinels[at].learns_at = self.tick + delay;
        }
        self.failover = Some(Failover { promoted: true, ..failover });
        let in_reach = self.sentinels.iter().all(|one| one.is_connected && !one.lies)
            && self.nodes.iter().all(|node| node.is_in_reach);
        self.promoted_at = (in_reach && !failover.is_planned && self.knows).then_some(self.tick);
    }

    /// Brings old masters back as false masters, and makes them replicas.
    fn convert(&mut self) {
        for node in &mut self.nodes {
            if node.back_at == Some(self.tick) {
                (node.is_up, node.back_at, node.converted_at) = (true, None, Some(self.tick + 200));
                self.disturbed = self.tick;
            }
            if node.converted_at == Some(self.tick) {
                (node.claims_master, node.converted_at) = (false, None);
                self.disturbed = self.tick;
            }
        }
    }

    fn honest(&self) -> Vec<usize> {
        (0..self.sentinels.len()).filter(|at| !self.sentinels[*at].lies).collect()
    }

    /// Shows the watch all of it, and checks what it decides.
    fn observe(&mut self, outcome: &mut Outcome) -> Result<(), String> {
        let now = self.now();
        for at in 0..self.sentinels.len() {
            let view = self.sentinels[at].is_connected.then(|| self.view(at));
            self.watch.hear(&format!("s{at}"), view);
        }
        if self.watch.is_in_doubt(now) {
            for place in self.watch.asked() {
                let role = self.role(&place);
                self.watch.role(&place, role, now);
            }
        }
        if let Some(address) = self.watch.decide(self.sentinels.len(), now) {
            self.knows = true;
            outcome.followed += 1;
            let named = self.sentinels.iter().any(|one| !one.lies && one.knows == (self.master, self.epoch));
            outcome.early += u64::from(!named);
            if address == place(self.master) {
                self.has_followed = true;
            } else if (self.has_followed && self.nodes[self.master].is_in_reach)
                || !self.is_named_by_most(&address)
            {
                return Err(format!("took over {address:?}"));
            }
        }
        let is_right = self.watch.address() == Some(&place(self.master));
        if self.is_calm() && self.tick > self.disturbed + QUIET && !is_right {
            return Err(format!("has {:?} although all is quiet", self.watch.address()));
        }
        if let Some(at) = self.promoted_at.filter(|at| self.tick >= at + PROMPT) {
            self.promoted_at = None;
            if !is_right {
                return Err(format!("has not followed the promotion of tick {at}"));
            }
        }
        Ok(())
    }

    /// True if most honest Sentinels name it: they learn of a promotion a second later.
    fn is_named_by_most(&self, address: &NodeAddress) -> bool {
        let honest = self.honest();
        let names = honest.iter().filter(|at| place(self.sentinels[**at].knows.0) == *address);
        names.count() * 2 > honest.len()
    }

    fn view(&mut self, at: usize) -> MasterView {
        let sentinel = self.sentinels[at];
        if sentinel.lies {
            return self.lie();
        }
        let (knows, epoch) = sentinel.knows;
        let failover = self.failover.filter(|failover| knows != failover.next);
        let age = failover.map(|failover| self.tick - failover.begun);
        let unplanned = failover.is_some_and(|failover| !failover.is_planned);
        let replicas: Vec<_> = (0..self.nodes.len()).filter(|node| *node != knows).map(place).collect();
        MasterView {
            address: place(knows),
            epoch,
            suspects: unplanned && age >= Some(42),
            is_down: unplanned && age >= Some(44),
            fails_over: failover.is_some_and(|failover| failover.leader == at) && age >= Some(1),
            fit: replicas.clone(),
            replicas,
        }
    }

    fn lie(&mut self) -> MasterView {
        let mut any = || match self.rng.below(4) {
            3 => ("h".to_owned(), STRANGER),
            at => place(at as usize),
        };
        let (address, replicas) = (any(), vec![any(), any(), ("h".to_owned(), STRANGER)]);
        MasterView {
            address,
            epoch: self.epoch.saturating_sub(1) + self.rng.below(4),
            suspects: self.rng.one_in(2),
            is_down: self.rng.one_in(2),
            fails_over: self.rng.one_in(2),
            fit: replicas.clone(),
            replicas,
        }
    }

    fn role(&self, (_, port): &NodeAddress) -> Role {
        match self.nodes.get(usize::from(*port)) {
            None => Role::Master,
            Some(node) if !node.is_up || !node.is_in_reach => Role::Unreachable,
            Some(node) if node.claims_master => Role::Master,
            Some(_) => Role::Other,
        }
    }
}

fn place(node: usize) -> NodeAddress {
    ("h".to_owned(), node as u16)
}
