//! Topologies that other parts of the process have reported, by pool: clusters, masters that Sentinels name,
//! replicas that reads may go to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use ui::pools::{AskedSentinel, Cluster, ClusterNode, Master, Replica};

/// Reports of all pools. A clone shares them.
#[derive(Debug)]
pub struct ByPool<T>(Arc<Mutex<BTreeMap<String, T>>>);

/// The clusters of all pools.
pub type ClusterList = ByPool<Cluster>;
/// The masters of all pools with Sentinels.
pub type MasterList = ByPool<Vec<Master>>;
/// The replicas of all pools that read from them.
pub type ReplicaList = ByPool<Vec<Replica>>;

impl<T> Clone for ByPool<T> {
    fn clone(&self) -> Self {
        ByPool(Arc::clone(&self.0))
    }
}

impl<T> Default for ByPool<T> {
    fn default() -> Self {
        ByPool(Arc::default())
    }
}

impl<T: Clone> ByPool<T> {
    /// Replaces the report of a pool.
    pub fn set(&self, pool: &str, report: T) {
        self.lock().insert(pool.to_owned(), report);
    }

    /// Replaces the reports of all pools.
    pub fn set_all(&self, reports: BTreeMap<String, T>) {
        *self.lock() = reports;
    }

    /// Keeps the reports of these pools.
    pub fn retain(&self, is_known: impl Fn(&str) -> bool) {
        self.lock().retain(|pool, _| is_known(pool));
    }

    /// The reports, by pool name.
    pub fn get(&self) -> Vec<T> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
