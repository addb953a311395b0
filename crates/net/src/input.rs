//! Bytes that arrived on a connection and were not consumed yet.

use bytes::{Bytes, BytesMut};

/// The unconsumed bytes of one connection, handed to [`crate::App::received`].
///
/// Bytes that are not consumed are kept and shown again, with more behind them, at the next call. `received`
/// is not called again before at least one more byte has arrived (or the total named with [`Input::want`], or
/// the connection is resumed).
#[derive(Debug)]
pub struct Input<'a> {
    source: Source<'a>,
    position: usize,
    want: usize,
}

#[derive(Debug)]
enum Source<'a> {
    /// The shard's scratch buffer: what is left over will be copied to the connection.
    Scratch(&'a [u8]),
    /// The connection's own buffer: whole parts of it can be given away without a copy.
    Owned(&'a mut BytesMut),
}

impl<'a> Input<'a> {
    /// Input that lies in a buffer shared by all connections.
    pub fn scratch(bytes: &'a [u8]) -> Self {
        Input { source: Source::Scratch(bytes), position: 0, want: 0 }
    }

    /// Input that lies in the connection's own buffer. What is consumed is split off its front.
    pub fn owned(buffer: &'a mut BytesMut) -> Self {
        Input { source: Source::Owned(buffer), position: 0, want: 0 }
    }

    /// Bytes to consume.
    pub fn bytes(&self) -> &[u8] {
        match &self.source {
            Source::Scratch(bytes) => &bytes[self.position..],
            Source::Owned(buffer) => &buffer[self.position..],
        }
    }

    /// Drops the first `n` bytes. `n` must not exceed what is there.
    pub fn consume(&mut self, n: usize) {
        assert!(n <= self.bytes().len(), "consumed more than arrived");
        self.position += n;
        self.want = 0;
    }

    /// Takes the first `n` bytes away: without a copy when they lie in the connection's own buffer.
    pub fn take(&mut self, n: usize) -> Bytes {
        self.want = 0;
        match &mut self.source {
            Source::Scratch(bytes) => {
                let taken = Bytes::copy_from_slice(&bytes[self.position..self.position + n]);
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

    /// Says that nothing can be done before `total` bytes (counted from the first unconsumed one) are there.
    /// A hint for sizing the buffer and for not calling in vain; the buffer still grows only as bytes arrive.
    pub fn want(&mut self, total: usize) {
        self.want = total;
    }

    /// For the event loop: how many bytes were consumed and not yet removed from the source, and the total
    /// wanted.
    pub fn outcome(self) -> (usize, usize) {
        (self.position, self.want)
    }
}
