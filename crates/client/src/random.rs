//! Chance for jitter. It need not be good, and nothing hangs on it.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A number from 0 to 1.
pub fn fraction() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1_u64 << 53) as f64
}
