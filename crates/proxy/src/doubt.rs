//! Doubts about a discovered topology, told to the control thread: seldom, whatever the storm.

use std::time::Duration;

use net::{Instant, Io};

use crate::keys::{PoolKey, ServerKey};
use crate::mail::Doubt;
use crate::proxy::Proxy;

/// Shortest time between two doubts of a pool on one shard.
const DOUBT_EVERY: Duration = Duration::from_millis(100);

impl Proxy {
    /// Tells the control thread that what is known of a pool's topology may be out of date. False if it was
    /// told just now.
    pub(crate) fn doubt(&mut self, now: Instant, pool: PoolKey) -> bool {
        let Some(pool) = self.pools.get_mut(pool) else { return false };
        if pool.doubted.is_some_and(|at| now.since(at) < DOUBT_EVERY) {
            return false;
        }
        pool.doubted = Some(now);
        (self.doubt)(Doubt { pool: pool.config.name.clone() });
        true
    }

    /// Doubts that a server is still the master that Sentinels have named.
    pub(crate) fn doubt_master<I: Io>(&mut self, io: &I, server: ServerKey) {
        let Some(server) = self.servers.get(server) else { return };
        if server.is_named_by_sentinels() && server.drain.is_none() {
            let pool = server.pool;
            self.doubt(io.now(), pool);
        }
    }
}

#[cfg(test)]
mod tests;
