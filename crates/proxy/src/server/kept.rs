//! Requests that can be resent: their bytes are kept until the reply arrives, as the pool requires
//! ([`Resend`]).
//!
//! ```text
//! short    copied, one after another:     | whole | whole | names | whole |      the front belongs to the oldest request with kept bytes
//! long     shared with the output, in a separate line
//! ```
//! A safe request is resent after its connection was lost; any request could be resent after a reply that
//! says "not here, not executed". Of a memcached request at least the names that its reply may contain are
//! kept.
//!
//! Of other requests the first bytes are kept where somebody may want to know what they were: see
//! [`Kept::beginning`].
//!
//! All of it counts as memory of the connection ([`crate::memory`]). A long request counts here from the
//! start, and with the output too while it is unsent.

use std::collections::VecDeque;

use bytes::Bytes;
use config::checked::{self, Topology};
use wire::memcache::Span;

use crate::request::Frame;
use crate::server::pending::{NOT_NAMED, Pending, Whole};

/// Kind of requests of a pool that can be resent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resend {
    /// None of them.
    Nothing,
    /// Safe ones, even if they may have been executed.
    Safe,
    /// All: a server may answer that it has not executed a request, and which server will.
    All,
    /// All, and they are safe: nothing but reads goes there, and another server has the same data.
    Reads,
}

impl Resend {
    /// True if another server takes what this one does not answer: so it is worthwhile to notice soon.
    pub(crate) fn has_another(self) -> bool {
        matches!(self, Resend::All | Resend::Reads)
    }

    /// Kind of requests that can be resent at a server of this pool.
    pub(crate) fn of(config: &checked::Pool) -> Resend {
        if config.discovery.topology == Topology::Cluster { Resend::All } else { Resend::Safe }
    }
}

/// Most bytes kept of the beginning of a request that is not kept whole.
pub(crate) const BEGINNING: usize = 128;

/// Parts of requests that a server keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// Requests that are kept whole.
    pub(crate) resend: Resend,
    /// The beginning of the others is kept.
    pub(crate) beginnings: bool,
}

/// Part of a request to keep until its reply arrives.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Keep {
    /// It may be resent if its connection is lost without a reply.
    pub(crate) safe: bool,
    /// Range with the names that its reply may contain; empty for redis.
    pub(crate) asked: Span,
    /// It is kept whole, whatever its pool requires.
    pub(crate) whole: bool,
}

impl Keep {
    /// Part to keep of a resent request: the names that its reply may contain. It is not sent a third time.
    pub(crate) fn again(bytes: &[u8], names: &[u8]) -> Keep {
        let asked = match memchr::memmem::find(bytes, names) {
            Some(start) if !names.is_empty() => {
                Span { start: start as u32, end: (start + names.len()) as u32 }
            }
            _ => Span::default(),
        };
        Keep { safe: false, asked, whole: false }
    }
}

/// Bytes of requests on a connection, in the order of its line.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    bytes: Vec<u8>,
    start: usize,
    shared: VecDeque<Bytes>,
    /// Bytes in `shared`.
    shared_len: usize,
}

/// Bytes of answered requests in front at which the buffer is compacted.
const COMPACT_AT: usize = 16 * 1024;

