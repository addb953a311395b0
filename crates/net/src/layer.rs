//! Transformations between a socket and the app on some connections: TLS, then at most one compression.
//!
//! ```text
//! socket ──wire──▶ TLS ──middle──▶ snappy or deflate ──plain──▶ app      Stack::receive
//! socket ◀──wire── TLS ◀───────── snappy or deflate ◀─gather── app      Stack::send, Stack::flush
//! ```
//! Pure transformations: no socket, no clock. A [`Stack`] belongs to one connection; the event loop drives it
//! like this:
//!
//! - [`crate::Io::push_layer`]: `stack.push(layer, unconsumed)`, with the unconsumed part of the connection's
//!   inbox (which is then empty). Bytes already in the outbox leave unchanged. Then go on as after a read,
//!   with no bytes.
//! - After a read of `n` bytes: `stack.receive(&scratch[..n], &mut inbox, PLAIN_MAX, &mut wire)`; append
//!   `wire` to the outbox; show the inbox to the app if it has grown. A [`Received::established`] is
//!   [`crate::App::layered`]; compression is established by its push. While [`Received::more`] is true the
//!   stack holds decoded or encoded input: call again with no bytes in a later turn (as for a connection that
//!   was not read to its end), and **read nothing from the socket before it is false**. This bounds the
//!   memory: a few kilobytes of input may stand for gigabytes of output.
//! - [`Received::ended`]: the peer has ended its stream inside the layer (TLS `close_notify`, the last
//!   deflate block). To the app that is a FIN.
//! - `Io::send`: `stack.send(bytes, &mut wire)`, which gathers small pieces in a lent buffer
//!   (`Stack::lend`) that is returned when empty (`Stack::reclaim`). End of turn, before the write:
//!   `stack.flush(&mut wire)`. [`Stack::gathered`] counts as unsent. Until the handshake is done everything
//!   is gathered: nothing leaves in clear, and all of it counts towards limits on unsent bytes.
//! - `Io::finish`: `stack.close(&mut wire)` before the last write, so that the peer sees an orderly end.
//! - On an error: write the contents of `wire` (a TLS alert with the reason), then close with
//!   [`crate::Fault::Layer`] and [`LayerError::fault`].
//! - [`Stack::memory`] is held by the connection's layers and counts as the connection's.
//!
//! The loop limits the time of a handshake; [`Stack::handshaking`] is true during one.

use bytes::BytesMut;

use crate::{Layer, LayerInfo};

mod deflate;
mod error;
mod names;
mod snappy;
mod tls;
mod transform;

use deflate::Deflate;
pub use error::LayerError;
pub(crate) use names::names;
use snappy::Snappy;
use tls::Tls;
use transform::Transform;

/// Plain bytes to produce per call: the loop's `plain_max`.
pub const PLAIN_MAX: usize = 64 * 1024;

/// Bytes gathered before they are encoded without waiting for the end of the turn: one snappy chunk.
const GATHER_MAX: usize = 64 * 1024;
/// Size from which a piece is encrypted without gathering it: one record.
const AT_ONCE: usize = 16 * 1024;

/// Effects of a call of [`Stack::receive`] besides appending bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Input is left inside: call again, with no bytes, before the next read.
    pub more: bool,
    /// A completed handshake; reported once.
    pub established: Option<Box<LayerInfo>>,
    /// The peer will send no more.
    pub ended: bool,
}

/// The layers of one connection.
#[derive(Debug, Default)]
pub struct Stack {
    tls: Option<Box<Tls>>,
    compression: Option<Box<dyn Transform + Send>>,
    /// Unconsumed input of the compression.
    middle: BytesMut,
    /// Output of the app not encoded yet.
    gather: Vec<u8>,
    /// Plain bytes unconsumed when TLS was pushed: its first input.
    first: BytesMut,
    full: bool,
    ended: bool,
}

impl Stack {
    /// Puts a layer nearest to the app. `unconsumed` input belongs to the layer, not to the app.
    ///
    /// Bytes sent before must have been flushed: they leave without the layer.
    pub fn push(&mut self, layer: &Layer, unconsumed: &[u8]) -> Result<(), LayerError> {
        if self.compression.is_some() {
            return Err(LayerError::Order);
        }
        let compression: Box<dyn Transform + Send> = match layer {
            Layer::TlsServer(_) | Layer::TlsClient(..) if self.tls.is_some() => {
                return Err(LayerError::Order);
            }
            Layer::TlsServer(config) => {
                self.first.extend_from_slice(unconsumed);
                self.tls = Some(Box::new(Tls::server(config.clone())?));
                return Ok(());
            }
            Layer::TlsClient(config, name) => {
                self.first.extend_from_slice(unconsumed);
                self.tls = Some(Box::new(Tls::client(config.clone(), name.clone())?));
                return Ok(());
            }
            Layer::Snappy => Box::new(Snappy::default()),
            Layer::Deflate(level) => Box::new(Deflate::new(*level)),
        };
        self.middle.extend_from_slice(unconsumed);
        self.compression = Some(compression);
        Ok(())
    }

    /// Gives the last pushed layer its first input: bytes that had arrived before it and belong to it.
    pub fn unread(&mut self, unconsumed: &[u8]) {
        let to = if self.compression.is_some() { &mut self.middle } else { &mut self.first };
        to.extend_from_slice(unconsumed);
    }

