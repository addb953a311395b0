//! Transactions of a cluster pool: sent as one piece, and as one piece again after a redirect.
//!
//! ```text
//! EXEC ▸ MULTI … EXEC to the owner ▸ a request is not queued, or EXEC is declined: MOVED, ASK, TRYAGAIN, … ▸ nothing has run
//!                  └───────────────◀ the piece takes a detour, as a request does ◀┘
//! ```
//! Redis executes all of a transaction or nothing of it: an error before or in place of EXEC's array says
//! that nothing has run. So the whole piece may be sent again; its requests never are by themselves. A
//! transaction whose keys are watched has a connection of its own and gets the node's error.

use bytes::Bytes;
use net::Io;
use wire::redis::Redirect;

use crate::client::Client;
use crate::detours::{Detour, Next};
use crate::fail::Failure;
use crate::gather::{GatherId, Merge};
use crate::keys::{DetourId, LaneKey, ServerKey};
use crate::proxy::Proxy;
use crate::response::{aborted_by, reason_of};
use crate::server::pending::{ANY_REPLY, Owner, Pending};

impl Proxy {
    /// Sends a client's transaction, or lets it wait if its slot is unsettled or has no owner now.
    pub(crate) fn send_first<I: Io>(&mut self, io: &mut I, client: &mut Client, gather: GatherId) {
        let Some(piece) = self.gathers.get(gather).piece.as_ref() else { return };
        let slots = self.pools[client.pool].placement.slots();
        let is_settled = slots.is_some_and(|slots| slots.settled_owner(piece.slot).is_some());
        let mut failed = None;
        if let Some(lane) = piece.lane().filter(|_| is_settled) {
            let Err(failure) = self.send_piece(io, lane, gather) else { return };
            failed = Some((lane.server, failure));
        }
        let Some(id) = self.open_piece_detour(gather) else {
            let error = Failure::Overloaded.reply(config::checked::Protocol::Redis);
            return self.give_up_piece(io, Some(client), gather, &error);
        };
        match failed {
            Some((server, failure)) => self.detour_lost(io, server, id, failure),
            None if self.detours.is_first(id) => self.send_detour(io, id),
            None => {}
        }
    }

    /// Sends a transaction on a connection. An error says that nothing of it was sent.
    pub(super) fn send_piece<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        gather: GatherId,
    ) -> Result<(), Failure> {
        let record = self.gathers.get_mut(gather);
        let Some(piece) = &mut record.piece else { return Err(Failure::Unserved) };
        (piece.number, piece.server, piece.is_unsent) = (lane.number, Some(lane.server), false);
        let (bytes, requests): (_, Vec<Bytes>) = (piece.bytes.clone(), piece.requests().collect());
        let at = record.at;
        record.waiting = requests.len() as u32;
        record.error = None;
        record.parts.iter_mut().for_each(Vec::clear);
        self.gathers.recount(gather);
        self.make_ready(io, lane)?;
        self.bring_scripts(io, lane, requests.iter().map(|request| &request[..]));
        let requests = Pending::of_transaction(gather, requests.iter().map(Bytes::len), at);
        self.enqueue_together(io, lane, &bytes, requests)
    }

    /// Opens the detour of a transaction, at the end of its client's line. None if there are too many.
    fn open_piece_detour(&mut self, gather: GatherId) -> Option<DetourId> {
        let record = self.gathers.get(gather);
        let piece = record.piece.as_ref()?;
        let detour = Detour {
            owner: Owner::Part(gather, 0),
            client: record.client,
            pool: record.pool,
            slot: piece.slot,
            at: record.at,
            expect: ANY_REPLY,
            safe: false,
            lane: piece.number,
            // Counted with the record of the transaction.
            bytes: Bytes::new(),
            next: Next::Owner,
            due: None,
            hops: 0,
            scripts: 0,
            waits: 0,
            error: Vec::new(),
            counted: 0,
        };
        let id = self.open_detour(detour)?;
        if let Some(piece) = &mut self.gathers.get_mut(gather).piece {
            piece.detour = Some(id);
        }
        Some(id)
    }

    /// True for the detour of a transaction.
    pub(super) fn is_piece(&self, detour: &Detour) -> Option<GatherId> {
        match detour.owner {
            Owner::Part(gather, _) if self.gathers.get(gather).merge == Merge::Exec => Some(gather),
            _ => None,
        }
    }

    /// Sends a transaction again if its error says that nothing has run, and where to go. False if its
    /// outcome is final.
    pub(crate) fn sends_piece_again<I: Io>(&mut self, io: &mut I, gather: GatherId) -> bool {
        let record = self.gathers.get_mut(gather);
        let Some(piece) = &mut record.piece else { return false };
        let (is_unsent, known) = (piece.is_unsent, piece.detour);
        let Some(from) = piece.server else { return false };
        let reason = record.error.as_deref().map(reason_of);
        let redirect = reason.filter(|reason| Redirect::of(reason).is_some());
        if (redirect.is_none() && !is_unsent) || self.stop.is_some() {
            self.end_piece_detour(io, gather);
            return false;
        }
        let Some(id) = known.or_else(|| self.open_piece_detour(gather)) else { return false };
        let is_followed = match redirect {
            Some(error) => self.follow(io, from, id, &error),
            None => {
                self.detour_lost(io, from, id, Failure::TimedOut);
                true
            }
        };
        if !is_followed {
            self.end_piece_detour(io, gather);
        }
        is_followed
    }

    /// Ends the detour of a transaction that has its outcome.
    fn end_piece_detour<I: Io>(&mut self, io: &mut I, gather: GatherId) {
        let id = self.gathers.get_mut(gather).piece.take().and_then(|piece| piece.detour);
        self.gathers.recount(gather);
        if let Some((_, next)) = id.and_then(|id| self.close_detour(id)) {
            self.start_next(io, next);
        }
    }

    /// Fails a transaction that is not sent again; its client is given if it is being served.
    pub(super) fn give_up_piece<I: Io>(
        &mut self,
        io: &mut I,
        client: Option<&mut Client>,
        gather: GatherId,
        error: &[u8],
    ) {
        let record = self.gathers.get_mut(gather);
        (record.piece, record.error, record.waiting) = (None, None, 1);
        self.gathers.recount(gather);
        if self.gathers.fail(gather, &aborted_by(error)) {
            self.finish_gather(io, client, gather);
        }
    }

    /// Learns from a redirect that its request does not follow: it depends on a private connection.
    pub(super) fn learn_of_move(&mut self, now: net::Instant, from: ServerKey, error: &[u8]) {
        let Some(pool) = self.servers.get(from).map(|server| server.pool) else { return };
        if let Some(Redirect::Moved(slot, place)) = Redirect::of(error)
            && let Some(owner) = self.node_at(pool, from, place).filter(|owner| *owner != from)
        {
            self.move_slot(pool, slot, owner, now);
        }
        self.doubt(now, pool);
    }
}
