//! The way of a detour: where it is sent, and what follows from the answer.

use std::time::Duration;

use net::{Instant, Io};
use wire::redis::{Redirect, RedirectTarget};

use crate::client::Reply;
use crate::detours::{Detour, Next};
use crate::fail::Failure;
use crate::keys::{DetourId, LaneKey, PoolKey, ServerKey};
use crate::proxy::Proxy;
use crate::request::Frame;
use crate::server::kept::Keep;
use crate::server::pending::{Owner, Pending};
use crate::server::scan::Found;

/// Redirects that are followed at once; further ones wait, since two nodes may point at each other.
const HOPS_AT_ONCE: u32 = 3;
/// Times that a detour is sent again since its node did not know its script.
const SCRIPTS_MAX: u32 = 3;
/// Wait before the first of those that wait; it doubles up to [`WAIT`].
const HOP_WAIT: Duration = Duration::from_millis(2);
/// Wait for a cluster that is down, an owner that cannot be reached, or keys that are moving.
const WAIT: Duration = Duration::from_millis(25);
/// Detours that wait at a time above which each of them waits longer.
const CROWD: u32 = 256;

const ASKING: &[u8] = b"*1\r\n$6\r\nASKING\r\n";

impl Proxy {
    /// Sends the first of a line to its next destination.
    pub(super) fn send_detour<I: Io>(&mut self, io: &mut I, id: DetourId) {
        let Some(detour) = self.detours.records.get(&id) else { return };
        let (next, number) = (detour.next, detour.lane);
        if let Next::Other(server) = next {
            self.try_failed(io, LaneKey { server, number });
        }
        let Some(detour) = self.detours.records.get(&id) else { return };
        let Some(server) = self.destination(detour, io.now()) else {
            self.doubt(io.now(), detour.pool);
            return self.delay_detour(io, id, self.wait());
        };
        let lane = LaneKey { server, number };
        if self.servers[server].is_unproven(number) {
            self.doubt(io.now(), detour.pool);
            self.set_next(id, Next::Other(server));
            return self.delay_detour(io, id, self.wait());
        }
        if !matches!(next, Next::Other(_)) {
            self.turn_lane(io, lane, false);
        }
        let Some(detour) = self.detours.records.get(&id) else { return };
        let bytes = detour.bytes.clone();
        let pending =
            Pending { expect: detour.expect, ..Pending::new(Owner::Detour(id), detour.at, bytes.len()) };
        let (pool, keep) = (detour.pool, Keep { safe: detour.safe, ..Keep::default() });
        let asking = matches!(next, Next::Asking(_));
        let piece = self.is_piece(detour);
        let mut sent = Ok(());
        if piece.is_none() {
            self.bring_scripts(io, lane, std::iter::once(&bytes[..]));
        }
        if asking {
            let pending = Pending::new(Owner::Unwanted, pending.at, ASKING.len());
            sent = self.enqueue(io, lane, Frame::Slice(ASKING), pending, Keep::default());
        }
        let sent = sent.and_then(|()| match piece {
            Some(gather) => self.send_piece(io, lane, gather),
            None => self.enqueue(io, lane, Frame::Shared(&bytes), pending, keep),
        });
        let Some(detour) = self.detours.records.get_mut(&id) else { return };
        match sent {
            Ok(()) => {}
            Err(failure) => {
                if detour.error.is_empty() {
                    detour.error = failure.reply(config::checked::Protocol::Redis);
                }
                detour.next = Next::Other(server);
                self.doubt(io.now(), pool);
                self.delay_detour(io, id, self.wait());
            }
        }
    }

    /// The server that a detour goes to; None if there is none at present.
    fn destination(&self, detour: &Detour, now: Instant) -> Option<ServerKey> {
        let pool = self.pools.get(detour.pool)?;
        let owner = pool.placement.slots()?.owner(detour.slot);
        let may_be_sent = |server: ServerKey| {
            let server = &self.servers[server];
            let may = server.is_open(detour.lane) || server.may_connect(detour.lane, now).is_ok();
            may && !server.is_unproven(detour.lane)
        };
        match detour.next {
            Next::Asking(server) if pool.servers.contains(&server) => Some(server),
            // Every other time: it may be back.
            Next::Other(not)
                if owner
                    .is_none_or(|owner| (owner == not && detour.waits % 2 == 1) || !may_be_sent(owner)) =>
            {
                // A replica would answer a read with what it has, however old.
                let replicas = pool.placement.slots()?.replicas(detour.slot);
                let is_unfit = |server: &ServerKey| {
                    let is_read = pool.reads_replicas && detour.safe;
                    is_read && replicas.contains(server) && !self.servers[*server].standing.is_fit
                };
                let may = |server: &ServerKey| *server != not && may_be_sent(*server) && !is_unfit(server);
                let others: Vec<ServerKey> = pool.servers.iter().copied().filter(may).collect();
                let at = (detour.waits as usize / 2).checked_rem(others.len())?;
                Some(others[at])
            }
            _ => owner,
        }
    }

