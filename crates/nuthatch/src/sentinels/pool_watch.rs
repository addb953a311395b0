//! One pool's watch: collects reports, decides on addresses, sets the pace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use admin::{AskedSentinel, Master, wall_ms};
use config::checked::ReadFrom;
use proxy::{MasterWatch, Named, NodeAddress};
use telemetry::warn;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep};
use wire::redis::sentinel::{NODES_MAX, SentinelNode};
use wire::url::host_port;

use super::node;
use super::pool_settings::PoolSettings;
use super::report::Report;
use super::sentinel::{self, Sentinel};
use crate::task::Task;

/// Interval while in doubt, for so long, and then.
const FAST: Duration = Duration::from_millis(100);
const FAST_FOR: Duration = Duration::from_mins(1);
const SLOW: Duration = Duration::from_secs(1);
/// Most Sentinels, configured and learned.
const SENTINELS_MAX: usize = 32;
/// Reports that wait.
const REPORTS: usize = 256;

/// Takers of the outcome, and the source of doubts.
pub(super) type Shared =
    (watch::Sender<Named>, Arc<watch::Sender<BTreeMap<String, Vec<Master>>>>, Arc<Notify>);

struct PoolWatch {
    settings: PoolSettings,
    shared: Shared,
    begun: Instant,
    masters: BTreeMap<String, (MasterWatch, Shown)>,
    sentinels: BTreeMap<NodeAddress, Task>,
    /// Ids of those that answer, and what each says about the others.
    known: BTreeMap<NodeAddress, (String, Vec<SentinelNode>)>,
    /// Learned ones that have answered.
    heard: BTreeSet<NodeAddress>,
    nodes: BTreeMap<NodeAddress, Task>,
    pace: watch::Sender<Duration>,
    doubtful_since: Option<Instant>,
    reports: mpsc::Sender<Report>,
}

/// Facts shown of a master besides its address.
#[derive(Default)]
struct Shown {
    since_ms: u64,
    changes: u64,
    /// It was reported that Sentinels do not know it.
    is_unknown: bool,
    /// Replicas beyond those that are read, as the Sentinel says that answered last,
    left_out: usize,
    /// and that there are such was reported.
    told_left_out: bool,
}

/// Watches until it is aborted.
pub(super) async fn run(settings: PoolSettings, shared: Shared) {
    let (reports, mut reported) = mpsc::channel(REPORTS);
    let names = settings.pool.servers.iter().map(|server| server.identity.clone());
    let masters = names.map(|name| (name, (MasterWatch::default(), Shown::default()))).collect();
    let doubt = Arc::clone(&shared.2);
    let mut watch = PoolWatch {
        settings,
        shared,
        begun: Instant::now(),
        masters,
        sentinels: BTreeMap::new(),
        known: BTreeMap::new(),
        heard: BTreeSet::new(),
        nodes: BTreeMap::new(),
        pace: watch::Sender::new(FAST),
        doubtful_since: None,
        reports,
    };
    watch.meet(&BTreeSet::new());
    loop {
        watch.conclude();
        tokio::select! {
            Some(report) = reported.recv() => watch.take(report),
            () = doubt.notified() => {
                let now = watch.now();
                watch.masters.values_mut().for_each(|(master, _)| master.doubt(now));
            }
            () = sleep(SLOW) => {}
        }
    }
}

impl PoolWatch {
    /// Time for the pure part, from its own beginning.
    fn now(&self) -> net::Instant {
        net::Instant(1_000_000_000 + u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(0))
    }

    fn take(&mut self, report: Report) {
        let now = self.now();
        match report {
            Report::View { sentinel, id, master, view, left_out, peers } => {
                self.warn_if_unknown(&sentinel, &master, view.is_none());
                self.note_left_out(&master, left_out);
                if let Some((watch, _)) = self.masters.get_mut(&master) {
                    watch.hear(&name(&sentinel), view);
                }
                if !self.settings.pool.discovery.sentinels.addresses.contains(&sentinel) {
                    self.heard.insert(sentinel.clone());
                }
                if self.known.insert(sentinel, (id, peers)).is_none() {
                    self.show();
                }
                self.learn();
            }
            Report::Lost { sentinel } => {
                self.known.remove(&sentinel);
                self.masters.values_mut().for_each(|(watch, _)| watch.hear(&name(&sentinel), None));
                self.show();
            }
            Report::Event { master } => {
                self.doubtful_since = None;
                if let Some((watch, _)) = self.masters.get_mut(&master) {
                    watch.doubt(now);
                }
            }
            Report::Role { node, role } => {
                self.masters.values_mut().for_each(|(watch, _)| watch.role(&node, role, now));
            }
        }
    }

