//! Bob Jenkins's two hashes: one-at-a-time (1996) and lookup3's hashlittle (2006).
//!
//! The first reads signed chars; the second reads words of four bytes, little-endian, whatever the alignment.

use super::bytes::{little_endian, signed_char};

/// One-at-a-time, started at 0.
pub(super) fn one_at_a_time(key: &[u8]) -> u32 {
    let mut hash = key.iter().fold(0u32, |hash, &byte| {
        let hash = hash.wrapping_add(signed_char(byte));
        let hash = hash.wrapping_add(hash << 10);
        hash ^ (hash >> 6)
    });
    hash = hash.wrapping_add(hash << 3);
    hash ^= hash >> 11;
    hash.wrapping_add(hash << 15)
}

/// The initial value that libmemcached and nutcracker pass to hashlittle.
const INITIAL: u32 = 13;
/// Bytes consumed by one round.
const BLOCK: usize = 12;

/// lookup3 hashlittle of `key`, initial value 13.
pub(super) fn lookup3(key: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(key.len() as u32).wrapping_add(INITIAL);
    let mut state = [start; 3];
    if key.is_empty() {
        return start;
    }
    // The last block, of 1 to 12 bytes, is not mixed but finished.
    let last = (key.len() - 1) / BLOCK * BLOCK;
    let (blocks, tail) = key.split_at(last);
    for block in blocks.chunks_exact(BLOCK) {
        add_block(&mut state, block);
        mix(&mut state);
    }
    add_block(&mut state, tail);
    finish(state)
}

/// Adds up to 12 bytes to the state, four little-endian bytes to each word.
#[inline]
fn add_block(state: &mut [u32; 3], block: &[u8]) {
    for (word, bytes) in state.iter_mut().zip(block.chunks(4)) {
        *word = word.wrapping_add(little_endian(bytes));
    }
}

/// One reversible round over the state.
#[inline]
fn mix(state: &mut [u32; 3]) {
    let [mut a, mut b, mut c] = *state;
    a = a.wrapping_sub(c) ^ c.rotate_left(4);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(6);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(8);
    b = b.wrapping_add(a);
    a = a.wrapping_sub(c) ^ c.rotate_left(16);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(19);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(4);
    b = b.wrapping_add(a);
    *state = [a, b, c];
}

/// The last, irreversible round; its third word is the hash.
#[inline]
fn finish(state: [u32; 3]) -> u32 {
    let [mut a, mut b, mut c] = state;
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}
