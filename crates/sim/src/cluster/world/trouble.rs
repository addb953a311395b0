//! Troubles of the cluster: moves of slots, failovers, deaths, losses of connections.

use std::time::Duration;

use super::super::keys;
use super::super::scenario::Trouble;
use super::super::truth::{MASTERS, Mood, NODES, Step};
use super::{Event, World};

/// Time after the end of all trouble at which every request must succeed.
const RECOVERY: Duration = Duration::from_millis(2500);
/// Time for replicas in addition: until one has everything, says so, and is read from.
const SYNCED: Duration = Duration::from_secs(2);

impl World {
    /// Lets something happen, and plans the next time.
    pub(super) fn trouble(&mut self) {
        if self.is_healed {
            return;
        }
        if self.scenario.reads.are_copies() && self.rng.one_in(4) {
            self.stall();
        }
        match (self.scenario.trouble, self.rng.below(10)) {
            (_, 0..5) => self.begin_move(),
            (_, 5) => self.plan_failover(),
            (Trouble::Moves, _) => {}
            (_, 6..8) => self.lose_connection(),
            (Trouble::Losses, _) => {}
            (Trouble::Deaths, _) => self.strike(),
        }
        let pause = self.rng.between(1000, self.scenario.pause_max);
        self.after(pause, Event::Trouble);
    }

    /// Lets a replica stand still for a while.
    fn stall(&mut self) {
        let node = self.rng.below(NODES as u64) as usize;
        if !self.truth.is_master(node) && self.truth.nodes[node].mood == Mood::Up {
            let until = self.net.now + Duration::from_micros(self.rng.between(20_000, 2_500_000));
            self.store.replication.stand(node, until, self.rng.one_in(3));
            self.report.stalls += 1;
        }
    }

    fn begin_move(&mut self) {
        if !self.scenario.moves {
            return;
        }
        let slot = self.rng.below(keys::SLOTS as u64) as usize;
        let to = self.truth.now.masters[self.rng.below(MASTERS as u64) as usize];
        if self.truth.begin_move(slot, to, self.net.now) {
            self.after(1000, Event::Move(slot));
        }
    }

    /// Moves the next key of a slot. A slot that has moved is heard of by its source first.
    pub(super) fn go_on_moving(&mut self, slot: usize) {
        match self.truth.go_on_moving(slot, self.net.now) {
            Step::Over => {}
            Step::Key { key, from, to } => {
                self.store.moved(&key, from, to);
                self.move_on(slot);
            }
            Step::More => self.move_on(slot),
            Step::Moved { from } => {
                self.report.moves += 1;
                let delay = self.rng.between(1, 20_000);
                self.after(delay, Event::Inform(from));
                self.gossip(20_001);
            }
        }
    }

    fn move_on(&mut self, slot: usize) {
        let pause = self.rng.between(50, if self.is_healed { 1000 } else { 15_000 });
        self.after(pause, Event::Move(slot));
    }

    /// Lets all nodes hear of the latest change, not before `least` microseconds.
    fn gossip(&mut self, least: u64) {
        for node in 0..NODES {
            let delay = self.rng.between(least, least + 200_000);
            self.after(delay, Event::Inform(node));
        }
    }

    fn plan_failover(&mut self) {
        let node = self.truth.now.masters[self.rng.below(MASTERS as u64) as usize];
        if self.truth.nodes[node].mood == Mood::Up
            && let Some(heir) = self.truth.heir(node, self.net.now)
        {
            self.truth.fail_over(node, heir, self.net.now);
            self.store.replication.demote(node);
            self.report.failovers += 1;
            self.gossip(1);
        }
    }

    fn lose_connection(&mut self) {
        let truth = &self.truth;
        let is_open =
            |n: &usize| !self.conns[*n].is_closed && truth.nodes[self.conns[*n].node].mood != Mood::Frozen;
        let open: Vec<usize> = (0..self.conns.len()).filter(is_open).collect();
        if open.is_empty() {
            return;
        }
        let conn = self.rng.pick(&open);
        self.conns[conn].lose(&mut self.net, &mut self.truth, &mut self.store, &mut self.rng);
        self.report.losses += 1;
    }

