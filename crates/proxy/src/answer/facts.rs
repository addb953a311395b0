//! Facts about the proxy itself, for `INFO` and `CONFIG GET`.

use std::time::Duration;

use config::checked::Pool as Config;
use local::Store;
use net::Io;

use crate::keys::PoolKey;
use crate::proxy::Proxy;

/// Version given to clients: that of the Redis whose commands the table has.
pub(super) const REDIS_VERSION: &str = "7.0.15";

/// One pool, as a client of it sees the proxy.
pub(crate) struct Facts<'a> {
    pub(crate) pool: &'a crate::pool::Pool,
    /// Since the start of this shard.
    pub(crate) uptime: Duration,
    /// Memory for requests and replies, on all shards.
    pub(crate) memory: usize,
    /// The embedded cache, if it is a server of this pool.
    pub(crate) store: Option<&'a Store>,
}

impl Facts<'_> {
    pub(crate) fn config(&self) -> &Config {
        &self.pool.config
    }

    /// The memory limit of Redis' kind: that of keys and values. 0 where servers have one of their own.
    pub(crate) fn memory_max(&self) -> usize {
        self.store.map_or(0, Store::bytes_max)
    }

    /// Behaviour at [`Facts::memory_max`], in Redis' terms.
    pub(crate) fn memory_policy(&self) -> &'static str {
        if self.store.is_some() { "allkeys-lru" } else { "noeviction" }
    }
}

impl Proxy {
    pub(crate) fn facts<I: Io>(&self, io: &I, pool: PoolKey) -> Facts<'_> {
        let pool = &self.pools[pool];
        let embedded = pool.servers.iter().any(|server| self.servers[*server].is_local());
        Facts {
            pool,
            uptime: io.now().since(self.started),
            memory: self.memory(io) + self.held_elsewhere,
            store: embedded.then_some(&self.store),
        }
    }
}
