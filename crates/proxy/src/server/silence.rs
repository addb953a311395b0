//! Silent nodes of a cluster, and silent replicas: a frozen one accepts connections and requests, and answers
//! none.
//!
//! ```text
//! a connection's handshake is not answered in time ▸ it is given up; its requests have not left, and take a detour
//! a node that has failed                           ▸ a new connection to it gets requests once it has shown that it lives
//! no answer of a replica for SILENCE               ▸ its reads go to its master (in a pool with Sentinels)
//! no answer for SILENCE                            ▸ soundings: other nodes are asked for the front request's key, one each
//!                                                    SOUND_EVERY. Once one of them has its slot, the connection is given up
//! ```
//! A sounding is `BITFIELD key GET u1 0`: it changes nothing, and only the slot's owner executes it, as it
//! counts as a write; others name the owner with `MOVED`, who is then asked. So a promotion is seen within
//! [`SOUND_EVERY`], without a question about the topology, and no view is believed that its owner denies.

use std::time::Duration;

use net::{Instant, Io};
use wire::redis::Redirect;

use crate::detour::DEADLINE;
use crate::fail::Failure;
use crate::keys::{LaneKey, ServerKey};
use crate::proxy::Proxy;
use crate::request::{Frame, first_key};
use crate::server::Server;
use crate::server::command::command;
use crate::server::kept::{Keep, Resend};
use crate::server::pending::{Owner, Pending};

/// Time without an answer after which a node of a cluster is silent.
pub(crate) const SILENCE: Duration = Duration::from_millis(250);
/// Time between soundings for one connection.
const SOUND_EVERY: Duration = Duration::from_millis(50);

impl Server {
    /// Time after which a connection with a new request is looked at.
    #[inline]
    pub(crate) fn first_look(&self) -> Option<Duration> {
        let timeout = self.config.timeout;
        if self.resend.has_another() {
            let first = timeout.map_or(SILENCE, |timeout| timeout.min(SILENCE));
            return Some(self.hedges_after().map_or(first, |after| after.min(first)));
        }
        timeout
    }

    /// True for a node that has failed, on a connection where it has not shown since that it lives. Where
    /// requests wait already, others follow them: they must not overtake.
    #[inline]
    pub(crate) fn is_unproven(&self, lane: u16) -> bool {
        self.failing
            && self.resend.has_another()
            && !self.is_proven(lane)
            && self.conns[lane as usize].unready.is_empty()
    }

    fn is_proven(&self, lane: u16) -> bool {
        let conn = &self.conns[lane as usize];
        conn.conn.is_some() && conn.connected && conn.ready()
    }

    /// Time at which a connection with requests becomes silent. None if it owes no client a reply, or has a
    /// purpose of its own.
    fn silent_at(&self, lane: u16) -> Option<Instant> {
        let conn = &self.conns[lane as usize];
        if !self.resend.has_another() || lane >= self.probe_lane() || conn.passage.is_some() {
            return None;
        }
        let owed = conn.line.iter().find(|pending| !pending.owner.is_ours())?;
        Some(owed.at.max(conn.progress) + SILENCE)
    }

    /// Time at which a connection that is not ready is given up. Nobody waits for one to a node that has
    /// failed.
    fn hung_at(&self, lane: u16) -> Option<Instant> {
        let conn = &self.conns[lane as usize];
        let waits = self.resend.has_another() && lane < self.probe_lane();
        if !waits || conn.conn.is_none() || self.is_proven(lane) {
            return None;
        }
        let patience = if self.is_unproven(lane) { self.config.timeout.unwrap_or(DEADLINE) } else { SILENCE };
        Some(conn.progress + patience)
    }

    /// The key of the front request, if it is kept.
    fn front_key(&self, lane: u16) -> Option<Vec<u8>> {
        let conn = &self.conns[lane as usize];
        let kept = conn.line.iter().find(|pending| pending.has_whole() && !pending.owner.is_ours())?;
        first_key(conn.kept.whole(kept)?.bytes())
    }
}

