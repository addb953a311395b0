//! A record of a disk queue's data file: a length, then a message as on the wire.
//!
//! ```text
//!  0        4              12         14          30         4 + length
//!  +--------+--------------+----------+-----------+---//-----+
//!  | length | timestamp    | attempts | id        | body     |
//!  +--------+--------------+----------+-----------+---//-----+
//!
//!  length     i32  of everything behind it, 26 and more, big-endian as all of these
//!  timestamp  i64  ns since the epoch, when it was published
//!  attempts   u16  deliveries so far
//!  id              16 lowercase hex digits
//! ```

/// Bytes of the length.
const LENGTH_BYTES: usize = 4;
/// Bytes of a message before its body.
const HEAD_BYTES: usize = 26;
/// Bytes needed to judge a record.
pub const JUDGED_BYTES: usize = LENGTH_BYTES + HEAD_BYTES;

/// A message as stored by nsqd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// The id; on the wire its 16 hex digits.
    pub id: u64,
    /// Nanoseconds since the epoch when it was published.
    pub timestamp: i64,
    /// Deliveries so far; the next one arrives with one more.
    pub attempts: u16,
    /// Body as published.
    pub body: &'a [u8],
}

/// Item at the start of some bytes of a data file.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// A message, and the bytes of its record.
    Message(Message<'a>, usize),
    /// A sound record of this many bytes, whose body is larger than allowed.
    TooLarge(u64),
    /// Incomplete: bytes needed to go on.
    NeedMore(usize),
    /// Not a record that nsqd has finished writing.
    Bad(&'static str),
}

/// Parses the start of `bytes`, from which on the file has `left` bytes in total.
pub fn parse(bytes: &[u8], left: u64, body_bytes_max: usize) -> Parsed<'_> {
    if left < JUDGED_BYTES as u64 {
        return Parsed::Bad("the file ends within a record");
    }
    if bytes.len() < JUDGED_BYTES {
        return Parsed::NeedMore(JUDGED_BYTES);
    }
    let length = i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let total = match usize::try_from(length) {
        Ok(length) if length >= HEAD_BYTES => LENGTH_BYTES + length,
        _ => return Parsed::Bad("the length of a record is not possible"),
    };
    let Some(id) = parse_id(&bytes[14..30]) else { return Parsed::Bad("the id of a message is not one") };
    if total as u64 > left {
        return Parsed::Bad("the file ends within a record");
    }
    if total - JUDGED_BYTES > body_bytes_max {
        return Parsed::TooLarge(total as u64);
    }
    if bytes.len() < total {
        return Parsed::NeedMore(total);
    }
    let timestamp = bytes[4..12].iter().fold(0, |value: u64, byte| value << 8 | u64::from(*byte)) as i64;
    let attempts = u16::from_be_bytes([bytes[12], bytes[13]]);
    Parsed::Message(Message { id, timestamp, attempts, body: &bytes[JUDGED_BYTES..total] }, total)
}

/// 16 lowercase hex digits.
fn parse_id(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |id: u64, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(id << 4 | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(length: i32, id: &[u8; 16], body: &[u8]) -> Vec<u8> {
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend_from_slice(&1_795_272_114_555_304_339_i64.to_be_bytes());
        bytes.extend_from_slice(&3_u16.to_be_bytes());
        bytes.extend_from_slice(id);
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn a_message_whole_and_in_pieces() {
        for body in [&b""[..], b"x", b"a body with \0 in it"] {
            let bytes = record(26 + body.len() as i32, b"18a336a748c11000", body);
            let expected = Message {
                id: 0x18a3_36a7_48c1_1000,
                timestamp: 1_795_272_114_555_304_339,
                attempts: 3,
                body,
            };
            let left = bytes.len() as u64;
            assert_eq!(parse(&bytes, left, 100), Parsed::Message(expected, bytes.len()));
            for cut in 0..bytes.len() {
                let needed = if cut < 30 { 30 } else { bytes.len() };
                assert_eq!(parse(&bytes[..cut], left, 100), Parsed::NeedMore(needed), "{cut} bytes");
                assert!(
                    matches!(parse(&bytes[..cut], cut as u64, 100), Parsed::Bad(_)),
                    "a file of {cut} bytes"
                );
            }
        }
    }

    #[test]
    fn the_largest_body_and_one_more() {
        let bytes = record(26 + 10, b"18a336a748c11000", &[7; 10]);
        assert!(matches!(parse(&bytes, 40, 10), Parsed::Message(..)));
        assert_eq!(parse(&bytes, 40, 9), Parsed::TooLarge(40));
    }

    #[test]
    fn what_nsqd_would_not_write() {
        let id = b"18a336a748c11000";
        let malformed = [
            record(25, id, b""),
            record(0, id, b""),
            record(-1, id, b""),
            record(i32::MIN, id, b""),
            record(i32::MAX, id, b"short"),
            record(27, id, b""),
            record(26, b"18A336A748C11000", b""),
            record(26, b"18a336a748c1100g", b""),
            vec![0; 64],
            vec![0xff; 64],
        ];
        for bytes in malformed {
            assert!(matches!(parse(&bytes, bytes.len() as u64, 100), Parsed::Bad(_)), "{bytes:?}");
        }
    }
}