    /// Kills, freezes or cuts off a node; at most one of each pair, and one of a kind at a time.
    fn strike(&mut self) {
        let node = self.rng.below(NODES as u64) as usize;
        let partner = (node + MASTERS) % NODES;
        if [node, partner].iter().any(|node| self.truth.nodes[*node].mood != Mood::Up) {
            return;
        }
        let mood = self.rng.pick(&[Mood::Dead, Mood::Frozen, Mood::CutOff]);
        self.truth.nodes[node].mood = mood;
        match mood {
            Mood::Dead => self.report.kills += 1,
            Mood::Frozen => self.report.freezes += 1,
            _ => self.report.cuts += 1,
        }
        if mood == Mood::Dead {
            for conn in self.conns.iter_mut().filter(|conn| conn.node == node) {
                conn.close(&mut self.net, true);
            }
        }
        let promotion = self.rng.between(100_000, 900_000);
        if self.truth.now.masters.contains(&node) && !(mood == Mood::Frozen && self.rng.one_in(3)) {
            self.after(promotion * 6 / 10, Event::Down(node));
            self.after(promotion, Event::Promote(node));
        } else {
            self.after(promotion, Event::Back(node));
        }
    }

    /// Lets all nodes refuse everything, since this one is gone.
    pub(super) fn go_down(&mut self, node: usize) {
        let is_gone = self.truth.nodes[node].mood != Mood::Up && !self.truth.nodes[node].is_superseded;
        self.truth.is_down |= self.scenario.full_coverage && is_gone && !self.is_healed;
    }

    /// Lets the partner of a node that is gone take its place.
    pub(super) fn promote(&mut self, node: usize) {
        if self.truth.nodes[node].mood == Mood::Up || self.is_healed {
            return;
        }
        let Some(heir) = self.truth.heir(node, self.net.now) else {
            return self.after(50_000, Event::Promote(node));
        };
        self.truth.fail_over(node, heir, self.net.now);
        self.store.replication.demote(node);
        self.truth.is_down = false;
        self.report.failovers += 1;
        self.gossip(1);
        // Not before the proxy can have noticed that a frozen one is silent.
        let back = self.rng.between(1_300_000, 2_000_000);
        self.after(back, Event::Back(node));
    }

    /// Brings a node back. What waited in the sockets of a master that was replaced meanwhile is lost.
    pub(super) fn bring_back(&mut self, node: usize) {
        let at = &self.truth.nodes[node];
        if at.mood == Mood::Up {
            return;
        }
        if at.mood == Mood::Frozen && at.is_superseded {
            for conn in self.conns.iter_mut().filter(|conn| conn.node == node && !conn.is_closed) {
                conn.lose_input(&self.net);
            }
        }
        let (mood, was_master) = (at.mood, self.truth.now.masters.contains(&node));
        let has_missed = at.is_superseded && mood != Mood::Dead;
        self.truth.bring_back(node);
        let sync = self.net.now + Duration::from_micros(self.rng.between(50_000, 1_500_000));
        if mood == Mood::Dead && !was_master {
            self.store.replication.restart(node, sync, &mut self.rng);
            self.report.restarts += 1;
        } else if has_missed {
            self.store.replication.resync(node, sync);
        }
        self.wake_all(node);
    }

    /// Ends all trouble.
    pub(super) fn heal(&mut self) {
        let is_frozen = |node: &usize| self.truth.nodes[*node].mood == Mood::Frozen;
        if (0..NODES).any(|node| is_frozen(&node)) {
            // It wakes in its own time.
            return self.after(100_000, Event::Heal);
        }
        self.is_healed = true;
        self.truth.is_down = false;
        self.store.replication.heal(self.net.now);
        (0..NODES).for_each(|node| self.bring_back(node));
        self.gossip(1);
        let of_replicas = if self.scenario.reads.are_copies() { SYNCED } else { Duration::ZERO };
        self.after((RECOVERY + of_replicas).as_micros() as u64, Event::LastRound);
    }
}