impl Proxy {
    /// Opens a connection to a node that has failed, if it has none: to see whether it lives.
    pub(crate) fn try_failed<I: Io>(&mut self, io: &mut I, lane: LaneKey) {
        let Some(server) = self.servers.get(lane.server) else { return };
        let wanted = server.is_unproven(lane.number) && !server.is_open(lane.number);
        if wanted && server.may_connect(lane.number, io.now()).is_ok() {
            self.open_lane(io, lane);
        }
    }

    /// Looks whether the node of a cluster is silent on a connection. Returns the time of the next look.
    pub(crate) fn look_for_silence<I: Io>(&mut self, io: &mut I, lane: LaneKey) -> Option<Instant> {
        let (server, now) = (&self.servers[lane.server], io.now());
        if let Some(at) = server.hung_at(lane.number) {
            if at <= now {
                self.close_lane(io, lane, Failure::TimedOut);
                return None;
            }
            return Some(at);
        }
        let at = server.silent_at(lane.number)?;
        if at > now {
            return Some(at);
        }
        if server.resend == Resend::Reads {
            // Its master has the same data.
            self.close_lane(io, lane, Failure::TimedOut);
            return None;
        }
        let pool = server.pool;
        self.doubt(now, pool);
        self.sound(io, lane);
        Some(now + SOUND_EVERY)
    }

    /// Asks another node about the front request of a silent connection.
    fn sound<I: Io>(&mut self, io: &mut I, silent: LaneKey) {
        let (server, now) = (&self.servers[silent.server], io.now());
        let Some(key) = server.front_key(silent.number) else { return };
        let answers = |key: &ServerKey| {
            let server = &self.servers[*key];
            let may = server.is_proven(silent.number) || server.may_connect(silent.number, now).is_ok();
            let is_silent = server.silent_at(silent.number).is_some_and(|at| at <= now);
            *key != silent.server && may && !is_silent && !server.is_unproven(silent.number)
        };
        let Some(pool) = self.pools.get(server.pool) else { return };
        let others: Vec<ServerKey> = pool.servers.iter().copied().filter(answers).collect();
        self.soundings = self.soundings.wrapping_add(1);
        if let Some(at) = self.soundings.checked_rem(others.len()) {
            let other = others[at];
            self.sound_at(io, other, silent, &key);
        }
    }

    fn sound_at<I: Io>(&mut self, io: &mut I, other: ServerKey, silent: LaneKey, key: &[u8]) {
        let question = command(&[b"BITFIELD", key, b"GET", b"u1", b"0"]);
        let pending = Pending::new(Owner::Sounding(silent), io.now(), question.len());
        let lane = LaneKey { server: other, number: silent.number };
        // If it cannot be sent, another node is asked next.
        let _ = self.enqueue(io, lane, Frame::Slice(&question), pending, Keep::default());
    }

    /// Takes the answer to a sounding: gives the silent connection up if its node has the slot.
    pub(crate) fn sounded<I: Io>(&mut self, io: &mut I, from: ServerKey, silent: LaneKey, reply: &[u8]) {
        let now = io.now();
        let Some(server) = self.servers.get(silent.server) else { return };
        if server.silent_at(silent.number).is_none_or(|at| at > now) {
            return;
        }
        let (pool, Some(key)) = (server.pool, server.front_key(silent.number)) else { return };
        let slot = ring::key_slot(&key);
        match Redirect::of(reply) {
            Some(Redirect::Moved(of, place)) if of == slot => {
                let owner =
                    self.node_at(pool, from, place).filter(|owner| ![from, silent.server].contains(owner));
                if let Some(owner) = owner.filter(|owner| !self.servers[*owner].is_unproven(silent.number)) {
                    self.sound_at(io, owner, silent, &key);
                }
            }
            None if reply.starts_with(b"*") || reply.starts_with(b"-WRONGTYPE ") => {
                self.move_slot(pool, slot, from, now);
                self.close_lane(io, silent, Failure::Superseded);
            }
            _ => {}
        }
    }
}
