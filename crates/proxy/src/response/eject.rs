//! Failing servers leave the ring, and come back once they have answered a probe.

use std::time::Duration;

use net::{Instant, Io};

use crate::alarm::Alarm;
use crate::fail::Failure;
use crate::health::State;
use crate::keys::{LaneKey, ServerKey};
use crate::mail::Mail;
use crate::notice::Notice;
use crate::proxy::Proxy;
use crate::server::Server;

/// How long a probe may take when the pool has no timeout.
const PROBE_TIME: Duration = Duration::from_secs(5);

impl Proxy {
    pub(super) fn count_failure<I: Io>(&mut self, io: &mut I, key: ServerKey, failure: Failure) {
        let server = &mut self.servers[key];
        server.stats.failures.inc();
        let policy = server.policy();
        if !server.health.failed(policy) {
            return;
        }
        // Counted where it was found out, once for all shards.
        server.pool_stats.server_ejects.inc();
        server.stats.ejections.inc();
        let (pool, server) = self.names(key);
        (self.notify)(Notice::Ejected { pool, server, reason: failure.reason() });
        for shard in (0..self.loads.len()).filter(|shard| *shard != self.shard) {
            (self.post)(shard, Mail::Ejected { server: key });
        }
        self.eject(io, key);
    }

    fn eject<I: Io>(&mut self, io: &mut I, key: ServerKey) {
        let server = &mut self.servers[key];
        let probe_at = server.health.eject(server.policy(), io.now());
        server.stats.ejected.set(1);
        server.stats.server_ejected_at.set((io.wall_time().0 / 1000) as u64);
        server.probe_at(io, Some(probe_at));
        self.rebuild(key);
    }

    /// Builds the ring of a server's pool again.
    fn rebuild(&mut self, key: ServerKey) {
        let pool = self.servers[key].pool;
        self.pools[pool].rebuild(&self.servers);
    }

    /// Another shard has seen it fail.
    pub(crate) fn eject_as_told<I: Io>(&mut self, io: &mut I, key: ServerKey) {
        if self.servers.get(key).is_some_and(|server| server.health.state == State::Up) {
            self.eject(io, key);
        }
    }

    /// An ejected server has been out long enough: ask it something. Or its time to answer is over.
    pub(crate) fn probe<I: Io>(&mut self, io: &mut I, key: ServerKey) {
        let Some(server) = self.servers.get_mut(key) else { return };
        let lane = LaneKey { server: key, number: server.probe_lane() };
        server.probe_timer = None;
        match server.health.state {
            State::Up => {}
            State::Ejected => {
                server.health.state = State::Probing;
                let time = server.config.timeout.unwrap_or(PROBE_TIME).min(PROBE_TIME);
                server.stats.probes.inc();
                server.probe_at(io, Some(io.now() + time));
                self.open_server_conn(io, lane);
            }
            State::Probing => {
                if let Some(id) = self.server_conn(lane).conn {
                    io.abort(id);
                    self.server_lost(io, lane, Failure::TimedOut);
                }
            }
        }
    }

    pub(super) fn probe_answered<I: Io>(&mut self, io: &mut I, lane: LaneKey, reply: &[u8], is_error: bool) {
        // A server that is loading or busy is not ready; one that wants a password is at least there, and the
        // requests will show what it says.
        let good = !is_error || reply.starts_with(b"-NOAUTH") || reply.starts_with(b"-NOPERM");
        let conn = self.server_conn(lane);
        if let Some(id) = conn.conn {
            io.abort(id);
            conn.take();
            self.recount_server(lane);
            self.vacate(id);
            self.server_stats(lane).server_connections.dec();
        }
        if !good {
            return self.servers[lane.server].probe_lost(io, Failure::Garbage);
        }
        let server = &mut self.servers[lane.server];
        server.health.probe_good();
        server.failing = false;
        server.stats.ejected.set(0);
        server.probe_at(io, None);
        self.rebuild(lane.server);
        let (pool, server) = self.names(lane.server);
        (self.notify)(Notice::Returned { pool, server });
    }
}

impl Server {
    /// Sets the one timer of its probes, in place of what it was set to.
    pub(crate) fn probe_at<I: Io>(&mut self, io: &mut I, at: Option<Instant>) {
        let timer = at.map(|at| io.set_timer(at, Alarm::Probe(self.key).token()));
        if let Some(old) = std::mem::replace(&mut self.probe_timer, timer) {
            io.cancel_timer(old);
        }
    }

    /// A probe has got no good answer.
    pub(super) fn probe_lost<I: Io>(&mut self, io: &mut I, failure: Failure) {
        if self.health.state != State::Probing {
            return;
        }
        let again = self.health.probe_failed(self.policy(), failure, io.now());
        self.stats.probes_failed.inc();
        self.probe_at(io, Some(again));
    }
}
