//! Pools that come, go and stay: what a reload has to do.
//!
//! A pool is the same by its name. One that is renamed goes and comes.

use super::pool::same;
use crate::checked::{Config, Pool};

/// Pools of two configurations, by name. Pairs are (old, new).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pools<'a> {
    /// Only the new one has them.
    pub added: Vec<&'a Pool>,
    /// Only the old one has them.
    pub removed: Vec<&'a Pool>,
    /// Both have them, with differences.
    pub changed: Vec<(&'a Pool, &'a Pool)>,
    /// Both have them, the same.
    pub kept: Vec<(&'a Pool, &'a Pool)>,
}

/// Compares the pools, each in the order of its own configuration. A pool whose listeners stand in another
/// order is the same.
pub fn pools<'a>(old: &'a Config, new: &'a Config) -> Pools<'a> {
    let mut pools = Pools::default();
    for pool in &new.pools {
        match old.pools.iter().find(|other| other.name == pool.name) {
            Some(before) if same(before, pool) => pools.kept.push((before, pool)),
            Some(before) => pools.changed.push((before, pool)),
            None => pools.added.push(pool),
        }
    }
    let gone = |pool: &&Pool| !new.pools.iter().any(|other| other.name == pool.name);
    pools.removed = old.pools.iter().filter(gone).collect();
    pools
}
