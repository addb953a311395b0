//! The bytes of a key as nutcracker's C reads them on x86-64.
//!
//! `char` is signed there, and words are little-endian; every machine has to do the same.

/// A byte as a C `char` on x86-64, widened to 32 bits: 0x80..=0xff become 0xffffff80..=0xffffffff.
#[inline]
pub(super) fn signed_char(byte: u8) -> u32 {
    byte as i8 as u32
}

/// Up to four bytes as a little-endian number; missing high bytes are 0.
#[inline]
pub(super) fn little_endian(bytes: &[u8]) -> u32 {
    if let Ok(word) = <[u8; 4]>::try_from(bytes) {
        return u32::from_le_bytes(word);
    }
    bytes.iter().rev().fold(0, |word, &byte| (word << 8) | u32::from(byte))
}
