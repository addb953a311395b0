//! Randomness for jitter. Quality does not matter.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A random number from 0 to 1.
pub fn fraction() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1_u64 << 53) as f64
}
