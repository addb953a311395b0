//! A server's bytes, cut into replies. What is no reply, or none to what was asked, is garbage.

use config::checked::Protocol;
use wire::memcache::{Scan, Status};
use wire::redis::{ReplyLimits, ReplyScan};

use crate::notice::Notice;
use crate::server::Server;
use crate::server::connection::ServerConn;
use crate::server::passage::MEMCACHE_LIMITS;

/// One reply on the wire.
pub(crate) struct Found {
    pub(crate) len: usize,
    pub(crate) is_error: bool,
    /// What a memcached reply says.
    pub(crate) status: Option<Status>,
    /// RESP3 push data: an answer to nothing.
    pub(crate) is_push: bool,
}

/// What the next bytes of a server are.
pub(crate) enum Next {
    Reply(Found),
    More(usize),
    Garbage,
}

impl Server {
    /// What the next bytes that a connection has received are.
    #[inline]
    pub(crate) fn next_reply(&mut self, lane: u16, bytes: &[u8]) -> Next {
        let resp3 = self.speaks_resp3(lane);
        let conn = &mut self.conns[lane as usize];
        match self.config.protocol {
            // A client that has not asked for RESP3 must not be given its types.
            Protocol::Redis if !resp3 && bytes.first().is_some_and(|b| b"_#,(!=%~>|".contains(b)) => {
                Next::Garbage
            }
            Protocol::Redis => match conn.redis.scan(bytes, &ReplyLimits::DEFAULT) {
                ReplyScan::Done(reply) => Next::Reply(Found {
                    len: reply.len(),
                    is_error: reply.is_error(),
                    status: None,
                    is_push: reply.kind() == wire::redis::Kind::Push,
                }),
                ReplyScan::NeedMore { want } => Next::More(want),
                ReplyScan::Bad(_) => Next::Garbage,
            },
            Protocol::Memcache => next_memcache(conn, bytes),
        }
    }

    /// Counts a reply. `good`: it shows that the server works, which is told if it had failed. One that is too late does not: a
    /// server that always is has to be ejected some time. Nor does one to a handshake, as long as nobody is served.
    #[inline]
    pub(crate) fn count_reply(&mut self, found: &Found, good: bool) -> Option<Notice> {
        self.stats.responses.inc();
        self.stats.response_bytes.add(found.len as u64);
        if found.is_error {
            self.stats.error_replies.inc();
        }
        if !good {
            return None;
        }
        self.health.good();
        if self.failing { Some(self.works()) } else { None }
    }

    #[cold]
    fn works(&mut self) -> Notice {
        self.failing = false;
        let (pool, server) = self.names();
        Notice::ServerWorks { pool, server }
    }
}

/// A memcached reply is one only to the request that it answers.
fn next_memcache(conn: &mut ServerConn, bytes: &[u8]) -> Next {
    let Some(pending) = conn.line.front() else { return Next::Garbage };
    match conn.memcache.scan(bytes, pending.expect, conn.kept.asked(pending), &MEMCACHE_LIMITS) {
        Scan::Done(reply) => Next::Reply(Found {
            len: reply.len,
            is_error: reply.status.is_error(),
            status: Some(reply.status),
            is_push: false,
        }),
        Scan::NeedMore { want } => Next::More(want),
        Scan::Bad(_) => Next::Garbage,
    }
}
