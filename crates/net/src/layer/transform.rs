//! Compression as the stack of layers sees it: a decoder and an encoder without a handshake.

use bytes::BytesMut;

use super::error::LayerError;

/// A compression, both ways. TLS has its own life cycle and is no `Transform`.
pub(super) trait Transform: std::fmt::Debug {
    /// Decodes `wire` until it is used up or about `plain_max` bytes are in `plain`.
    fn decode(&mut self, wire: &[u8], plain: &mut BytesMut, plain_max: usize) -> Result<Decoded, LayerError>;
    /// Encodes all of `plain` so that the peer can decode it at once.
    fn encode(&mut self, plain: &[u8], wire: &mut Vec<u8>);
}

/// Effects of a call of [`Transform::decode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decoded {
    /// Input bytes that need not be shown again.
    pub(super) consumed: usize,
    /// More plain bytes may follow even without more input.
    pub(super) full: bool,
    /// The stream has ended.
    pub(super) ended: bool,
}
