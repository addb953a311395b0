//! Memory of one shard: what is held for requests and replies, and what happens when that is too much.

use std::time::Duration;

use net::{ConnId, Io};

use crate::notice::Notice;
use crate::proxy::{Proxy, Role};

/// How long clients may have to wait for memory before the client that holds most of it is closed.
const STARVING_MAX: Duration = Duration::from_secs(1);

impl Proxy {
    /// Bytes held on this shard for requests and replies.
    pub(crate) fn memory<I: Io>(&self, io: &I) -> usize {
        io.buffered() + self.held + self.gathers.held
    }

    /// Past the budget clients are not read until a quarter of it is free; a quarter above it, or when the shortage
    /// lasts (requests of which only a part has come can fill it, and nobody is read who could complete them), the
    /// largest client is closed.
    pub(crate) fn relieve<I: Io>(&mut self, io: &mut I) {
        let (used, budget, now) = (self.memory(io), self.memory_budget, io.now());
        let excessive = used > budget / 4 * 5;
        if self.starving.is_empty() {
            self.starving_since = None;
            if excessive {
                self.close_largest(io);
            }
            return;
        }
        let long = now.since(*self.starving_since.get_or_insert(now)) >= STARVING_MAX;
        if used < budget / 4 * 3 || (long && used <= budget) {
            self.starving_since = None;
            for id in std::mem::take(&mut self.starving) {
                self.read_again(io, id);
            }
            return;
        }
        if long || excessive {
            self.starving_since = Some(now);
            self.close_largest(io);
        }
        // Writes free memory without another word to us: look again, also if nothing else happens.
        self.maintain_later(io);
    }

    /// Memory is short although nobody is read: the client that holds most of it has to go.
    fn close_largest<I: Io>(&mut self, io: &mut I) {
        let largest = self
            .roles
            .iter()
            .filter_map(|(_, role)| match role {
                Role::Client(c) => Some((c.held_bytes() + c.unread + io.unsent(c.id), c.id)),
                _ => None,
            })
            .max();
        if let Some((bytes, id)) = largest
            && bytes > 0
        {
            self.overflow(io, id, bytes);
        }
    }

    /// Closes a client that has more replies waiting than it may.
    pub(crate) fn overflow<I: Io>(&mut self, io: &mut I, id: ConnId, bytes: usize) {
        let Some(client) = self.take_client(id) else { return };
        let pool = &self.pools[client.pool as usize];
        pool.stats.client_overflows.inc();
        (self.notify)(Notice::ClientOverflow { pool: pool.config.name.clone(), bytes });
        io.abort(id);
        self.forget(&client);
    }

    /// Reads a client again that was paused; if the reason still stands it will be paused again.
    pub(crate) fn read_again<I: Io>(&mut self, io: &mut I, id: ConnId) {
        if let Some(client) = self.client_mut(id)
            && client.session.paused
        {
            client.session.paused = false;
            io.resume(id);
        }
    }
}
