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
use std::sync::{Arc, Mutex, PoisonError};

use config::checked::{Config, Pool, Topology};
use net::tls::ClientConfig;
use proxy::Doubt;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

pub use found::Found;
use pace::Pace;

/// Topologies that have changed, for the control loop.
pub type Discoveries = mpsc::Receiver<Found>;

/// Wake-ups of scouts, by pool name.
type Wakes = Arc<Mutex<BTreeMap<String, Arc<Notify>>>>;

/// The scouts of a process. They end when this is dropped.
pub struct Scouts {
    scouts: BTreeMap<String, Running>,
    wakes: Wakes,
    pace: Arc<Pace>,
    found: mpsc::Sender<Found>,
}

struct Running {
    brief: scout::Brief,
    task: JoinHandle<()>,
}

impl Scouts {
    /// Begins without any scout.
    pub fn begin() -> (Scouts, Discoveries) {
        let (found, discoveries) = mpsc::channel(1);
        let wakes = Wakes::default();
        let pace = Arc::new(Pace::default());
        (Scouts { scouts: BTreeMap::new(), wakes, pace, found }, discoveries)
    }

    /// Takes doubts to the scouts.
    pub fn doubtful(&self) -> impl Fn(&Doubt) + Send + use<> {
        let wakes = Arc::clone(&self.wakes);
        move |doubt| {
            if let Some(wake) = lock(&wakes).get(&doubt.pool) {
                wake.notify_one();
            }
        }
    }

    /// Starts and stops scouts as a configuration requires; `tls` is that of pools towards their servers. One
    /// whose settings have not changed goes on.
    pub fn set(&mut self, config: &Config, tls: impl Fn(&str) -> Option<Arc<ClientConfig>>) {
        let wanted = |pool: &&Pool| pool.discovery.topology == Topology::Cluster;
        let briefs = config.pools.iter().filter(wanted).map(|pool| scout::Brief::new(pool, tls(&pool.name)));
        let briefs: BTreeMap<String, scout::Brief> =
            briefs.map(|brief| (brief.pool.clone(), brief)).collect();
        let before = std::mem::take(&mut self.scouts);
        for (name, running) in before {
            if briefs.get(&name) == Some(&running.brief) {
                self.scouts.insert(name, running);
            } else {
                running.task.abort();
                lock(&self.wakes).remove(&name);
            }
        }
        for (name, brief) in briefs {
            if self.scouts.contains_key(&name) {
                continue;
            }
            let wake = Arc::new(Notify::new());
            lock(&self.wakes).insert(name.clone(), Arc::clone(&wake));
            let scout = scout::Scout::new(brief.clone(), wake, Arc::clone(&self.pace), self.found.clone());
            self.scouts.insert(name, Running { brief, task: tokio::spawn(scout.run()) });
        }
    }
}

impl Drop for Scouts {
    fn drop(&mut self) {
        self.scouts.values().for_each(|running| running.task.abort());
    }
}

fn lock(wakes: &Wakes) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Notify>>> {
    wakes.lock().unwrap_or_else(PoisonError::into_inner)
}
