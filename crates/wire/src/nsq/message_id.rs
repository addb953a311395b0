//! Message ids: opaque to clients, 16 lowercase hexadecimal digits on the wire, 64 bits inside.
//!
//! A client may answer with any 16 bytes. What is not an id of ours is simply not in flight; the error repeats it as it came.

use std::fmt;

/// A message's id as we issue it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MessageId(pub u64);

/// An id as a client sent it: 16 bytes of anything. Error texts repeat it as it came.
pub type RawId = [u8; 16];

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Value of each byte as a lowercase hexadecimal digit; 16 and above for all others.
const VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut digit = 0;
    while digit < 16 {
        values[DIGITS[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

impl MessageId {
    /// The 16 digits.
    pub fn to_hex(self) -> RawId {
        let mut digits = [0; 16];
        for (i, byte) in self.0.to_be_bytes().into_iter().enumerate() {
            digits[2 * i] = DIGITS[usize::from(byte >> 4)];
            digits[2 * i + 1] = DIGITS[usize::from(byte & 15)];
        }
        digits
    }

    /// The id that these digits stand for. `None` for what we cannot have issued (such an id is not in flight).
    pub fn from_hex(digits: &RawId) -> Option<MessageId> {
        let mut value = 0;
        let mut seen = 0;
        for digit in digits {
            let nibble = VALUES[usize::from(*digit)];
            seen |= nibble;
            value = value << 4 | u64::from(nibble & 15);
        }
        (seen < 16).then_some(MessageId(value))
    }
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