    /// Wait before the next attempt: longer if many wait.
    pub(super) fn wait(&self) -> Duration {
        WAIT * (1 + self.detours.due.len() as u32 / CROWD)
    }

    /// Takes the answer to a detour.
    pub(crate) fn detour_answered<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        id: DetourId,
        reply: Reply<'_>,
        found: &Found,
    ) {
        if found.is_error
            && (self.follow(io, lane.server, id, reply.bytes())
                || self.follow_with_script(io, id, reply.bytes()))
        {
            return;
        }
        if self.detour_misses(io, lane, id, reply.bytes()) {
            return;
        }
        let Some((detour, next)) = self.close_detour(id) else { return };
        let pending =
            Pending { expect: detour.expect, ..Pending::new(detour.owner, detour.at, detour.bytes.len()) };
        let fits = match detour.owner {
            Owner::Part(gather, _) => {
                found.is_error || self.gathers.fits(gather, detour.expect.keys, reply.bytes())
            }
            _ => true,
        };
        if fits {
            self.pair(io, lane, &pending, reply, found);
        } else {
            self.fail_pending(io, lane, &pending, Failure::Garbage);
        }
        self.start_next(io, next);
    }

    /// Sends a detour again whose node does not know its script, together with that. Nothing overtakes it:
    /// what its client has sent since for the same slot waits behind it. False if the error is the reply.
    fn follow_with_script<I: Io>(&mut self, io: &mut I, id: DetourId, error: &[u8]) -> bool {
        if !error.starts_with(b"-NOSCRIPT") {
            return false;
        }
        let Some(detour) = self.detours.records.get(&id) else { return true };
        if detour.scripts >= SCRIPTS_MAX || self.script_of(detour.pool, &detour.bytes).is_none() {
            return false;
        }
        let Some(detour) = self.detours.records.get_mut(&id) else { return true };
        detour.scripts += 1;
        if self.detours.is_first(id) {
            self.send_detour(io, id);
        }
        true
    }

    /// Fails a detour whose request failed at a server and is not to be sent again.
    pub(crate) fn detour_failed<I: Io>(&mut self, io: &mut I, lane: LaneKey, id: DetourId, failure: Failure) {
        let Some((detour, next)) = self.close_detour(id) else { return };
        let pending = Pending::new(detour.owner, detour.at, detour.bytes.len());
        self.fail_pending(io, lane, &pending, failure);
        self.start_next(io, next);
    }

    /// Ends a detour whose answer has begun: it is streamed. Returns the request's owner.
    pub(crate) fn detour_begun<I: Io>(&mut self, io: &mut I, id: DetourId) -> Option<Owner> {
        let (detour, next) = self.close_detour(id)?;
        self.start_next(io, next);
        Some(detour.owner)
    }

    /// Lets a detour wait whose connection was lost before it can have been executed, or that is safe.
    pub(crate) fn detour_lost<I: Io>(
        &mut self,
        io: &mut I,
        server: ServerKey,
        id: DetourId,
        failure: Failure,
    ) {
        let Some(detour) = self.detours.records.get_mut(&id) else { return };
        detour.error = failure.reply(config::checked::Protocol::Redis);
        let (pool, number) = (detour.pool, detour.lane);
        self.recount_detour(id);
        if self.is_no_owner(server, id) {
            // A read that a replica has lost, or whose owner has changed.
            self.set_next(id, Next::Owner);
            self.try_failed(io, LaneKey { server, number });
            if self.detours.is_first(id) {
                self.send_detour(io, id);
            }
            return;
        }
        self.set_next(id, Next::Other(server));
        self.doubt(io.now(), pool);
        self.delay_detour(io, id, self.wait());
    }

    /// Does what the error of a node says. False if it is another error, which is the reply.
    pub(super) fn follow<I: Io>(&mut self, io: &mut I, from: ServerKey, id: DetourId, error: &[u8]) -> bool {
        let Some(redirect) = Redirect::of(error) else { return false };
        let now = io.now();
        let Some(detour) = self.detours.records.get_mut(&id) else { return true };
        detour.hops += 1;
        detour.error.clear();
        detour.error.extend_from_slice(error);
        let (pool, slot, hops) = (detour.pool, detour.slot, detour.hops);
        self.recount_detour(id);
        match redirect {
            // A script may say anything of other slots.
            Redirect::Moved(of, _) | Redirect::Ask(of, _) if of != slot => return false,
            Redirect::Moved(_, target) => {
                self.doubt(now, pool);
                let node = self.node_at(pool, from, target);
                if let Some(server) = node
                    && server != from
                {
                    self.move_slot(pool, slot, server, now);
                    self.set_next(id, Next::Owner);
                    self.hop(io, id, hops);
                } else {
                    // A node that is new here, or one that contradicts itself.
                    self.set_next(id, Next::Other(from));
                    self.delay_detour(io, id, self.wait());
                }
            }
            Redirect::Ask(_, target) => match self.node_at(pool, from, target) {
                Some(server) => {
                    self.unsettle(pool, slot, now);
                    // It holds for this moment only: later, the node may import the slot for the second time,
                    // and not have the key yet.
                    let at_once = hops <= HOPS_AT_ONCE && self.detours.is_first(id);
                    self.set_next(id, if at_once { Next::Asking(server) } else { Next::Owner });
                    self.hop(io, id, hops);
                }
                None => {
                    self.doubt(now, pool);
                    self.set_next(id, Next::Owner);
                    self.delay_detour(io, id, self.wait());
                }
            },
            Redirect::TryAgain => {
                self.unsettle(pool, slot, now);
                if !self.send_keys_alone(io, id) {
                    self.set_next(id, Next::Owner);
                    self.delay_detour(io, id, WAIT);
                }
            }
            Redirect::ClusterDown | Redirect::Loading | Redirect::MasterDown
                if self.is_no_owner(from, id) =>
            {
                self.set_next(id, Next::Owner);
                self.hop(io, id, hops);
            }
            // The others may know of another owner already: one that is cut off from them says this for as
            // long as it is.
            Redirect::ClusterDown | Redirect::Loading | Redirect::MasterDown => {
                self.doubt(now, pool);
                self.set_next(id, Next::Other(from));
                self.delay_detour(io, id, self.wait());
            }
        }
        true
    }

    /// Follows a redirect: at once, or after a short wait if there were several.
    fn hop<I: Io>(&mut self, io: &mut I, id: DetourId, hops: u32) {
        if let Some(pool) = self.detours.records.get(&id).and_then(|detour| self.pools.get(detour.pool)) {
            pool.stats.redirects.inc();
        }
        if !self.detours.is_first(id) {
            return;
        }
        match hops.checked_sub(HOPS_AT_ONCE) {
            None | Some(0) => self.send_detour(io, id),
            Some(more) => self.delay_detour(io, id, (HOP_WAIT * 2u32.pow(more.min(6) - 1)).min(WAIT)),
        }
    }

    /// True if the slot of a detour has an owner, which is another server.
    fn is_no_owner(&self, server: ServerKey, id: DetourId) -> bool {
        let Some(detour) = self.detours.records.get(&id) else { return false };
        let slots = self.pools.get(detour.pool).and_then(|pool| pool.placement.slots());
        slots.and_then(|slots| slots.owner(detour.slot)).is_some_and(|owner| owner != server)
    }

    pub(super) fn set_next(&mut self, id: DetourId, next: Next) {
        if let Some(detour) = self.detours.records.get_mut(&id) {
            detour.next = next;
        }
    }

    /// The server of a pool at the address that a redirect from `from` names.
    pub(crate) fn node_at(
        &self,
        pool: PoolKey,
        from: ServerKey,
        target: RedirectTarget<'_>,
    ) -> Option<ServerKey> {
        let asked = self.servers.get(from).and_then(|server| server.address.as_ref());
        let host = match (target.host, asked) {
            (b"", Some(net::Address::Tcp { host, .. })) => host.as_bytes(),
            (host, _) => host,
        };
        let is_it = |server: &&ServerKey| match &self.servers[**server].address {
            Some(net::Address::Tcp { host: own, port }) => own.as_bytes() == host && *port == target.port,
            _ => false,
        };
        self.pools.get(pool)?.servers.iter().find(is_it).copied()
    }

    pub(crate) fn move_slot(&mut self, pool: PoolKey, slot: u16, server: ServerKey, now: Instant) {
        if let Some(slots) = self.pools.get_mut(pool).and_then(|pool| pool.placement.slots_mut()) {
            slots.set_owner(slot, server, now);
        }
    }

    fn unsettle(&mut self, pool: PoolKey, slot: u16, now: Instant) {
        if let Some(slots) = self.pools.get_mut(pool).and_then(|pool| pool.placement.slots_mut()) {
            slots.unsettle(slot, now);
        }
    }
}
