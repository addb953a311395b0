//! Changes of the pools: each shard gets the next generation by mail, in its own time.

use std::sync::atomic::Ordering;

use net::{ListenOptions, Listener};
use proxy::{ListenerChange, Receipt, Step};
use telemetry::PoolCells;

use super::{Arc, BTreeSet, Client, Event, Instant, Mail, World};

/// Most microseconds between two changes.
const PAUSE_MAX: u64 = 100_000;

impl World {
    /// Sends the next generation to the shards, unless one of them has yet to take the previous step.
    pub(super) fn reload(&mut self) {
        let Some((changes, left)) = &mut self.changes else { return };
        if *left == 0 || self.scenario.stop_at.is_some_and(|at| self.net.now >= Instant(0) + at) {
            return;
        }
        let pause = self.rng.below(PAUSE_MAX);
        if self.steps.load(Ordering::Relaxed) > 0 {
            return self.after(pause, Event::Reload);
        }
        *left -= 1;
        changes.go_on();
        self.timeouts.note(changes.pools().map(|(_, pool)| pool));
        let there: BTreeSet<usize> = changes.pools().map(|(n, _)| n).collect();
        self.generation = Arc::new(self.generation.next(changes.settings()));
        self.generations.push(Arc::clone(&self.generation));
        let gone = (0..self.listeners.len()).filter(|pool| !there.contains(pool));
        self.removed.extend(gone.map(|pool| (pool, self.net.now)));
        self.steps.store(self.shards.len(), Ordering::Relaxed);
        let listeners = self.change_listeners();
        for (shard, listeners) in listeners.into_iter().enumerate() {
            let steps = Arc::clone(&self.steps);
            let taken = move |listened: std::io::Result<()>| {
                listened.expect("the simulation listens");
                steps.fetch_sub(1, Ordering::Relaxed);
            };
            let (generation, receipt) = (Arc::clone(&self.generation), Receipt(Box::new(taken)));
            let step = Mail::Generation(Box::new(Step { generation, listeners, receipt }));
            self.mail.lock().expect("one thread").push((shard, step));
        }
        self.after(pause, Event::Reload);
        self.hurry();
    }

    /// Makes some clients arrive now, when some shards do not know the new pools yet.
    fn hurry(&mut self) {
        let to_come = |client: &&Client| client.link.is_none() && !client.is_done();
        let to_come: Vec<usize> = self.clients.iter().filter(to_come).map(|client| client.index).collect();
        for index in to_come {
            if self.rng.one_in(2) {
                let delay = self.rng.between(1, 20_000);
                self.after(delay, Event::Arrive(index));
            }
        }
    }

    /// Listener changes for each shard: those of added and removed pools, and sometimes of one that stays.
    fn change_listeners(&mut self) -> Vec<Vec<ListenerChange>> {
        let mut changes: Vec<Vec<ListenerChange>> = (0..self.shards.len()).map(|_| Vec::new()).collect();
        for (pool, listening) in self.listeners.iter_mut().enumerate() {
            let name = &self.scenario.pools[pool].name;
            let planned = self.generation.pools.iter().find(|plan| plan.config.name == *name);
            match (*listening, planned) {
                (Some(listener), None) => {
                    *listening = None;
                    for shard in &mut changes {
                        shard.push(ListenerChange::Unlisten(listener));
                    }
                }
                (None, Some(planned)) => {
                    let listener = Listener::simulated(planned.id.0);
                    *listening = Some(listener.id());
                    for shard in &mut changes {
                        shard.extend(listener.try_clone().map(ListenerChange::Listen));
                    }
                }
                (Some(listener), Some(planned)) if self.rng.one_in(4) => {
                    let options = ListenOptions { tag: planned.id.0, ..ListenOptions::default() };
                    for s in &mut changes {
                        s.push(ListenerChange::Set(listener, options.clone()));
                    }
                }
                _ => {}
            }
        }
        changes
    }

    /// Counters of all pools and servers so far.
    pub(super) fn cells(&self) -> Vec<PoolCells> {
        let mut all: Vec<PoolCells> = Vec::new();
        for cells in self.generations.iter().flat_map(|generation| generation.cells()) {
            let Some(known) = all.iter_mut().find(|known| Arc::ptr_eq(&known.shards[0], &cells.shards[0]))
            else {
                all.push(cells);
                continue;
            };
            for server in cells.servers {
                if !known.servers.iter().any(|s| Arc::ptr_eq(&s.shards[0], &server.shards[0])) {
                    known.servers.push(server);
                }
            }
        }
        all
    }
}
