//! Sentinels: which node is the master of each name, watched on the control thread.
//!
//! ```text
//! pool_watch   one task per pool: collects what the others report, decides (proxy::MasterWatch)
//!   sentinel   one task per Sentinel: asks it every topology_refresh, often in doubt; hears its events
//!   node       one task per node while in doubt: asks for its role
//! masters ─▶ Event::Masters of the control loop ─▶ the next generation of the shards (serving/masters.rs)
//! ```
//! A doubt is a failed connection of a shard, a write that was declined, an event of a Sentinel, or views
//! that differ. Sentinels and nodes are then asked ten times a second for a minute at most, then once a
//! second.

mod pool_watch;
mod pool_settings;
mod report;
mod sentinel;
mod node;

use std::collections::BTreeMap;
use std::sync::Arc;

use admin::Master;
use config::checked::{Config, Pool, Topology};
use proxy::{Doubt, Generation, Named};
use tokio::sync::{mpsc, watch};

use pool_settings::PoolSettings;
pub use pool_settings::SentinelTls;

use crate::doubtful::Doubtful;
use crate::task::Task;

/// Most doubts that wait; further ones are about the same pools.
const DOUBTS_MAX: usize = 64;

/// Makes the two ends of the way of doubts from the shards.
pub fn doubts() -> (mpsc::Sender<Doubt>, mpsc::Receiver<Doubt>) {
    mpsc::channel(DOUBTS_MAX)
}

/// The watches of all pools with Sentinels.
pub struct Sentinels {
    pools: BTreeMap<String, (PoolSettings, Task)>,
    doubtful: Doubtful,
    named: watch::Sender<Named>,
    status: Arc<watch::Sender<BTreeMap<String, Vec<Master>>>>,
}

impl Sentinels {
    /// Watches nothing yet.
    pub fn new() -> Sentinels {
        let (named, status) = (watch::Sender::default(), watch::Sender::default());
        Sentinels { pools: BTreeMap::new(), doubtful: Doubtful::default(), named, status: Arc::new(status) }
    }

    /// Notifications that a master has another address, or other replicas.
    pub fn changes(&self) -> watch::Receiver<Named> {
        self.named.subscribe()
    }

    /// Notifications that something about the masters has changed, for the admin port.
    pub fn status(&self) -> watch::Receiver<BTreeMap<String, Vec<Master>>> {
        self.status.subscribe()
    }

    /// The addresses that are believed.
    pub fn named(&self) -> Named {
        self.named.borrow().clone()
    }

    /// Watches the pools of a configuration. A pool whose settings stay is not disturbed. Needs a tokio
    /// runtime.
    pub fn configure(&mut self, config: &Config, generation: Option<&Generation>, tls: &SentinelTls) {
        let has_sentinels = |pool: &&Pool| pool.discovery.topology == Topology::Sentinel;
        let wanted = config.pools.iter().filter(has_sentinels);
        let wanted: BTreeMap<String, PoolSettings> =
            wanted.map(|pool| (pool.name.clone(), PoolSettings::new(pool, generation, tls))).collect();
        self.pools.retain(|name, (settings, _)| wanted.get(name) == Some(settings));
        self.doubtful.retain(|name| wanted.contains_key(name));
        let names = |name: &str| wanted.get(name).map(|wanted| &wanted.pool.servers);
        let is_named = |(pool, master): &(String, String)| {
            names(pool).is_some_and(|servers| servers.iter().any(|server| server.identity == *master))
        };
        self.named.send_if_modified(|named| {
            let before = (named.masters.len(), named.replicas.len());
            named.masters.retain(|name, _| is_named(name));
            named.replicas.retain(|name, _| is_named(name));
            (named.masters.len(), named.replicas.len()) != before
        });
        self.status.send_modify(|status| status.retain(|pool, _| wanted.contains_key(pool)));
        for (name, settings) in wanted {
            if !self.pools.contains_key(&name) {
                let doubt = self.doubtful.watch(&name);
                let shared = (self.named.clone(), Arc::clone(&self.status), doubt);
                let task = Task::spawn(pool_watch::run(settings.clone(), shared));
                self.pools.insert(name, (settings, task));
            }
        }
    }

    /// The way of doubts.
    pub fn doubtful(&self) -> Doubtful {
        self.doubtful.clone()
    }
}
