//! Hedged reads: a read that a replica has not answered in time is sent to another node as well, and the
//! first answer counts.
//!
//! ```text
//! deadline ▸ hedge_due ▸ hedge ─copy─▶ another replica, or the master
//!                        the first answer ▸ settle_front       a failure ▸ leave_to_twin
//! ```
//! Both are ordinary requests on their connections, marked as a pair, with the same owner. The first reply
//! that is no error goes to it; the other becomes one that nobody wants, in the same turn, and keeps its
//! place in its line. An error, a redirect or a loss leaves the outcome to the other one. Only reads are
//! hedged, and the master gets the copy only if the client has sent nothing since: it would see its own
//! later writes. While such a read holds up a connection, further ones go to other nodes, so that one stall
//! costs one hedge.

use std::time::Duration;

use config::checked::ReadFrom;
use net::{Instant, Io};
use wire::redis::{Limits, RequestScanner, Scan};

use crate::gather::Merge;
use crate::hedge_budget::Hedging;
use crate::hedges::Pair;
use crate::keys::{LaneKey, PoolKey, ServerKey};
use crate::placement::Group;
use crate::proxy::Proxy;
use crate::request::{Frame, first_key};
use crate::server::Server;
use crate::server::connection::ServerConn;
use crate::server::kept::Keep;
use crate::server::pending::{Hedge, Owner, Pending};

/// Most requests looked at for one connection at a time.
const LOOKED_AT_MAX: usize = 64;

impl Server {
    /// Time without an answer after which reads on it are hedged; None if they are not.
    #[inline]
    pub(crate) fn hedges_after(&self) -> Option<Duration> {
        let is_read = || self.standing.is_fit || self.config.discovery.read_from == ReadFrom::Nearest;
        self.hedge_wait.filter(|_| is_read())
    }
}

impl Server {
    /// True while a read that was to be hedged holds up a connection: later ones would wait behind it.
    pub(crate) fn is_held_up(&self) -> bool {
        let is_late =
            |conn: &ServerConn| conn.line.get(conn.expired).is_some_and(|front| front.hedge != Hedge::No);
        self.hedge_wait.is_some() && self.conns[..self.probe_lane() as usize].iter().any(is_late)
    }
}

impl Proxy {
    /// Counts a read of a pool that may be hedged.
    pub(crate) fn earn_hedge(&mut self, pool: PoolKey) {
        if let Some(hedging) = &mut self.pools[pool].hedging {
            hedging.earn();
        }
    }

    /// Notes the time of an answer to a read, where the percentile counts.
    pub(crate) fn note_hedged_time(&mut self, server: ServerKey, us: u64) {
        let pool = self.servers[server].pool;
        let Some(hedging) = self.pools.get_mut(pool).and_then(|pool| pool.hedging.as_mut()) else { return };
        hedging.note(us);
        self.servers[server].hedge_wait = Some(hedging.wait());
    }

    /// Hedges the reads of a connection whose time has come. Returns the time of the next.
    pub(crate) fn hedge_due<I: Io>(&mut self, io: &mut I, lane: LaneKey) -> Option<Instant> {
        let server = &self.servers[lane.server];
        let (wait, now) = (server.hedges_after()?, io.now());
        let conn = &server.conns[lane.number as usize];
        if lane.number >= server.probe_lane() || conn.passage.is_some() {
            return None;
        }
        let (mut due, mut next) = (Vec::new(), None);
        for (at, pending) in conn.line.iter().enumerate().skip(conn.expired) {
            if pending.hedge != Hedge::No || pending.owner.is_ours() {
                continue;
            }
            if pending.at + wait > now || due.len() == LOOKED_AT_MAX {
                next = Some((pending.at + wait).max(now));
                break;
            }
            due.push(at);
        }
        for at in due {
            self.hedge(io, lane, at);
        }
        next
    }

    /// Sends a copy of a request to another node, if it is a read and there is one.
    fn hedge<I: Io>(&mut self, io: &mut I, lane: LaneKey, at: usize) {
        let server = &mut self.servers[lane.server];
        let (pool, conn) = (server.pool, &mut server.conns[lane.number as usize]);
        let Some(pending) = conn.line.get_mut(at) else { return };
        pending.hedge = Hedge::Over;
        let pending = *pending;
        let Some(bytes) = conn.kept.whole_behind(conn.line.iter().take(at), &pending) else { return };
        let bytes = bytes.to_vec();
        let Some(copy) = self.node_for_copy(io, (pool, lane), &pending, &bytes) else { return };
        if !self.pools[pool].hedging.as_mut().is_some_and(Hedging::spend) {
            return;
        }
        let twin = Pending {
            hedge: Hedge::Paired,
            expect: pending.expect,
            counted: pending.counted,
            ..Pending::new(pending.owner, pending.at, bytes.len())
        };
        let keep = Keep { safe: true, ..Keep::default() };
        if self.enqueue(io, copy, Frame::Slice(&bytes), twin, keep).is_err() {
            return;
        }
        if let Some(first) = self.servers[lane.server].conns[lane.number as usize].line.get_mut(at) {
            first.hedge = Hedge::Paired;
        }
        self.hedges.push(Pair { owner: pending.owner, first: lane, copy });
        self.pools[pool].stats.hedged_reads.inc();
    }

