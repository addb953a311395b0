//! Replicas that may be read from, watched on the control thread: one task for each pool that reads from
//! them.
//!
//! ```text
//! generation ─nodes─▶ watch ─▶ node: one task per node, asks it again and again
//!                       └─ proxy::ReplicaWatch ─changed─▶ control loop ─▶ the next generation of the shards
//! ```
//! These are no questions about the topology: each is a short `INFO` on a connection that is kept.

mod node;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use admin::ReplicaList;
use config::checked::ReadFrom;
use proxy::PoolPlan;
use tokio::sync::{mpsc, watch as latest};

use crate::redis_client::Login;
use crate::task::Task;
use crate::topology::Found;
use watch::{Nodes, Settings};

/// The watches of all pools that read from replicas. They end when this is dropped.
pub struct Replicas {
    pools: BTreeMap<String, Pool>,
    found: mpsc::Sender<Found>,
    /// Replicas that the admin port shows.
    shown: ReplicaList,
}

struct Pool {
    settings: Settings,
    nodes: latest::Sender<Nodes>,
    _task: Task,
}

impl Replicas {
    /// Watches nothing yet. What is found is sent to `found`, and shown in `shown`.
    pub fn new(found: mpsc::Sender<Found>, shown: ReplicaList) -> Replicas {
        Replicas { pools: BTreeMap::new(), found, shown }
    }

    /// Watches the replicas of these pools, and no others. A pool whose settings stay goes on with its nodes
    /// of now. Needs a tokio runtime.
    pub fn follow(&mut self, plans: &[PoolPlan]) {
        let wanted = |plan: &&PoolPlan| plan.config.discovery.read_from != ReadFrom::Primary;
        let wanted: BTreeMap<String, (Settings, Nodes)> = plans
            .iter()
            .filter(wanted)
            .map(|plan| {
                let login = Login::of_servers(&plan.config, plan.tls.servers.clone());
                let settings = Settings::new(&plan.config, login);
                (plan.config.name.clone(), (settings, Arc::new(plan.replica_nodes())))
            })
            .collect();
        self.pools
            .retain(|name, pool| wanted.get(name).is_some_and(|(settings, _)| *settings == pool.settings));
        self.shown.retain(|name| wanted.contains_key(name));
        for (name, (settings, nodes)) in wanted {
            if let Some(pool) = self.pools.get(&name) {
                pool.nodes.send_if_modified(|known| std::mem::replace(known, Arc::clone(&nodes)) != nodes);
                continue;
            }
            let (sender, receiver) = latest::channel(nodes);
            let task =
                Task::spawn(watch::run(settings.clone(), receiver, self.found.clone(), self.shown.clone()));
            self.pools.insert(name, Pool { settings, nodes: sender, _task: task });
        }
    }
}