impl Kept {
    /// Keeps the part of a request that its pool requires, and records it in `pending`.
    #[inline(always)]
    pub(crate) fn keep(&mut self, pending: &mut Pending, frame: Frame<'_>, keep: Keep, policy: Policy) {
        let wanted = keep.whole
            || match policy.resend {
                Resend::Nothing => false,
                Resend::Safe => keep.safe,
                Resend::All | Resend::Reads => true,
            };
        let bytes = frame.bytes();
        if !wanted && policy.beginnings {
            // Most are longer than that, and a copy of a fixed length is a few moves.
            match bytes.first_chunk::<BEGINNING>() {
                Some(beginning) => self.bytes.extend_from_slice(beginning),
                None => self.bytes.extend_from_slice(bytes),
            }
            pending.kept = bytes.len().min(BEGINNING) as u32;
        }
        if !wanted && keep.asked.is_empty() {
            return;
        }
        pending.safe = keep.safe || policy.resend == Resend::Reads;
        match frame {
            _ if !wanted => {}
            Frame::Slice(bytes) => {
                self.bytes.extend_from_slice(bytes);
                pending.whole = Whole::Copied;
                pending.kept = bytes.len() as u32;
            }
            Frame::Shared(bytes) => {
                self.shared.push_back(bytes.clone());
                self.shared_len += bytes.len();
                pending.whole = Whole::Shared;
            }
        }
        if keep.asked.is_empty() {
            return;
        }
        let goes_to_the_end = keep.asked.end as usize + 2 == bytes.len();
        if wanted && goes_to_the_end {
            pending.asked = keep.asked.start;
        } else {
            pending.asked = pending.kept;
            let names = keep.asked.of(bytes);
            self.bytes.extend_from_slice(names);
            pending.kept += names.len() as u32;
        }
    }

    /// The bytes of the first request that has any here, if it is kept whole.
    pub(crate) fn whole(&self, pending: &Pending) -> Option<Frame<'_>> {
        match pending.whole {
            Whole::Nowhere => None,
            Whole::Copied => Some(Frame::Slice(&self.bytes[self.start..self.start + pending.len as usize])),
            Whole::Shared => self.shared.front().map(Frame::Shared),
        }
    }

    /// The bytes of a request behind these, if it is kept whole.
    pub(crate) fn whole_behind<'a>(
        &self,
        before: impl Iterator<Item = &'a Pending>,
        pending: &Pending,
    ) -> Option<&[u8]> {
        let (mut start, mut shared) = (self.start, 0);
        for pending in before {
            start += pending.kept as usize;
            shared += usize::from(pending.whole == Whole::Shared);
        }
        match pending.whole {
            Whole::Nowhere => None,
            Whole::Copied => self.bytes.get(start..start + pending.len as usize),
            Whole::Shared => self.shared.get(shared).map(|bytes| &bytes[..]),
        }
    }

    /// The beginning of the first request that has any bytes here: at least [`BEGINNING`] bytes, if there are
    /// so many. Empty if none of it is kept.
    pub(crate) fn beginning(&self, pending: &Pending) -> &[u8] {
        let copied = &self.bytes[self.start..self.start + pending.kept as usize];
        match pending.whole {
            Whole::Nowhere => &copied[..copied.len().min(pending.asked as usize)],
            Whole::Copied => &copied[..pending.len as usize],
            Whole::Shared => self.shared.front().map_or(b"", |bytes| bytes),
        }
    }

    /// Drops the bytes of the first request.
    #[inline]
    pub(crate) fn release(&mut self, pending: &Pending) {
        if pending.whole == Whole::Shared {
            self.shared_len -= self.shared.pop_front().map_or(0, |bytes| bytes.len());
            if self.shared.is_empty() {
                self.shared = VecDeque::new();
            }
        }
        if pending.kept > 0 {
            self.drop_front(pending.kept as usize);
        }
    }

    #[inline]
    fn drop_front(&mut self, n: usize) {
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

    /// Names allowed in the reply to `pending`, the first kept request.
    #[inline]
    pub(crate) fn asked(&self, pending: &Pending) -> &[u8] {
        if pending.asked == NOT_NAMED {
            return b"";
        }
        let kept = match self.shared.front() {
            Some(bytes) if pending.whole == Whole::Shared && pending.kept == 0 => &bytes[..],
            _ => &self.bytes[self.start..self.start + pending.kept as usize],
        };
        let names = &kept[pending.asked as usize..];
        names.strip_suffix(b"\r\n").unwrap_or(names)
    }

    /// Its memory in bytes.
    #[inline]
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity() + self.shared_len + self.shared.capacity() * size_of::<Bytes>()
    }
}

