//! The snappy framing format.
//!
//! ```text
//! u8 type │ u24 length (little-endian) │ data
//!   ff  stream identifier "sNaPpY": first, and again wherever a peer starts anew
//!   00  u32 checksum ▸ snappy block      at most 65536 bytes of content
//!   01  u32 checksum ▸ content as it is
//!   80–fe  to be skipped                 02–7f  unknown: an error
//! ```
//! The checksum is CRC32C of the content, rotated and offset. A chunk is decoded once it is complete; one to
//! be skipped is never stored.

use bytes::{Buf, BytesMut};

use super::error::LayerError;
use super::transform::{Decoded, Transform};

/// Most bytes of content in one chunk.
const BLOCK_MAX: usize = 65_536;
/// Longest body of a compressed chunk: the checksum and an incompressible block.
const COMPRESSED_MAX: usize = 4 + 32 + BLOCK_MAX + BLOCK_MAX / 6;
const STREAM_IDENTIFIER: &[u8; 10] = b"\xff\x06\0\0sNaPpY";

const COMPRESSED: u8 = 0x00;
const UNCOMPRESSED: u8 = 0x01;
const IDENTIFIER: u8 = 0xff;

#[derive(Debug, Default)]
pub(super) struct Snappy {
    /// The stream identifier has arrived.
    begun_in: bool,
    /// The stream identifier was sent.
    begun_out: bool,
    /// Bytes still to be skipped.
    skip: usize,
    coder: Coder,
}

struct Coder {
    encoder: snap::raw::Encoder,
    decoder: snap::raw::Decoder,
}

impl Default for Coder {
    fn default() -> Self {
        Coder { encoder: snap::raw::Encoder::new(), decoder: snap::raw::Decoder::new() }
    }
}

impl std::fmt::Debug for Coder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Coder")
    }
}

impl Transform for Snappy {
    fn decode(&mut self, wire: &[u8], plain: &mut BytesMut, plain_max: usize) -> Result<Decoded, LayerError> {
        let limit = plain.len().saturating_add(plain_max);
        let mut rest = wire;
        let mut full = false;
        loop {
            let skipped = self.skip.min(rest.len());
            rest.advance(skipped);
            self.skip -= skipped;
            let Some((header, body)) = rest.split_first_chunk::<4>() else { break };
            let length = u32::from_le_bytes([header[1], header[2], header[3], 0]) as usize;
            self.check_header(header[0], length)?;
            if header[0] >= 0x80 && header[0] != IDENTIFIER {
                self.skip = length;
                rest = body;
                continue;
            }
            let Some(body) = body.get(..length) else { break };
            if plain.len() >= limit {
                full = true;
                break;
            }
            self.chunk(header[0], body, plain)?;
            rest.advance(4 + length);
        }
        Ok(Decoded { consumed: wire.len() - rest.len(), full, ended: false })
    }

    fn encode(&mut self, plain: &[u8], wire: &mut Vec<u8>) {
        if !self.begun_out {
            wire.extend_from_slice(STREAM_IDENTIFIER);
            self.begun_out = true;
        }
        for block in plain.chunks(BLOCK_MAX) {
            self.encode_block(block, wire);
        }
    }
}

impl Snappy {
    /// Rejects a bad header before the chunk has arrived.
    fn check_header(&self, kind: u8, length: usize) -> Result<(), LayerError> {
        let fault = match kind {
            IDENTIFIER if length == 6 => return Ok(()),
            IDENTIFIER => "bad stream identifier",
            _ if !self.begun_in => "no stream identifier",
            COMPRESSED if length > COMPRESSED_MAX => "chunk too long",
            UNCOMPRESSED if length > 4 + BLOCK_MAX => "chunk too long",
            COMPRESSED | UNCOMPRESSED if length < 4 => "chunk without a checksum",
            COMPRESSED | UNCOMPRESSED | 0x80.. => return Ok(()),
            _ => "unknown chunk",
        };
        Err(LayerError::Snappy(fault))
    }

    /// Decodes a complete chunk that is not skipped.
    fn chunk(&mut self, kind: u8, body: &[u8], plain: &mut BytesMut) -> Result<(), LayerError> {
        if kind == IDENTIFIER {
            self.begun_in = true;
            return if body == b"sNaPpY" { Ok(()) } else { Err(LayerError::Snappy("bad stream identifier")) };
        }
        let Some((checksum, content)) = body.split_first_chunk() else {
            return Err(LayerError::Snappy("chunk without a checksum"));
        };
        let start = plain.len();
        if kind == COMPRESSED {
            let corrupt = |_| LayerError::Snappy("corrupt block");
            let length = snap::raw::decompress_len(content).map_err(corrupt)?;
            if length > BLOCK_MAX {
                return Err(LayerError::Snappy("block too long"));
            }
            plain.resize(start + length, 0);
            self.coder.decoder.decompress(content, &mut plain[start..]).map_err(corrupt)?;
        } else {
            plain.extend_from_slice(content);
        }
        if masked_checksum(&plain[start..]) != u32::from_le_bytes(*checksum) {
            return Err(LayerError::Snappy("wrong checksum"));
        }
        Ok(())
    }

    fn encode_block(&mut self, block: &[u8], wire: &mut Vec<u8>) {
        let start = wire.len();
        wire.resize(start + 8 + snap::raw::max_compress_len(block.len()), 0);
        let compressed = self.coder.encoder.compress(block, &mut wire[start + 8..]);
        // compress only if it saves at least an eighth
        let (kind, length) = match compressed {
            Ok(length) if length < block.len() - block.len() / 8 => (COMPRESSED, length),
            _ => {
                wire[start + 8..start + 8 + block.len()].copy_from_slice(block);
                (UNCOMPRESSED, block.len())
            }
        };
        wire.truncate(start + 8 + length);
        let header = (u32::from(kind)) | ((length + 4) as u32) << 8;
        wire[start..start + 4].copy_from_slice(&header.to_le_bytes());
        wire[start + 4..start + 8].copy_from_slice(&masked_checksum(block).to_le_bytes());
    }
}

/// CRC32C, masked so that a checksum of checksums is not weak.
fn masked_checksum(content: &[u8]) -> u32 {
    crc32c::crc32c(content).rotate_right(15).wrapping_add(0xa282_ead8)
}
