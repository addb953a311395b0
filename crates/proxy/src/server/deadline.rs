//! Request timeouts.
//!
//! A request that times out gets an error; its reply, if it comes, is discarded, so that the others on the
//! connection are not harmed. A connection that received nothing for twice the timeout is stuck and is
//! replaced.

use std::time::Duration;

use net::{Instant, Io};

use crate::fail::Failure;
use crate::keys::LaneKey;
use crate::proxy::Proxy;
use crate::server::Server;
use crate::server::connection::ServerConn;
use crate::server::pending::{Hedge, Owner, Pending};

impl Proxy {
    /// Handles a connection's timer: its oldest request may have timed out, or a client may have held it up
    /// for too long.
    pub(crate) fn deadline<I: Io>(&mut self, io: &mut I, lane: LaneKey) {
        let Some(server) = self.servers.get_mut(lane.server) else { return };
        server.conns[lane.number as usize].timer = None;
        let patience = self.end_of_patience(io, lane);
        let now = io.now();
        let silence = self.look_for_silence(io, lane);
        let hedge = self.hedge_due(io, lane);
        let patience = [patience, silence, hedge].into_iter().flatten().min();
        let Some(timeout) = self.servers[lane.server].timeout_on(lane.number) else {
            return self.look_again(io, lane, patience);
        };
        let (mut any, mut oldest) = (false, now);
        while let Some(pending) = self.servers[lane.server].expire(lane.number, timeout, now) {
            any = true;
            oldest = oldest.min(pending.at);
            self.fail_pending(io, lane, &pending, Failure::TimedOut);
        }
        let server = &self.servers[lane.server];
        if any && !server.conns[lane.number as usize].was_held_up() {
            server.stats.server_timedout.inc();
            self.server_failed(io, lane.server, Failure::TimedOut, true);
        }
        let server = &self.servers[lane.server];
        let (may_be_frozen, conn) = (server.resend.has_another(), &server.conns[lane.number as usize]);
        if conn.conn.is_none() {
            return;
        }
        if may_be_frozen && any && conn.progress <= oldest && !conn.was_held_up() {
            // What it still does is for nobody: another node may have taken its place.
            return self.close_lane(io, lane, Failure::TimedOut);
        }
        let stuck_at = conn.stuck_at(timeout);
        if stuck_at.is_some_and(|at| at <= now) {
            return self.close_lane(io, lane, Failure::TimedOut);
        }
        let next = conn.oldest().map(|at| at + timeout);
        let at = [next, stuck_at, patience].into_iter().flatten().min();
        self.look_again(io, lane, at.map(|at| at.max(now)));
    }

    fn look_again<I: Io>(&mut self, io: &mut I, lane: LaneKey, at: Option<Instant>) {
        if let Some(at) = at {
            self.server_conn(lane).alarm_at(io, lane, at);
        }
    }
}

impl Server {
    /// Marks a waiting request as expired, if there is one, and returns it to be answered with an error.
    fn expire(&mut self, lane: u16, timeout: Duration, now: Instant) -> Option<Pending> {
        let conn = &mut self.conns[lane as usize];
        let pending = conn.expire_front(timeout, now).or_else(|| conn.expire_behind(timeout, now))?;
        self.stats.request_timeouts.inc();
        self.pool_stats.timeouts.inc();
        Some(pending)
    }
}

impl ServerConn {
    /// Marks the oldest waiting request as expired, if it is.
    fn expire_front(&mut self, timeout: Duration, now: Instant) -> Option<Pending> {
        loop {
            let at = self.expired;
            let pending = self.line.get(at).copied()?;
            // A handshake has no deadline of its own, and must not hide that of a resent request.
            let handshake = matches!(pending.owner, Owner::Handshake(_) | Owner::Unwanted);
            if !handshake && pending.at + timeout > now {
                return None;
            }
            self.expired += 1;
            // A streamed reply is late only if it makes no progress.
            if pending.owner.is_awaited() && !(at == 0 && self.passage.is_some()) {
                return Some(pending);
            }
        }
    }

    /// Takes its owner off a request that has expired behind younger ones: it was sent again. Its reply will
    /// be discarded in its place.
    fn expire_behind(&mut self, timeout: Duration, now: Instant) -> Option<Pending> {
        let mut behind = self.line.iter_mut().skip(self.expired);
        let late = behind.find(|pending| !pending.owner.is_ours() && pending.at + timeout <= now)?;
        let pending = *late;
        (late.owner, late.hedge) = (Owner::Unwanted, Hedge::Over);
        Some(pending)
    }

    /// Time at which the oldest waiting request was accepted.
    fn oldest(&self) -> Option<Instant> {
        let waiting = || self.line.iter().skip(self.expired);
        let first = waiting().next().map(|pending| pending.at);
        waiting().filter(|pending| !pending.owner.is_ours()).map(|pending| pending.at).chain(first).min()
    }

    /// True if it was not read for a while because of a client: late replies are then not the server's fault.
    fn was_held_up(&self) -> bool {
        self.passage.as_ref().is_some_and(|passage| passage.was_held_up())
    }

    /// Time at which it counts as stuck if nothing arrives before.
    fn stuck_at(&self, timeout: Duration) -> Option<Instant> {
        let held_up = self.passage.as_ref().is_some_and(|passage| passage.is_held_up());
        let front = self.line.front().filter(|_| self.expired > 0 && !held_up)?;
        Some(front.at.max(self.progress) + timeout * 2)
    }
}
