//! The way of shards' doubts to the tasks that watch pools: scouts of clusters and watches of Sentinels.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proxy::Doubt;
use tokio::sync::Notify;

/// Wake-ups of the watched pools, by name.
#[derive(Clone, Default)]
pub struct Doubtful(Arc<Mutex<BTreeMap<String, Arc<Notify>>>>);

impl Doubtful {
    /// Wakes the task of a doubt's pool, if it has one.
    pub fn doubt(&self, doubt: &Doubt) {
        if let Some(wake) = self.pools().get(&doubt.pool) {
            wake.notify_one();
        }
    }

    /// The wake-ups of a pool's new task, in place of those of one before.
    pub fn watch(&self, pool: &str) -> Arc<Notify> {
        let wake = Arc::new(Notify::new());
        self.pools().insert(pool.to_owned(), Arc::clone(&wake));
        wake
    }

    /// Keeps the pools that are still watched.
    pub fn retain(&self, is_watched: impl Fn(&str) -> bool) {
        self.pools().retain(|pool, _| is_watched(pool));
    }

    fn pools(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
