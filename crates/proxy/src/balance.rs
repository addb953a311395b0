//! The choice of the shard that serves a client.
//!
//! A few busy shards cost less than many that are mostly idle: a shard's requests of one turn for a server
//! leave in one write, and replies come back in one read. So a new client is served by the first shard with
//! time left, not by the one whose listener the kernel happened to choose; and a shard that runs out of time
//! gives clients to the one with most time left. Only a client without a request under way is moved, with its
//! session: the rest of its state is in the socket. A client under TLS is moved only when new, before its
//! handshake.
//!
//! Clients of a pool with the embedded cache stay on the shard that has the cache.

use std::sync::atomic::Ordering;

use net::{ConnId, Io, Peer};

use crate::client::Client;
use crate::ids::PoolId;
use crate::keys::PoolKey;
use crate::mail::{Mail, Moved};
use crate::pool::LOCAL_SHARD;
use crate::proxy::Proxy;

/// Load below which a shard takes new clients, in permille of a thread's time like all loads here.
const ROOM: u32 = 600;
/// Load from which a shard gives clients to one whose load is lower by [`GAP`].
const FULL: u32 = 800;
/// Most clients waiting for the generation in which their pool begins, which a shard may get moments after
/// the others.
const EARLY_MAX: usize = 4096;
/// Least difference in load for which clients are moved.
const GAP: u32 = 200;

impl Proxy {
    /// Assigns a client accepted at the listener with this tag to a shard.
    pub(crate) fn place<I: Io>(&mut self, io: &mut I, tag: u32, id: ConnId, peer: Peer) {
        let pool = PoolId(tag);
        let Some(key) = self.directory.pools.get(&pool).copied() else { return io.abort(id) };
        let shard = match () {
            () if self.pools[key].removed => self.shard,
            () if self.is_over_local(key) => LOCAL_SHARD,
            () => self.shard_with_room(io),
        };
        let from = match peer {
            Peer::Tcp(address) => Some(address),
            Peer::Unix => None,
        };
        if shard != self.shard
            && let Some(parcel) = io.release(id)
        {
            let moved = Moved { pool, parcel, from, session: None };
            return (self.post)(shard, Mail::Client(Box::new(moved)));
        }
        self.accept_client(io, key, id, from);
    }

    /// Takes a client that came from another shard.
    pub(crate) fn take_in<I: Io>(&mut self, io: &mut I, moved: Moved) {
        let Some(pool) = self.directory.pools.get(&moved.pool).copied() else {
            return self.keep_early(io, moved);
        };
        let id = io.adopt(moved.parcel);
        match (id, moved.session) {
            (Some(id), None) => self.accept_client(io, pool, id, moved.from),
            (Some(id), Some(session)) => self.admit_moved(io, pool, id, (session, None)),
            (None, None) => {}
            (None, Some(_)) => self.migration_failed(pool),
        }
    }

    /// Keeps a client whose pool is not here yet; closes one whose pool was removed.
    fn keep_early<I: Io>(&mut self, io: &mut I, moved: Moved) {
        if moved.pool >= self.directory.pools_end && self.early.len() < EARLY_MAX {
            return self.early.push(moved);
        }
        if let Some(id) = io.adopt(moved.parcel) {
            io.abort(id);
        }
    }

    /// Publishes this shard's load, and gives clients away if it is too high.
    pub(crate) fn balance<I: Io>(&mut self, io: &mut I) {
        let own = io.load();
        self.loads[self.shard].store(own, Ordering::Relaxed);
        if own < FULL || self.stop.is_some() || self.hand_over.is_some() {
            return;
        }
        let Some((other, load)) = self.least_loaded().filter(|(_, load)| load + GAP <= own) else { return };
        // Half of the difference is moved.
        let count = (u64::from(self.clients) * u64::from(own - load) / u64::from(2 * own)) as usize;
        let movable: Vec<ConnId> = self
            .clients()
            .filter(|c| c.is_quiet() && !self.is_over_local(c.pool))
            .map(|c| c.id)
            .take(count)
            .collect();
        for id in movable {
            self.give_away(io, id, other);
        }
    }

    fn give_away<I: Io>(&mut self, io: &mut I, id: ConnId, to: usize) {
        let Some(mut client) = self.take_client(id) else { return };
        let Some(parcel) = io.release(id) else { return self.put_client(client) };
        self.unregister_client(&mut client);
        let Client { pool, session, .. } = *client;
        let pool = self.pools[pool].id;
        let moved = Moved { pool, parcel, from: session.from, session: Some(session) };
        (self.post)(to, Mail::Client(Box::new(moved)));
    }

    /// True for a pool of the embedded cache.
    pub(crate) fn is_over_local(&self, pool: PoolKey) -> bool {
        self.pools[pool].servers.iter().any(|server| self.servers[*server].is_local())
    }

    fn shard_with_room<I: Io>(&self, io: &I) -> usize {
        self.loads[self.shard].store(io.load(), Ordering::Relaxed);
        let first = self.loads.iter().position(|load| load.load(Ordering::Relaxed) < ROOM);
        first.or(self.least_loaded().map(|(shard, _)| shard)).unwrap_or(self.shard)
    }

    fn least_loaded(&self) -> Option<(usize, u32)> {
        let loads = self.loads.iter().map(|load| load.load(Ordering::Relaxed));
        loads.enumerate().min_by_key(|(_, load)| *load)
    }
}

#[cfg(test)]
mod tests;
