//! Making a world from its scenario.

use net::Listener;
use proxy::{Budget, Settings, Setup};

use super::{
    Agenda, Arc, AtomicU32, AtomicU64, BTreeMap, Backend, Certainty, Changes, Client, Duration, Event,
    Generation, Instant, Network, Oracle, Plan, Proxy, Ready, Report, Rng, Scenario, Shard, ShardStats,
    Tamper, Timeouts, World,
};
use crate::io::{Loop, View};

/// Extra backends of a changing pool, which are not among its first servers.
const SPARES: usize = 2;

impl World {
    pub(crate) fn new(seed: u64, calm: bool, tamper: Option<Tamper>) -> World {
        let mut scenario = Scenario::of(seed, calm);
        scenario.reloads = scenario.reloads.filter(|_| tamper.is_none());
        let mut rng = Rng::new(seed ^ 0xabcd);
        let plan = tamper.map_or(Plan::none(), |t| Plan::new(t, rng.below(t.opportunities()) as u32));
        let pools = &scenario.pools;
        let mut backends = Vec::new();
        let mut of_pools = Vec::new();
        for (pool, config) in pools.iter().enumerate() {
            let first = backends.len();
            for _ in &config.servers {
                backends.push(Backend::new(pool, config, scenario.fill_max, rng.fork()));
            }
            of_pools.push((Arc::clone(config), (first..backends.len()).collect::<Vec<_>>()));
        }
        if scenario.reloads.is_some() {
            let mut rng = Rng::new(seed ^ 0x5ba7e);
            for (pool, (config, own)) in of_pools.iter_mut().enumerate() {
                for _ in 0..SPARES {
                    own.push(backends.len());
                    backends.push(Backend::new(pool, config, scenario.fill_max, rng.fork()));
                }
            }
        }
        let changes = scenario
            .reloads
            .map(|(manner, count)| (Changes::new(manner, &of_pools, Rng::new(seed ^ 0xc4a2)), count));
        let clients = (0..scenario.clients)
            .map(|n| {
                let pool = rng.below(pools.len() as u64) as usize;
                Client::new(n, &scenario, pool, &pools[pool], rng.fork())
            })
            .collect();
        let settings = Settings {
            users: access::Book::default(),
            pools: pools.clone(),
            tls: BTreeMap::new(),
            named: proxy::Named::default(),
            topologies: BTreeMap::new(),
            standings: BTreeMap::new(),
            by_hand: BTreeMap::new(),
            local_bytes_max: 1 << 20,
            drain_timeout: Duration::from_secs(1),
        };
        let generation = Arc::new(Generation::first(scenario.shards, settings));
        let keys_move = scenario.moves_keys();
        let oracle = Oracle::new(keys_move || pools.iter().any(|p| p.auto_eject_hosts));
        let certainty = match scenario.calm {
            // Half of the runs with a deliberate bug do without exact knowledge of the replies.
            true if tamper.is_some() && !seed.is_multiple_of(2) => Certainty::Errors,
            true if keys_move => Certainty::Kinds,
            true => Certainty::Exact,
            false => Certainty::Errors,
        };
        let mut timeouts = Timeouts::default();
        timeouts.note(pools.iter().map(|pool| &**pool));
        let mut world = World {
            certainty,
            changes,
            steps: Arc::default(),
            generations: vec![Arc::clone(&generation)],
            timeouts,
            removed: BTreeMap::new(),
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
        self.listeners = listeners.iter().map(|listener| Some(listener.id())).collect();
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
                doubt: Box::new(drop),
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
            // While pools change, clients should arrive.
            let at = self.rng.below(if self.changes.is_some() { chaos } else { chaos / 2 });
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
        if self.changes.is_some() {
            let at = self.rng.below(chaos / 2);
            self.after(at, Event::Reload);
        }
        self.after(chaos, Event::Heal);
    }
}
