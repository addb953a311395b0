//! Making a world from its scenario.

use std::collections::BTreeMap;

use net::Listener;
use proxy::{Budget, Settings, Setup};

use super::*;
use crate::io::{Loop, View};

impl World {
    pub(crate) fn new(seed: u64, calm: bool, tamper: Option<Tamper>) -> World {
        let scenario = Scenario::of(seed, calm);
        let mut rng = Rng::new(seed ^ 0xabcd);
        let plan = tamper.map_or(Plan::none(), |t| Plan::new(t, rng.below(t.opportunities()) as u32));
        let pools = &scenario.pools;
        let mut backends = Vec::new();
        for (pool, config) in pools.iter().enumerate() {
            for _ in &config.servers {
                backends.push(Backend::new(pool, config, scenario.fill_max, rng.fork()));
            }
        }
        let clients = (0..scenario.clients)
            .map(|n| {
                let pool = rng.below(pools.len() as u64) as usize;
                Client::new(n, &scenario, pool, &pools[pool], rng.fork())
            })
            .collect();
        let settings = Settings {
            users: Vec::new(),
            pools: pools.clone(),
            by_hand: BTreeMap::new(),
            local_bytes_max: 1 << 20,
            drain_timeout: Duration::from_secs(1),
        };
        let generation = Arc::new(Generation::first(scenario.shards, settings));
        let oracle = Oracle::new(pools.iter().any(|p| p.auto_eject_hosts));
        let mut world = World {
            // Half of the runs with a deliberate bug have to do without knowing every reply in advance.
            exact: scenario.calm && (tamper.is_none() || seed.is_multiple_of(2)),
            net: Network::new(rng.fork()),
            shards: Vec::new(),
            listeners: Vec::new(),
            generation,
            backends,
            conns: Vec::new(),
            clients,
            queue: Agenda::new(),
            oracle,
            plan,
            leaked: None,
            uid: 0,
            mail: Arc::default(),
            notices: Arc::default(),
            healed: false,
            events: 0,
            memory_peak: 0,
            moved: Report::default(),
            shard_stats: Vec::new(),
            trace: std::env::var_os("NUTHATCH_SIM_TRACE").is_some(),
            rng,
            scenario,
        };
        world.build_shards(seed);
        world.plan_events();
        world
    }

    fn build_shards(&mut self, seed: u64) {
        let loads: Arc<[AtomicU32]> = (0..self.scenario.shards).map(|_| AtomicU32::new(0)).collect();
        let budget = Arc::new(Budget::new(self.scenario.budget, self.scenario.shards));
        let tags = self.generation.pools.iter().map(|pool| pool.id.0);
        let listeners: Vec<Listener> = tags.map(Listener::simulated).collect();
        self.listeners = listeners.iter().map(Listener::id).collect();
        let numbers = Arc::new(AtomicU64::new(1));
        for index in 0..self.scenario.shards {
            let (mail, notices) = (Arc::clone(&self.mail), Arc::clone(&self.notices));
            let shard_stats: Arc<ShardStats> = Arc::default();
            self.shard_stats.push(Arc::clone(&shard_stats));
            let setup = Setup {
                generation: Arc::clone(&self.generation),
                budget: Arc::clone(&budget),
                stats: Arc::clone(&shard_stats),
                seed: seed.wrapping_mul(31).wrapping_add(index as u64),
                notify: Box::new(move |notice| notices.lock().expect("one thread").push(notice)),
                shard: index,
                loads: Arc::clone(&loads),
                post: Box::new(move |to, letter| mail.lock().expect("one thread").push((to, letter))),
                client_numbers: Arc::clone(&numbers),
                verify: Box::new(|_| false),
            };
            let mut looped = Loop::new(index, self.rng.fork(), self.scenario.read_max);
            listeners.iter().flat_map(Listener::try_clone).for_each(|listener| looped.listen(listener));
            let proxy = Proxy::new(setup, &mut View { looped: &mut looped, net: &mut self.net });
            self.shards.push(Shard::new(looped, proxy));
            self.plan_turn(index, Instant(0));
        }
    }

    fn plan_events(&mut self) {
        let chaos = self.scenario.chaos.as_micros() as u64;
        for client in 0..self.clients.len() {
            let at = self.rng.below(chaos / 2);
            self.after(at, Event::Arrive(client));
        }
        if !self.scenario.calm {
            for backend in 0..self.backends.len() {
                let at = self.rng.below(chaos);
                self.after(at, Event::Mood(backend));
            }
            for _ in 0..5 {
                let at = self.rng.below(chaos);
                self.after(at, Event::Stray);
            }
        }
        if let Some(at) = self.scenario.stop_at {
            for shard in 0..self.shards.len() {
                self.at(Instant(0) + at, Event::Ready(shard, Ready::Stop));
            }
        }
        self.after(chaos, Event::Heal);
    }
}
