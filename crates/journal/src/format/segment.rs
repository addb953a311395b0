//! A segment: one file of the log.
//!
//! Its name is the position of its first record, 20 decimal digits and `.log`. Records follow the header
//! without gaps: the record at position `p` of a segment that starts at `s` lies at file offset `32 + p - s`.
//!
//! ```text
//!  0        8         12       16      24      28       32
//!  +--------+---------+--------+-------+-------+--------+-----//----+-----//----+
//!  | magic  | version | crc    | tag   | start          | record    | record ...
//!  +--------+---------+--------+-------+-------+--------+-----//----+-----//----+
//!
//!  magic    8 bytes  "nuthatch"
//!  version  u32      1
//!  crc      u32      CRC-32C of tag and start
//!  tag      u64      made at random when the journal was created; the same in all its files
//!  start    u64      position of the first record
//! ```

use super::{VERSION, u32_at, u64_at};

/// Bytes before the first record.
pub const HEADER_BYTES: u64 = 32;
const MAGIC: &[u8; 8] = b"nuthatch";
const SUFFIX: &str = ".log";
/// Limit on version numbers: a greater one is damage.
const VERSION_MAX: u32 = 0xffff;

/// The file name of the segment with this start.
pub fn name(start: u64) -> String {
    format!("{start:020}{SUFFIX}")
}

/// The start of the segment with this file name.
pub fn parse_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let plain = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// The header of a segment.
pub fn header(tag: u64, start: u64) -> [u8; HEADER_BYTES as usize] {
    let mut bytes = [0; HEADER_BYTES as usize];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..24].copy_from_slice(&tag.to_le_bytes());
    bytes[24..32].copy_from_slice(&start.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[16..]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Fields of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// An intact header with this tag and start.
    Sound {
        /// The journal's tag.
        tag: u64,
        /// Position of the first record.
        start: u64,
    },
    /// Intact, but of a version unknown to this program.
    Newer(u32),
    /// Not a header, or damaged.
    Bad,
}

/// True for a version that differs from this one by one flipped bit. A later version with such a number would
/// have records in another format.
pub fn is_one_bit_off(version: u32) -> bool {
    (version ^ VERSION).is_power_of_two()
}

/// The tag in a header, whether intact or not.
pub fn tag(header: &[u8; HEADER_BYTES as usize]) -> u64 {
    u64_at(header, 16)
}

/// Reads a header.
pub fn parse_header(bytes: &[u8]) -> Header {
    if bytes.len() < HEADER_BYTES as usize || &bytes[..8] != MAGIC {
        return Header::Bad;
    }
    let version = u32_at(bytes, 8);
    if u32_at(bytes, 12) != crc32c::crc32c(&bytes[16..HEADER_BYTES as usize]) {
        return Header::Bad;
    }
    if version != VERSION {
        return if version > VERSION && version <= VERSION_MAX {
            Header::Newer(version)
        } else {
            Header::Bad
        };
    }
    Header::Sound { tag: u64_at(bytes, 16), start: u64_at(bytes, 24) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_20_digits_and_sort_as_numbers() {
        for start in [0, 1, 999, u64::MAX] {
            assert_eq!(parse_name(&name(start)), Some(start));
        }
        assert!(name(9) < name(10));
        for bad in [
            "",
            ".log",
            "1.log",
            "0000000000000000000x.log",
            "+0000000000000000001.log",
            "99999999999999999999.log",
        ] {
            assert_eq!(parse_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_header_with_any_flipped_bit_is_refused() {
        let sound = header(0x0123_4567_89ab_cdef, 4096);
        assert_eq!(parse_header(&sound), Header::Sound { tag: 0x0123_4567_89ab_cdef, start: 4096 });
        for bit in 0..sound.len() * 8 {
            let mut flipped = sound;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(parse_header(&flipped), Header::Sound { .. }), "bit {bit}");
        }
        assert_eq!(parse_header(&sound[..31]), Header::Bad);
    }
}
