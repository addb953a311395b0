//! Draining servers: they get no new requests, their replies are still delivered, then their connections are
//! closed.
//!
//! ```text
//! begin ▸ waiting clients use other servers ▸ each connection is closed once it owes nothing ▸ the server is gone, or idle if
//!                                           └─ time is over: the rest fails                    the operator drained it
//! ```
//! Checked at the end of every turn while there are any. A removed pool goes with its last client and server.

use net::Io;

use crate::alarm::Alarm;
use crate::client::Wait;
use crate::fail::Failure;
use crate::keys::{LaneKey, PoolKey, ServerKey};
use crate::proxy::Proxy;
use crate::server::connection::ServerConn;
use crate::server::drain::Drain;
use crate::tally::Change;

/// Most servers that drain at once; a further one cuts off the oldest.
const DRAINING_MAX: usize = 4096;

impl Proxy {
    /// Stops sending requests to a server. `leaves`: it was removed from its pool.
    pub(crate) fn begin_drain<I: Io>(&mut self, io: &mut I, key: ServerKey, leaves: bool) {
        let until = io.now() + self.drain_timeout;
        let server = &mut self.servers[key];
        server.probe_at(io, None);
        let was_draining = server.drain.replace(Drain { until, leaves }).is_some();
        for number in 0..server.conns.len() as u16 {
            self.send_elsewhere(io, LaneKey { server: key, number });
        }
        self.dismiss_private_waits(io, key);
        if self.drain_further(io, key) {
            return;
        }
        if !was_draining {
            if self.drains.servers.len() >= DRAINING_MAX {
                let first = self.drains.servers.remove(0);
                self.cut_drain(io, first);
            }
            self.drains.servers.push(key);
        }
        if self.drains.timer.is_none() {
            self.drains.timer = Some(io.set_timer(until, Alarm::Drain.token()));
        }
    }

    /// Resumes the clients that wait for room on a connection: their requests go to the current server of the
    /// key.
    fn send_elsewhere<I: Io>(&mut self, io: &mut I, lane: LaneKey) {
        let conn = self.server_conn(lane);
        let mut waiting = std::mem::take(&mut conn.waiting_clients);
        waiting.extend(std::mem::take(&mut conn.bulky_waiting));
        for client in waiting {
            self.resume_client(io, client, Wait::Server);
        }
    }

    /// Marks a pool to be dropped with its last client and server.
    pub(crate) fn begin_leave(&mut self, pool: PoolKey) {
        self.drains.pools.push(pool);
    }

    /// Continues all drains at the end of a turn.
    pub(crate) fn continue_drains<I: Io>(&mut self, io: &mut I) {
        if !self.drains.servers.is_empty() {
            for key in std::mem::take(&mut self.drains.servers) {
                if !self.drain_further(io, key) {
                    self.drains.servers.push(key);
                }
            }
        }
        if self.drains.servers.is_empty()
            && let Some(timer) = self.drains.timer.take()
        {
            io.cancel_timer(timer);
        }
        if !self.drains.pools.is_empty() {
            for key in std::mem::take(&mut self.drains.pools) {
                self.leave(key);
            }
        }
    }

    /// Closes the connections of a server that owe nothing. True if none is left: then it is dropped, if it
    /// leaves.
    fn drain_further<I: Io>(&mut self, io: &mut I, key: ServerKey) -> bool {
        let Some(server) = self.servers.get(key) else { return true };
        // The operator has cancelled the drain.
        let Some(Drain { leaves, .. }) = server.drain else { return true };
        let done = |(_, conn): &(LaneKey, &ServerConn)| conn.conn.is_some() && !conn.owes();
        let lanes: Vec<LaneKey> = server.lanes().filter(done).map(|(lane, _)| lane).collect();
        for lane in lanes {
            self.close_lane(io, lane, Failure::Removed);
        }
        if self.servers[key].has_open_connection() {
            return false;
        }
        if leaves {
            self.drop_server(key);
        } else {
            self.servers[key].drain = None;
        }
        true
    }

    /// Ends the drains whose time is over.
    pub(crate) fn end_drains<I: Io>(&mut self, io: &mut I) {
        self.maintain_later(io);
        self.drains.timer = None;
        let now = io.now();
        let until = |proxy: &Proxy, key: &ServerKey| proxy.servers.get(*key)?.drain.map(|drain| drain.until);
        for key in self.drains.servers.clone() {
            if until(self, &key).is_some_and(|until| until <= now) {
                self.cut_drain(io, key);
            }
        }
        let next = self.drains.servers.iter().filter_map(|key| until(self, key)).min();
        self.drains.timer = next.map(|at| io.set_timer(at.max(now), Alarm::Drain.token()));
    }

    /// Fails the requests that a server still owes.
    fn cut_drain<I: Io>(&mut self, io: &mut I, key: ServerKey) {
        let Some(server) = self.servers.get(key) else { return };
        let open = server.lanes().filter(|(_, conn)| conn.conn.is_some());
        for lane in open.map(|(lane, _)| lane).collect::<Vec<_>>() {
            self.close_lane(io, lane, Failure::Removed);
        }
        self.drain_further(io, key);
    }

    /// Drops a server without connections.
    fn drop_server(&mut self, key: ServerKey) {
        let Some(server) = self.servers.remove(key) else { return };
        server.conns.iter().for_each(|conn| self.held.apply(Change::gone(conn.counted)));
        let Some(pool) = self.pools.get_mut(server.pool) else { return };
        pool.leaving.retain(|leaving| *leaving != key);
        let mut others = pool.servers.iter().chain(&pool.leaving);
        if !others.any(|other| std::sync::Arc::ptr_eq(&self.servers[*other].stats, &server.stats)) {
            server.clear_gauges();
        }
    }

    fn leave(&mut self, key: PoolKey) {
        let Some(pool) = self.pools.get(key) else { return };
        if pool.clients_here > 0 || !pool.leaving.is_empty() || self.detours.has_pool(key) {
            return self.drains.pools.push(key);
        }
        pool.stats.requests_in_flight.set(0);
        pool.stats.memory_bytes.set(0);
        self.directory.pools.remove(&pool.id);
        self.pools.remove(key);
    }

    /// Number of draining servers and removed pools.
    pub(crate) fn draining(&self) -> usize {
        self.drains.servers.len() + self.drains.pools.len()
    }
}