    /// True until the handshake of TLS is complete.
    pub fn handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.handshaking())
    }

    /// Sent bytes waiting for [`Stack::flush`].
    pub fn gathered(&self) -> usize {
        self.gather.len()
    }

    /// Input bytes held inside.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.middle.len() + self.first.len()
    }

    /// Memory of output gathered and not encoded, and of input received and not decoded; zero when all is
    /// processed. Excludes the layers' state (keys, dictionaries), which does not grow.
    pub fn memory(&self) -> usize {
        let gathered = if self.gather.is_empty() { 0 } else { self.gather.capacity() };
        let partial = self.tls.as_ref().map_or(0, |tls| tls.partial_memory());
        gathered + self.middle.capacity() + self.first.capacity() + partial
    }

    /// Takes bytes from the socket and changes them: they serve as working memory. Appends plain bytes to
    /// `plain` (at most about `plain_max`), and bytes that the layers themselves must send to `out`.
    pub fn receive(
        &mut self,
        wire: &mut [u8],
        plain: &mut BytesMut,
        plain_max: usize,
        out: &mut Vec<u8>,
    ) -> Result<Received, LayerError> {
        let mut received = Received::default();
        let into = if self.compression.is_some() { &mut self.middle } else { &mut *plain };
        match &mut self.tls {
            None => into.extend_from_slice(wire),
            Some(tls) => {
                let mut first = std::mem::take(&mut self.first);
                tls.receive(&mut first, into, out)?;
                tls.receive(wire, into, out)?;
                received.established = tls.take_established().map(Box::new);
                self.ended |= tls.ended();
            }
        }
        if received.established.is_some() {
            self.flush(out);
        }
        if self.compression.is_some() {
            self.decompress(plain, plain_max)?;
        }
        received.more = self.full;
        received.ended = self.ended && !self.full;
        Ok(received)
    }

    fn decompress(&mut self, plain: &mut BytesMut, plain_max: usize) -> Result<(), LayerError> {
        let Some(compression) = &mut self.compression else { return Ok(()) };
        let decoded = compression.decode(&self.middle, plain, plain_max)?;
        let _ = self.middle.split_to(decoded.consumed);
        if self.middle.is_empty() {
            self.middle = BytesMut::new();
        }
        self.full = decoded.full;
        self.ended |= decoded.ended;
        Ok(())
    }

    /// True if sending needs a gathering buffer and has none.
    pub(crate) fn wants_buffer(&self) -> bool {
        self.gather.capacity() == 0
    }

    /// Lends an empty gathering buffer.
    pub(crate) fn lend(&mut self, buffer: Vec<u8>) {
        if self.wants_buffer() {
            self.gather = buffer;
        }
    }

    /// Returns the buffer once it is empty: an idle connection has none.
    pub(crate) fn reclaim(&mut self) -> Option<Vec<u8>> {
        let idle = self.gather.is_empty() && self.gather.capacity() > 0;
        idle.then(|| std::mem::take(&mut self.gather))
    }

    /// Gathers a small piece, as [`Stack::send`]. False if there is no room.
    #[inline]
    pub(crate) fn gather(&mut self, plain: &[u8]) -> bool {
        let room = self.gather.capacity().min(GATHER_MAX) - self.gather.len().min(GATHER_MAX);
        if plain.len() >= room.min(AT_ONCE) {
            return false;
        }
        self.gather.extend_from_slice(plain);
        true
    }

    /// Sends plain bytes. Small pieces wait for more until [`Stack::flush`].
    pub fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        if self.handshaking() {
            self.gather.extend_from_slice(plain);
            return;
        }
        let mut plain = plain;
        if plain.len() >= AT_ONCE && self.gather.is_empty() && self.compression.is_none() {
            let (records, rest) = plain.split_at(plain.len() / AT_ONCE * AT_ONCE);
            self.encode(records, out);
            plain = rest;
        }
        let room = GATHER_MAX - self.gather.len();
        if plain.len() < room {
            self.gather.extend_from_slice(plain);
            return;
        }
        let (head, rest) = if self.gather.is_empty() { (&[][..], plain) } else { plain.split_at(room) };
        self.gather.extend_from_slice(head);
        self.flush(out);
        let mut pieces = rest.chunks_exact(GATHER_MAX);
        for piece in &mut pieces {
            self.encode(piece, out);
        }
        self.gather.extend_from_slice(pieces.remainder());
    }

    /// Encodes everything sent so far, so that the peer can decode it on arrival.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        if let Some(tls) = self.tls.as_mut().filter(|tls| tls.handshaking()) {
            return tls.advance(out);
        }
        if !self.gather.is_empty() {
            let mut gather = std::mem::take(&mut self.gather);
            gather.chunks(GATHER_MAX).for_each(|piece| self.encode(piece, out));
            gather.clear();
            self.gather = gather;
        }
    }

    /// Encodes what is left and ends the TLS stream in an orderly way. Nothing can be sent after it.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        self.flush(out);
        if let Some(tls) = &mut self.tls {
            tls.close(out);
        }
    }

    fn encode(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        match (&mut self.compression, &mut self.tls) {
            (None, None) => out.extend_from_slice(plain),
            (Some(compression), None) => compression.encode(plain, out),
            (None, Some(tls)) => tls.send(plain, out),
            (Some(compression), Some(tls)) => {
                let mut compressed = Vec::new();
                compression.encode(plain, &mut compressed);
                tls.send(&compressed, out);
            }
        }
    }
}

#[cfg(test)]
mod tests;
