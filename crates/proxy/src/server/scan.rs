//! Cuts a server's bytes into replies. Anything that is no reply, or no reply to the request, is garbage.

use config::checked::Protocol;
use net::{ConnId, Instant};
use wire::memcache::{Scan, Status};
use wire::redis::{Kind, ReplyLimits, ReplyScan};

use crate::client::Seq;
use crate::gather::{GatherId, QUEUED_PART};
use crate::keys::{LaneKey, ServerKey};
use crate::notice::Notice;
use crate::proxy::Proxy;
use crate::server::Server;
use crate::server::connection::ServerConn;
use crate::server::hits::Hits;
use crate::server::passage::MEMCACHE_LIMITS;
use crate::server::pending::{Owner, Pending};
use crate::server::tally::Tally;

/// One reply on the wire.
pub(crate) struct Found {
    pub(crate) len: usize,
    pub(crate) is_error: bool,
    /// Facts about a memcached reply.
    pub(crate) status: Option<Status>,
    /// Number of VALUE blocks (memcached).
    pub(crate) values: u32,
}

/// Meaning of a server's next bytes.
pub(crate) enum Next {
    Reply(Found),
    /// RESP3 push data, which answers no request.
    Push {
        len: usize,
    },
    /// More of a reply being streamed.
    Piece,
    /// The beginning of something of at least this many bytes. A reply may be streamed instead of being
    /// waited for.
    More {
        want: usize,
        may_pass: bool,
    },
    Garbage,
}

/// Receiver of a reply.
pub(crate) enum Met {
    Request(Pending),
    /// No receiver: the request has timed out.
    Late,
}

/// A plain reply.
pub(crate) struct Plain {
    pub(crate) receiver: Receiver,
    /// Bytes that a client gets: all of the reply, or none if it is not to see it.
    pub(crate) len: usize,
    /// The server works again: see [`Server::count_reply`].
    pub(crate) works: bool,
}

/// Receiver of a plain reply.
pub(crate) enum Receiver {
    Client(ConnId, Seq),
    /// The record of a transaction, of which a request was queued.
    Transaction(GatherId),
}

impl Server {
    /// Meaning of the next bytes that a connection has received.
    #[inline]
    pub(crate) fn next(&mut self, lane: u16, bytes: &[u8]) -> Next {
        let conn = &mut self.conns[lane as usize];
        if conn.line.is_empty() && bytes.first() != Some(&b'>') {
            // No request is waiting. The beginning of a stray reply must not be kept for the next one.
            self.stats.stray_replies.inc();
            return Next::Garbage;
        }
        if conn.passage.is_some() {
            return Next::Piece;
        }
        let next = match self.config.protocol {
            // A client of RESP2 must not get types of RESP3.
            Protocol::Redis
                if bytes.first().is_some_and(|b| b"_#,(!=%~>|".contains(b)) && !self.speaks_resp3(lane) =>
            {
                Next::Garbage
            }
            Protocol::Redis => match self.conns[lane as usize].redis.scan(bytes, &ReplyLimits::DEFAULT) {
                ReplyScan::Done(reply) if reply.kind() == Kind::Push => Next::Push { len: reply.len() },
                ReplyScan::Done(reply) => Next::Reply(Found {
                    len: reply.len(),
                    is_error: reply.is_error(),
                    status: None,
                    values: 0,
                }),
                ReplyScan::NeedMore { want } => Next::More { want, may_pass: bytes.first() != Some(&b'>') },
                ReplyScan::Bad(_) => Next::Garbage,
            },
            Protocol::Memcache => next_memcache(&mut self.conns[lane as usize], bytes),
        };
        // A reply has begun, even if it is garbage.
        self.conns[lane as usize].mid_reply = matches!(next, Next::More { .. } | Next::Garbage);
        next
    }

