//! The beginning of a detour: requests that a node has declined or lost, and those that have no way to go.

use bytes::Bytes;
use net::Io;
use wire::redis::{Command, Limits, Redirect, RequestScanner, Route, Scan, write_split_head};

use crate::client::Client;
use crate::detours::{DETOURS_MAX, Detour, Next};
use crate::fail::Failure;
use crate::gather::{GatherId, Merge};
use crate::keys::{DetourId, LaneKey, PoolKey, ServerKey};
use crate::proxy::Proxy;
use crate::request::{Frame, first_key, merge_of};
use crate::server::kept::{Keep, Resend};
use crate::server::pending::{ANY_REPLY, Expect, Owner, Pending};
use crate::server::scan::{Found, Met};

impl Proxy {
    /// Takes a request off its connection that was answered with a redirect. False if it was not, or if its
    /// answer is the reply all the same.
    #[cold]
    pub(crate) fn is_turned_away<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        found: &Found,
        error: &[u8],
    ) -> bool {
        let server = &self.servers[lane.server];
        let conn = &server.conns[lane.number as usize];
        if server.resend != Resend::All || conn.expired > 0 || Redirect::of(error).is_none() {
            return false;
        }
        let Some(pending) = conn
            .line
            .front()
            .filter(|p| matches!(p.owner, Owner::Client(..) | Owner::Part(..) | Owner::Private(..)))
        else {
            return false;
        };
        let Some(bytes) = conn.kept.whole(pending).map(|frame| Bytes::copy_from_slice(frame.bytes())) else {
            return false;
        };
        let pool = server.pool;
        let Some(detour) = self.detour_of(pool, lane, pending, bytes) else {
            self.learn_of_move(io.now(), lane.server, error);
            return false;
        };
        if self.detours.len() >= DETOURS_MAX {
            return false;
        }
        let met = self.meet_special(lane, (found, error), io.now());
        let Met::Request(_) = met else { return true };
        if let Some(id) = self.open_detour(detour)
            && !self.follow(io, lane.server, id, error)
            && let Some((mut detour, next)) = self.close_detour(id)
        {
            // A script's own words.
            detour.error = error.to_vec();
            self.answer_detour(io, &detour);
            self.start_next(io, next);
        }
        true
    }

    /// Sends a read that a replica declines (`LOADING`, `MASTERDOWN`) to its master, in a pool with
    /// Sentinels. False if the error is the reply.
    #[cold]
    pub(crate) fn is_left_to_master<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        found: &Found,
        error: &[u8],
    ) -> bool {
        let server = &self.servers[lane.server];
        let Some(master) = server.fallback(lane.number) else { return false };
        let conn = &server.conns[lane.number as usize];
        let declines = matches!(Redirect::of(error), Some(Redirect::Loading | Redirect::MasterDown));
        let is_request = |p: &&Pending| matches!(p.owner, Owner::Client(..) | Owner::Part(..));
        let Some(pending) = conn.line.front().filter(is_request).filter(|_| declines && conn.expired == 0)
        else {
            return false;
        };
        let Some(bytes) = conn.kept.whole(pending).map(|frame| Bytes::copy_from_slice(frame.bytes())) else {
            return false;
        };
        let met = self.meet_special(lane, (found, error), io.now());
        let Met::Request(pending) = met else { return true };
        let fresh =
            Pending { expect: pending.expect, ..Pending::new(pending.owner, pending.at, bytes.len()) };
        let keep = Keep { safe: pending.safe, ..Keep::default() };
        if let Err(failure) = self.enqueue(io, master, Frame::Slice(&bytes), fresh, keep) {
            self.fail_pending(io, lane, &pending, failure);
        }
        true
    }

    /// Holds a request whose connection was lost; `bytes` are its own. False if it has to fail.
    pub(crate) fn hold_lost<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        pending: &Pending,
        bytes: Option<&[u8]>,
        failure: Failure,
    ) -> bool {
        if let Owner::Detour(id) = pending.owner {
            self.detour_lost(io, lane.server, id, failure);
            return true;
        }
        let server = &self.servers[lane.server];
        let Some(bytes) = bytes.map(Bytes::copy_from_slice) else { return false };
        let Some(detour) = self.detour_of(server.pool, lane, pending, bytes) else { return false };
        match self.open_detour(detour) {
            Some(id) => {
                self.detour_lost(io, lane.server, id, failure);
                true
            }
            None => false,
        }
    }

    /// The detour of a request under way. None if it has no slot, nobody waits for it, or it depends on a
    /// private connection.
    pub(super) fn detour_of(
        &self,
        pool: PoolKey,
        lane: LaneKey,
        pending: &Pending,
        bytes: Bytes,
    ) -> Option<Detour> {
        if lane.number >= self.servers[lane.server].first_private() {
            return None;
        }
        self.detour_on(pool, lane.number, pending, bytes)
    }

    fn detour_on(&self, pool: PoolKey, lane: u16, pending: &Pending, bytes: Bytes) -> Option<Detour> {
        let client = match pending.owner {
            Owner::Client(client, _) => client,
            // A command of a transaction must not be executed by itself.
            Owner::Part(gather, _) if self.gathers.get(gather).merge == Merge::Exec => return None,
            Owner::Part(gather, _) => self.gathers.get(gather).client,
            Owner::Private(..)
            | Owner::Handshake(_)
            | Owner::Unwanted
            | Owner::Sounding(_)
            | Owner::Subscription
            | Owner::Detour(_) => return None,
        };
        Some(Detour {
            owner: pending.owner,
            client,
            pool,
            slot: slot_of(&bytes)?,
            at: pending.at,
            expect: pending.expect,
            safe: pending.safe,
            lane,
            bytes,
            next: Next::Owner,
            due: None,
            hops: 0,
            scripts: 0,
            waits: 0,
            error: Vec::new(),
            counted: 0,
        })
    }

    /// Takes a client's request that has no settled way: its slot is unsettled or has no owner, or its server
    /// gave `failure`. False if it has no slot.
    pub(crate) fn take_detour<I: Io>(
        &mut self,
        io: &mut I,
        client: &Client,
        owner: Owner,
        (bytes, safe, expect): (&[u8], bool, Expect),
        failed: Option<(ServerKey, Failure)>,
    ) -> bool {
        let pending = Pending { expect, safe, ..Pending::new(owner, io.now(), bytes.len()) };
        let lane = u16::from(client.session.resp3);
        let bytes = Bytes::copy_from_slice(bytes);
        let Some(mut detour) = self.detour_on(client.pool, lane, &pending, bytes) else { return false };
        detour.client = client.id;
        let Some(id) = self.open_detour(detour) else { return false };
        match failed {
            Some((server, failure)) => self.detour_lost(io, server, id, failure),
            None if self.detours.is_first(id) => self.send_detour(io, id),
            None => {}
        }
        true
    }

    /// Sends each key of a request alone, since some have moved already. False if it cannot be split.
    pub(super) fn send_keys_alone<I: Io>(&mut self, io: &mut I, id: DetourId) -> bool {
        let Some(detour) = self.detours.records.get(&id) else { return false };
        let bytes = detour.bytes.clone();
        let Some((command, merge, requests)) = split(&bytes) else { return false };
        if self.detours.len() + requests.len() > DETOURS_MAX {
            return false;
        }
        let Some(place) = self.detours.place(id) else { return false };
        let Some((detour, _)) = self.close_detour(id) else { return false };
        let gather = self.open_inner_gather(&detour, merge_of(merge), requests.len());
        let parts = (0u16..).zip(requests).map(|(part, request)| Detour {
            owner: Owner::Part(gather, part),
            bytes: request.into(),
            expect: Expect { keys: 1, ..ANY_REPLY },
            safe: command.retry_safe(),
            next: Next::Owner,
            error: detour.error.clone(),
            counted: 0,
            due: None,
            ..detour
        });
        let parts: Vec<Detour> = parts.collect();
        let opened: Vec<_> = (place..).zip(parts).map(|(at, part)| self.insert_detour(part, at)).collect();
        if place == 0 {
            self.start_next(io, opened.first().copied().flatten());
        }
        true
    }

    /// Opens a gather record for the keys of a detour, whose reply goes to the detour's owner.
    fn open_inner_gather(&mut self, detour: &Detour, merge: Merge, parts: usize) -> GatherId {
        let id = self.gathers.open(detour.client, detour.pool, merge, detour.at);
        let record = self.gathers.get_mut(id);
        match detour.owner {
            Owner::Client(_, seq) => record.seq = seq,
            Owner::Part(outer, part) => record.outer = Some((outer, part)),
            Owner::Private(..)
            | Owner::Handshake(_)
            | Owner::Unwanted
            | Owner::Sounding(_)
            | Owner::Subscription
            | Owner::Detour(_) => {}
        }
        record.waiting = parts as u32;
        record.count = parts as u16;
        record.order.extend(0..parts as u16);
        if record.parts.len() < parts {
            record.parts.resize_with(parts, Vec::new);
        }
        self.gathers.recount(id);
        id
    }
}

/// The slot of a request, by its first key.
fn slot_of(bytes: &[u8]) -> Option<u16> {
    first_key(bytes).map(|key| ring::key_slot(&key))
}

/// A request for each key.
fn split(bytes: &[u8]) -> Option<(&'static Command, wire::redis::Merge, Vec<Vec<u8>>)> {
    let Scan::Done(request) = RequestScanner::new().scan(bytes, &Limits::default()) else { return None };
    let (command, Route::Split(merge, parts)) = request.route(bytes).ok()? else { return None };
    let each = parts.arguments_each();
    let mut start = parts.start();
    let requests = parts.map(|part| {
        let mut request = Vec::new();
        write_split_head(&mut request, command, 1, each);
        request.extend_from_slice(&bytes[start..part.end()]);
        start = part.end();
        request
    });
    let requests: Vec<Vec<u8>> = requests.collect();
    u16::try_from(requests.len()).is_ok().then_some((command, merge, requests))
}
