//! Hash slots of a Redis Cluster: CRC16 (XMODEM) of the key's tag, or of the key, modulo 16384.

use crate::hash::Hash;
use crate::tag::tagged;

/// Number of slots of a cluster.
pub const SLOTS: usize = 16_384;

/// The slot of a key. The tag is what the first `{` and the first `}` after it enclose, if anything.
#[inline]
pub fn key_slot(key: &[u8]) -> u16 {
    (Hash::Crc16.hash(tagged(key, Some(*b"{}"))) % SLOTS as u32) as u16
}

#[cfg(test)]
mod tests {
    use super::key_slot;

    /// Answers of `CLUSTER KEYSLOT`.
    #[test]
    fn slots_of_redis() {
        for (key, slot) in [
            ("foo", 12182),
            ("{}foo", 9500),
            ("{a}{b}", 15495),
            ("}{a}", 15495),
            ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", 4015),
            ("foo{bar}{zap}", 5061),
            ("{", 4092),
            ("", 0),
            ("123456789", 12739),
        ] {
            assert_eq!(key_slot(key.as_bytes()), slot, "{key}");
        }
    }
}
