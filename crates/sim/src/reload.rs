//! Pools that change while in use: servers are added, removed, moved, renamed and reweighted, options change,
//! a pool is removed and added again, and servers are taken out and back by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use config::checked::{Pool, Server};
use proxy::{ByHand, Out, Settings};
use ring::Distribution;

use crate::rng::Rng;
use crate::scenario::{Manner, server};

/// Pools and their changes over time.
#[derive(Debug)]
pub(crate) struct Changes {
    manner: Manner,
    pools: Vec<Section>,
    by_hand: BTreeMap<(String, String), ByHand>,
    rng: Rng,
    next_name: u32,
}

/// A pool, and whether it currently exists.
#[derive(Debug)]
struct Section {
    pool: Pool,
    is_there: bool,
    /// Backends that may become its servers.
    backends: Vec<usize>,
}

impl Changes {
    /// Initial pools, each with the backends that may become its servers.
    pub(crate) fn new(manner: Manner, pools: &[(Arc<Pool>, Vec<usize>)], rng: Rng) -> Changes {
        let section = |(pool, backends): &(Arc<Pool>, Vec<usize>)| Section {
            pool: Pool::clone(pool),
            is_there: true,
            backends: backends.clone(),
        };
        let pools = pools.iter().map(section).collect();
        Changes { manner, pools, by_hand: BTreeMap::new(), rng, next_name: 0 }
    }

    /// Current pools, by number.
    pub(crate) fn pools(&self) -> impl Iterator<Item = (usize, &Pool)> {
        let there = self.pools.iter().enumerate().filter(|(_, section)| section.is_there);
        there.map(|(n, section)| (n, &section.pool))
    }

    /// Current settings.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            pools: self.pools().map(|(_, pool)| Arc::new(pool.clone())).collect(),
            users: access::Book::default(),
            tls: BTreeMap::new(),
            named: proxy::Named::default(),
            topologies: BTreeMap::new(),
            standings: BTreeMap::new(),
            by_hand: self.by_hand.clone(),
            local_bytes_max: 1 << 20,
            // In gentle runs, a drain waits until everything is answered.
            drain_timeout: Duration::from_millis(if self.manner == Manner::Rough { 300 } else { 30_000 }),
        }
    }

    /// Makes some changes.
    pub(crate) fn go_on(&mut self) {
        for _ in 0..self.rng.between(1, 3) {
            let at = self.rng.below(self.pools.len() as u64) as usize;
            match self.rng.below(10) {
                0..3 if at > 0 => self.come_or_go(at),
                0..4 => self.change_options(at),
                _ if self.manner == Manner::Unnoticed => self.change_options(at),
                4 => self.change_by_hand(at),
                _ => self.change_servers(at),
            }
        }
        self.let_somebody_serve();
    }

    fn come_or_go(&mut self, at: usize) {
        self.pools[at].is_there ^= true;
    }

    fn change_options(&mut self, at: usize) {
        let (rng, pool) = (&mut self.rng, &mut self.pools[at].pool);
        let rough = self.manner == Manner::Rough;
        let timeouts: &[Option<u64>] =
            if rough { &[None, Some(20), Some(100)] } else { &[None, Some(60_000)] };
        match rng.below(if self.manner == Manner::Unnoticed { 4 } else { 9 }) {
            0 => pool.server_connections = 3 - pool.server_connections.min(2),
            1 => pool.preconnect ^= true,
            2 => pool.timeout = rng.pick(timeouts).map(Duration::from_millis),
            3 => pool.client_pipeline_max = rng.pick(&[1, 3, 1000]),
            4 => pool.hash_tag = if pool.hash_tag.is_some() { None } else { Some(*b"{}") },
            5 => pool.distribution = rng.pick(&[Distribution::Ketama, Distribution::Modula]),
            6 if rough => pool.auto_eject_hosts ^= true,
            7 if rough => pool.server_retry_timeout = Duration::from_millis(rng.pick(&[30, 300])),
            _ if rough => pool.server_queue_max = rng.pick(&[3, 10_000]),
            _ => pool.server_queue_max = rng.pick(&[1000, 10_000]),
        }
    }

    fn change_servers(&mut self, at: usize) {
        let name = self.name();
        let free = self.free_backend(at);
        let servers = &mut self.pools[at].pool.servers;
        let which = self.rng.below(servers.len() as u64) as usize;
        match (self.rng.below(5), free) {
            (0, Some(free)) => servers.push(Server { identity: name, ..server(free) }),
            (1, Some(free)) => servers[which].target = server(free).target,
            (2, _) => servers[which].weight = self.rng.between(1, 3) as u32,
            (3, _) => servers[which].identity = name,
            _ if servers.len() > 1 => drop(servers.remove(which)),
            _ => {}
        }
        servers.sort_by(|a, b| (a.identity.len(), &a.identity).cmp(&(b.identity.len(), &b.identity)));
    }

    fn name(&mut self) -> String {
        self.next_name += 1;
        format!("s{}", self.next_name)
    }

    /// Backend that is currently no server of the pool.
    fn free_backend(&mut self, at: usize) -> Option<usize> {
        let Section { pool, backends, .. } = &self.pools[at];
        let is_taken = |backend: &usize| pool.servers.iter().any(|s| s.target == server(*backend).target);
        let free: Vec<usize> = backends.iter().copied().filter(|backend| !is_taken(backend)).collect();
        (!free.is_empty()).then(|| self.rng.pick(&free))
    }

    fn change_by_hand(&mut self, at: usize) {
        let pool = &self.pools[at].pool;
        let which = self.rng.below(pool.servers.len() as u64) as usize;
        let out = self.rng.pick(&[None, Some(Out::Ejected), Some(Out::Drained)]);
        let weight = self.rng.pick(&[None, Some(5)]);
        let server = pool.servers[which].identity.clone();
        self.by_hand.insert((pool.name.clone(), server), ByHand { weight, out });
    }

    /// Makes sure that each pool has a server not taken out by hand.
    fn let_somebody_serve(&mut self) {
        for Section { pool, .. } in &self.pools {
            let key = |server: &Server| (pool.name.clone(), server.identity.clone());
            let is_out = |server: &Server| self.by_hand.get(&key(server)).is_some_and(|h| h.out.is_some());
            if pool.servers.iter().all(is_out) {
                self.by_hand.remove(&key(&pool.servers[0]));
            }
        }
    }
}

/// Longest timeout that each pool has had, by its name; None if it had none for a while.
#[derive(Debug, Default)]
pub(crate) struct Timeouts(BTreeMap<String, Option<Duration>>);

impl Timeouts {
    /// Records the timeouts of these pools.
    pub(crate) fn note<'a>(&mut self, pools: impl Iterator<Item = &'a Pool>) {
        for pool in pools {
            let longest = self.0.entry(pool.name.clone()).or_insert(pool.timeout);
            *longest = longest.zip(pool.timeout).map(|(a, b)| a.max(b));
        }
    }

    /// Pools with their longest timeouts.
    pub(crate) fn longest(&self) -> impl Iterator<Item = (&str, Duration)> {
        self.0.iter().filter_map(|(name, longest)| Some((name.as_str(), (*longest)?)))
    }
}
