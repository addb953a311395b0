//! Paul Hsieh's `SuperFastHash`, as libmemcached and nutcracker have it: started at 0, not at the length.
//!
//! Four bytes per round as two little-endian halves; tails of 1, 2 and 3 bytes are separate cases, and only
//! the tail of three reads its last byte as a signed char.

use super::bytes::{little_endian, signed_char};

/// `SuperFastHash` of `key`; the empty key gives 0.
pub(super) fn hsieh(key: &[u8]) -> u32 {
    let rounds = key.chunks_exact(4);
    let tail = rounds.remainder();
    let mut hash = rounds.fold(0u32, |hash, chunk| {
        let word = little_endian(chunk);
        let hash = hash.wrapping_add(word & 0xffff);
        let mixed = ((word >> 16) << 11) ^ hash;
        let hash = (hash << 16) ^ mixed;
        hash.wrapping_add(hash >> 11)
    });
    match *tail {
        [a, b, c] => {
            hash = hash.wrapping_add(little_endian(&[a, b]));
            hash ^= hash << 16;
            hash ^= signed_char(c) << 18;
            hash = hash.wrapping_add(hash >> 11);
        }
        [a, b] => {
            hash = hash.wrapping_add(little_endian(&[a, b]));
            hash ^= hash << 11;
            hash = hash.wrapping_add(hash >> 17);
        }
        [a] => {
            hash = hash.wrapping_add(u32::from(a));
            hash ^= hash << 10;
            hash = hash.wrapping_add(hash >> 1);
        }
        _ => {}
    }
    avalanche(hash)
}

/// Lets every input bit reach every output bit.
fn avalanche(mut hash: u32) -> u32 {
    hash ^= hash << 3;
    hash = hash.wrapping_add(hash >> 5);
    hash ^= hash << 4;
    hash = hash.wrapping_add(hash >> 17);
    hash ^= hash << 25;
    hash.wrapping_add(hash >> 6)
}
