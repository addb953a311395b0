//! Discovery of the topologies of pools: one scout for each pool over a cluster.
//!
//! ```text
//! shards ─doubt─▶ wakes its scout ─┐
//! every topology_refresh ──────────┴▶ asks nodes (node) ▸ proxy::SlotMap::believe ─changed─▶ control loop ─▶ shards
//! ```
//! All scouts together ask at most [`pace`] questions, however many doubts there are.

mod found;
mod node;
mod pace;
mod scout;

use std::collections::BTreeMap;
use std::sync::Arc;

use admin::ClusterList;
use config::checked::{Config, Pool, Topology};
use proxy::{Discovery, PoolPlan};
use tokio::sync::mpsc;

pub use found::{Found, News};
use pace::Pace;

use crate::doubtful::Doubtful;
use crate::task::Task;

/// Topologies that have changed, for the control loop.
pub type Discoveries = mpsc::Receiver<Found>;

/// The scouts of a process. They end when this is dropped.
pub struct Scouts {
    scouts: BTreeMap<String, (scout::Brief, Task)>,
    doubtful: Doubtful,
    pace: Arc<Pace>,
    found: mpsc::Sender<Found>,
    shown: ClusterList,
}

impl Scouts {
    /// Begins without any scout. What they find is shown in `shown`.
    pub fn begin(shown: ClusterList) -> (Scouts, Discoveries) {
        let (found, discoveries) = mpsc::channel(1);
        let (doubtful, pace) = (Doubtful::default(), Arc::new(Pace::default()));
        (Scouts { scouts: BTreeMap::new(), doubtful, pace, found, shown }, discoveries)
    }

    /// The way of reports to the control loop.
    pub fn reports(&self) -> mpsc::Sender<Found> {
        self.found.clone()
    }

    /// The way of doubts.
    pub fn doubtful(&self) -> Doubtful {
        self.doubtful.clone()
    }

    /// Starts and stops scouts as a configuration requires; `plans` has what shards serve of it. One whose
    /// settings have not changed goes on.
    pub fn set(&mut self, config: &Config, plans: &[PoolPlan]) {
        let wanted = |pool: &&Pool| pool.discovery.topology == Topology::Cluster;
        let pools = config.pools.iter().filter(wanted).map(|pool| {
            let plan = plans.iter().find(|plan| plan.config.name == pool.name);
            let brief = scout::Brief::new(pool, plan.and_then(|plan| plan.tls.servers.clone()));
            (pool.name.clone(), (brief, plan.map(|plan| Arc::clone(&plan.discovery)).unwrap_or_default()))
        });
        let pools: BTreeMap<String, (scout::Brief, Arc<Discovery>)> = pools.collect();
        self.scouts.retain(|name, (known, _)| pools.get(name).is_some_and(|(brief, _)| brief == known));
        self.doubtful.retain(|name| pools.contains_key(name));
        self.shown.retain(|name| pools.contains_key(name));
        for (name, (brief, discovery)) in pools {
            if !self.scouts.contains_key(&name) {
                let shared = scout::Shared {
                    wake: self.doubtful.watch(&name),
                    pace: Arc::clone(&self.pace),
                    found: self.found.clone(),
                    discovery,
                    shown: self.shown.clone(),
                };
                let scout = scout::Scout::new(brief.clone(), shared);
                self.scouts.insert(name, (brief, Task::spawn(scout.run())));
            }
        }
    }
}
