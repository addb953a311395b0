//! (c), (d) Delivers a reply that is paired with its request: it goes to its client or gather record, takes
//! its slot in the client's line, and leaves in order.

use net::{ConnId, Instant, Io};
use wire::memcache::Silence;

use crate::client::{Reply, Seq, Wait};
use crate::fail::Failure;
use crate::gather::GatherId;
use crate::gather::{Merge, QUEUED_PART};
use crate::keys::{LaneKey, PoolKey};
use crate::proxy::Proxy;
use crate::response::transaction::{aborted_by, unknown_outcome};
use crate::server::pending::{Owner, Pending};
use crate::server::scan::Found;

impl Proxy {
    #[inline]
    pub(crate) fn pair<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        pending: &Pending,
        reply: Reply<'_>,
        found: &Found,
    ) {
        match pending.owner {
            Owner::Client(id, seq) => {
                let hidden = found.status.is_some_and(|status| pending.silence.hides(status));
                self.reply(io, id, seq, if hidden { Reply::Slice(b"") } else { reply }, pending.at);
            }
            Owner::Private(id, seq) => {
                self.answered_in_private(io, lane, (id, seq), (reply, found.is_error), pending.at);
            }
            Owner::Part(gather, part) => {
                let finished = if found.is_error {
                    self.fail_part((gather, part), lane, reply.bytes())
                } else {
                    self.gathers.store(gather, part, reply.bytes())
                };
                if finished {
                    self.finish_gather(io, None, gather);
                }
            }
            Owner::Detour(id) => self.detour_answered(io, lane, id, reply, found),
            Owner::Subscription => self.feed_refused(io, lane.server, reply.bytes()),
            Owner::Unwanted => {}
            Owner::Sounding(silent) => self.sounded(io, lane.server, silent, reply.bytes()),
            Owner::Handshake(step) => self.handshake_reply(io, lane, step, reply.bytes(), found.is_error),
        }
    }

    /// Notes that a request of a transaction was queued.
    pub(crate) fn queued<I: Io>(&mut self, io: &mut I, transaction: GatherId) {
        if self.gathers.store(transaction, QUEUED_PART, b"") {
            self.finish_gather(io, None, transaction);
        }
    }

    /// Notes that a part has failed; true once no part is missing. A request that went to every server, or
    /// was split over the slots of a cluster, gets an error that names the server, after the server's own
    /// words: clients look at how an error begins.
    pub(crate) fn fail_part(&mut self, (gather, part): (GatherId, u16), lane: LaneKey, error: &[u8]) -> bool {
        if part == QUEUED_PART {
            return self.gathers.fail(gather, &aborted_by(error));
        }
        match error.strip_suffix(b"\r\n") {
            Some(text) if self.gathers.get_mut(gather).names_servers && text.starts_with(b"-") => {
                let server = self.servers[lane.server].identity.as_bytes();
                let named = [text, b" (server ", server, b")\r\n"].concat();
                self.gathers.fail(gather, &named)
            }
            _ => self.gathers.fail(gather, error),
        }
    }

    /// Answers a request with an error instead of a reply.
    pub(crate) fn fail_pending<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        pending: &Pending,
        failure: Failure,
    ) {
        if self.leave_to_twin(lane, pending) {
            return;
        }
        let server = &self.servers[lane.server];
        let error = failure.reply(server.config.protocol);
        match pending.owner {
            Owner::Client(id, seq) => {
                server.pool_stats.forward_error.inc();
                let hidden = pending.silence == Silence::Always;
                self.fail(io, id, seq, if hidden { b"" } else { &error }, pending.at);
            }
            Owner::Private(id, seq) => {
                server.pool_stats.forward_error.inc();
                self.private_answered((id, seq), true);
                self.fail(io, id, seq, &error, pending.at);
                self.after_private(io, id);
            }
            Owner::Part(gather, part) => {
                server.pool_stats.forward_error.inc();
                let is_transaction = self.gathers.get_mut(gather).merge == Merge::Exec;
                let finished = if is_transaction {
                    let error =
                        if failure.shows_no_request_was_sent() { error } else { unknown_outcome(&error) };
                    self.gathers.fail(gather, &error)
                } else {
                    self.fail_part((gather, part), lane, &error)
                };
                if finished {
                    self.finish_gather(io, None, gather);
                }
            }
            Owner::Detour(id) => self.detour_failed(io, lane, id, failure),
            Owner::Subscription if self.server_conn(lane).conn.is_some() => {
                self.close_lane(io, lane, failure);
            }
            Owner::Handshake(_) | Owner::Unwanted | Owner::Subscription | Owner::Sounding(_) => {}
        }
    }

    /// Delivers an error in place of a server's reply: it does not count for the estimate of reply sizes.
    pub(crate) fn fail<I: Io>(&mut self, io: &mut I, id: ConnId, seq: Seq, error: &[u8], at: Instant) {
        let Some(size) = self.client_mut(id).map(|client| client.reply_size) else { return };
        self.reply(io, id, seq, Reply::Slice(error), at);
        if let Some(client) = self.client_mut(id) {
            client.reply_size = size;
        }
    }

    /// Delivers a server's reply, to the request that was accepted at `at`.
    #[inline]
    pub(crate) fn reply<I: Io>(&mut self, io: &mut I, id: ConnId, seq: Seq, reply: Reply<'_>, at: Instant) {
        let len = reply.len();
        if let Some(pool) = self.hand_over(io, id, seq, reply) {
            let pool = &self.pools[pool];
            pool.count_reply(len);
            pool.stats.latency.record(io.now().micros_since(at));
        }
    }

    /// Gives a reply to its client, uncounted. Returns the client's pool; None if the client is gone.
    #[inline]
    pub(crate) fn hand_over<I: Io>(
        &mut self,
        io: &mut I,
        id: ConnId,
        seq: Seq,
        reply: Reply<'_>,
    ) -> Option<PoolKey> {
        let client = self.client_mut(id)?;
        let before = client.early_bytes();
        let len = reply.len();
        client.reply_size.note(len);
        client.fulfil(io, seq, reply);
        let after = client.early_bytes();
        let (pool, waiting, session) = (client.pool, client.waiting(), &client.session);
        let (leaving, paused) = (session.leaving, session.paused);
        let change = client.recount();
        self.held.apply(change);
        let (waits, config) = (after + io.unsent(id), &self.pools[pool].config);
        if waits > config.client_output_hard_bytes {
            self.overflow(io, id, waits);
            return Some(pool);
        }
        if paused == Some(Wait::Reply)
            && (waiting <= config.client_pipeline_max as usize / 2 || after < before)
        {
            self.resume_client(io, id, Wait::Reply);
        }
        if paused == Some(Wait::Changeover) && waiting == 0 {
            self.resume_client(io, id, Wait::Changeover);
        }
        if (leaving || self.hand_over.is_some())
            && waiting == 0
            && let Some(client) = self.take_client(id)
        {
            self.settle(io, client);
        }
        Some(pool)
    }
}
