//! One connection to a server, shared by many clients: requests leave in order, replies come back in order.
//!
//! ```text
//! forward ▸ [held until the handshake is done] ▸ socket ▸ server
//!              line: expired … | awaiting … | just sent         each reply meets the front of the line
//! ```
//! A request whose deadline has passed stays in the line, as *expired*: its client has its error, its reply will be
//! thrown away when it comes.

use std::collections::VecDeque;

use net::{ConnId, Instant, Io, TimerId};
use wire::memcache::{Silence, Span};

use crate::alarm::Alarm;
use crate::client::Seq;
use crate::gather::GatherId;
use crate::keys::LaneKey;
use crate::reply_size::ReplySize;
use crate::response::pass_on::Passage;
use crate::tally::Change;

/// Who gets a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A client's request.
    Client(ConnId, Seq),
    /// A part of a request that was split or went to every server.
    Part(GatherId, u16),
    /// The handshake: the password, the protocol version, the database.
    Handshake(Handshake),
}

/// What a handshake request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// AUTH.
    Password,
    /// HELLO 3.
    Version,
    /// SELECT.
    Database,
    /// The question that a server has to answer before it takes traffic again.
    Probe,
}

/// What a reply must look like, for memcached, where the bytes alone do not tell.
pub(crate) use wire::memcache::Expect;

/// What redis requests carry in its place.
pub(crate) const ANY_REPLY: Expect = Expect { kind: wire::memcache::ReplyKind::Never, keys: 0 };

/// A request on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pending {
    pub(crate) owner: Owner,
    /// When it was accepted.
    pub(crate) at: Instant,
    pub(crate) expect: Expect,
    /// Which replies its client does not want (memcached's noreply and quiet mode).
    pub(crate) silence: Silence,
    /// Bytes of it that are kept: all of them, for a second try, or what its reply may name.
    pub(crate) kept: u32,
    /// Where in them what its reply may name begins ([`wire::memcache::Request::asked`]); [`NOT_NAMED`] if there is nothing.
    pub(crate) asked: u16,
    /// It may be sent again.
    pub(crate) again: bool,
    /// Its reply is, or may be, long.
    pub(crate) bulky: bool,
    /// Its length.
    pub(crate) len: u32,
}

// One for each request that is under way.
const _: () = assert!(size_of::<Pending>() <= 48);

/// The reply names nothing that was asked for.
pub(crate) const NOT_NAMED: u16 = u16::MAX;

/// What is to be kept of a request until its reply has come.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Keep {
    /// All of it if it is short, to be sent a second time if the first was lost without a reply.
    pub(crate) again: bool,
    /// Where it has what its reply may name; for redis, nothing.
    pub(crate) asked: Span,
}

impl Pending {
    /// What is to be kept of a request when it is sent for the second time, of which these bytes were kept.
    pub(crate) fn keep_again(&self, bytes: &[u8]) -> Keep {
        let asked = match self.asked {
            NOT_NAMED => Span::default(),
            start => Span { start: start.into(), end: bytes.len() as u32 - 2 },
        };
        Keep { again: false, asked }
    }
}

/// A connection to a server.
#[derive(Debug, Default)]
pub(crate) struct ServerConn {
    /// The connection; None until a request needs one.
    pub(crate) conn: Option<ConnId>,
    pub(crate) connected: bool,
    /// Handshake replies not seen yet.
    pub(crate) handshakes: u32,
    /// The server was given a password and wants none.
    pub(crate) unneeded_password: bool,
    /// Requests that wait for the handshake.
    pub(crate) held: Vec<u8>,
    pub(crate) line: VecDeque<Pending>,
    /// How many at the front of the line have expired.
    pub(crate) expired: usize,
    /// What is kept of requests, one behind the other, as [`Pending::kept`] tells.
    pub(crate) kept: Kept,
    /// When the last byte arrived, or the connection was opened.
    pub(crate) progress: Instant,
    /// Some bytes of the front reply have arrived.
    pub(crate) mid_reply: bool,
    /// The alarm that is set, and for when.
    pub(crate) timer: Option<(TimerId, Instant)>,
    pub(crate) redis: wire::redis::ReplyScanner,
    pub(crate) memcache: wire::memcache::ReplyScanner,
    /// The front reply is passed on while it comes.
    pub(crate) passage: Option<Box<Passage>>,
    /// Clients that are not read because too much is unsent here, or too many wait.
    pub(crate) pausing: Vec<ConnId>,
    /// Requests in the line whose replies are, or may be, long,
    pub(crate) bulky: usize,
    /// and clients that are not read because there are many, in their order.
    pub(crate) bulky_waiting: VecDeque<ConnId>,
    /// How long its replies are.
    pub(crate) reply_size: ReplySize,
    /// What [`ServerConn::memory`] told when it was last added to `Proxy::held`.
    pub(crate) counted: usize,
}

