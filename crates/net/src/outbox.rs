//! Output queue of a connection.
//!
//! Small pieces are copied into one contiguous `tail`, which leaves in one write: up to about 16 KB that is
//! cheaper than a `writev` of many small slices. Large pieces are queued in front of the tail without a copy,
//! and so is a long tail: one buffer that grew with its bytes would be up to twice as large as they are, and
//! could not be freed piece by piece as they leave.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};

use bytes::Bytes;

use crate::Unsent;

/// Size from which pieces are queued without a copy, except those gathered under [`GATHERED_MAX`].
pub(crate) const LARGE: usize = 16 * 1024;
/// Size below which pieces for an outgoing connection are gathered: its server is woken once for several,
/// which saves more than the copies cost.
pub(crate) const GATHERED_MAX: usize = 48 * 1024;
/// Most slices in one `writev`.
const SLICES_MAX: usize = 32;
/// Length beyond which no piece extends a tail; also the largest empty gathering buffer that is kept.
const TAIL_MAX: usize = 64 * 1024;
/// Most spare gathering buffers that a shard keeps.
const SPARE_MAX: usize = 64;

/// Spare gathering buffers of a shard: a connection borrows one while it has output.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    buffers: Vec<Vec<u8>>,
    /// Their total memory.
    bytes: usize,
}

impl Spare {
    pub(crate) fn take(&mut self) -> Vec<u8> {
        match self.buffers.pop() {
            Some(buffer) => {
                self.bytes -= buffer.capacity();
                buffer
            }
            None => Vec::with_capacity(4096),
        }
    }

    pub(crate) fn give(&mut self, mut buffer: Vec<u8>) {
        if self.buffers.len() < SPARE_MAX && buffer.capacity() > 0 && buffer.capacity() <= TAIL_MAX {
            buffer.clear();
            self.bytes += buffer.capacity();
            self.buffers.push(buffer);
        }
    }

    /// Returns the memory to the system, for a shard that has become idle.
    pub(crate) fn release(&mut self) {
        *self = Spare::default();
    }

    /// Memory of all spare buffers.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Pieces in order, all before `tail`.
    queue: VecDeque<Bytes>,
    tail: Vec<u8>,
    /// Bytes of the front piece (of `queue`, or of `tail` if that is empty) already written.
    written: usize,
    /// Bytes not written yet.
    len: usize,
}

impl Outbox {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Memory of the bytes, including reserved capacity and the written part of a piece not yet finished.
    #[inline]
    pub(crate) fn memory(&self) -> usize {
        self.len + self.written + self.tail.capacity() - self.tail.len()
    }

    /// The bytes that are not written yet, behind those of their first piece that are.
    pub(crate) fn unwritten(&self) -> Unsent {
        let mut bytes = Vec::with_capacity(self.written + self.len);
        self.queue.iter().for_each(|piece| bytes.extend_from_slice(piece));
        bytes.extend_from_slice(&self.tail);
        Unsent { bytes, written: self.written }
    }

