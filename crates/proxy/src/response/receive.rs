//! (c) A server's bytes become replies, each for the oldest request on its connection.

use config::checked::Protocol;
use net::{Input, Io};
use wire::memcache::{Limits, Scan, Status};
use wire::redis::{ReplyLimits, ReplyScan};

use crate::client::Reply;
use crate::fail::Failure;
use crate::place::Place;
use crate::proxy::Proxy;
use crate::request::SHARE_MIN;
use crate::server_conn::{Owner, ServerConn};

/// When memory is tight, shorter replies leave the buffer that they came in. A longer one is most of its buffer: a copy of
/// it would need what is not there.
const COPY_MAX: usize = 1 << 20;

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
enum Next {
    Reply(Found),
    More(usize),
    Garbage,
}

impl Proxy {
    pub(crate) fn server_received<I: Io>(&mut self, io: &mut I, place: Place, input: &mut Input<'_>) {
        self.take_replies(io, place, input);
        self.recount_server(place);
        self.make_room(io, place);
    }

    fn take_replies<I: Io>(&mut self, io: &mut I, place: Place, input: &mut Input<'_>) {
        let now = io.now();
        let Some(opened) = self.server_conn(place).conn else { return };
        self.server_conn(place).progress = now;
        while let Some(first) = input.bytes().first() {
            let protocol = self.pools[place.pool as usize].config.protocol;
            if self.server_conn(place).line.is_empty() && *first != b'>' {
                // Nobody has asked. The beginning of a stray reply must not wait here for somebody who will.
                self.server_stats(place).stray_replies.inc();
                return self.break_server_conn(io, place, input, Failure::Garbage);
            }
            if self.server_conn(place).passage.is_some() {
                if self.pass_on(io, place, input) {
                    continue;
                }
                return;
            }
            let found = match self.next_reply(place, protocol, input.bytes()) {
                Next::Reply(found) => found,
                Next::More(want) => {
                    self.server_conn(place).mid_reply = true;
                    let push = *first == b'>';
                    if !push && self.is_passed_on(io, place, input.bytes().len(), want) {
                        continue;
                    }
                    return Self::want_more_of_reply(input, want);
                }
                Next::Garbage => return self.break_server_conn(io, place, input, Failure::Garbage),
            };
            let conn = self.server_conn(place);
            conn.mid_reply = false;
            if found.is_push {
                input.consume(found.len);
                continue;
            }
            let expired = conn.expired > 0;
            conn.reply_size.note(found.len);
            let Some(pending) = conn.pop() else {
                return self.break_server_conn(io, place, input, Failure::Garbage);
            };
            let handshake = matches!(pending.owner, Owner::Handshake(_));
            self.count_reply(place, &found, !expired && !handshake);
            if expired {
                self.server_conn(place).expired -= 1;
            }
            // What a handshake answers counts however late it comes: requests wait for it.
            if expired && !handshake {
                self.server_stats(place).late_replies.inc();
                input.consume(found.len);
                continue;
            }
            self.server_stats(place).latency.record(now.since(pending.at).as_micros() as u64);
            if found.len >= SHARE_MIN {
                // Handed on as it is, a reply keeps the memory of the buffer that it came in, and of its neighbours.
                let bytes = if found.len < COPY_MAX && self.is_tight(io) {
                    let bytes = bytes::Bytes::copy_from_slice(&input.bytes()[..found.len]);
                    input.consume(found.len);
                    bytes
                } else {
                    input.take(found.len)
                };
                self.pair(io, place, &pending, Reply::Shared(bytes), &found);
            } else {
                self.pair(io, place, &pending, Reply::Slice(&input.bytes()[..found.len]), &found);
                input.consume(found.len);
            }
            if self.server_conn(place).conn != Some(opened) {
                // The handshake failed and took the connection with it.
                return input.consume(input.bytes().len());
            }
        }
    }

    #[inline]
    fn next_reply(&mut self, place: Place, protocol: Protocol, bytes: &[u8]) -> Next {
        let server = &mut self.pools[place.pool as usize].servers[place.server as usize];
        let resp3 = server.speaks_resp3(place.slot);
        let conn = &mut server.conns[place.slot as usize];
        match protocol {
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

    /// `good`: it shows that the server works. One that is too late does not: a server that always is has to be ejected some
    /// time. Nor does one to a handshake, as long as nobody is served.
    pub(super) fn count_reply(&mut self, place: Place, found: &Found, good: bool) {
        let pool = &mut self.pools[place.pool as usize];
        let stats = &pool.stats.servers[place.server as usize];
        stats.responses.inc();
        stats.response_bytes.add(found.len as u64);
        if found.is_error {
            stats.error_replies.inc();
        }
        if !good {
            return;
        }
        let server = &mut pool.servers[place.server as usize];
        server.health.good();
        if server.failing {
            self.server_works(place);
        }
    }

    /// The server speaks out of turn or not the protocol: nothing on this connection can be trusted any more.
    pub(super) fn break_server_conn<I: Io>(
        &mut self,
        io: &mut I,
        place: Place,
        input: &mut Input<'_>,
        failure: Failure,
    ) {
        input.consume(input.bytes().len());
        if let Some(id) = self.server_conn(place).conn {
            io.abort(id);
        }
        self.server_lost(io, place, failure);
    }
}

/// A memcached reply is one only to the request that it answers.
fn next_memcache(conn: &mut ServerConn, bytes: &[u8]) -> Next {
    static LIMITS: std::sync::LazyLock<Limits> = std::sync::LazyLock::new(Limits::default);
    let Some(pending) = conn.line.front() else { return Next::Garbage };
    match conn.memcache.scan(bytes, pending.expect, &LIMITS) {
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
