//! The control thread at work: it asks two nodes for their views, at most twice a second and at once when a
//! shard doubts, and sends what it believes to the shards as their next generation.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use net::Instant;
use proxy::{Mail, Receipt, SlotMap, Step, View};

use super::super::control::settings;
use super::super::truth::{MASTERS, Mood, NODES};
use super::{Event, World};
use crate::scenario::FIRST_PORT;

/// Least time between questions.
const PACE: Duration = Duration::from_millis(500);
/// Time between regular questions.
const REFRESH_US: u64 = 1_000_000;

impl World {
    /// Plans a question, as soon as the pace allows, if none is planned.
    pub(super) fn plan_question(&mut self) {
        if std::mem::replace(&mut self.control.is_asking, true) {
            return;
        }
        let at = self.control.asked_at.map_or(self.net.now, |at| (at + PACE).max(self.net.now));
        let delay = Duration::from_micros(self.rng.between(1, 3000));
        self.at(at + delay, Event::Ask);
    }

    pub(super) fn refresh(&mut self) {
        self.plan_question();
        if !self.is_over {
            self.after(REFRESH_US, Event::Refresh);
        }
    }

    /// Asks two nodes. A frozen or dead one keeps everybody waiting.
    pub(super) fn ask(&mut self) {
        self.control.asked_at = Some(self.net.now);
        self.report.questions += 1;
        let first = self.rng.below(NODES as u64) as usize;
        let nodes = vec![first, (first + self.rng.between(1, NODES as u64 - 1) as usize) % NODES];
        let is_mute = |node: &usize| matches!(self.truth.nodes[*node].mood, Mood::Frozen);
        let delay = if nodes.iter().any(is_mute) { 500_000 } else { self.rng.between(200, 20_000) };
        self.after(delay, Event::Views(nodes));
    }

    /// Takes what the nodes say now.
    pub(super) fn take_views(&mut self, nodes: &[usize]) {
        let mut views = Vec::new();
        for node in nodes {
            if matches!(self.truth.nodes[*node].mood, Mood::Up | Mood::CutOff) {
                let view = self.view(*node);
                views.push(view);
            }
        }
        self.control.is_asking = false;
        match SlotMap::believe(self.control.known.as_deref(), &views) {
            Ok(map) if self.control.known.as_deref() != Some(&map) => {
                self.control.known = Some(Arc::new(map));
                self.control.is_new = true;
            }
            Ok(_) => {}
            Err(_) => self.plan_question(),
        }
        self.send_soon();
    }

    /// A node's view, or a lie: owners as they are not, of an epoch that may be, with or without all nodes.
    fn view(&mut self, node: usize) -> View {
        if self.is_healed || !self.rng.one_in(self.scenario.lies) {
            return self.truth.view(node);
        }
        self.report.lies += 1;
        let mut lie = self.truth.nodes[node].known.clone();
        lie.epoch = self.truth.now.epoch.saturating_sub(self.rng.below(3));
        for owner in &mut lie.owners {
            if self.rng.one_in(2) {
                *owner = self.rng.below(NODES as u64) as usize;
            }
        }
        let without = self.rng.below(2 * NODES as u64) as usize;
        lie.masters[self.rng.below(MASTERS as u64) as usize] = self.rng.below(NODES as u64) as usize;
        self.truth.view_of(&lie, true, &[without])
    }

    /// Sends the shards a new map, or new standings, once they have taken the last step.
    pub(super) fn send_map(&mut self) {
        self.control.is_sending = false;
        if !self.control.is_new {
            return;
        }
        if self.control.steps.load(Ordering::Relaxed) > 0 {
            self.control.is_sending = true;
            return self.after(2000, Event::Send);
        }
        self.control.is_new = false;
        self.report.maps += 1;
        let known = self.control.known.as_ref();
        let next = self.control.generation.next(settings(&self.pool, known, &self.control.standings));
        self.control.generation = Arc::new(next);
        self.control.steps.store(self.shards.len(), Ordering::Relaxed);
        for shard in 0..self.shards.len() {
            let steps = Arc::clone(&self.control.steps);
            let taken = move |_: std::io::Result<()>| {
                steps.fetch_sub(1, Ordering::Relaxed);
            };
            let (generation, receipt) = (Arc::clone(&self.control.generation), Receipt(Box::new(taken)));
            let step = Mail::Generation(Box::new(Step { generation, listeners: Vec::new(), receipt }));
            self.mail.lock().expect("one thread").push((shard, step));
        }
    }

    fn send_soon(&mut self) {
        if !self.control.is_sending {
            self.send_map();
        }
    }

    // ---- replicas -----------------------------------------------------------------------------------------

    /// Asks a node about its replication. A frozen one keeps it waiting for half a second.
    pub(super) fn ask_node(&mut self, node: usize) {
        if self.is_over {
            return;
        }
        let is_frozen = self.truth.nodes[node].mood == Mood::Frozen;
        let delay = if is_frozen { 500_000 } else { self.rng.between(200, 10_000) };
        self.after(delay, Event::Hear(node, self.net.now));
        let interval = self.scenario.reads.interval().as_micros() as u64;
        self.after(interval.max(delay + 1), Event::AskNode(node));
    }

    /// Takes a node's answer, as of now, to a question of then.
    pub(super) fn hear_node(&mut self, node: usize, asked: Instant) {
        let nodes = self.control.generation.pools[0].replica_nodes();
        self.control.watch.keep(|name| nodes.iter().any(|node| node.name == name));
        let name = name_of(node);
        if nodes.iter().all(|node| node.name != name) {
            return;
        }
        let answers = matches!(self.truth.nodes[node].mood, Mood::Up | Mood::CutOff);
        let now = self.net.now;
        let answer = answers.then(|| {
            self.store.replication.advance(node, now, self.truth.is_fed(node));
            (self.store.replication.said(node, self.truth.is_master(node)), now.since(asked))
        });
        self.control.watch.hear(&name, answer, asked);
    }

    /// Looks whom reads may go to.
    pub(super) fn look_at_replicas(&mut self) {
        let nodes = self.control.generation.pools[0].replica_nodes();
        let masters = nodes.iter().filter_map(|node| Some((node.name.as_str(), node.master.as_deref()?)));
        let standings = self.control.watch.standings(masters, self.net.now);
        if standings != self.control.standings {
            self.control.standings = standings;
            self.control.is_new = true;
            self.send_soon();
        }
        if !self.is_over {
            self.after(self.scenario.reads.tick().as_micros() as u64, Event::Look);
        }
    }
}

fn name_of(node: usize) -> String {
    format!("127.0.0.1:{}", FIRST_PORT + node)
}
