//! Memory: what is held for requests and replies, and what happens when that is too much.
//!
//! ```text
//! 0 ──────────── half ──────────────── five eighths ─────────────────────── seven eighths ──────────── the budget
//!   everybody is read   those who wait      clients that hold more than their       clients that hold most
//!                       are read again      reserve are not read any more           are closed
//! ```
//! What counts is memory, not bytes: what buffers have reserved, and the records of requests. The last eighth is left to the
//! allocator, so that the process stays within the budget as the system sees it. The budget belongs to all shards; each
//! publishes what it holds once per turn.
//!
//! The reserves of all clients together are a quarter of the budget, so that a client with little outstanding is served
//! however much the others hoard, and what they hoard is theirs to lose: a client past its reserve is not read until it has
//! taken its replies; replies to what was accepted from it before may still come, and if they fill the budget, the clients
//! that hold most of it are closed.

use std::time::Duration;

use net::{ConnId, Instant, Io};

use crate::client::{Client, Wait};
use crate::notice::Notice;
use crate::place::Place;
use crate::proxy::{Proxy, Role};

/// How long clients may have to wait for memory before the client that holds most of it is closed.
const STARVING_MAX: Duration = Duration::from_secs(1);
/// Bounds of a client's reserve.
const RESERVE: (usize, usize) = (512, 64 * 1024);
/// What a request takes that awaits its reply, beside its bytes: its places in the lines of its client and its server.
const REQUEST: usize = 96;

impl Proxy {
    /// Memory held on this shard for requests and replies.
    #[inline]
    pub(crate) fn memory<I: Io>(&self, io: &I) -> usize {
        io.buffered() + self.held.bytes() + self.gathers.memory()
    }

    #[inline]
    fn memory_everywhere<I: Io>(&self, io: &I) -> usize {
        self.memory(io) + self.held_elsewhere
    }

    /// True while memory is not so plenty that some may be wasted.
    #[inline]
    pub(crate) fn is_tight<I: Io>(&self, io: &I) -> bool {
        self.memory_everywhere(io) > self.budget.bytes() / 8
    }

    /// True if so much is held that no more should be read for those who do not take it.
    #[inline]
    pub(crate) fn is_half_full<I: Io>(&self, io: &I) -> bool {
        self.memory_everywhere(io) > self.budget.bytes() / 2
    }

    /// What a client may hold when memory is short.
    fn reserve(&self) -> usize {
        let clients = (self.clients as usize).max(1) * self.budget.shards();
        (self.budget.bytes() / 4 / clients).clamp(RESERVE.0, RESERVE.1)
    }

    /// What the client has to wait for before another request of it can be taken, if memory is short.
    #[inline]
    pub(crate) fn must_wait_for_memory<I: Io>(
        &self,
        io: &I,
        client: &Client,
        unread: usize,
        unsent: usize,
    ) -> Option<Wait> {
        if self.memory_everywhere(io) <= self.budget.bytes() / 8 * 5 {
            return None;
        }
        let reserve = self.reserve();
        let waiting = client.held_bytes() + client.waiting() * REQUEST;
        if waiting + unread + unsent <= reserve {
            None
        } else if unsent > 0 {
            Some(Wait::Drain)
        } else if waiting > reserve {
            Some(Wait::Reply)
        } else {
            Some(Wait::Memory)
        }
    }

    /// At the end of a turn: clients that wait for memory are read again if there is some, and clients are closed if there
    /// is too little.
    pub(crate) fn relieve<I: Io>(&mut self, io: &mut I) {
        self.held_elsewhere = self.budget.tell(self.shard, self.memory(io));
        // The shard that has more than its share makes room, so that nobody is closed for what others hoard.
        while self.memory_everywhere(io) > self.budget.bytes() / 8 * 7
            && self.memory(io) > self.budget.share() / 8 * 7
            && self.close_largest(io)
        {}
        if self.starving.is_empty() {
            self.starving_since = None;
            return;
        }
        // Writes free memory without another word to us: look again, also if nothing else happens.
        self.maintain_later(io);
        let now = io.now();
        if self.memory_everywhere(io) <= self.budget.bytes() / 2 {
            self.starving_since = None;
            for id in std::mem::take(&mut self.starving) {
                self.read_again(io, id, Wait::Memory);
            }
        } else if self.is_long(now) {
            // Requests of which only a part has come can fill the memory, and nobody is read who could complete them.
            self.starving_since = Some(now);
            self.close_largest(io);
        }
    }

    fn is_long(&mut self, now: Instant) -> bool {
        now.since(*self.starving_since.get_or_insert(now)) >= STARVING_MAX
    }

    /// The client that holds most has to go. False if nobody holds more than its reserve: closing would free nothing.
    fn close_largest<I: Io>(&mut self, io: &mut I) -> bool {
        let largest = self
            .roles
            .iter()
            .filter_map(|(_, role)| match role {
                Role::Client(c) => Some((c.memory_with_socket(io), c.id)),
                _ => None,
            })
            .max();
        let Some((bytes, id)) = largest.filter(|(bytes, _)| *bytes > self.reserve()) else { return false };
        self.overflow(io, id, bytes);
        true
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

    /// Reads a client again that waits for `wait`; if the reason still stands it will wait again.
    pub(crate) fn read_again<I: Io>(&mut self, io: &mut I, id: ConnId, wait: Wait) {
        if let Some(client) = self.client_mut(id)
            && client.session.paused == Some(wait)
        {
            client.session.paused = None;
            io.resume(id);
        }
    }

    #[inline]
    pub(crate) fn recount_client(&mut self, client: &mut Client) {
        self.held.apply(client.recount());
    }

    #[inline]
    pub(crate) fn recount_server(&mut self, place: Place) {
        let change = self.server_conn(place).recount();
        self.held.apply(change);
    }
}
