//! The scout of one pool: asks nodes for their views, and reports each map that is believed and new.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use config::checked::{Pool, Server, Target};
use net::tls::ClientConfig;
use proxy::{Disbelief, SlotMap, View};
use telemetry::{info, warn};
use tokio::net::lookup_host;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;
use wire::url::host_port;

use super::found::{Found, News};
use super::node::ask;
use super::pace::Pace;
use crate::redis_client::Login;

/// Wait after a round that brought nothing, doubling up to [`WAIT_MAX`]; the pace allows no more anyway.
const WAIT: Duration = Duration::from_millis(250);
const WAIT_MAX: Duration = Duration::from_secs(4);
/// Most addresses of one seed.
const ADDRESSES_MAX: usize = 64;

/// Settings of a scout. It is replaced if they change.
#[derive(Clone, PartialEq)]
pub struct Brief {
    /// Name of the pool.
    pub pool: String,
    seeds: Vec<Server>,
    refresh: Duration,
    login: Login,
}

impl Brief {
    /// The settings of a pool; `tls` is that towards its servers.
    pub fn new(pool: &Pool, tls: Option<Arc<ClientConfig>>) -> Brief {
        Brief {
            pool: pool.name.clone(),
            seeds: pool.servers.clone(),
            refresh: pool.discovery.refresh,
            login: Login::of_servers(pool, tls),
        }
    }
}

/// The scout of one pool.
pub struct Scout {
    brief: Brief,
    wake: Arc<Notify>,
    pace: Arc<Pace>,
    found: mpsc::Sender<Found>,
    /// The last map that was believed.
    known: Option<Arc<SlotMap>>,
    /// Number of nodes asked so far: each round asks the next ones.
    turn: usize,
    /// Nodes that did not answer since the last regular round. In a hurry, others are asked.
    silent: BTreeSet<(String, u16)>,
    /// Rounds in a row that brought nothing.
    failures: u32,
    told: Option<Disbelief>,
}

impl Scout {
    pub fn new(brief: Brief, wake: Arc<Notify>, pace: Arc<Pace>, found: mpsc::Sender<Found>) -> Scout {
        Scout {
            brief,
            wake,
            pace,
            found,
            known: None,
            turn: 0,
            silent: BTreeSet::new(),
            failures: 0,
            told: None,
        }
    }

    /// Asks until it is aborted.
    pub async fn run(mut self) {
        loop {
            let count = self.pace.questions().await as usize;
            let (views, errors) = self.round(count).await;
            match SlotMap::believe(self.known.as_deref(), &views) {
                Ok(map) => {
                    self.failures = 0;
                    if self.known.as_deref() != Some(&map) && !self.report(map).await {
                        return;
                    }
                }
                Err(disbelief) => self.failed(disbelief, &errors),
            }
            let wait = if self.failures == 0 {
                self.brief.refresh
            } else {
                (WAIT * 2u32.pow(self.failures.min(6) - 1)).min(WAIT_MAX)
            };
            tokio::select! {
                () = sleep(wait) => self.silent.clear(),
                () = self.wake.notified() => {}
            }
        }
    }

    /// Asks some nodes at once.
    async fn round(&mut self, count: usize) -> (Vec<View>, Vec<String>) {
        let all = self.nodes().await;
        let mut asked = JoinSet::new();
        for at in 0..count.min(all.len()) {
            let (host, port) = all[(self.turn + at) % all.len()].clone();
            let login = self.brief.login.clone();
            asked.spawn(async move {
                let view = ask(&host, port, &login).await;
                view.map_err(|error| ((host, port), error))
            });
        }
        self.turn = self.turn.wrapping_add(count);
        let (mut views, mut errors) = (Vec::new(), Vec::new());
        while let Some(view) = asked.join_next().await {
            match view {
                Ok(Ok(view)) => views.push(view),
                Ok(Err(((host, port), error))) => {
                    errors.push(format!("{}: {error}", host_port(&host, port)));
                    self.silent.insert((host, port));
                }
                Err(_) => {}
            }
        }
        (views, errors)
    }

    /// The nodes to ask: those that are known; the seeds before any is, and among them after a failure.
    async fn nodes(&self) -> Vec<(String, u16)> {
        let known = self.known.as_ref().map_or(&[][..], |map| &map.servers);
        let mut all: Vec<(String, u16)> = Vec::new();
        if known.is_empty() || self.failures > 0 {
            for seed in &self.brief.seeds {
                all.extend(addresses(seed).await);
            }
        }
        let mut seen: BTreeSet<(String, u16)> = BTreeSet::new();
        all.extend(known.iter().filter_map(address));
        all.retain(|address| seen.insert(address.clone()));
        if all.iter().any(|address| !self.silent.contains(address)) {
            all.retain(|address| !self.silent.contains(address));
        }
        all
    }

    /// Reports a map. False if nobody takes it any more.
    async fn report(&mut self, map: SlotMap) -> bool {
        let (pool, nodes, slots) = (self.brief.pool.as_str(), map.servers.len(), map.slots_served());
        let epoch = map.epoch;
        if self.known.is_none() || self.told.take().is_some() {
            info!(%pool, nodes, slots, epoch, "cluster found");
        } else {
            info!(%pool, nodes, slots, epoch, "cluster changed");
        }
        let map = Arc::new(map);
        self.known = Some(Arc::clone(&map));
        self.found.send(Found { pool: self.brief.pool.clone(), news: News::Map(map) }).await.is_ok()
    }

    fn failed(&mut self, disbelief: Disbelief, errors: &[String]) {
        self.failures = self.failures.saturating_add(1);
        if self.told == Some(disbelief) || disbelief == Disbelief::Stale {
            return;
        }
        self.told = Some(disbelief);
        let pool = self.brief.pool.as_str();
        let reason = match disbelief {
            Disbelief::NoView => errors.first().map_or("no seed has an address", String::as_str),
            Disbelief::Down => "the nodes say that the cluster is down",
            Disbelief::Stale => "the nodes are behind",
            Disbelief::Stranger => "none of its nodes is known: this is another cluster",
        };
        warn!(%pool, reason, "cluster cannot be discovered");
    }
}

fn address(server: &Server) -> Option<(String, u16)> {
    match &server.target {
        Target::Tcp { host, port } => Some((host.clone(), *port)),
        Target::Unix(_) | Target::Local | Target::Master => None,
    }
}

/// The addresses of a seed: its name, or all addresses of it if it has several, since each is a node.
async fn addresses(seed: &Server) -> Vec<(String, u16)> {
    let Some((host, port)) = address(seed) else { return Vec::new() };
    let Ok(found) = lookup_host((host.as_str(), port)).await else { return vec![(host, port)] };
    let found: BTreeSet<String> = found.map(|address| address.ip().to_string()).take(ADDRESSES_MAX).collect();
    if found.len() < 2 {
        return vec![(host, port)];
    }
    found.into_iter().map(|address| (address, port)).collect()
}
