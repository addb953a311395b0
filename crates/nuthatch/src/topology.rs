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

use config::checked::{Config, Pool, Topology};
use net::tls::ClientConfig;
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
}

impl Scouts {
    /// Begins without any scout.
    pub fn begin() -> (Scouts, Discoveries) {
        let (found, discoveries) = mpsc::channel(1);
        let (doubtful, pace) = (Doubtful::default(), Arc::new(Pace::default()));
        (Scouts { scouts: BTreeMap::new(), doubtful, pace, found }, discoveries)
    }

    /// The way of reports to the control loop.
    pub fn reports(&self) -> mpsc::Sender<Found> {
        self.found.clone()
    }

    /// The way of doubts.
    pub fn doubtful(&self) -> Doubtful {
        self.doubtful.clone()
    }

    /// Starts and stops scouts as a configuration requires; `tls` is that of pools towards their servers. One
    /// whose settings have not changed goes on.
    pub fn set(&mut self, config: &Config, tls: impl Fn(&str) -> Option<Arc<ClientConfig>>) {
        let wanted = |pool: &&Pool| pool.discovery.topology == Topology::Cluster;
        let briefs = config.pools.iter().filter(wanted).map(|pool| scout::Brief::new(pool, tls(&pool.name)));
        let briefs: BTreeMap<String, scout::Brief> =
            briefs.map(|brief| (brief.pool.clone(), brief)).collect();
        self.scouts.retain(|name, (brief, _)| briefs.get(name) == Some(brief));
        self.doubtful.retain(|name| briefs.contains_key(name));
        for (name, brief) in briefs {
            if !self.scouts.contains_key(&name) {
                let (wake, pace) = (self.doubtful.watch(&name), Arc::clone(&self.pace));
                let scout = scout::Scout::new(brief.clone(), wake, pace, self.found.clone());
                self.scouts.insert(name, (brief, Task::spawn(scout.run())));
            }
        }
    }
}
