//! Pools and servers that come, go and stay: what a reload has to do.

use crate::checked::{Config, Pool, Server};

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

/// Compares the pools, each in the order of its own configuration. A pool whose listeners stand in another order is the same.
pub fn pools<'a>(old: &'a Config, new: &'a Config) -> Pools<'a> {
    let mut pools = Pools::default();
    for pool in &new.pools {
        match old.pools.iter().find(|other| other.name == pool.name) {
            Some(before) if super::pool::same(before, pool) => pools.kept.push((before, pool)),
            Some(before) => pools.changed.push((before, pool)),
            None => pools.added.push(pool),
        }
    }
    let gone = |pool: &&Pool| !new.pools.iter().any(|other| other.name == pool.name);
    pools.removed = old.pools.iter().filter(gone).collect();
    pools
}

/// Servers of a pool before and after a change, by their name in the ring. Pairs are (old, new).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Servers<'a> {
    /// Only the new pool has them.
    pub added: Vec<&'a Server>,
    /// Only the old pool has them.
    pub removed: Vec<&'a Server>,
    /// Both have them, but connections to them are made in another way: another address, password, database or protocol.
    pub replaced: Vec<(&'a Server, &'a Server)>,
    /// Both have them, and their connections can stay. Weights may differ.
    pub kept: Vec<(&'a Server, &'a Server)>,
}

/// Compares the servers of a pool, in the order of the new one, those removed in that of the old one.
pub fn servers<'a>(old: &'a Pool, new: &'a Pool) -> Servers<'a> {
    let mut servers = Servers::default();
    for server in &new.servers {
        match old.servers.iter().find(|other| other.identity == server.identity) {
            Some(before) if same_connection((old, before), (new, server)) => {
                servers.kept.push((before, server))
            }
            Some(before) => servers.replaced.push((before, server)),
            None => servers.added.push(server),
        }
    }
    let gone = |server: &&Server| !new.servers.iter().any(|other| other.identity == server.identity);
    servers.removed = old.servers.iter().filter(gone).collect();
    servers
}

/// A connection that was made for the one serves the other.
fn same_connection((old_pool, old): (&Pool, &Server), (new_pool, new): (&Pool, &Server)) -> bool {
    let password = |pool: &'_ Pool, server: &'_ Server| server.password.clone().or_else(|| pool.auth.clone());
    old.target == new.target
        && password(old_pool, old) == password(new_pool, new)
        && (old_pool.protocol, old_pool.db) == (new_pool.protocol, new_pool.db)
}
