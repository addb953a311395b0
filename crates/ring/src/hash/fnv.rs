//! Fowler-Noll-Vo, four flavours from two functions.
//!
//! nutcracker returns 32 bits of the 64-bit flavours. The low half of a product depends only on the low
//! halves of its factors, so 32-bit arithmetic with the low halves of the constants gives the same value.

use super::bytes::signed_char;

/// Low half of the 64-bit offset basis 0xcbf29ce484222325.
pub(super) const INIT_64: u32 = 0x8422_2325;
/// Low half of the 64-bit prime 0x100000001b3.
pub(super) const PRIME_64: u32 = 0x0000_01b3;
/// The 32-bit offset basis.
pub(super) const INIT_32: u32 = 2_166_136_261;
/// The 32-bit prime.
pub(super) const PRIME_32: u32 = 16_777_619;

/// FNV-1: multiply, then mix the byte in.
#[inline]
pub(super) fn fnv1(key: &[u8], init: u32, prime: u32) -> u32 {
    key.iter().fold(init, |hash, &byte| hash.wrapping_mul(prime) ^ signed_char(byte))
}

/// FNV-1a: mix the byte in, then multiply.
#[inline]
pub(super) fn fnv1a(key: &[u8], init: u32, prime: u32) -> u32 {
    key.iter().fold(init, |hash, &byte| (hash ^ signed_char(byte)).wrapping_mul(prime))
}
