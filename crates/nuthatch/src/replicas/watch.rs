//! One pool's watch: collects the reports of its nodes, and tells the control loop whom reads may go to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use admin::{Replica, ReplicaList};
use config::checked::{Pool, ReadFrom};
use proxy::{ReplicaNode, ReplicaReport, ReplicaRules, ReplicaWatch, Standing};
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
    /// Zones by host, in place of what nodes say.
    zones: BTreeMap<String, String>,
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
        Settings { pool: pool.name.clone(), zones: discovery.zones.clone(), rules, login }
    }

    /// The zone of a node: that of the configuration, or else the one that it says.
    fn zone_of(&self, host: &str, said: Option<String>) -> Option<String> {
        self.zones.get(host).cloned().or(said)
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
pub(super) async fn run(
    settings: Settings,
    nodes: latest::Receiver<Nodes>,
    found: mpsc::Sender<Found>,
    shown: ReplicaList,
) {
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
                shown.set(&watch.settings.pool, watch.shown());
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
        let Some((at, _)) = self.tasks.get(&node) else { return };
        if is_new {
            self.replicas.zone(&node, self.settings.zone_of(&at.host, zone));
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
        // What was learned of a node at another address says nothing.
        let tasks = &self.tasks;
        self.replicas.keep(|name| tasks.contains_key(name));
        for node in nodes.iter() {
            if !self.tasks.contains_key(&node.name) {
                let login = self.settings.login.clone();
                let task = node::run(node.clone(), login, self.settings.interval(), self.reports.clone());
                self.tasks.insert(node.name.clone(), (node.clone(), Task::spawn(task)));
            }
        }
    }

    fn standings(&self) -> BTreeMap<String, Standing> {
        let nodes = Nodes::clone(&self.nodes.borrow());
        self.replicas.standings(masters(&nodes), self.time(Instant::now()))
    }

    /// The replicas as the admin port shows them.
    fn shown(&self) -> Vec<Replica> {
        let nodes = Nodes::clone(&self.nodes.borrow());
        let replica = |report: ReplicaReport| {
            let ReplicaReport { name, master, zone, round_trip, age, unfit } = report;
            let number = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
            Replica {
                pool: self.settings.pool.clone(),
                name,
                master,
                zone,
                round_trip_us: round_trip.map(|time| number(time.as_micros())),
                lag_ms: age.map(|age| number(age.as_millis())),
                not_read: unfit.map(|unfit| unfit.to_string()),
            }
        };
        let reports = self.replicas.reports(masters(&nodes), self.time(Instant::now()));
        reports.into_iter().map(replica).collect()
    }
}

/// Each replica with its master.
fn masters(nodes: &Nodes) -> impl Iterator<Item = (&str, &str)> {
    nodes.iter().filter_map(|node| Some((node.name.as_str(), node.master.as_deref()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_knows_zones_better_than_nodes() {
        let text = "[pool.p]\nlisten = \"127.0.0.1:1\"\ntopology = \"cluster\"\nservers = [\"a:1\"]\n\
                    read_from = \"nearest\"\nzone = \"z\"\nzones = [\"10.0.0.1=z\", \"::1=y\"]\n";
        let config = config::native::check(text, 1).config.expect("valid");
        let settings = Settings::new(&config.pools[0], Login::default());
        let zone = |host: &str, said: Option<&str>| settings.zone_of(host, said.map(str::to_owned));
        assert_eq!(zone("10.0.0.1", None).as_deref(), Some("z"));
        assert_eq!(zone("10.0.0.1", Some("x")).as_deref(), Some("z"));
        assert_eq!(zone("::1", None).as_deref(), Some("y"));
        assert_eq!(zone("10.0.0.2", Some("x")).as_deref(), Some("x"));
        assert_eq!(zone("10.0.0.2", None), None);
    }
}
