//! The choice of the shard that serves a client.
//!
//! Few busy shards cost less than many that are mostly idle: what a shard gathers for a server in one turn leaves in one
//! write, and replies come back in one read. So a new client is served by the first shard that has time left, not by the
//! one whose listener the kernel happened to choose; and a shard that runs out of time gives clients away to the one with
//! most time left. Only a client that has no request under way is moved, with its session: nothing of it is anywhere but in
//! the socket.
//!
//! Clients of a pool with the embedded cache stay on the shard that has the cache.

use std::sync::atomic::Ordering;

use net::{ConnId, Io};

use crate::client::Client;
use crate::keys::{PoolKey, ServerKey};
use crate::mail::{Mail, Moved};
use crate::proxy::Proxy;

/// A shard whose load is below this has time for a new client. Loads are in permille of a thread's time.
const ROOM: u32 = 600;
/// From this load on a shard gives clients away ...
const FULL: u32 = 800;
/// ... if another one's load is lower by this much.
const GAP: u32 = 200;

impl Proxy {
    /// A client was accepted here: it goes to the shard that shall serve it.
    pub(crate) fn place<I: Io>(&mut self, io: &mut I, pool: PoolKey, id: ConnId) {
        let shard = if self.may_move(pool) { self.shard_with_room(io) } else { self.shard };
        if shard != self.shard
            && let Some(parcel) = io.release(id)
        {
            return (self.post)(shard, Mail::Client(Box::new(Moved { pool, parcel, session: None })));
        }
        self.accept_client(io, pool, id);
    }

    /// A client came from another shard.
    pub(crate) fn take_in<I: Io>(&mut self, io: &mut I, moved: Moved) {
        let id = io.adopt(moved.parcel);
        match (id, moved.session) {
            (Some(id), None) => self.accept_client(io, moved.pool, id),
            (Some(id), Some(session)) => self.admit_moved(io, moved.pool, id, session),
            (None, None) => {}
            (None, Some(_)) => self.migration_failed(moved.pool),
        }
    }

    /// Publishes this shard's load, and gives clients away if it has too much.
    pub(crate) fn balance<I: Io>(&mut self, io: &mut I) {
        let own = io.load();
        self.loads[self.shard].store(own, Ordering::Relaxed);
        if own < FULL || self.stop.is_some() || self.hand_over.is_some() {
            return;
        }
        let Some((other, load)) = self.least_loaded().filter(|(_, load)| load + GAP <= own) else { return };
        // Half of the difference goes over.
        let count = (self.clients as u64 * u64::from(own - load) / u64::from(2 * own)) as usize;
        let movable: Vec<ConnId> = self
            .clients()
            .filter(|c| c.is_quiet() && self.may_move(c.pool))
            .map(|c| c.id)
            .take(count)
            .collect();
        for id in movable {
            self.give_away(io, id, other);
        }
    }

    fn give_away<I: Io>(&mut self, io: &mut I, id: ConnId, to: usize) {
        let Some(client) = self.take_client(id) else { return };
        let Some(parcel) = io.release(id) else { return self.put_client(client) };
        self.unregister_client(&client);
        let Client { pool, session, .. } = *client;
        (self.post)(to, Mail::Client(Box::new(Moved { pool, parcel, session: Some(session) })));
    }

    fn may_move(&self, pool: PoolKey) -> bool {
        let is_local = |server: &ServerKey| self.servers[*server].is_local();
        self.loads.len() > 1 && self.pools.get(pool).is_some_and(|pool| !pool.servers.iter().any(is_local))
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
