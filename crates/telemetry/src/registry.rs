//! Directory of every cell of the process, for the control thread.
//!
//! The control thread creates the cells, registers them here, and passes them to their shards. A shard never
//! touches the registry, so its lock is never on the path of a request. At a reload the control thread sets
//! the new list of pools; a remaining pool keeps its cells and counts ([`crate::PoolCells`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::render::prometheus;
use crate::{KeyReports, PoolCells, PoolReport, ShardStats, SlowLog};

/// Another component with its own metrics, such as the queue.
pub trait Source: Send + Sync {
    /// Writes its families. Called on the control thread.
    fn write(&self, text: &mut prometheus::Text);
}

/// Every cell of the process. Shared by the control thread's tasks.
pub struct Registry {
    shards: Vec<Arc<ShardStats>>,
    changing: Mutex<Changing>,
}

#[derive(Default)]
struct Changing {
    /// In the order of the configuration.
    pools: Arc<[PoolCells]>,
    sources: Vec<Arc<dyn Source>>,
}

impl Registry {
    /// A registry for `shards` shards, without pools.
    pub fn new(shards: usize) -> Registry {
        Registry { shards: (0..shards).map(|_| Arc::default()).collect(), changing: Mutex::default() }
    }

    /// The cells of each shard.
    pub fn shards(&self) -> &[Arc<ShardStats>] {
        &self.shards
    }

    /// Replaces the list of pools. Reports keep this order.
    pub fn set_pools(&self, pools: impl Into<Arc<[PoolCells]>>) {
        self.lock().pools = pools.into();
    }

    /// Adds a source of further metrics.
    pub fn add_source(&self, source: Arc<dyn Source>) {
        self.lock().sources.push(source);
    }

    /// Every pool, summed over shards.
    pub fn pools(&self) -> Vec<PoolReport> {
        let pools = Arc::clone(&self.lock().pools);
        pools.iter().map(PoolReport::sum).collect()
    }

    /// Hot keys and big replies of a pool.
    pub fn key_reports(&self, pool: &str) -> Option<Arc<KeyReports>> {
        self.lock().pools.iter().find(|cells| cells.name == pool).map(|cells| Arc::clone(&cells.key_reports))
    }

    /// The slow log of a pool.
    pub fn slow_log(&self, pool: &str) -> Option<Arc<SlowLog>> {
        self.lock().pools.iter().find(|cells| cells.name == pool).map(|cells| Arc::clone(&cells.slow_log))
    }

    /// The shards' own cells summed, in the order of [`ShardStats::ROWS`].
    pub fn shard_sum(&self) -> Vec<u64> {
        ShardStats::sum(self.shards.iter().map(|shard| &**shard))
    }

    /// The sum over shards of the row `name` of [`ShardStats`]; zero if there is no such row.
    pub fn shard_row(&self, name: &str) -> u64 {
        let at = ShardStats::ROWS.iter().position(|row| row.name == name);
        at.and_then(|at| self.shard_sum().get(at).copied()).unwrap_or(0)
    }

    /// Writes everything as families of a Prometheus page.
    pub fn write(&self, text: &mut prometheus::Text) {
        prometheus::shards(text, &self.shards);
        prometheus::pools(text, &self.pools());
        let sources = self.lock().sources.clone();
        for source in sources {
            source.write(text);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Extra;

    impl Source for Extra {
        fn write(&self, text: &mut prometheus::Text) {
            text.family("extra", crate::Kind::Gauge, "something else").sample(&[], 1);
        }
    }

    #[test]
    fn pools_keep_their_counts_over_a_reload() {
        let registry = Registry::new(2);
        let alpha = PoolCells::new("alpha", ["s1"], 2);
        registry.set_pools([alpha.clone()]);
        alpha.shards[1].fragments.add(3);
        registry.set_pools([PoolCells::new("beta", [], 2), alpha.with_servers(["s1", "s2"])]);
        let pools = registry.pools();
        assert_eq!(pools.iter().map(|p| &*p.name).collect::<Vec<_>>(), ["beta", "alpha"]);
        assert_eq!(pools[1].get("fragments"), Some(3));
    }

    #[test]
    fn the_page_holds_shards_pools_and_sources() {
        let registry = Registry::new(1);
        registry.shards()[0].turns.add(4);
        registry.set_pools([PoolCells::new("alpha", ["s1"], 1)]);
        registry.add_source(Arc::new(Extra));
        let mut text = prometheus::Text::default();
        registry.write(&mut text);
        let page = text.finish();
        for line in [
            "nuthatch_shard_turns_total{shard=\"0\"} 4\n",
            "nuthatch_server_requests_total{pool=\"alpha\",server=\"s1\"} 0\n",
            "extra 1\n",
        ] {
            assert!(page.contains(line), "{line} is missing in\n{page}");
        }
        assert_eq!(registry.shard_sum().len(), ShardStats::ROWS.len());
        assert_eq!((registry.shard_row("turns"), registry.shard_row("no such row")), (4, 0));
    }
}
