//! Pools added, removed and kept: the work of a reload.
//!
//! Pools are matched by name. A renamed one counts as removed and added.

use super::pool::same;
use crate::checked::{Config, Pool};

/// Pools of two configurations, by name. Pairs are (old, new).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pools<'a> {
    /// Only in the new one.
    pub added: Vec<&'a Pool>,
    /// Only in the old one.
    pub removed: Vec<&'a Pool>,
    /// In both, with differences.
    pub changed: Vec<(&'a Pool, &'a Pool)>,
    /// In both, unchanged.
    pub kept: Vec<(&'a Pool, &'a Pool)>,
}

/// Compares the pools, each in the order of its own configuration. Another order of a
/// pool's listeners is no difference.
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