    /// The connection for the copy of a request; None if it is no read, or no other node can take it now.
    fn node_for_copy<I: Io>(
        &mut self,
        io: &I,
        (pool, lane): (PoolKey, LaneKey),
        pending: &Pending,
        bytes: &[u8],
    ) -> Option<LaneKey> {
        if !may_be_copied(bytes) {
            return None;
        }
        let group = self.pools[pool].placement.group_of(&first_key(bytes)?)?;
        let is_newest = self.is_newest(pending.owner)?;
        let server = self.other_reader(io, pool, group, lane, is_newest)?;
        Some(LaneKey { server, number: lane.number })
    }

    /// True if a client has sent nothing after this request. None if it has no client, or is part of a
    /// transaction.
    fn is_newest(&mut self, owner: Owner) -> Option<bool> {
        let (client, seq) = match owner {
            Owner::Client(client, seq) => (client, seq),
            Owner::Part(gather, _) => {
                let record = self.gathers.get(gather);
                if record.merge == Merge::Exec || record.outer.is_some() {
                    return None;
                }
                (record.client, record.seq)
            }
            _ => return None,
        };
        self.client_mut(client).map(|client| client.next_seq() == seq.wrapping_add(1))
    }

    /// Another node that a group may be read from now.
    fn other_reader<I: Io>(
        &self,
        io: &I,
        pool: PoolKey,
        group: Group,
        lane: LaneKey,
        with_master: bool,
    ) -> Option<ServerKey> {
        let owner = self.pools[pool].placement.server_of(group)?;
        let (now, number) = (io.now(), lane.number);
        let can = |key: &ServerKey| {
            let server = &self.servers[*key];
            let may = server.is_open(number) || server.may_connect(number, now).is_ok();
            *key != lane.server && may && !server.is_unproven(number) && server.is_in_ring()
        };
        let fit = self.fit_replicas(pool, group, owner).filter(can);
        let nearest = fit.min_by_key(|key| self.servers[*key].standing.distance);
        nearest.or(Some(owner).filter(|owner| with_master && can(owner)))
    }

    /// Settles the pair of a connection's oldest request, whose reply has come or begun.
    #[inline]
    pub(crate) fn settle_front(&mut self, lane: LaneKey, is_error: bool) {
        let conn = &self.servers[lane.server].conns[lane.number as usize];
        if conn.expired == 0 && conn.line.front().is_some_and(|front| front.hedge == Hedge::Paired) {
            self.settle_pair(lane, is_error);
        }
    }

    #[cold]
    fn settle_pair(&mut self, lane: LaneKey, is_error: bool) {
        let conn = self.server_conn(lane);
        let Some(front) = conn.line.front_mut() else { return };
        let owner = front.owner;
        front.hedge = Hedge::Over;
        let Some((pair, other)) = self.take_pair(owner, lane) else { return };
        let twin = twin_on(&mut self.servers[other.server], other.number, owner);
        let Some(twin) = twin else { return };
        twin.hedge = Hedge::Over;
        if is_error {
            // The other one has the last word.
            if let Some(front) = self.server_conn(lane).line.front_mut() {
                front.owner = Owner::Unwanted;
            }
            return;
        }
        twin.owner = Owner::Unwanted;
        if pair.copy == lane {
            self.servers[lane.server].pool_stats.hedges_won.inc();
        }
    }

    /// Leaves the reply to the other one of a pair, when a request has failed. False if there is none.
    pub(crate) fn leave_to_twin(&mut self, lane: LaneKey, pending: &Pending) -> bool {
        if pending.hedge != Hedge::Paired {
            return false;
        }
        let Some((_, other)) = self.take_pair(pending.owner, lane) else { return false };
        let Some(server) = self.servers.get_mut(other.server) else { return false };
        match twin_on(server, other.number, pending.owner) {
            Some(twin) => {
                twin.hedge = Hedge::Over;
                true
            }
            None => false,
        }
    }

    /// Takes the pair of an owner out, with the connection of its other half.
    fn take_pair(&mut self, owner: Owner, lane: LaneKey) -> Option<(Pair, LaneKey)> {
        let is_it = |pair: &Pair| pair.owner == owner && [pair.first, pair.copy].contains(&lane);
        let at = self.hedges.iter().position(is_it)?;
        let pair = self.hedges.swap_remove(at);
        let other = if pair.first == lane { pair.copy } else { pair.first };
        Some((pair, other))
    }
}

/// The request of an owner on a connection that is one of a pair and has no reply yet.
fn twin_on(server: &mut Server, lane: u16, owner: Owner) -> Option<&mut Pending> {
    let conn = &mut server.conns[lane as usize];
    let is_it = |pending: &&mut Pending| pending.hedge == Hedge::Paired && pending.owner == owner;
    conn.line.iter_mut().skip(conn.expired).find(is_it)
}

/// True for a command that only reads, and whose answer of another node is as good.
fn may_be_copied(bytes: &[u8]) -> bool {
    let Scan::Done(request) = RequestScanner::new().scan(bytes, &Limits::default()) else { return false };
    request.route(bytes).is_ok_and(|(command, _)| command.may_read_replica() && command.is_read())
}

#[cfg(test)]
mod tests;
