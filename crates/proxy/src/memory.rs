//! Memory held for requests and replies, and its limits.
//!
//! ```text
//! 0 ──────────── half ──────────────── five eighths ─────────────────────── seven eighths ──────────── the budget
//!   all clients read    waiting clients     clients past their                      the largest holder
//!                       are resumed         reserve are not read                    is closed
//! ```
//! Memory is counted, not payload: the capacity of buffers, and the records of requests. The last eighth is
//! left to the allocator, so that the process stays within the budget as the system sees it. All shards share
//! the budget; each publishes its usage once per turn.
//!
//! The reserves of all clients together are a quarter of the budget, so that a client with little outstanding
//! is served however much others hold. A client past its reserve is not read until it has taken its replies;
//! replies to its accepted requests may still arrive, and if they fill the budget, the clients that hold most
//! are closed.
//!
//! The pool that holds most pays first, so that no pool suffers from the servers and clients of another: its
//! largest client is closed, or its server connection with a partial reply if that is larger.

use std::collections::BTreeMap;
use std::time::Duration;

use net::{ConnId, Instant, Io};

use crate::client::{Client, Wait};
use crate::fail::Failure;
use crate::keys::{LaneKey, PoolKey};
use crate::notice::Notice;
use crate::proxy::Proxy;
use crate::server::connection::ServerConn;

/// Time that clients wait for memory before the client that holds most is closed.
const STARVING_MAX: Duration = Duration::from_secs(1);
/// Bounds of a client's reserve.
const RESERVE: (usize, usize) = (512, 64 * 1024);
/// Holder of memory.
enum Holder {
    Client(ConnId),
    /// A server connection with a partial reply.
    Server(LaneKey, ConnId),
}

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

    /// True while all clients may be read.
    #[inline]
    pub(crate) fn is_plenty<I: Io>(&self, io: &I) -> bool {
        self.memory_everywhere(io) <= self.budget.bytes() / 8 * 5
    }

    /// True if memory is too scarce to waste any.
    #[inline]
    pub(crate) fn is_tight<I: Io>(&self, io: &I) -> bool {
        self.memory_everywhere(io) > self.budget.bytes() / 8
    }

    /// True if so much is held that nothing more should be read for clients that are behind.
    #[inline]
    pub(crate) fn is_half_full<I: Io>(&self, io: &I) -> bool {
        self.memory_everywhere(io) > self.budget.bytes() / 2
    }

    /// True if so little is left that waiting replies must be dropped.
    #[inline]
    pub(crate) fn is_nearly_full<I: Io>(&self, io: &I) -> bool {
        self.memory_everywhere(io) > self.budget.bytes() / 4 * 3
    }

    /// Bytes a client may hold when memory is short.
    pub(crate) fn reserve(&self) -> usize {
        let clients = (self.clients as usize).max(1) * self.budget.shards();
        (self.budget.bytes() / 4 / clients).clamp(RESERVE.0, RESERVE.1)
    }

    /// Runs at the end of a turn: resumes clients that wait for memory if there is enough, and closes clients
    /// if there is too little.
    pub(crate) fn relieve<I: Io>(&mut self, io: &mut I) {
        self.held_elsewhere = self.budget.tell(self.shard, self.memory(io));
        // A shard over its share makes room, so that no client is closed for the usage of another shard.
        while self.memory_everywhere(io) > self.budget.bytes() / 8 * 7
            && self.memory(io) > self.budget.share() / 8 * 7
            && self.close_largest(io)
        {}
        if self.starving.is_empty() {
            self.starving_since = None;
            return;
        }
        // Writes free memory without notice: check again even if nothing else happens.
        self.maintain_later(io);
        let now = io.now();
        if self.memory_everywhere(io) <= self.budget.bytes() / 2 {
            self.starving_since = None;
            for id in std::mem::take(&mut self.starving) {
                self.resume_client(io, id, Wait::Memory);
            }
        } else if self.is_long(now) {
            // Partly received requests can fill the memory while no client is read that could complete them.
            self.starving_since = Some(now);
            self.close_largest(io);
        }
    }

    fn is_long(&mut self, now: Instant) -> bool {
        now.since(*self.starving_since.get_or_insert(now)) >= STARVING_MAX
    }

    /// Closes the largest holder of the pool that holds most. False if no holder exceeds a reserve: closing
    /// it would free nothing.
    fn close_largest<I: Io>(&mut self, io: &mut I) -> bool {
        let mut pools: Vec<(PoolKey, usize)> = self.memory_by_pool(io).into_iter().collect();
        pools.sort_unstable_by_key(|(pool, memory)| std::cmp::Reverse((*memory, *pool)));
        let largest = pools.into_iter().find_map(|(pool, _)| self.largest_of(io, pool));
        match largest {
            Some((bytes, Holder::Client(id))) => self.overflow(io, id, bytes),
            Some((_, Holder::Server(lane, id))) => {
                io.abort(id);
                self.server_lost(io, lane, Failure::TooLarge);
            }
            None => return false,
        }
        true
    }

    /// Largest holder of a pool, if it exceeds a reserve.
    fn largest_of<I: Io>(&self, io: &I, pool: PoolKey) -> Option<(usize, Holder)> {
        let clients = self.clients().filter(|client| client.pool == pool);
        let clients = clients.map(|client| (client.memory_with_socket(io), Holder::Client(client.id)));
        let servers = self.pools[pool].all_servers().flat_map(|server| self.servers[server].lanes());
        let servers = servers.filter_map(|(lane, conn)| {
            let id = conn.conn?;
            Some((io.unread(id), Holder::Server(lane, id)))
        });
        clients.chain(servers).filter(|(bytes, _)| *bytes > self.reserve()).max_by_key(|(bytes, _)| *bytes)
    }

    /// Bytes held by the clients and server connections of each pool on this shard.
    pub(crate) fn memory_by_pool<I: Io>(&self, io: &I) -> BTreeMap<PoolKey, usize> {
        let mut memory: BTreeMap<PoolKey, usize> = self.pools.iter().map(|(pool, _)| (pool, 0)).collect();
        for client in self.clients() {
            *memory.entry(client.pool).or_default() += client.memory_with_socket(io);
        }
        for server in self.servers.values() {
            let held =
                |conn: &ServerConn| conn.memory() + conn.conn.map_or(0, |id| io.unread(id) + io.unsent(id));
            *memory.entry(server.pool).or_default() += server.conns.iter().map(held).sum::<usize>();
        }
        memory
    }

    /// Closes a client that has too many reply bytes waiting.
    pub(crate) fn overflow<I: Io>(&mut self, io: &mut I, id: ConnId, bytes: usize) {
        let Some(mut client) = self.take_client(id) else { return };
        let pool = &self.pools[client.pool];
        pool.stats.client_overflows.inc();
        (self.notify)(Notice::ClientOverflow { pool: pool.config.name.clone(), bytes });
        io.abort(id);
        self.forget(&mut client);
    }

    /// Resumes a client that waits for `wait`; if the reason persists it will wait again.
    pub(crate) fn resume_client<I: Io>(&mut self, io: &mut I, id: ConnId, wait: Wait) {
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
    pub(crate) fn recount_server(&mut self, lane: LaneKey) {
        let change = self.server_conn(lane).recount();
        self.held.apply(change);
    }
}

