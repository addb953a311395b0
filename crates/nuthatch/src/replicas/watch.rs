//! One pool's watch: collects the reports of its nodes, and tells the control loop whom reads may go to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use config::checked::{Pool, ReadFrom};
use proxy::{ReplicaNode, ReplicaRules, ReplicaWatch, Standing};
use tokio::sync::{mpsc, watch as latest};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::node::{self, Report};
use crate::redis_client::Login;
use crate::task::Task;
use crate::topology::{Found, News};

/// Nodes of a pool.
pub(super) type Nodes = Arc<Vec<ReplicaNode>>;

/// Interval between questions to a node: this, or a quarter of `replica_lag_max`, but no less than
/// [`FASTEST`].
const INTERVAL: Duration = Duration::from_secs(1);
const FASTEST: Duration = Duration::from_millis(100);
/// Reports that wait.
const REPORTS: usize = 256;

/// Settings of a pool's watch: it is begun anew when they change.
#[derive(Clone, PartialEq)]
pub(super) struct Settings {
    pool: String,
    rules: ReplicaRules,
    login: Login,
}

impl Settings {
    /// The settings of a pool's watch.
    pub(super) fn new(pool: &Pool, login: Login) -> Settings {
        let discovery = &pool.discovery;
        let rules = ReplicaRules {
            lag_max: discovery.replica_lag_max,
            zone: discovery.zone.clone(),
            by_latency: discovery.read_from == ReadFrom::Nearest,
        };
        Settings { pool: pool.name.clone(), rules, login }
    }

    fn interval(&self) -> Duration {
        self.rules.lag_max.map_or(INTERVAL, |lag_max| (lag_max / 4).clamp(FASTEST, INTERVAL))
    }
}

struct Watch {
    settings: Settings,
    nodes: latest::Receiver<Nodes>,
    tasks: BTreeMap<String, (ReplicaNode, Task)>,
    reports: mpsc::Sender<Report>,
    replicas: ReplicaWatch,
    begun: Instant,
}

/// Watches until it is aborted.
pub(super) async fn run(settings: Settings, nodes: latest::Receiver<Nodes>, found: mpsc::Sender<Found>) {
    let (reports, mut reported) = mpsc::channel(REPORTS);
    let replicas = ReplicaWatch::new(settings.rules.clone());
    let mut tick = interval((settings.interval() / 2).max(FASTEST));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = BTreeMap::new();
    let mut watch =
        Watch { settings, nodes, tasks: BTreeMap::new(), reports, replicas, begun: Instant::now() };
    watch.meet();
    loop {
        tokio::select! {
            Some(report) = reported.recv() => watch.take(report),
            Ok(()) = watch.nodes.changed() => watch.meet(),
            _ = tick.tick() => {
                let standings = watch.standings();
                if standings != told {
                    let (pool, news) = (watch.settings.pool.clone(), News::Standings(standings.clone()));
                    if found.send(Found { pool, news }).await.is_err() {
                        return;
                    }
                    told = standings;
                }
            }
        }
    }
}

impl Watch {
    /// Time for the pure part, from its own beginning.
    fn time(&self, at: Instant) -> net::Instant {
        net::Instant(u64::try_from(at.saturating_duration_since(self.begun).as_micros()).unwrap_or(0))
    }

    fn take(&mut self, report: Report) {
        let Report { node, asked, answer, is_new, zone } = report;
        if !self.tasks.contains_key(&node) {
            return;
        }
        if is_new {
            self.replicas.zone(&node, zone);
        }
        self.replicas.hear(&node, answer, self.time(asked));
    }

    /// Asks the nodes of now, and no others.
    fn meet(&mut self) {
        let nodes = Nodes::clone(&self.nodes.borrow_and_update());
        self.tasks.retain(|_, (node, _)| {
            nodes
                .iter()
                .any(|known| (&known.name, &known.host, known.port) == (&node.name, &node.host, node.port))
        });
        for node in nodes.iter() {
            if !self.tasks.contains_key(&node.name) {
                let login = self.settings.login.clone();
                let task = node::run(node.clone(), login, self.settings.interval(), self.reports.clone());
                self.tasks.insert(node.name.clone(), (node.clone(), Task::spawn(task)));
            }
        }
        let tasks = &self.tasks;
        self.replicas.keep(|name| tasks.contains_key(name));
    }

    fn standings(&self) -> BTreeMap<String, Standing> {
        let nodes = Nodes::clone(&self.nodes.borrow());
        let masters = nodes.iter().filter_map(|node| Some((node.name.as_str(), node.master.as_deref()?)));
        self.replicas.standings(masters, self.time(Instant::now()))
    }
}
