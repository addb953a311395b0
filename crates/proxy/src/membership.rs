//! Pools and servers come and go while the shard runs.
//!
//! ```text
//! add_pool ▸ add_server …    the ring is built again; connections are opened as traffic wants them
//! remove_server              the ring is built again; what awaits a reply fails; connections and timers go
//! remove_pool                its servers as above, its clients are closed after what they are owed
//! ```
//! All shards make the same changes in the same order: see [`crate::keys`].

use std::sync::Arc;

use config::checked;
use net::{ConnId, Io};
use telemetry::ServerStats;

use crate::fail::Failure;
use crate::keys::{LaneKey, PoolKey, ServerKey};
use crate::pool::Pool;
use crate::proxy::{PoolSetup, Proxy};
use crate::server::Server;
use crate::tally::Change;

impl Proxy {
    /// Adds a pool with the servers of its configuration; None if there are too many. Where `preconnect` is set, connections
    /// are opened at once.
    pub fn add_pool<I: Io>(&mut self, io: &mut I, (config, stats, clients): PoolSetup) -> Option<PoolKey> {
        let pool = Pool::new(Arc::clone(&config), Arc::clone(&stats), clients, self.seed);
        let key = self.pools.insert_with(|_| pool)?;
        for (n, server) in config.servers.iter().enumerate() {
            // Cells that nobody reads, should there be less of them than of servers.
            let stats = stats.servers.get(n).cloned().unwrap_or_default();
            self.insert_server(key, server, stats);
        }
        self.pools[key].rebuild(&self.servers);
        for n in 0..self.pools[key].servers.len() {
            self.preconnect(io, self.pools[key].servers[n]);
        }
        Some(key)
    }

    /// Adds a server to a pool, behind those that it has; None if there is no such pool, or there are too many servers.
    pub fn add_server<I: Io>(
        &mut self,
        io: &mut I,
        pool: PoolKey,
        server: &checked::Server,
        stats: Arc<ServerStats>,
    ) -> Option<ServerKey> {
        self.pools.get(pool)?;
        let key = self.insert_server(pool, server, stats)?;
        self.pools[pool].rebuild(&self.servers);
        self.preconnect(io, key);
        Some(key)
    }

    fn insert_server(
        &mut self,
        pool_key: PoolKey,
        server: &checked::Server,
        stats: Arc<ServerStats>,
    ) -> Option<ServerKey> {
        let pool = &mut self.pools[pool_key];
        let seed = self.seed.wrapping_add(pool.servers.len() as u64 * 0x9e37_79b9);
        let of_pool = (pool_key, &pool.config, &pool.stats);
        let key = self.servers.insert_with(|key| Server::new(key, of_pool, server, stats, seed))?;
        pool.servers.push(key);
        Some(key)
    }

    /// Takes a server out of its pool. Requests that await its reply get an error; those that wait for room on its queue go to
    /// another server. False if there is no such server.
    pub fn remove_server<I: Io>(&mut self, io: &mut I, key: ServerKey) -> bool {
        let Some(server) = self.servers.get_mut(key) else { return false };
        server.probe_at(io, None);
        let (lanes, pool) = (server.conns.len() as u16, server.pool);
        let pool = &mut self.pools[pool];
        pool.servers.retain(|known| *known != key);
        pool.rebuild(&self.servers);
        for number in 0..lanes {
            let lane = LaneKey { server: key, number };
            if let Some(id) = self.server_conn(lane).conn {
                io.abort(id);
                self.server_lost(io, lane, Failure::Removed);
            }
        }
        if let Some(server) = self.servers.remove(key) {
            server.conns.iter().for_each(|conn| self.held.apply(Change::gone(conn.counted)));
            server.clear_gauges();
        }
        true
    }

    /// Takes a pool away with its servers. Its clients are closed after what they are owed; listeners are the caller's. False if
    /// there is no such pool.
    pub fn remove_pool<I: Io>(&mut self, io: &mut I, key: PoolKey) -> bool {
        let Some(pool) = self.pools.get(key) else { return false };
        for server in pool.servers.clone() {
            self.remove_server(io, server);
        }
        let clients: Vec<ConnId> = self.clients().filter(|client| client.pool == key).map(|c| c.id).collect();
        for id in clients {
            let Some(mut client) = self.take_client(id) else { continue };
            debug_assert_eq!(client.waiting(), 0, "all servers have failed");
            client.session.leaving = true;
            self.settle(io, client);
        }
        if let Some(pool) = self.pools.remove(key) {
            pool.stats.requests_in_flight.set(0);
            pool.stats.memory_bytes.set(0);
        }
        true
    }
}

#[cfg(test)]
mod tests;