#[cfg(test)]
mod tests {
    use net::App;

    use super::*;
    use crate::testing::World;

    /// The budget is 1 MiB.
    const TWO: &str = "[pool.a]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1\"]\n\
                       [pool.b]\nlisten = \"127.0.0.1:2\"\nservers = [\"127.0.0.1:12:1\"]\n";
    const GET: &[u8] = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";

    fn world() -> World {
        let mut w = World::new(TWO);
        w.io.counts_sockets = true;
        w
    }

    /// A client that waits for a reply and has `unsent` bytes to take.
    fn client(w: &mut World, pool: u32, unsent: usize) -> ConnId {
        let client = w.accept(pool);
        w.receive(client, GET);
        w.io.unsent.insert(client, unsent);
        client
    }

    #[test]
    fn the_pool_that_holds_most_pays_first() {
        let mut w = world();
        // Each holds more than any client of the other pool, but all together less.
        let others: Vec<ConnId> = (0..3).map(|_| client(&mut w, 1, 150 << 10)).collect();
        let many: Vec<ConnId> = (0..5).map(|_| client(&mut w, 0, 100 << 10)).collect();
        w.proxy.turn_end(&mut w.io);
        let closed = |w: &World, ids: &[ConnId]| ids.iter().filter(|id| w.io.closed.contains(id)).count();
        assert_eq!((closed(&w, &others), closed(&w, &many) > 0), (0, true));
    }

    #[test]
    fn a_server_with_a_reply_without_end_pays_before_clients_of_other_pools() {
        let mut w = world();
        let others: Vec<ConnId> = (0..4).map(|_| client(&mut w, 0, 120 << 10)).collect();
        let client = client(&mut w, 1, 0);
        let server = w.io.connects[1].0;
        w.proxy.connected(&mut w.io, server);
        w.io.unread.insert(server, 600 << 10);
        w.proxy.turn_end(&mut w.io);
        assert_eq!(w.io.closed, [server]);
        assert!(others.iter().all(|id| !w.io.closed.contains(id)));
        // The server was not read, so the waiting request is resent.
        assert_eq!(w.io.sent(client), b"");
        assert_eq!(w.io.connects.len(), 3);
    }
}
