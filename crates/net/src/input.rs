//! Unconsumed input of a connection.

use bytes::{Bytes, BytesMut};

/// The unconsumed bytes of one connection, handed to [`crate::App::received`].
///
/// Unconsumed bytes are kept and shown again, followed by more, at the next call. `received` is called again
/// only when at least one more byte has arrived (or the total set with [`Input::want`], or the connection is
/// resumed).
#[derive(Debug)]
pub struct Input<'a> {
    source: Source<'a>,
    position: usize,
    want: usize,
}

#[derive(Debug)]
enum Source<'a> {
    /// The unconsumed part of the shard's scratch buffer: leftovers will be copied to the connection.
    Scratch(&'a [u8]),
    /// The connection's own buffer: whole parts of it can be taken without a copy.
    Owned(&'a mut BytesMut),
}

impl<'a> Input<'a> {
    /// Input in a buffer shared by all connections.
    pub fn scratch(bytes: &'a [u8]) -> Self {
        Input { source: Source::Scratch(bytes), position: 0, want: 0 }
    }

    /// Input in the connection's own buffer. Consumed bytes are split off its front.
    pub fn owned(buffer: &'a mut BytesMut) -> Self {
        Input { source: Source::Owned(buffer), position: 0, want: 0 }
    }

    /// The unconsumed bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match &self.source {
            Source::Scratch(rest) => rest,
            Source::Owned(buffer) => &buffer[self.position..],
        }
    }

    /// Drops the first `n` bytes. `n` must not exceed the number available.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        match &mut self.source {
            Source::Scratch(rest) => *rest = &rest[n..],
            Source::Owned(buffer) => assert!(n <= buffer.len() - self.position, "consumed more than arrived"),
        }
        self.position += n;
        self.want = 0;
    }

    /// Takes the first `n` bytes: without a copy when they lie in the connection's own buffer.
    pub fn take(&mut self, n: usize) -> Bytes {
        self.want = 0;
        match &mut self.source {
            Source::Scratch(rest) => {
                let taken = Bytes::copy_from_slice(&rest[..n]);
                *rest = &rest[n..];
                self.position += n;
                taken
            }
            Source::Owned(buffer) => {
                let _ = buffer.split_to(self.position);
                self.position = 0;
                buffer.split_to(n).freeze()
            }
        }
    }

    /// Announces that the app needs `total` bytes, counted from the first unconsumed one. A hint for sizing
    /// the buffer and for avoiding useless calls; the buffer still grows only as bytes arrive.
    pub fn want(&mut self, total: usize) {
        self.want = total;
    }

    /// The number of bytes consumed and not yet removed from the source, and the total wanted, for the event
    /// loop.
    pub fn outcome(self) -> (usize, usize) {
        (self.position, self.want)
    }
}
