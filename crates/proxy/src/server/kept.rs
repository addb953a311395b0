//! Bytes of requests kept until their replies have come: to send them again, or to compare the replies with them.

use wire::memcache::Span;

use crate::server::pending::{NOT_NAMED, Pending};

/// Part of a request to keep until its reply has come.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Keep {
    /// All of it if it is short, to be sent a second time if the first was lost without a reply.
    pub(crate) again: bool,
    /// Start of the part its reply may name; for redis, nothing.
    pub(crate) asked: Span,
}

impl Pending {
    /// Part to keep of a request when it is sent for the second time, of which these bytes were kept.
    pub(crate) fn keep_again(&self, bytes: &[u8]) -> Keep {
        let asked = match self.asked {
            NOT_NAMED => Span::default(),
            start => Span { start: start.into(), end: bytes.len() as u32 - 2 },
        };
        Keep { again: false, asked }
    }
}

/// Bytes of requests that may be sent again, or whose replies are compared with them.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    bytes: Vec<u8>,
    start: usize,
}

/// Requests up to this size are kept for a second try.
pub(crate) const KEEP_MAX: usize = 1024;
/// The front of the kept bytes is given up once it is this long.
const COMPACT_AT: usize = 16 * 1024;

impl Kept {
    /// Keeps of a request what it takes to send it again and to compare its reply with it.
    #[inline]
    pub(crate) fn keep(&mut self, pending: &mut Pending, bytes: &[u8], keep: Keep) {
        if keep.again && bytes.len() <= KEEP_MAX {
            self.push(bytes);
            pending.kept = bytes.len() as u32;
            pending.again = true;
            if !keep.asked.is_empty() {
                pending.asked = keep.asked.start as u16;
            }
        } else if !keep.asked.is_empty() {
            self.push(keep.asked.of(bytes));
            pending.kept = keep.asked.len() as u32;
            pending.asked = 0;
        }
    }

    #[inline]
    fn push(&mut self, bytes: &[u8]) {
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

    /// Names allowed in the reply to `pending`, the first that is kept.
    #[inline]
    pub(crate) fn asked(&self, pending: &Pending) -> &[u8] {
        if pending.asked == NOT_NAMED {
            return b"";
        }
        let kept = &self.front(pending.kept as usize)[pending.asked as usize..];
        kept.strip_suffix(b"\r\n").unwrap_or(kept)
    }

    /// Memory that it takes.
    #[inline]
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity()
    }
}
