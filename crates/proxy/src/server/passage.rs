//! State of a reply being streamed to its client ([`crate::server::large`]): its progress, and how long the
//! client has kept the server waiting.

use std::time::Duration;

use config::checked::Protocol;
use net::{ConnId, Instant};
use wire::{memcache, redis};

use crate::server::pending::Pending;

/// Time a client may hold up a server's connection in a pool without a timeout.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Bytes per second that a client has to take of a large reply beyond that time.
const RATE_MIN: usize = 10 << 20;

/// Limits on replies of a memcached server.
pub(crate) static MEMCACHE_LIMITS: std::sync::LazyLock<memcache::Limits> =
    std::sync::LazyLock::new(memcache::Limits::default);

/// A reply being streamed.
#[derive(Debug)]
pub(crate) struct Passage {
    scanner: Scanner,
    /// Its client; None if its bytes are discarded.
    to: Option<ConnId>,
    /// Time it began: the request counts as answered then, however long its client takes.
    pub(crate) begun: Instant,
    /// Bytes passed on or discarded.
    pub(crate) len: usize,
    /// Time the server was last paused because the client is behind; None while it is read.
    behind_since: Option<Instant>,
    /// Total length of earlier pauses.
    waited: Duration,
}

#[derive(Debug)]
enum Scanner {
    Redis(redis::ReplyPassage),
    Memcache(Box<memcache::ReplyPassage>),
}

/// Meaning of the next bytes of a streamed reply.
pub(crate) enum Piece {
    Part(usize),
    End(usize),
    Bad,
}

impl Passage {
    /// True while the server's connection is not read: its silence is not its fault.
    pub(crate) fn is_held_up(&self) -> bool {
        self.behind_since.is_some()
    }

    /// True if the server was ever paused: late replies are then not its fault.
    pub(crate) fn was_held_up(&self) -> bool {
        self.is_held_up() || self.waited > Duration::ZERO
    }

    /// Begins a passage. Its bytes are discarded if `to` is None.
    pub(crate) fn begin(protocol: Protocol, to: Option<ConnId>, now: Instant) -> Passage {
        let scanner = match protocol {
            Protocol::Redis => Scanner::Redis(redis::ReplyPassage::new()),
            Protocol::Memcache => Scanner::Memcache(Box::default()),
        };
        Passage { scanner, to, begun: now, len: 0, behind_since: None, waited: Duration::ZERO }
    }

    /// Meaning of the next bytes of the reply to `pending`; `asked` has the names that it may contain.
    pub(crate) fn advance(&mut self, pending: &Pending, asked: &[u8], bytes: &[u8]) -> Piece {
        match &mut self.scanner {
            Scanner::Redis(scanner) => match scanner.advance(bytes, &redis::ReplyLimits::DEFAULT) {
                redis::Piece::Part(n) => Piece::Part(n),
                redis::Piece::End(n) => Piece::End(n),
                redis::Piece::Bad(_) => Piece::Bad,
            },
            Scanner::Memcache(scanner) => {
                match scanner.advance(bytes, pending.expect, asked, &MEMCACHE_LIMITS) {
                    memcache::Piece::Part(n) => Piece::Part(n),
                    memcache::Piece::End(n) => Piece::End(n),
                    memcache::Piece::Bad(_) => Piece::Bad,
                }
            }
        }
    }

    /// Pauses the server. Returns the latest time to resume it, in a pool with this timeout.
    pub(crate) fn hold_up(&mut self, timeout: Option<Duration>, now: Instant) -> Option<Instant> {
        self.behind_since = Some(now);
        self.patience(timeout)
    }

    /// Resumes the server; false if it was not paused.
    pub(crate) fn resume(&mut self, now: Instant) -> bool {
        let since = self.behind_since.take();
        self.waited += since.map_or(Duration::ZERO, |since| now.since(since));
        since.is_some()
    }

    /// Discards the rest, as its client is gone.
    pub(crate) fn discard_rest(&mut self) {
        self.to = None;
    }

    /// Latest time to resume a paused server, in a pool with this timeout.
    pub(crate) fn patience(&self, timeout: Option<Duration>) -> Option<Instant> {
        let for_its_length =
            Duration::from_micros((self.len as u64).saturating_mul(1_000_000) / RATE_MIN as u64);
        let all = timeout.unwrap_or(WAIT_MAX) + for_its_length;
        Some(self.behind_since? + all.saturating_sub(self.waited))
    }

    /// Client that has got the beginning of the reply.
    pub(crate) fn client(&self) -> Option<ConnId> {
        self.to
    }
}