/// Bytes of requests that may be sent again, or whose replies are compared with them.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    bytes: Vec<u8>,
    start: usize,
}

/// Requests up to this size are kept for a second try.
pub(crate) const KEEP_MAX: usize = 1024;
/// An empty line with more room than this gives it back.
const LINE_KEEP: usize = 1024;
/// The front of the kept bytes is given up once it is this long.
const COMPACT_AT: usize = 16 * 1024;

impl Kept {
    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    #[inline]
    pub(crate) fn drop_front(&mut self, n: usize) {
        self.start += n;
        if self.start == self.bytes.len() {
            self.start = 0;
            self.bytes.clear();
            if self.bytes.capacity() > 4 * COMPACT_AT {
                self.bytes = Vec::new();
            }
        } else if self.start > COMPACT_AT && self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    /// The first `n` bytes.
    #[inline]
    pub(crate) fn front(&self, n: usize) -> &[u8] {
        &self.bytes[self.start..self.start + n]
    }

    /// What the reply to `pending`, the first that is kept, may name.
    #[inline]
    pub(crate) fn asked(&self, pending: &Pending) -> &[u8] {
        if pending.asked == NOT_NAMED {
            return b"";
        }
        let kept = &self.front(pending.kept as usize)[pending.asked as usize..];
        kept.strip_suffix(b"\r\n").unwrap_or(kept)
    }
}

impl ServerConn {
    /// True once requests may go straight to the socket.
    #[inline]
    pub(crate) fn ready(&self) -> bool {
        self.handshakes == 0
    }

    /// Gives back memory that an idle connection does not need.
    pub(crate) fn rest(&mut self) {
        if self.line.is_empty() {
            self.line = VecDeque::new();
            self.kept = Kept::default();
        }
    }

    /// Memory of the line and of the requests that are kept.
    #[inline]
    pub(crate) fn memory(&self) -> usize {
        self.line.capacity() * size_of::<Pending>() + self.kept.bytes.capacity() + self.held.capacity()
    }

    /// The memory as it was last counted, and now.
    #[inline]
    pub(crate) fn recount(&mut self) -> Change {
        let now = self.memory();
        Change::note(&mut self.counted, now)
    }

    /// Sees to it that deadlines are looked at by `at`: the alarm that is set may be for something later.
    #[inline]
    pub(crate) fn alarm_at<I: Io>(&mut self, io: &mut I, lane: LaneKey, at: Instant) {
        match self.timer {
            Some((_, due)) if due <= at => return,
            Some((timer, _)) => io.cancel_timer(timer),
            None => {}
        }
        self.timer = Some((io.set_timer(at, Alarm::Deadline(lane).token()), at));
    }

    /// Keeps of a request what it takes to send it again and to compare its reply with it.
    #[inline]
    pub(crate) fn keep(&mut self, pending: &mut Pending, bytes: &[u8], keep: Keep) {
        if keep.again && bytes.len() <= KEEP_MAX {
            self.kept.push(bytes);
            pending.kept = bytes.len() as u32;
            pending.again = true;
            if !keep.asked.is_empty() {
                pending.asked = keep.asked.start as u16;
            }
        } else if !keep.asked.is_empty() {
            self.kept.push(keep.asked.of(bytes));
            pending.kept = keep.asked.len() as u32;
            pending.asked = 0;
        }
    }

    /// Takes the request that the next reply belongs to.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Pending> {
        let pending = self.line.pop_front()?;
        self.bulky -= usize::from(pending.bulky);
        if pending.kept > 0 {
            self.kept.drop_front(pending.kept as usize);
        }
        if self.line.is_empty() && self.line.capacity() > LINE_KEEP {
            self.line = VecDeque::new();
        }
        Some(pending)
    }

    /// Forgets the connection and hands out what was on it; the clients it holds back stay noted.
    pub(crate) fn take(&mut self) -> ServerConn {
        let fresh = ServerConn {
            pausing: std::mem::take(&mut self.pausing),
            bulky_waiting: std::mem::take(&mut self.bulky_waiting),
            counted: self.counted,
            reply_size: self.reply_size,
            ..ServerConn::default()
        };
        std::mem::replace(self, fresh)
    }
}