#[cfg(test)]
mod tests {
    use net::{ConnId, Instant};

    use super::*;
    use crate::server::pending::Owner;

    /// A line of requests and their kept bytes.
    #[derive(Default)]
    struct Line {
        kept: Kept,
        line: VecDeque<Pending>,
        beginnings: bool,
    }

    impl Line {
        fn send(&mut self, frame: Frame<'_>, safe: bool, asked: Span, resend: Resend) {
            let owner = Owner::Client(ConnId { index: 0, generation: 0 }, 0);
            let mut pending = Pending::new(owner, Instant::default(), frame.bytes().len());
            let policy = Policy { resend, beginnings: self.beginnings };
            self.kept.keep(&mut pending, frame, Keep { safe, asked, whole: false }, policy);
            self.line.push_back(pending);
        }

        /// Removes the oldest request; returns its bytes, if kept whole, and its names.
        fn pop(&mut self) -> (Option<Vec<u8>>, Vec<u8>) {
            let pending = self.line.pop_front().expect("one that was sent");
            if self.beginnings {
                let beginning = self.kept.beginning(&pending);
                assert_eq!(beginning.len(), (pending.len as usize).min(beginning.len().max(BEGINNING)));
            }
            let whole = self.kept.whole(&pending).map(|frame| frame.bytes().to_vec());
            let asked = self.kept.asked(&pending).to_vec();
            self.kept.release(&pending);
            (whole, asked)
        }
    }

    #[test]
    fn what_is_kept_follows_the_policy_and_the_length_does_not_matter() {
        let long = Bytes::from(vec![b'x'; 1 << 20]);
        for (resend, safe, kept) in [
            (Resend::Nothing, true, false),
            (Resend::Safe, true, true),
            (Resend::Safe, false, false),
            (Resend::All, false, true),
            (Resend::All, true, true),
        ] {
            let mut line = Line::default();
            for frame in [Frame::Slice(b"short"), Frame::Shared(&long), Frame::Slice(&long[..60_000])] {
                line.send(frame, safe, Span::default(), resend);
            }
            let bytes = if kept { long.len() + 60_005 } else { 0 };
            assert!((bytes..=2 * bytes).contains(&line.kept.memory()), "{resend:?} {}", line.kept.memory());
            for whole in [&b"short"[..], &long, &long[..60_000]] {
                assert!(line.pop() == (kept.then(|| whole.to_vec()), Vec::new()), "{resend:?}");
            }
            assert!(line.kept.memory() <= 8 * COMPACT_AT, "{}", line.kept.memory());
            assert_eq!((line.kept.shared_len, line.kept.bytes.len()), (0, 0), "released with the reply");
        }
    }

    #[test]
    fn names_are_found_wherever_they_are_kept() {
        let long = Bytes::from([b"get ", &vec![b'k'; 100_000][..], b"\r\n"].concat());
        let names = |start, end| Span { start, end };
        let cases =
            [Resend::Nothing, Resend::Safe, Resend::All].map(|resend| [(resend, false), (resend, true)]);
        for (resend, beginnings) in cases.concat() {
            let mut line = Line { beginnings, ..Line::default() };
            for _ in 0..2 {
                line.send(Frame::Slice(b"get a b\r\n"), true, names(4, 7), resend);
                line.send(Frame::Shared(&long), true, names(4, 100_004), resend);
                line.send(Frame::Slice(b"ms key 1\r\nx\r\n"), false, names(3, 6), resend);
                line.send(Frame::Slice(b"set key 0 0 1\r\nx\r\n"), false, Span::default(), resend);
            }
            for _ in 0..2 {
                let asked: Vec<Vec<u8>> = (0..4).map(|_| line.pop().1).collect();
                assert!(asked == [b"a b", &long[4..100_004], b"key", b""], "{resend:?}");
            }
            assert_eq!((line.kept.shared_len, line.kept.bytes.len()), (0, 0));
        }
    }
}
