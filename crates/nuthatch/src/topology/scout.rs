//! The scout of one pool: asks nodes for their views, and reports each map that is believed and new.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use admin::{Cluster, ClusterList, ClusterNode, wall_ms};
use config::checked::{Pool, Server, Target};
use net::tls::ClientConfig;
use proxy::{Disbelief, Discovery, Member, NODES_MAX, SlotMap, View};
use telemetry::{info, warn};
use tokio::net::lookup_host;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;
use wire::redis::cluster::NodeHealth;
use wire::url::host_port;

use super::found::{Found, News};
use super::node::{Unanswered, ask};
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

/// The parts of the process that a scout works with.
pub struct Shared {
    /// Wakes it.
    pub wake: Arc<Notify>,
    /// The pace of all scouts.
    pub pace: Arc<Pace>,
    /// Takes what it finds,
    pub found: mpsc::Sender<Found>,
    /// and what is shown of that: by shards,
    pub discovery: Arc<Discovery>,
    /// and by the admin port.
    pub shown: ClusterList,
}

/// The scout of one pool.
pub struct Scout {
    brief: Brief,
    shared: Shared,
    /// The last map that was believed.
    known: Option<Arc<SlotMap>>,
    /// Number of nodes asked so far: each round asks the next ones.
    turn: usize,
    /// Nodes that did not answer since the last regular round. In a hurry, others are asked.
    silent: BTreeSet<(String, u16)>,
    /// Rounds in a row that brought nothing.
    failures: u32,
    told: Option<Disbelief>,
    /// The last reason for a failure, and its time.
    last_error: Option<(String, u64)>,
    /// It was reported that the view is not complete.
    told_left_out: bool,
}

/// The answers of a round.
#[derive(Default)]
struct Round {
    views: Vec<View>,
    /// Reasons of those who gave none, for the operator.
    errors: Vec<String>,
    /// Views that were too large to be read.
    refused: Option<String>,
}

impl Scout {
    /// Makes a scout that knows nothing yet.
    pub fn new(brief: Brief, shared: Shared) -> Scout {
        Scout {
            brief,
            shared,
            known: None,
            turn: 0,
            silent: BTreeSet::new(),
            failures: 0,
            told: None,
            last_error: None,
            told_left_out: false,
        }
    }

    /// Asks until it is aborted.
    pub async fn run(mut self) {
        loop {
            let count = self.shared.pace.questions().await as usize;
            let round = self.round(count).await;
            match self.believe(&round) {
                Ok(map) => {
                    self.failures = 0;
                    self.shared.discovery.refreshed(wall_ms());
                    if self.known.as_deref() != Some(&map) && !self.report(map).await {
                        return;
                    }
                }
                Err(disbelief) => self.failed(disbelief, &round),
            }
            self.show();
            let wait = if self.failures == 0 {
                self.brief.refresh
            } else {
                (WAIT * 2u32.pow(self.failures.min(6) - 1)).min(WAIT_MAX)
            };
            tokio::select! {
                () = sleep(wait) => self.silent.clear(),
                () = self.shared.wake.notified() => {}
            }
        }
    }

    /// Asks some nodes at once.
    async fn round(&mut self, count: usize) -> Round {
        let all = self.nodes().await;
        self.shared.discovery.asked(count.min(all.len()) as u64);
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
        let mut round = Round::default();
        while let Some(view) = asked.join_next().await {
            match view {
                Ok(Ok(view)) => round.views.push(view),
                Ok(Err(((host, port), Unanswered::TooLarge(reason)))) => {
                    self.shared.discovery.refused(1);
                    round.refused = Some(format!("{}: {reason}", host_port(&host, port)));
                }
                Ok(Err(((host, port), Unanswered::Failed(reason)))) => {
                    round.errors.push(format!("{}: {reason}", host_port(&host, port)));
                    self.silent.insert((host, port));
                }
                Err(_) => {}
            }
        }
        round
    }

    /// The map that a round gives.
    fn believe(&self, round: &Round) -> Result<SlotMap, Disbelief> {
        match SlotMap::believe(self.known.as_deref(), &round.views) {
            Err(Disbelief::NoView) if round.refused.is_some() => Err(Disbelief::TooLarge),
            Err(Disbelief::TooLarge) => {
                self.shared.discovery.refused(1);
                Err(Disbelief::TooLarge)
            }
            outcome => outcome,
        }
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
        if map.left_out > 0 && !self.told_left_out {
            let left_out = map.left_out;
            warn!(%pool, left_out, "some nodes of the cluster have no address that can be used, or cannot be read");
        }
        self.told_left_out = map.left_out > 0;
        let map = Arc::new(map);
        self.known = Some(Arc::clone(&map));
        self.shared.found.send(Found { pool: self.brief.pool.clone(), news: News::Map(map) }).await.is_ok()
    }

    fn failed(&mut self, disbelief: Disbelief, round: &Round) {
        self.failures = self.failures.saturating_add(1);
        self.shared.discovery.failed(disbelief);
        let reason = match (disbelief, round.errors.first(), &round.refused) {
            (Disbelief::NoView, None, _) => "no seed has an address".to_owned(),
            (Disbelief::NoView, Some(error), _) => error.clone(),
            (Disbelief::TooLarge, _, Some(refused)) => refused.clone(),
            (Disbelief::TooLarge, _, None) => format!("it has more than {NODES_MAX} nodes"),
            (other, ..) => other.to_string(),
        };
        self.last_error = Some((reason.clone(), wall_ms()));
        if self.told == Some(disbelief) || disbelief == Disbelief::Stale {
            return;
        }
        self.told = Some(disbelief);
        let pool = self.brief.pool.as_str();
        if disbelief == Disbelief::TooLarge {
            warn!(%pool, %reason, "the cluster is too large, its view is refused: the last one stays in use");
        } else {
            warn!(%pool, %reason, "cluster cannot be discovered");
        }
    }

    /// Publishes what the admin port shows.
    fn show(&self) {
        let state = self.shared.discovery.state();
        let (map, error) = (self.known.as_deref(), self.last_error.clone());
        let cluster = Cluster {
            pool: self.brief.pool.clone(),
            slots_served: map.map_or(0, SlotMap::slots_served),
            epoch: map.map_or(0, |map| map.epoch),
            nodes: map.map(SlotMap::members).into_iter().flatten().map(shown).collect(),
            left_out: map.map_or(0, |map| map.left_out),
            refreshed_ms: state.refreshed_ms,
            questions: state.questions,
            views_refused: state.views_refused,
            fault: state.fault.map(|fault| fault.to_string()),
            last_error_ms: error.as_ref().map(|(_, at)| *at),
            last_error: error.map(|(reason, _)| reason),
        };
        self.shared.shown.set(&self.brief.pool, cluster);
    }
}

fn shown(member: Member<'_>) -> ClusterNode {
    let Member { name, ranges, master, health } = member;
    let slots = ranges.iter().map(|(first, last)| usize::from(last - first) + 1).sum();
    let role = match (master, slots) {
        (Some(_), _) => "replica",
        (None, 1..) => "master",
        (None, 0) => "idle",
    };
    let health = match health {
        NodeHealth::Online => "online",
        NodeHealth::Loading => "loading",
        NodeHealth::Failed => "failed",
    };
    let (name, master) = (name.to_owned(), master.map(str::to_owned));
    ClusterNode { name, role: role.into(), slots, ranges, master, health: health.into() }
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