    /// Takes the oldest request of a connection if its reply is plain: it is a client's, to be answered with
    /// this reply as it is, or the reply says that it was queued. It has not expired, the reply is no error,
    /// no other node has the same request, and none has to be asked. The reply is counted, `us` microseconds
    /// after the request was accepted. None if the reply has to be looked at more closely.
    #[inline(always)]
    pub(crate) fn meet_plain(
        &mut self,
        lane: u16,
        (found, reply): (&Found, &[u8]),
        us: u64,
        tally: &mut Tally,
    ) -> Option<Plain> {
        if found.is_error || self.hedge_wait.is_some() || self.may_miss(lane, reply) {
            return None;
        }
        let conn = &mut self.conns[lane as usize];
        if conn.expired > 0 {
            return None;
        }
        let receiver = match conn.line.front()?.owner {
            Owner::Client(id, seq) => Receiver::Client(id, seq),
            Owner::Part(gather, QUEUED_PART) if reply[0] == b'+' => Receiver::Transaction(gather),
            _ => return None,
        };
        conn.reply_size.note(found.len);
        let pending = conn.pop()?;
        self.health.good();
        let hits = hits_of(&pending, found, reply);
        tally.reply((&self.stats, &self.pool_stats), &pending, (found.len, us), hits);
        let is_hidden = found.status.is_some_and(|status| pending.silence.hides(status));
        Some(Plain { receiver, len: if is_hidden { 0 } else { found.len }, works: self.failing })
    }

    /// Pairs a reply with the oldest request of its connection, which must exist. True if the server works
    /// again: see [`Server::count_reply`].
    #[inline(always)]
    pub(crate) fn meet(&mut self, lane: u16, (found, reply): (&Found, &[u8]), now: Instant) -> (Met, bool) {
        let conn = &mut self.conns[lane as usize];
        let is_late = conn.expired > 0;
        conn.expired -= usize::from(is_late);
        conn.reply_size.note(found.len);
        let Some(pending) = conn.pop() else { return (Met::Late, false) };
        let handshake = matches!(pending.owner, Owner::Handshake(_));
        let works = self.count_reply(found, !is_late && !handshake);
        // A handshake's reply counts however late it is: requests wait for it.
        if is_late && !handshake {
            self.stats.late_replies.inc();
            return (Met::Late, works);
        }
        if !handshake {
            let total = now.micros_since(pending.at);
            self.stats.record_response(pending.counted.class, total, pending.queue_us);
            hits_of(&pending, found, reply).count(&self.stats, &self.pool_stats);
        }
        (Met::Request(pending), works)
    }

    /// Counts a reply. `good`: it shows that the server works. True if it had failed, which is to be reported
    /// with [`Proxy::server_works`]. A late reply does not show it, since a server that is always late must
    /// eventually be ejected; nor does a handshake's reply, which serves no client.
    #[inline]
    #[must_use]
    pub(crate) fn count_reply(&mut self, found: &Found, good: bool) -> bool {
        self.stats.responses.inc();
        self.stats.response_bytes.add(found.len as u64);
        if found.is_error {
            self.stats.error_replies.inc();
        }
        if good {
            self.health.good();
        }
        good && self.failing
    }
}

impl Proxy {
    /// Pairs a reply that is looked at more closely with its request, as [`Server::meet`], and reports a
    /// server that works again.
    pub(crate) fn meet_special(&mut self, lane: LaneKey, reply: (&Found, &[u8]), now: Instant) -> Met {
        let (met, works) = self.servers[lane.server].meet(lane.number, reply, now);
        if works {
            self.server_works(lane.server);
        }
        met
    }

    /// Reports that a server that had failed works again.
    #[cold]
    pub(crate) fn server_works(&mut self, server: ServerKey) {
        let server = &mut self.servers[server];
        server.failing = false;
        let (pool, server) = server.names();
        self.tell(Some(Notice::ServerWorks { pool, server }));
    }
}

/// Keys found and not found, as the reply to a request shows.
#[inline]
fn hits_of(pending: &Pending, found: &Found, reply: &[u8]) -> Hits {
    match found.status {
        None => Hits::of_redis(pending.counted, reply),
        Some(status) => Hits::of_memcache(pending.expect, status, found.values),
    }
}

/// Scans a memcached reply, whose form depends on the request.
fn next_memcache(conn: &mut ServerConn, bytes: &[u8]) -> Next {
    let Some(pending) = conn.line.front() else { return Next::Garbage };
    match conn.memcache.scan(bytes, pending.expect, conn.kept.asked(pending), &MEMCACHE_LIMITS) {
        Scan::Done(reply) => Next::Reply(Found {
            len: reply.len,
            is_error: reply.status.is_error(),
            status: Some(reply.status),
            values: reply.blocks,
        }),
        Scan::NeedMore { want } => Next::More { want, may_pass: true },
        Scan::Bad(_) => Next::Garbage,
    }
}
