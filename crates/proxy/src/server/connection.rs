//! One connection to a server, shared by many clients: requests leave in order, replies come back in order.
//!
//! ```text
//! forward ▸ [unready until the handshake is done] ▸ socket ▸ server
//!              line: expired … | awaiting … | just sent         each reply meets the front of the line
//! ```
//! A request whose deadline has passed stays in the line as *expired*: its client has got an error, and its
//! reply is discarded when it arrives.

use std::collections::VecDeque;

use net::{ConnId, Instant, Io, TimerId};

use crate::alarm::Alarm;
use crate::keys::LaneKey;
use crate::reply_size::ReplySize;
use crate::server::kept::Kept;
use crate::server::passage::Passage;
use crate::server::pending::Pending;
use crate::server::unwritten::Unwritten;
use crate::tally::Change;

/// A connection to a server.
#[derive(Debug, Default)]
pub(crate) struct ServerConn {
    /// The connection; None until a request needs one.
    pub(crate) conn: Option<ConnId>,
    pub(crate) connected: bool,
    /// Handshake replies still to come.
    pub(crate) handshakes: u32,
    /// The server got a password but requires none.
    pub(crate) unneeded_password: bool,
    /// READONLY holds for the next reply: its node may answer as a replica ([`crate::server::readonly`]),
    pub(crate) readonly: bool,
    /// and for the next request.
    pub(crate) readonly_asked: bool,
    /// Requests that wait for the handshake.
    pub(crate) unready: Vec<u8>,
    pub(crate) line: VecDeque<Pending>,
    /// Requests at the end of the line that may be unwritten.
    pub(crate) unwritten: Unwritten,
    /// Number of expired requests at the front of the line.
    pub(crate) expired: usize,
    /// Bytes of requests, kept until their replies arrive.
    pub(crate) kept: Kept,
    /// Time the last byte arrived, or the connection was opened.
    pub(crate) progress: Instant,
    /// Some bytes of the front reply have arrived.
    pub(crate) mid_reply: bool,
    /// The pending timer and its time.
    pub(crate) timer: Option<(TimerId, Instant)>,
    pub(crate) redis: wire::redis::ReplyScanner,
    pub(crate) memcache: wire::memcache::ReplyScanner,
    /// State of the front reply, if it is streamed to its client.
    pub(crate) passage: Option<Box<Passage>>,
    /// Clients that are not read because too many bytes are unsent here, or too many requests wait.
    pub(crate) waiting_clients: Vec<ConnId>,
    /// Requests in the line whose replies are, or may be, long,
    pub(crate) bulky: usize,
    /// and clients that are not read because there are too many of those, in arrival order.
    pub(crate) bulky_waiting: VecDeque<ConnId>,
    /// Estimate of the size of its replies.
    pub(crate) reply_size: ReplySize,
    /// [`ServerConn::memory`] when it was last added to `Proxy::held`.
    pub(crate) counted: usize,
}

/// Capacity above which an empty line is freed.
const LINE_KEEP: usize = 1024;
impl ServerConn {
    /// True once requests may go straight to the socket.
    #[inline]
    pub(crate) fn ready(&self) -> bool {
        self.handshakes == 0
    }

    /// True if clients wait for room on it.
    #[inline]
    pub(crate) fn is_waited_for(&self) -> bool {
        !self.waiting_clients.is_empty() || !self.bulky_waiting.is_empty()
    }

    /// Frees memory that an idle connection does not need.
    pub(crate) fn rest(&mut self) {
        if self.line.is_empty() {
            self.line = VecDeque::new();
            self.kept = Kept::default();
        }
    }

    /// Memory of the line and of the kept requests.
    #[inline]
    pub(crate) fn memory(&self) -> usize {
        self.line.capacity() * size_of::<Pending>() + self.kept.memory() + self.unready.capacity()
    }

    /// The memory at the last count, and now.
    #[inline]
    pub(crate) fn recount(&mut self) -> Change {
        let now = self.memory();
        Change::note(&mut self.counted, now)
    }

    /// Makes sure that deadlines are checked by `at`: the pending timer may be for a later time.
    #[inline]
    pub(crate) fn alarm_at<I: Io>(&mut self, io: &mut I, lane: LaneKey, at: Instant) {
        match self.timer {
            Some((_, due)) if due <= at => return,
            Some((timer, _)) => io.cancel_timer(timer),
            None => {}
        }
        self.timer = Some((io.set_timer(at, Alarm::Deadline(lane).token()), at));
    }

    /// Removes the request that the next reply answers.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Pending> {
        let pending = self.line.pop_front()?;
        self.bulky -= usize::from(pending.bulky);
        self.kept.release(&pending);
        if self.line.is_empty() && self.line.capacity() > LINE_KEEP {
            self.line = VecDeque::new();
        }
        Some(pending)
    }

    /// Resets the connection and returns its former state; the list of clients waiting for it stays.
    pub(crate) fn take(&mut self) -> ServerConn {
        let fresh = ServerConn {
            waiting_clients: std::mem::take(&mut self.waiting_clients),
            bulky_waiting: std::mem::take(&mut self.bulky_waiting),
            unwritten: self.unwritten.of_lost(),
            counted: self.counted,
            reply_size: self.reply_size,
            ..ServerConn::default()
        };
        std::mem::replace(self, fresh)
    }
}
