//! Failing servers leave the ring, and come back once they have answered a probe.

use std::time::Duration;

use net::{Instant, Io};

use crate::alarm::Alarm;
use crate::fail::Failure;
use crate::health::State;
use crate::mail::Mail;
use crate::notice::Notice;
use crate::place::Place;
use crate::proxy::Proxy;

/// How long a probe may take when the pool has no timeout.
const PROBE_TIME: Duration = Duration::from_secs(5);

impl Proxy {
    pub(super) fn count_failure<I: Io>(&mut self, io: &mut I, place: Place, failure: Failure) {
        self.server_stats(place).failures.inc();
        let pool = &mut self.pools[place.pool as usize];
        let policy = pool.policy();
        if pool.servers[place.server as usize].health.failed(policy) {
            let (pool, server) = self.names(place);
            (self.notify)(Notice::Ejected { pool, server, reason: failure.reason() });
            for shard in (0..self.loads.len()).filter(|shard| *shard != self.shard) {
                (self.post)(shard, Mail::Ejected { pool: place.pool, server: place.server });
            }
            // Counted where it was found out, once for all shards.
            self.pools[place.pool as usize].stats.server_ejects.inc();
            self.server_stats(place).ejections.inc();
            self.eject(io, place.pool, place.server);
        }
    }

    fn eject<I: Io>(&mut self, io: &mut I, pool_index: u16, server: u16) {
        let now = io.now();
        let pool = &mut self.pools[pool_index as usize];
        let policy = pool.policy();
        let probe_at = pool.servers[server as usize].health.eject(policy, now);
        pool.rebuild();
        let stats = &pool.stats.servers[server as usize];
        stats.ejected.set(1);
        stats.server_ejected_at.set((io.wall_time().0 / 1000) as u64);
        self.probe_at(io, pool_index, server, Some(probe_at));
    }

    /// Sets the one timer of a server's probes, in place of what it was set to.
    fn probe_at<I: Io>(&mut self, io: &mut I, pool: u16, server: u16, at: Option<Instant>) {
        let timer = at.map(|at| io.set_timer(at, Alarm::Probe { pool, server }.token()));
        let place = &mut self.pools[pool as usize].servers[server as usize];
        if let Some(old) = std::mem::replace(&mut place.probe_timer, timer) {
            io.cancel_timer(old);
        }
    }

    /// Another shard has seen it fail.
    pub(crate) fn eject_as_told<I: Io>(&mut self, io: &mut I, pool: u16, server: u16) {
        let known = self.pools.get(pool as usize).and_then(|p| p.servers.get(server as usize));
        if known.is_some_and(|s| s.health.state == State::Up) {
            self.eject(io, pool, server);
        }
    }

    /// An ejected server has been out long enough: ask it something. Or its time to answer is over.
    pub(crate) fn probe<I: Io>(&mut self, io: &mut I, pool_index: u16, server_index: u16) {
        let pool = &mut self.pools[pool_index as usize];
        let server = &mut pool.servers[server_index as usize];
        let place = Place { pool: pool_index, server: server_index, slot: server.probe_slot() };
        server.probe_timer = None;
        match server.health.state {
            State::Up => {}
            State::Ejected => {
                server.health.state = State::Probing;
                let time = pool.config.timeout.unwrap_or(PROBE_TIME).min(PROBE_TIME);
                self.server_stats(place).probes.inc();
                self.probe_at(io, pool_index, server_index, Some(io.now() + time));
                self.open_server_conn(io, place);
            }
            State::Probing => {
                if let Some(id) = self.server_conn(place).conn {
                    io.abort(id);
                    self.server_lost(io, place, Failure::TimedOut);
                }
            }
        }
    }

    pub(super) fn probe_answered<I: Io>(&mut self, io: &mut I, place: Place, reply: &[u8], is_error: bool) {
        // A server that is loading or busy is not ready; one that wants a password is at least there, and the
        // requests will show what it says.
        let good = !is_error || reply.starts_with(b"-NOAUTH") || reply.starts_with(b"-NOPERM");
        let conn = self.server_conn(place);
        if let Some(id) = conn.conn {
            io.abort(id);
            conn.take();
            self.recount_server(place);
            self.vacate(id);
            self.server_stats(place).server_connections.dec();
        }
        if !good {
            return self.probe_lost(io, place, Failure::Garbage);
        }
        let pool = &mut self.pools[place.pool as usize];
        let server = &mut pool.servers[place.server as usize];
        server.health.probe_good();
        server.failing = false;
        pool.rebuild();
        self.server_stats(place).ejected.set(0);
        self.probe_at(io, place.pool, place.server, None);
        let (pool, server) = self.names(place);
        (self.notify)(Notice::Returned { pool, server });
    }

    pub(super) fn probe_lost<I: Io>(&mut self, io: &mut I, place: Place, failure: Failure) {
        let pool = &mut self.pools[place.pool as usize];
        let policy = pool.policy();
        let server = &mut pool.servers[place.server as usize];
        if server.health.state != State::Probing {
            return;
        }
        let again = server.health.probe_failed(policy, failure, io.now());
        self.server_stats(place).probes_failed.inc();
        self.probe_at(io, place.pool, place.server, Some(again));
    }
}
