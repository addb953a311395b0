//! The checkpoint file, `checkpoint`: the owner's state at some position of the log.
//!
//! ```text
//!  0        8         12      16      24       32        40
//!  +--------+---------+-------+-------+--------+---------+------//------+
//!  | magic  | version | crc   | tag   | replay | length  |   payload    |
//!  +--------+---------+-------+-------+--------+---------+------//------+
//!
//!  magic    8 bytes  "nuthchkp"
//!  version  u32      1
//!  crc      u32      CRC-32C of everything behind it
//!  tag      u64      the journal's
//!  replay   u64      position of the first record that the payload does not know
//!  length   u64      of the payload
//! ```
//!
//! It is written as `checkpoint.tmp`, flushed and renamed, after the log itself has been flushed: a
//! checkpoint never knows more than the log.

use super::{VERSION, u32_at, u64_at};

/// Name of the file in force.
pub const NAME: &str = "checkpoint";
/// Name during writing; removed at open.
pub const TEMPORARY_NAME: &str = "checkpoint.tmp";
/// Bytes before the payload.
pub const HEADER_BYTES: usize = 40;
const MAGIC: &[u8; 8] = b"nuthchkp";

/// The header for `payload`.
pub fn header(tag: u64, replay: u64, payload: &[u8]) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..24].copy_from_slice(&tag.to_le_bytes());
    bytes[24..32].copy_from_slice(&replay.to_le_bytes());
    bytes[32..40].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[16..]), payload);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Tag, replay position and payload of a whole file; `None` if it is damaged or of another version.
pub fn parse(bytes: &[u8]) -> Option<(u64, u64, &[u8])> {
    let sound = bytes.len() >= HEADER_BYTES
        && &bytes[..8] == MAGIC
        && u32_at(bytes, 8) == VERSION
        && u64_at(bytes, 32) == (bytes.len() - HEADER_BYTES) as u64
        && u32_at(bytes, 12) == crc32c::crc32c(&bytes[16..]);
    sound.then(|| (u64_at(bytes, 16), u64_at(bytes, 24), &bytes[HEADER_BYTES..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_read_back_whole_or_not_at_all() {
        for payload in [&b""[..], b"state"] {
            let mut file = header(9, 77, payload).to_vec();
            file.extend_from_slice(payload);
            assert_eq!(parse(&file), Some((9, 77, payload)));
            for cut in 0..file.len() {
                assert_eq!(parse(&file[..cut]), None, "cut at {cut}");
            }
            for bit in 0..file.len() * 8 {
                let mut flipped = file.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(parse(&flipped), None, "bit {bit}");
            }
            file.push(0);
            assert_eq!(parse(&file), None, "one byte too many");
        }
    }
}
