//! A reply that is on its way through to its client while it comes ([`crate::server::large`] says when): how
//! far it is, and how long its client has kept the server waiting.

use std::time::Duration;

use config::checked::Protocol;
use net::{ConnId, Instant};
use wire::{memcache, redis};

use crate::server::pending::Pending;

/// Time a client may hold up a server's connection in a pool without a timeout.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Bytes of a large reply a client has to take in a second, beyond that time.
const RATE_MIN: usize = 10 << 20;

/// Limits on what a memcached server may say.
pub(crate) static MEMCACHE_LIMITS: std::sync::LazyLock<memcache::Limits> =
    std::sync::LazyLock::new(memcache::Limits::default);

/// A reply on its way through.
#[derive(Debug)]
pub(crate) struct Passage {
    scanner: Scanner,
    /// Its client; None if its bytes are thrown away.
    to: Option<ConnId>,
    /// Its beginning: a request counts as answered then, whatever time its client takes.
    pub(crate) begun: Instant,
    /// Bytes passed on or thrown away.
    pub(crate) len: usize,
    /// Since when the server is not read because the client is behind.
    behind_since: Option<Instant>,
    /// Time that was the case before.
    waited: Duration,
}

#[derive(Debug)]
enum Scanner {
    Redis(redis::ReplyPassage),
    Memcache(Box<memcache::ReplyPassage>),
}

/// Meaning of the next bytes of a reply on its way through.
pub(crate) enum Piece {
    Part(usize),
    End(usize),
    Bad,
}

impl Passage {
    /// The server's connection is not read: what it does not say is not its fault.
    pub(crate) fn is_held_up(&self) -> bool {
        self.behind_since.is_some()
    }

    /// The server was not read for a while: requests that come too late meanwhile are not its fault either.
    pub(crate) fn was_held_up(&self) -> bool {
        self.is_held_up() || self.waited > Duration::ZERO
    }

    /// One that begins now. Its bytes are thrown away if it is nobody's.
    pub(crate) fn begin(protocol: Protocol, to: Option<ConnId>, now: Instant) -> Passage {
        let scanner = match protocol {
            Protocol::Redis => Scanner::Redis(redis::ReplyPassage::new()),
            Protocol::Memcache => Scanner::Memcache(Box::default()),
        };
        Passage { scanner, to, begun: now, len: 0, behind_since: None, waited: Duration::ZERO }
    }

    /// Meaning of the next bytes of the reply to `pending`; `asked` is what it may name.
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

    /// The server is not read from now on. Returns until when that may go on, in a pool with this timeout.
    pub(crate) fn hold_up(&mut self, timeout: Option<Duration>, now: Instant) -> Option<Instant> {
        self.behind_since = Some(now);
        self.patience(timeout)
    }

    /// The server is read again; false if it was all the time.
    pub(crate) fn resume(&mut self, now: Instant) -> bool {
        let since = self.behind_since.take();
        self.waited += since.map_or(Duration::ZERO, |since| now.since(since));
        since.is_some()
    }

    /// Its client is gone: what is to come is thrown away.
    pub(crate) fn discard_rest(&mut self) {
        self.to = None;
    }

    /// Until when the server may go on being held up, in a pool with this timeout.
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