    /// Decides, publishes, and sets the pace.
    fn conclude(&mut self) {
        let (now, total) = (self.now(), self.sentinel_count());
        let mut changed = Vec::new();
        for (name, (watch, shown)) in &mut self.masters {
            let before = watch.address().cloned();
            if let Some(address) = watch.decide(total, now) {
                shown.since_ms = wall_ms();
                shown.changes += u64::from(before.is_some());
                changed.push((name.clone(), address));
            }
        }
        if !changed.is_empty() {
            let pool = &self.settings.pool.name;
            self.shared.0.send_modify(|named| {
                let changed = changed.into_iter().map(|(name, address)| ((pool.clone(), name), address));
                named.masters.extend(changed);
            });
            self.show();
        }
        self.publish_replicas();
        let doubtful = self.masters.values().any(|(watch, _)| watch.is_in_doubt(now));
        self.set_pace(doubtful);
    }

    /// Publishes the replicas that may be read from, where reads go to replicas.
    fn publish_replicas(&self) {
        if self.settings.pool.discovery.read_from == ReadFrom::Primary {
            return;
        }
        let pool = &self.settings.pool.name;
        self.shared.0.send_if_modified(|named| {
            let mut is_changed = false;
            for (name, (watch, _)) in &self.masters {
                let replicas = watch.readable();
                let known = named.replicas.entry((pool.clone(), name.clone())).or_default();
                is_changed |= *known != replicas;
                *known = replicas;
            }
            is_changed
        });
    }

    /// Number of the Sentinels that count: the configured ones, and learned ones that have ever answered.
    fn sentinel_count(&self) -> usize {
        self.settings.pool.discovery.sentinels.addresses.len() + self.heard.len()
    }

    fn set_pace(&mut self, doubtful: bool) {
        self.doubtful_since = self.doubtful_since.or(Some(Instant::now())).filter(|_| doubtful);
        let pace = match self.doubtful_since {
            None => self.settings.pool.discovery.refresh,
            Some(since) if since.elapsed() < FAST_FOR => FAST,
            Some(_) => SLOW,
        };
        self.pace.send_if_modified(|known| std::mem::replace(known, pace) != pace);
        let asked = self.masters.values().filter(|_| doubtful).flat_map(|(watch, _)| watch.asked());
        let asked: BTreeSet<NodeAddress> = asked.collect();
        self.nodes.retain(|address, _| asked.contains(address));
        for address in asked {
            if !self.nodes.contains_key(&address) {
                let login = self.settings.servers.clone();
                let task = node::run(address.clone(), login, self.pace.subscribe(), self.reports.clone());
                self.nodes.insert(address, Task::spawn(task));
            }
        }
    }

    /// Asks the Sentinels that more than half of the configured ones name, as well.
    fn learn(&mut self) {
        let configured = &self.settings.pool.discovery.sentinels.addresses;
        let ids: BTreeSet<&str> = configured
            .iter()
            .filter_map(|address| self.known.get(address))
            .map(|(id, _)| id.as_str())
            .filter(|id| !id.is_empty())
            .collect();
        let mut named: BTreeMap<NodeAddress, usize> = BTreeMap::new();
        for (_, peers) in configured.iter().filter_map(|address| self.known.get(address)) {
            for peer in peers.iter().filter(|peer| !peer.id.is_empty() && !ids.contains(peer.id.as_str())) {
                *named.entry((peer.host.clone(), peer.port)).or_default() += 1;
            }
        }
        // A configured one that has not answered yet may be known by another address.
        let answer = configured.iter().filter(|address| self.known.contains_key(address)).count();
        let learned: BTreeSet<NodeAddress> = named
            .into_iter()
            .filter(|(address, votes)| votes * 2 > answer && !configured.contains(address))
            .map(|(address, _)| address)
            .take(SENTINELS_MAX.saturating_sub(configured.len()))
            .collect();
        let missing = configured.len() - answer;
        self.meet(&learned.into_iter().skip(missing).collect());
    }

