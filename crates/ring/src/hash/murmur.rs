//! `MurmurHash2` with the seed that libmemcached and nutcracker derive from the length.
//!
//! Four bytes per round, little-endian; the tail of one to three bytes is one smaller word.

use super::bytes::little_endian;

const MULTIPLIER: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;

/// `MurmurHash2` of `key`, seed 0xdeadbeef times the length.
pub(super) fn murmur2(key: &[u8]) -> u32 {
    let length = key.len() as u32;
    let words = key.chunks_exact(4);
    let tail = words.remainder();
    let mut hash = words.fold(0xdead_beef_u32.wrapping_mul(length) ^ length, |hash, chunk| {
        let word = little_endian(chunk).wrapping_mul(MULTIPLIER);
        let word = (word ^ (word >> SHIFT)).wrapping_mul(MULTIPLIER);
        hash.wrapping_mul(MULTIPLIER) ^ word
    });
    if !tail.is_empty() {
        hash = (hash ^ little_endian(tail)).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}
