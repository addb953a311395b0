//! Ejection of failing servers, and their return after a good answer to a probe.

use std::time::Duration;

use net::{Instant, Io};

use crate::alarm::Alarm;
use crate::fail::Failure;
use crate::ids::ServerId;
use crate::keys::{LaneKey, ServerKey};
use crate::mail::Mail;
use crate::notice::Notice;
use crate::proxy::Proxy;
use crate::server::Server;
use crate::server::health::State;

/// Time a probe may take when the pool has no timeout.
const PROBE_TIME: Duration = Duration::from_secs(5);

impl Server {
    /// Counts a failure. At the limit the server is ejected, and the notice says so.
    fn has_failed_too_often(&mut self, failure: Failure) -> Option<Notice> {
        self.stats.failures.inc();
        // A draining server is in no ring.
        if !self.health.failed(self.policy()) || self.drain.is_some() {
            return None;
        }
        // Only the shard that found the failure counts it.
        self.pool_stats.server_ejects.inc();
        self.stats.ejections.inc();
        let (pool, server) = self.names();
        Some(Notice::Ejected { pool, server, reason: failure.reason() })
    }

    fn eject<I: Io>(&mut self, io: &mut I) {
        let probe_at = self.health.eject(self.policy(), io.now());
        self.stats.ejected.set(1);
        let ejected_at = u64::try_from(io.wall_time().0 / 1000).unwrap_or(0);
        self.stats.server_ejected_at.set(ejected_at);
        self.probe_at(io, Some(probe_at));
    }

    /// Returns it to the ring.
    pub(crate) fn restore<I: Io>(&mut self, io: &mut I) -> Notice {
        self.health.probe_good();
        self.failing = false;
        self.stats.ejected.set(0);
        self.probe_at(io, None);
        let (pool, server) = self.names();
        Notice::Returned { pool, server }
    }

    /// Sets its only probe timer, in place of the previous one.
    pub(crate) fn probe_at<I: Io>(&mut self, io: &mut I, at: Option<Instant>) {
        let timer = at.map(|at| io.set_timer(at, Alarm::Probe(self.key).token()));
        if let Some(old) = std::mem::replace(&mut self.probe_timer, timer) {
            io.cancel_timer(old);
        }
    }

    /// Notes that a probe was sent, and sets the timer for its deadline.
    fn begin_probe<I: Io>(&mut self, io: &mut I) {
        self.health.state = State::Probing;
        self.stats.probes.inc();
        let time = self.config.timeout.unwrap_or(PROBE_TIME).min(PROBE_TIME);
        self.probe_at(io, Some(io.now() + time));
    }

    /// Handles a failed probe.
    pub(crate) fn probe_lost<I: Io>(&mut self, io: &mut I, failure: Failure) {
        if self.health.state != State::Probing {
            return;
        }
        let again = self.health.probe_failed(self.policy(), failure, io.now());
        self.stats.probes_failed.inc();
        self.probe_at(io, Some(again));
    }
}

impl Proxy {
    pub(crate) fn count_failure<I: Io>(&mut self, io: &mut I, key: ServerKey, failure: Failure) {
        let Some(ejected) = self.servers[key].has_failed_too_often(failure) else { return };
        (self.notify)(ejected);
        let server = self.servers[key].id;
        for shard in (0..self.loads.len()).filter(|shard| *shard != self.shard) {
            (self.post)(shard, Mail::Ejected { server });
        }
        self.eject(io, key);
    }

    fn eject<I: Io>(&mut self, io: &mut I, key: ServerKey) {
        self.servers[key].eject(io);
        self.rebuild(key);
    }

    /// Builds the ring of a server's pool again.
    fn rebuild(&mut self, key: ServerKey) {
        let pool = self.servers[key].pool;
        self.pools[pool].rebuild(&self.servers);
    }

    /// Ejects a server because another shard has.
    pub(crate) fn eject_as_told<I: Io>(&mut self, io: &mut I, server: ServerId) {
        let Some(key) = self.directory.servers.get(&server).copied() else { return };
        if self.servers[key].health.state == State::Up && self.servers[key].drain.is_none() {
            self.eject(io, key);
        }
    }

    /// Returns an ejected server to the ring because the operator wants it.
    pub(crate) fn restore_as_told<I: Io>(&mut self, io: &mut I, server: ServerId) {
        let Some(key) = self.directory.servers.get(&server).copied() else { return };
        if self.servers[key].health.state == State::Up {
            return;
        }
        self.end_probe(io, key);
        let returned = self.servers[key].restore(io);
        self.rebuild(key);
        (self.notify)(returned);
    }

    /// Closes the connection of a probe whose answer no longer matters.
    pub(crate) fn end_probe<I: Io>(&mut self, io: &mut I, key: ServerKey) {
        let lane = self.servers[key].lane_key(self.servers[key].probe_lane());
        self.close_lane(io, lane, Failure::Removed);
    }

    /// Handles the probe timer of an ejected server: sends a probe, or fails one that was not answered in
    /// time.
    pub(crate) fn probe<I: Io>(&mut self, io: &mut I, key: ServerKey) {
        let Some(server) = self.servers.get_mut(key) else { return };
        let lane = server.lane_key(server.probe_lane());
        server.probe_timer = None;
        match server.health.state {
            State::Up => {}
            State::Ejected => {
                server.begin_probe(io);
                self.open_lane(io, lane);
                if !self.servers[lane.server].is_open(lane.number) {
                    self.servers[lane.server].probe_lost(io, Failure::Unnamed);
                }
            }
            State::Probing if server.conns[lane.number as usize].conn.is_some() => {
                self.close_lane(io, lane, Failure::TimedOut);
            }
            State::Probing => {}
        }
    }

    pub(crate) fn probe_answered<I: Io>(&mut self, io: &mut I, lane: LaneKey, reply: &[u8], is_error: bool) {
        // A server that is loading or busy is not ready; one that requires a password is up, and requests
        // will show its error.
        let good = !is_error || reply.starts_with(b"-NOAUTH") || reply.starts_with(b"-NOPERM");
        let server = &mut self.servers[lane.server];
        let conn = &mut server.conns[lane.number as usize];
        if let Some(id) = conn.conn {
            io.abort(id);
            conn.take();
            self.held.apply(conn.recount());
            server.stats.server_connections.dec();
            self.vacate(id);
        }
        if !good {
            return self.servers[lane.server].probe_lost(io, Failure::Garbage);
        }
        let returned = self.servers[lane.server].restore(io);
        self.rebuild(lane.server);
        (self.notify)(returned);
    }
}
