//! A record.
//!
//! ```text
//!  0        4         8      9                9 + length
//!  +--------+---------+------+-------//-------+
//!  |  crc   | length  | kind |    payload     |
//!  +--------+---------+------+-------//-------+
//!
//!  crc     u32  CRC-32C of everything behind it, begun with a seed made of the journal's tag and the record's position
//!  length  u32  of the payload, at most PAYLOAD_BYTES_LIMIT
//!  kind    u8   1 to 255, the owner's; 0 never occurs, so that zeroed space is not a record
//! ```
//!
//! The seed ties a record to its place: bytes left over from another file, a payload that contains a whole
//! journal, or a block that the device wrote to the wrong place do not pass for records.

use bytes::{BufMut, BytesMut};

use super::u32_at;

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 9;
/// Limit on payloads, whatever the options say.
pub const PAYLOAD_BYTES_LIMIT: usize = 1 << 28;

/// Seed of the CRC of a record at `position`.
#[inline]
fn seed(tag: u64, position: u64) -> u32 {
    let mixed = (tag ^ position).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 32) as u32
}

/// Appends a record whose payload is the concatenation of `parts`, `payload_bytes` in all.
#[inline]
pub fn put(to: &mut BytesMut, tag: u64, position: u64, kind: u8, parts: &[&[u8]], payload_bytes: usize) {
    let start = to.len();
    to.reserve(HEADER_BYTES + payload_bytes);
    to.put_u32_le(0);
    to.put_u32_le(payload_bytes as u32);
    to.put_u8(kind);
    for part in parts {
        to.extend_from_slice(part);
    }
    let crc = crc32c::crc32c_append(seed(tag, position), &to[start + 4..]);
    to[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Item at the front of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// A record of this many bytes, header included, with a correct CRC.
    Whole(usize),
    /// Possibly a record: it needs this many bytes in all, more than given.
    Short(usize),
    /// Not a record.
    Bad,
}

/// Kind and payload length at the front of `bytes`, if a record is possible there with `remaining` bytes
/// left.
#[inline]
pub fn plausible(bytes: &[u8], remaining: u64) -> Option<(u8, usize)> {
    if bytes.len() < HEADER_BYTES {
        return None;
    }
    let length = u32_at(bytes, 4) as usize;
    let fits = length <= PAYLOAD_BYTES_LIMIT && (HEADER_BYTES + length) as u64 <= remaining;
    (bytes[8] != 0 && fits).then_some((bytes[8], length))
}

/// The kind in a header.
pub fn kind(header: &[u8; HEADER_BYTES]) -> u8 {
    header[8]
}

/// Checks the front of `bytes`, which are at `position` in a segment that ends after `remaining` more bytes.
#[inline]
pub fn check(bytes: &[u8], tag: u64, position: u64, remaining: u64) -> Checked {
    if remaining < HEADER_BYTES as u64 {
        return Checked::Bad;
    }
    if bytes.len() < HEADER_BYTES {
        return Checked::Short(HEADER_BYTES);
    }
    let Some((_, length)) = plausible(bytes, remaining) else { return Checked::Bad };
    let total = HEADER_BYTES + length;
    if bytes.len() < total {
        return Checked::Short(total);
    }
    let crc = crc32c::crc32c_append(seed(tag, position), &bytes[4..total]);
    if crc == u32_at(bytes, 0) { Checked::Whole(total) } else { Checked::Bad }
}

/// Kind and payload length of a record checked before; `None` if `bytes` do not hold it whole.
#[inline]
pub fn open(bytes: &[u8]) -> Option<(u8, usize)> {
    if bytes.len() < HEADER_BYTES {
        return None;
    }
    let length = u32_at(bytes, 4) as usize;
    (bytes.len() - HEADER_BYTES >= length).then_some((bytes[8], length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(tag: u64, position: u64, kind: u8, payload: &[u8]) -> BytesMut {
        let mut bytes = BytesMut::new();
        put(&mut bytes, tag, position, kind, &[payload], payload.len());
        bytes
    }

    #[test]
    fn a_record_passes_only_where_it_was_written() {
        let bytes = record(7, 100, 1, b"hello");
        assert_eq!(check(&bytes, 7, 100, 14), Checked::Whole(14));
        assert_eq!(check(&bytes, 7, 101, 14), Checked::Bad);
        assert_eq!(check(&bytes, 8, 100, 14), Checked::Bad);
        assert_eq!(check(&bytes, 7, 100, 13), Checked::Bad, "longer than its segment");
    }

    #[test]
    fn every_prefix_is_short_and_every_flipped_bit_is_bad() {
        let bytes = record(7, 100, 200, b"payload");
        for cut in 0..bytes.len() {
            assert!(matches!(check(&bytes[..cut], 7, 100, 99), Checked::Short(_)), "cut at {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(check(&flipped, 7, 100, 99), Checked::Whole(_)), "bit {bit}");
        }
    }

    #[test]
    fn unwritten_space_is_not_a_record() {
        assert_eq!(check(&[0; 64], 7, 100, 64), Checked::Bad);
        assert_eq!(check(&[0xff; 64], 7, 100, 64), Checked::Bad);
    }
}
