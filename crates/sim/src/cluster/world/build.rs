//! Making a world from its scenario.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};

use net::{Instant, Listener};
use proxy::{Budget, Generation, Proxy, Setup};

use super::super::client::Client;
use super::super::control::{self, Control};
use super::super::keys;
use super::super::report::Report;
use super::super::scenario::Scenario;
use super::super::store::{Store, Value};
use super::super::tamper::{Plan, Tamper};
use super::super::truth::{NODES, Truth};
use super::{Event, World};
use crate::agenda::Agenda;
use crate::io::{Loop, View};
use crate::network::Network;
use crate::rng::Rng;
use crate::shard::Shard;

impl World {
    pub(in crate::cluster) fn new(seed: u64, tamper: Option<Tamper>) -> World {
        let scenario = Scenario::of(seed, tamper);
        let (pool, mut rng) = (scenario.pool(), Rng::new(seed));
        let plan = Plan::new(tamper, rng.below(8));
        let (mut truth, mut store) = (Truth::new(), Store::new(plan, &mut rng));
        for tag in 0..keys::SLOTS {
            for client in 0..scenario.clients {
                store.begin_with(&mut truth, keys::text(tag, client), Value::Text(0));
            }
            store.begin_with(&mut truth, keys::watched(tag), Value::Count(0));
        }
        store.replication.complete();
        let settings = control::settings(&pool, None, &BTreeMap::new());
        let generation = Arc::new(Generation::first(scenario.shards, settings));
        let listener = Listener::simulated(generation.pools[0].id.0);
        let clients = (0..scenario.clients).map(|n| Client::new(n, &scenario, rng.fork())).collect();
        let mut world = World {
            net: Network::new(rng.fork()),
            shards: Vec::new(),
            listener: listener.id(),
            truth,
            store,
            conns: Vec::new(),
            clients,
            control: Control::new(generation, &pool),
            pool,
            queue: Agenda::new(),
            mail: Arc::default(),
            doubts: Arc::default(),
            report: Report::default(),
            is_healed: false,
            is_over: false,
            events: 0,
            fault: None,
            trace: std::env::var_os("NUTHATCH_SIM_TRACE").is_some(),
            rng,
            scenario,
        };
        world.build_shards(seed, &listener);
        world.plan_events();
        world
    }

    fn build_shards(&mut self, seed: u64, listener: &Listener) {
        let count = self.scenario.shards;
        let loads: Arc<[AtomicU32]> = (0..count).map(|_| AtomicU32::new(0)).collect();
        let budget = Arc::new(Budget::new(256 << 20, count));
        let numbers = Arc::new(AtomicU64::new(1));
        for index in 0..count {
            let (mail, doubts) = (Arc::clone(&self.mail), Arc::clone(&self.doubts));
            let setup = Setup {
                generation: Arc::clone(&self.control.generation),
                budget: Arc::clone(&budget),
                stats: Arc::default(),
                seed: seed.wrapping_mul(31).wrapping_add(index as u64),
                notify: Box::new(drop),
                shard: index,
                loads: Arc::clone(&loads),
                post: Box::new(move |to, letter| mail.lock().expect("one thread").push((to, letter))),
                client_numbers: Arc::clone(&numbers),
                verify: Box::new(|_| false),
                doubt: Box::new(move |doubt| doubts.lock().expect("one thread").push(doubt)),
            };
            let mut looped = Loop::new(index, self.rng.fork(), self.scenario.read_max);
            listener.try_clone().into_iter().for_each(|listener| looped.listen(listener));
            let proxy = Proxy::new(setup, &mut View { looped: &mut looped, net: &mut self.net });
            self.shards.push(Shard::new(looped, proxy));
            self.plan_turn(index, Instant(0));
        }
    }

    fn plan_events(&mut self) {
        let chaos = self.scenario.chaos.as_micros() as u64;
        for client in 0..self.clients.len() {
            let at = self.rng.below(chaos / 3);
            self.after(at, Event::Arrive(client));
        }
        self.after(0, Event::Refresh);
        if self.scenario.reads.are_copies() {
            (0..NODES).for_each(|node| self.after(node as u64 * 1000, Event::AskNode(node)));
            self.after(10_000, Event::Look);
        }
        self.after(1, Event::Trouble);
        self.after(chaos, Event::Heal);
    }
}
