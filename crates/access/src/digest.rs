//! Digest of a secret, kept instead of the secret itself.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// Bytes of the longest secret; a longer one is always wrong.
pub const SECRET_BYTES_MAX: usize = 1024;

/// SHA-256 of a secret.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Computes the digest of a secret. Fast: a few hundred nanoseconds.
    pub fn of(secret: &[u8]) -> Digest {
        Digest(Sha256::digest(secret).into())
    }

    /// Parses 64 lower-case hex digits, as Redis writes them.
    pub fn from_hex(text: &str) -> Option<Digest> {
        let mut bytes = [0; 32];
        let digit = |b: u8| match b {
            b'0'..=b'9' => Some(b - b'0'),
            b'a'..=b'f' => Some(b - b'a' + 10),
            _ => None,
        };
        if text.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Digest(bytes))
    }

    /// Compares in constant time.
    pub(crate) fn is(&self, other: &Digest) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Digest) -> bool {
        self.is(other).into()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returning a [`Choice`] forces a comparison in constant time.
    #[test]
    fn secrets_are_compared_in_constant_time() {
        let is: fn(&Digest, &Digest) -> Choice = Digest::is;
        let (one, same, other) = (Digest::of(b"secret"), Digest::of(b"secret"), Digest::of(b"secreu"));
        assert!(bool::from(is(&one, &same)) && !bool::from(is(&one, &other)));
        assert!(one == same && one != other);
    }
}