    /// Asks these Sentinels besides the configured ones, and no others.
    fn meet(&mut self, learned: &BTreeSet<NodeAddress>) {
        let configured = &self.settings.pool.discovery.sentinels.addresses;
        let wanted: BTreeSet<NodeAddress> = configured.iter().chain(learned).cloned().collect();
        let before = self.sentinels.len();
        self.sentinels.retain(|address, _| wanted.contains(address));
        self.known.retain(|address, _| wanted.contains(address));
        self.heard.retain(|address| wanted.contains(address));
        if self.sentinels.len() != before {
            let names: BTreeSet<String> = wanted.iter().map(name).collect();
            self.masters.values_mut().for_each(|(watch, _)| watch.keep(|sentinel| names.contains(sentinel)));
        }
        for address in wanted {
            if !self.sentinels.contains_key(&address) {
                let task = sentinel::run(Sentinel {
                    address: address.clone(),
                    pool: self.settings.pool.name.clone(),
                    masters: self.masters.keys().cloned().collect(),
                    login: self.settings.sentinels.clone(),
                    pace: self.pace.subscribe(),
                    reports: self.reports.clone(),
                });
                self.sentinels.insert(address, Task::spawn(task));
            }
        }
    }

    fn warn_if_unknown(&mut self, sentinel: &NodeAddress, master: &str, is_unknown: bool) {
        let Some((_, shown)) = self.masters.get_mut(master) else { return };
        if is_unknown && !std::mem::replace(&mut shown.is_unknown, true) {
            let (pool, sentinel) = (&self.settings.pool.name, name(sentinel));
            warn!(%pool, %master, %sentinel, "a Sentinel knows no master of this name");
        } else if !is_unknown {
            shown.is_unknown = false;
        }
    }

    /// Notes how many replicas of a master are beyond those that are read; says so once.
    fn note_left_out(&mut self, master: &str, left_out: usize) {
        let Some((_, shown)) = self.masters.get_mut(master) else { return };
        if std::mem::replace(&mut shown.left_out, left_out) == left_out {
            return;
        }
        if left_out > 0 && !std::mem::replace(&mut shown.told_left_out, true) {
            let pool = &self.settings.pool.name;
            warn!(%pool, %master, left_out, read = NODES_MAX, "the master has more replicas than are read: the others get no reads");
        }
        self.show();
    }

    /// The Sentinels that are asked, and what each says about a master.
    fn asked(&self, master: &MasterWatch) -> Vec<AskedSentinel> {
        let views: BTreeMap<&str, Option<&NodeAddress>> = master.names_by_sentinel().collect();
        let sentinel = |address: &NodeAddress| {
            let shown = name(address);
            let names = views.get(shown.as_str()).copied().flatten().map(name);
            AskedSentinel { answers: self.known.contains_key(address), names, address: shown }
        };
        self.sentinels.keys().map(sentinel).collect()
    }

    /// Publishes what the admin port shows.
    fn show(&self) {
        let pool = &self.settings.pool.name;
        let masters = self.masters.iter().map(|(master, (watch, shown))| Master {
            pool: pool.clone(),
            name: master.clone(),
            address: watch.address().map(name),
            since_ms: watch.address().map(|_| shown.since_ms),
            changes: shown.changes,
            sentinels_answering: self.known.len(),
            sentinels: self.sentinel_count(),
            replicas_left_out: shown.left_out,
            asked: self.asked(watch),
        });
        let masters: Vec<Master> = masters.collect();
        self.shared.1.send_if_modified(|status| {
            let is_new = status.get(pool) != Some(&masters);
            status.insert(pool.clone(), masters);
            is_new
        });
    }
}

fn name((host, port): &NodeAddress) -> String {
    host_port(host, port)
}
