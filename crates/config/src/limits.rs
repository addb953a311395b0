//! Limits on the number of pools and servers.
//!
//! Shards number them in few bits: the parts of a split request in 16, servers in 20, pools in 16. The limits
//! leave room for the servers of earlier configurations that still drain.

use crate::checked::Pool;

/// Most pools.
pub const POOLS_MAX: usize = 16_384;
/// Most servers of a pool; a Redis Cluster, with its 16,384 slots, has no more either.
pub const POOL_SERVERS_MAX: usize = 16_384;
/// Longest name of a master, in bytes.
pub(crate) const MASTER_NAME_MAX: usize = 255;
/// Most servers of all pools together.
pub const SERVERS_MAX: usize = 131_072;

/// The fault of a pool with this many servers: text and remedy.
pub(crate) fn of_pool(name: &str, servers: usize) -> Option<(String, &'static str)> {
    let text = format!("pool '{name}' has {servers} servers, at most {POOL_SERVERS_MAX} are possible");
    (servers > POOL_SERVERS_MAX).then_some((text, "distribute them over several pools"))
}

/// The fault of a configuration with these pools: text and remedy.
pub(crate) fn of_all(pools: &[Pool]) -> Option<(String, &'static str)> {
    let servers: usize = pools.iter().map(|pool| pool.servers.len()).sum();
    let help = "distribute them over several processes";
    if pools.len() > POOLS_MAX {
        return Some((format!("{} pools, at most {POOLS_MAX} are possible", pools.len()), help));
    }
    let text = format!("{servers} servers in all pools together, at most {SERVERS_MAX} are possible");
    (servers > SERVERS_MAX).then_some((text, help))
}
