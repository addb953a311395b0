//! Replies of replicas that say that a key is missing, in a pool over a cluster.
//!
//! While a slot is moving, the replicas of its old owner do not know of keys that have moved (in Redis, and
//! in Valkey before 8), and those of the new owner may not have them yet: both say that a key is missing
//! which is there. So the owner of the slot has the last word: it has the key, names the node that has it, or
//! it is missing. A replica's own word is believed where it has something.
//!
//! The owner that a map names may have been demoted since, and be a replica that lags. Its word counts on a
//! connection without READONLY, on which a replica names the owner instead ([`crate::server::readonly`]).

use bytes::Bytes;
use net::Io;
use wire::redis::{Kind, Limits, ReplyLimits, ReplyScan, ReplyScanner, RequestScanner, Route, Scan};

use crate::detours::{DETOURS_MAX, Next};
use crate::keys::{DetourId, LaneKey};
use crate::proxy::Proxy;
use crate::server::Server;
use crate::server::pending::Owner;
use crate::server::scan::{Found, Met};

impl Server {
    /// True if a reply may say that a key is missing, and its node may have answered as a replica.
    #[inline]
    pub(crate) fn may_miss(&self, lane: u16, reply: &[u8]) -> bool {
        self.conns[lane as usize].readonly && may_look_missing(reply)
    }
}

impl Proxy {
    /// Asks the owner of its slot for what a replica says is missing. False if the reply is the client's.
    #[cold]
    pub(crate) fn is_asked_again<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        found: &Found,
        reply: &[u8],
    ) -> bool {
        let server = &self.servers[lane.server];
        let conn = &server.conns[lane.number as usize];
        if !server.may_miss(lane.number, reply) || conn.expired > 0 || self.detours.len() >= DETOURS_MAX {
            return false;
        }
        let Some(pending) = conn.line.front() else { return false };
        if !pending.safe || !matches!(pending.owner, Owner::Client(..) | Owner::Part(..)) {
            return false;
        }
        let Some(bytes) = conn.kept.whole(pending).map(|frame| Bytes::copy_from_slice(frame.bytes())) else {
            return false;
        };
        let Some(detour) = self.detour_of(server.pool, lane, pending, bytes) else { return false };
        if !says_missing(&detour.bytes, reply) {
            return false;
        }
        let met = self.meet_special(lane, (found, reply), io.now());
        let Met::Request(_) = met else { return true };
        if let Some(id) = self.open_detour(detour)
            && self.detours.is_first(id)
        {
            self.send_detour(io, id);
        }
        true
    }

    /// Lets a detour ask the owner if a replica says that its key is missing. False if that is the answer.
    pub(super) fn detour_misses<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        id: DetourId,
        reply: &[u8],
    ) -> bool {
        let Some(detour) = self.detours.records.get(&id) else { return false };
        let is_final = !detour.safe
            || !self.servers[lane.server].may_miss(lane.number, reply)
            || !says_missing(&detour.bytes, reply);
        if is_final {
            return false;
        }
        let pool = detour.pool;
        self.set_next(id, Next::Owner);
        self.doubt(io.now(), pool);
        self.delay_detour(io, id, self.wait());
        true
    }
}

/// False for most replies that have something.
fn may_look_missing(reply: &[u8]) -> bool {
    match reply.first_chunk::<2>() {
        Some([b'$' | b'%' | b'~', second]) => matches!(second, b'-' | b'0'),
        Some([b'+', second]) => *second == b'n',
        Some([kind, _]) => matches!(kind, b':' | b'*' | b'_'),
        None => false,
    }
}

/// True for a reply to a request of some keys of one slot that it would get if one of them were missing.
fn says_missing(request: &[u8], reply: &[u8]) -> bool {
    let ReplyScan::Done(scanned) = ReplyScanner::new().scan(reply, &ReplyLimits::DEFAULT) else {
        return false;
    };
    let is_null = |bytes: &[u8]| matches!(bytes, b"$-1\r\n" | b"*-1\r\n" | b"_\r\n");
    match scanned.kind() {
        Kind::Null => true,
        Kind::Bulk => scanned.body(reply).is_empty(),
        Kind::Simple => scanned.body(reply) == b"none",
        Kind::Integer => match scanned.integer() {
            Some(0 | -2) => true,
            Some(count) => keys_of(request, "exists").is_some_and(|keys| count < keys as i64),
            None => false,
        },
        Kind::Array if keys_of(request, "mget").is_some() => {
            scanned.elements(reply).any(|(_, bytes)| is_null(bytes))
        }
        Kind::Array | Kind::Map | Kind::Set => scanned.elements(reply).all(|(_, bytes)| is_null(bytes)),
        _ => false,
    }
}

/// Number of keys of a request, if it is of this command.
fn keys_of(request: &[u8], name: &str) -> Option<usize> {
    let Scan::Done(scanned) = RequestScanner::new().scan(request, &Limits::default()) else { return None };
    match scanned.route(request).ok()? {
        (command, Route::Split(_, parts)) if command.name == name => Some(parts.count()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detour::scripted::request;

    #[test]
    fn a_reply_of_a_missing_key_is_told_from_others() {
        let cases: [(&str, &[&str], &[&str]); 8] = [
            ("GET k", &["$-1\r\n", "_\r\n", "$0\r\n\r\n"], &["$1\r\nv\r\n", "$2\r\n-1\r\n"]),
            (
                "MGET k {k}2",
                &["*2\r\n$1\r\nv\r\n$-1\r\n", "*2\r\n$-1\r\n_\r\n"],
                &["*2\r\n$0\r\n\r\n$1\r\nv\r\n"],
            ),
            ("HMGET k a b", &["*2\r\n$-1\r\n$-1\r\n"], &["*2\r\n$-1\r\n$1\r\nv\r\n"]),
            ("EXISTS k {k}2", &[":0\r\n", ":1\r\n"], &[":2\r\n"]),
            ("SCARD k", &[":0\r\n"], &[":1\r\n", ":20\r\n"]),
            ("TTL k", &[":-2\r\n"], &[":-1\r\n", ":5\r\n"]),
            ("TYPE k", &["+none\r\n"], &["+string\r\n"]),
            ("HGETALL k", &["*0\r\n", "%0\r\n"], &["*2\r\n$1\r\na\r\n$1\r\nb\r\n"]),
        ];
        for (words, missing, there) in cases {
            let request = request(words).into_bytes();
            for reply in missing {
                assert!(may_look_missing(reply.as_bytes()), "{words} {reply:?}");
                assert!(says_missing(&request, reply.as_bytes()), "{words} {reply:?}");
            }
            for reply in there {
                assert!(!says_missing(&request, reply.as_bytes()), "{words} {reply:?}");
            }
        }
    }
}
