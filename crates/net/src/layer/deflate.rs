//! A raw deflate stream (RFC 1951) each way, flushed to a byte boundary (`00 00 ff ff`) after each piece.
//!
//! An encoder holds some 300 KB and a decoder some 45 KB, however little data passes through them, so each is
//! created when first needed.

use bytes::BytesMut;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::error::LayerError;
use super::transform::{Decoded, Transform};

/// Bytes decoded at a time.
const STEP: usize = 16 * 1024;

pub(super) struct Deflate {
    level: Compression,
    compress: Option<Compress>,
    decompress: Option<Decompress>,
    /// The peer's last block has arrived.
    ended: bool,
}

impl std::fmt::Debug for Deflate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let level = self.level.level();
        f.debug_struct("Deflate").field("level", &level).field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Deflate {
    /// Creates the layer; `level` is clamped to 1 to 9.
    pub(super) fn new(level: u32) -> Deflate {
        Deflate { level: Compression::new(level.clamp(1, 9)), compress: None, decompress: None, ended: false }
    }
}

impl Transform for Deflate {
    fn decode(&mut self, wire: &[u8], plain: &mut BytesMut, plain_max: usize) -> Result<Decoded, LayerError> {
        if self.ended {
            // bytes after the last block are ignored
            return Ok(Decoded { consumed: wire.len(), full: false, ended: true });
        }
        let decompress = self.decompress.get_or_insert_with(|| Decompress::new(false));
        let mut step = [0; STEP];
        let (mut consumed, mut made) = (0, 0);
        loop {
            let room = STEP.min(plain_max - made);
            if room == 0 {
                return Ok(Decoded { consumed, full: true, ended: false });
            }
            let (before_in, before_out) = (decompress.total_in(), decompress.total_out());
            let status = decompress
                .decompress(&wire[consumed..], &mut step[..room], FlushDecompress::None)
                .map_err(|_| LayerError::Deflate)?;
            let taken = (decompress.total_in() - before_in) as usize;
            let got = (decompress.total_out() - before_out) as usize;
            consumed += taken;
            made += got;
            plain.extend_from_slice(&step[..got]);
            if status == Status::StreamEnd {
                self.ended = true;
                self.decompress = None;
                return Ok(Decoded { consumed: wire.len(), full: false, ended: true });
            }
            // more output may come without input, until none does
            if got == 0 && taken == 0 {
                return Ok(Decoded { consumed, full: false, ended: false });
            }
        }
    }

    fn encode(&mut self, plain: &[u8], wire: &mut Vec<u8>) {
        let compress = self.compress.get_or_insert_with(|| Compress::new(self.level, false));
        let mut rest = plain;
        loop {
            wire.reserve(rest.len() / 2 + 64);
            let before = compress.total_in();
            // cannot fail: an encoder has no bad input
            let _ = compress.compress_vec(rest, wire, FlushCompress::Sync);
            rest = &rest[(compress.total_in() - before) as usize..];
            // spare capacity means that the flush is complete
            if rest.is_empty() && wire.len() < wire.capacity() {
                return;
            }
        }
    }
}
