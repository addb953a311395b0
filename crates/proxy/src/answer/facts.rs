//! Facts about the proxy itself, for `INFO` and `CONFIG GET`.

use std::time::Duration;

use config::checked::Pool as Config;
use local::Store;
use net::Io;

use crate::client::Client;
use crate::keys::PoolKey;
use crate::proxy::Proxy;

/// Version reported to clients: the Redis version whose commands the table has.
pub(super) const REDIS_VERSION: &str = "7.0.15";

/// Facts about one pool, as seen by its clients.
pub(crate) struct Facts<'a> {
    pub(crate) pool: &'a crate::pool::Pool,
    /// Time since the start of this shard.
    pub(crate) uptime: Duration,
    /// Memory for requests and replies, on all shards.
    pub(crate) memory: usize,
    /// The embedded cache, if it is a server of this pool.
    pub(crate) store: Option<&'a Store>,
    /// Clients of the pool that wait for an element, on this shard.
    pub(crate) blocked: usize,
    /// Time since 1970, in milliseconds.
    pub(crate) now_ms: u64,
}

impl Facts<'_> {
    pub(crate) fn config(&self) -> &Config {
        &self.pool.config
    }

    /// `maxmemory` in Redis' sense: the limit on keys and values. 0 if the servers have their own.
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
        let is_blocked = |client: &&Client| {
            let at_a_server = client.session.state.as_ref().is_some_and(|state| state.blocked);
            client.pool == pool && (at_a_server || self.blocked.by_client.contains_key(&client.id))
        };
        let blocked = self.clients().filter(is_blocked).count();
        let pool = &self.pools[pool];
        let embedded = pool.servers.iter().any(|server| self.servers[*server].is_local());
        Facts {
            pool,
            blocked,
            uptime: io.now().since(self.started),
            memory: self.memory(io) + self.held_elsewhere,
            store: embedded.then_some(&self.store),
            now_ms: u64::try_from(io.wall_time().0 / 1_000_000).unwrap_or(0),
        }
    }
}
