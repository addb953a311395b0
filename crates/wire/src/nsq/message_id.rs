//! Message ids: opaque to clients, 16 lowercase hexadecimal digits on the wire, 64 bits inside.
//!
//! A client may answer with any 16 bytes. An id that we did not issue is simply not in flight; the error
//! repeats it unchanged.

use std::fmt;

/// A message's id as we issue it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MessageId(pub u64);

/// An id as received: any 16 bytes. Error texts repeat it unchanged.
pub type RawId = [u8; 16];

impl MessageId {
    /// The 16 digits.
    pub fn to_hex(self) -> RawId {
        let mut digits = [0; 16];
        digits[..8].copy_from_slice(&digits_of((self.0 >> 32) as u32));
        digits[8..].copy_from_slice(&digits_of(self.0 as u32));
        digits
    }

    /// Parses the digits. `None` for an id that we cannot have issued, so that cannot be in flight.
    pub fn from_hex(digits: &RawId) -> Option<MessageId> {
        let (high, low) = (value_of(*digits.first_chunk()?)?, value_of(*digits.last_chunk()?)?);
        Some(MessageId(u64::from(high) << 32 | u64::from(low)))
    }
}

/// One in each byte.
const ONES: u64 = 0x0101_0101_0101_0101;
/// Distance between the digit after `9` and `a`.
const GAP: u64 = (b'a' - b'9' - 1) as u64;

/// Eight digits at once: each byte of a word is one.
fn digits_of(value: u32) -> [u8; 8] {
    let spread = u64::from(value);
    let spread = (spread << 16 | spread) & 0x0000_ffff_0000_ffff;
    let spread = (spread << 8 | spread) & 0x00ff_00ff_00ff_00ff;
    let nibbles = (spread << 4 | spread) & (0x0f * ONES);
    // Above 9 the sum with 6 carries into the upper half of the byte.
    let letters = (nibbles + 6 * ONES) >> 4 & ONES;
    (nibbles + u64::from(b'0') * ONES + letters * GAP).to_be_bytes()
}

/// The value of eight digits; `None` if any is invalid.
fn value_of(digits: [u8; 8]) -> Option<u32> {
    let word = u64::from_be_bytes(digits);
    // Letters have bit 6 set.
    let letters = word >> 6 & ONES;
    // Wraps only for invalid bytes, which the check finds.
    let nibbles = word.wrapping_sub(u64::from(b'0') * ONES).wrapping_sub(letters * GAP);
    let packed = nibbles & (0x0f * ONES);
    let packed = (packed >> 4 | packed) & 0x00ff_00ff_00ff_00ff;
    let packed = (packed >> 8 | packed) & 0x0000_ffff_0000_ffff;
    let value = (packed >> 16 | packed) as u32;
    (digits_of(value) == digits).then_some(value)
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits() {
        for value in [0, 1, 0x0123_4567_89ab_cdef, 0x0d3a_1b2c_4000_f000, u64::MAX] {
            let id = MessageId(value);
            assert_eq!(String::from_utf8_lossy(&id.to_hex()), id.to_string());
            assert_eq!(MessageId::from_hex(&id.to_hex()), Some(id));
        }
    }

    #[test]
    fn not_ours() {
        for digits in
            [b"0123456789ABCDEF", b"ZZZZZZZZZZZZZZ\xff\x01", b"000000000000000g", b" 000000000000000"]
        {
            assert_eq!(MessageId::from_hex(digits), None);
        }
    }
}
