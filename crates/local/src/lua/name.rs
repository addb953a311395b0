//! Names of scripts.

use std::fmt;

use sha1::{Digest, Sha1};

/// A script's name: the sha1 of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Name([u8; 20]);

impl Name {
    /// The name of a source.
    pub(crate) fn of(source: &[u8]) -> Name {
        Name(Sha1::digest(source).into())
    }

    /// From forty hexadecimal digits, of either case.
    pub(crate) fn parse(text: &[u8]) -> Option<Name> {
        let digits = std::str::from_utf8(text).ok().filter(|text| text.len() == 40)?;
        let digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(digits)?;
        let mut sha = [0; 20];
        for (at, byte) in sha.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(Name(sha))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