    /// Adds a piece of which the first bytes are written: everything before it is.
    pub(crate) fn push_begun(&mut self, bytes: &[u8], written: usize, spare: &mut Spare) {
        debug_assert!(written == 0 || self.len == 0, "something else is written first");
        self.push(bytes, spare);
        self.written += written;
        self.len -= written;
    }

    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8], spare: &mut Spare) {
        if self.tail.len() + bytes.len() > TAIL_MAX && !self.tail.is_empty() {
            self.seal_tail();
            self.tail = Vec::with_capacity(TAIL_MAX.max(bytes.len()));
        } else if self.tail.capacity() == 0 {
            self.tail = spare.take();
        } else if self.tail.len() + bytes.len() > self.tail.capacity() && self.tail.capacity() > TAIL_MAX / 2
        {
            // Doubling would exceed the maximum.
            self.tail.reserve_exact(TAIL_MAX - self.tail.len());
        }
        self.tail.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    pub(crate) fn push_shared(&mut self, bytes: Bytes, spare: &mut Spare) {
        if bytes.len() < LARGE {
            return self.push(&bytes, spare);
        }
        self.seal_tail();
        self.len += bytes.len();
        self.queue.push_back(bytes);
    }

    /// Moves the tail to the queue so that a piece can follow it.
    fn seal_tail(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        let mut tail = std::mem::take(&mut self.tail);
        if tail.capacity() - tail.len() > tail.len() / 16 {
            tail.shrink_to_fit();
        }
        self.queue.push_back(Bytes::from(tail));
    }

    /// Writes the queue once, followed by `extra`, which is not kept. Returns how many bytes of
    /// `extra` were written, or the error of the write; `WouldBlock` counts as zero bytes.
    pub(crate) fn write_with<W: Write>(
        &mut self,
        to: &mut W,
        extra: &[u8],
        spare: &mut Spare,
    ) -> io::Result<usize> {
        let own = self.len;
        let n = if self.queue.is_empty() && extra.is_empty() {
            to.write(&self.tail[self.written..])
        } else if own == 0 {
            to.write(extra)
        } else {
            self.write_vectored(to, extra)
        };
        let n = match n {
            Ok(n) => n,
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
            Err(e) => return Err(e),
        };
        self.advance(n.min(own), spare);
        Ok(n.saturating_sub(own))
    }

    /// Writes until the queue is empty or the kernel takes less than offered. Only then does the kernel
    /// report when there is room again; and one write holds only so many pieces.
    pub(crate) fn write_to<W: Write>(&mut self, to: &mut W, spare: &mut Spare) -> io::Result<()> {
        while self.len > 0 {
            let (before, offered) = (self.len, self.offered());
            self.write_with(to, &[], spare)?;
            if before - self.len < offered {
                break;
            }
        }
        Ok(())
    }

    /// Bytes offered by one write.
    fn offered(&self) -> usize {
        if self.queue.len() + 2 <= SLICES_MAX {
            return self.len;
        }
        self.queue.iter().take(SLICES_MAX).map(Bytes::len).sum::<usize>() - self.written
    }

    fn write_vectored<W: Write>(&self, to: &mut W, extra: &[u8]) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        let mut skip = self.written;
        let whole = self.queue.len() + 2 <= SLICES_MAX;
        for piece in self.queue.iter().take(SLICES_MAX) {
            slices[count] = IoSlice::new(&piece[skip..]);
            skip = 0;
            count += 1;
        }
        if whole {
            if self.tail.len() > skip {
                slices[count] = IoSlice::new(&self.tail[skip..]);
                count += 1;
            }
            if !extra.is_empty() {
                slices[count] = IoSlice::new(extra);
                count += 1;
            }
        }
        to.write_vectored(&slices[..count])
    }

    fn advance(&mut self, mut n: usize, spare: &mut Spare) {
        self.len -= n;
        n += self.written;
        while let Some(front) = self.queue.front() {
            if n < front.len() {
                self.written = n;
                return;
            }
            n -= front.len();
            self.queue.pop_front();
        }
        self.written = n;
        if self.len == 0 {
            self.written = 0;
            spare.give(std::mem::take(&mut self.tail));
            if self.queue.capacity() > 0 {
                self.queue = VecDeque::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes at most `step` bytes per write.
    struct Slow {
        step: usize,
        got: Vec<u8>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = bytes.len().min(self.step);
            self.got.extend_from_slice(&bytes[..n]);
            Ok(n)
        }
        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let all: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).take(self.step).collect();
            self.write(&all)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn order_is_kept_at_every_write_size() {
        for step in [1, 7, 4095, 16384, 20000, 1 << 20] {
            let (mut out, mut spare, mut expected) = (Outbox::default(), Spare::default(), Vec::new());
            let mut to = Slow { step, got: Vec::new() };
            for i in 0..40u32 {
                let size = [3, 100, LARGE, LARGE + 5, 1][i as usize % 5];
                let piece = vec![b'a' + (i % 26) as u8; size];
                expected.extend_from_slice(&piece);
                match i % 3 {
                    0 => out.push(&piece, &mut spare),
                    1 => out.push_shared(Bytes::from(piece), &mut spare),
                    _ => {
                        let n = out.write_with(&mut to, &piece, &mut spare).unwrap();
                        if n < piece.len() {
                            out.push_begun(&piece, n, &mut spare);
                        }
                    }
                }
                let Unsent { bytes, written } = out.unwritten();
                let before = to.got.len() - written;
                assert!([&to.got[..before], &bytes].concat() == expected, "step {step}, piece {i}");
                assert_eq!(out.len(), bytes.len() - written);
            }
            while out.len() > 0 {
                out.write_to(&mut to, &mut spare).unwrap();
            }
            assert!(to.got == expected, "step {step}");
            assert_eq!(out.memory(), 0, "an idle connection holds no buffer");
        }
    }

    /// With more pieces than one write takes, a connection waited for a kernel event that never came.
    #[test]
    fn whoever_takes_all_that_it_is_offered_gets_everything() {
        for pieces in [1, 29, 30, 31, 32, 33, 100] {
            let (mut out, mut spare) = (Outbox::default(), Spare::default());
            for _ in 0..pieces {
                out.push_shared(Bytes::from(vec![b'x'; LARGE]), &mut spare);
            }
            out.push(b"end", &mut spare);
            let mut to = Slow { step: usize::MAX, got: Vec::new() };
            out.write_to(&mut to, &mut spare).unwrap();
            assert_eq!((out.len(), to.got.len()), (0, pieces * LARGE + 3), "{pieces} pieces");
        }
    }

    #[test]
    fn memory_is_what_is_unsent_and_little_more() {
        for piece in [1, 37, 4096, LARGE - 1, LARGE, TAIL_MAX, 3 * TAIL_MAX] {
            let (mut out, mut spare) = (Outbox::default(), Spare::default());
            let mut to = Slow { step: 10_000, got: Vec::new() };
            let bytes = vec![b'x'; piece];
            while out.len() < 2_000_000 {
                out.push(&bytes, &mut spare);
            }
            while out.len() > 0 {
                let held: usize = out.queue.iter().map(Bytes::len).sum::<usize>() + out.tail.capacity();
                assert_eq!(out.memory(), held, "pieces of {piece}");
                let slack = 2 * TAIL_MAX.max(piece);
                assert!(out.memory() <= out.len() + slack, "pieces of {piece}: {held} for {}", out.len());
                out.write_to(&mut to, &mut spare).unwrap();
            }
            assert_eq!(out.memory(), 0);
        }
    }
}
