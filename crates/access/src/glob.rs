//! Globs of keys, topics and channels, as `stringmatchlen` of Redis: `*`, `?`, `[a-z]`, and `\` to escape.
//!
//! Nearly all globs are a prefix and a star; these are compared as a prefix, its first eight bytes as one
//! number.

use wire::redis::glob_matches_case;

/// Bytes of the longest glob.
pub const GLOB_BYTES_MAX: usize = 1024;

/// A parsed glob. Case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: Box<[u8]>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `*`
    Any,
    /// No special character.
    Literal,
    /// No special character but a star at the end.
    Prefix(Head),
    General,
}

/// The first bytes of a prefix, at most eight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    bytes: u64,
    /// Set where `bytes` counts.
    mask: u64,
    /// The prefix has no more bytes.
    is_all: bool,
}

impl Head {
    fn of(prefix: &[u8]) -> Head {
        let (mut bytes, mut mask) = ([0; 8], [0; 8]);
        for (at, byte) in prefix.iter().take(8).enumerate() {
            (bytes[at], mask[at]) = (*byte, u8::MAX);
        }
        let number = u64::from_ne_bytes;
        Head { bytes: number(bytes), mask: number(mask), is_all: prefix.len() <= 8 }
    }

    /// Begins no subject.
    pub(crate) const NEVER: Head = Head { bytes: 1, mask: 0, is_all: true };

    /// True if a subject with these first bytes begins with it.
    #[inline]
    pub(crate) fn begins(self, first: [u8; 8]) -> bool {
        u64::from_ne_bytes(first) & self.mask == self.bytes
    }
}

impl Glob {
    /// Parses a glob; any bytes are valid.
    pub fn new(text: &[u8]) -> Glob {
        let is_plain = |text: &[u8]| !text.iter().any(|b| matches!(b, b'*' | b'?' | b'[' | b'\\'));
        let kind = match text {
            b"*" => Kind::Any,
            _ if is_plain(text) => Kind::Literal,
            [start @ .., b'*'] if is_plain(start) => Kind::Prefix(Head::of(start)),
            _ => Kind::General,
        };
        Glob { text: text.into(), kind }
    }

    /// True if it matches the whole of `subject`.
    #[inline]
    pub fn matches(&self, subject: &[u8]) -> bool {
        match self.kind {
            Kind::Any => true,
            Kind::Literal => *subject == *self.text,
            Kind::Prefix(head) => match subject.first_chunk() {
                Some(first) => head.begins(*first) && (head.is_all || self.begins(subject)),
                None => self.begins(subject),
            },
            Kind::General => glob_matches_case(&self.text, subject),
        }
    }

    /// The head that decides alone whether a subject of at least eight bytes matches; `None` if there is more
    /// to compare.
    pub(crate) fn head(&self) -> Option<Head> {
        match self.kind {
            Kind::Any => Some(Head::of(b"")),
            Kind::Prefix(head) => Some(head).filter(|head| head.is_all),
            Kind::Literal | Kind::General => None,
        }
    }

    /// True if a prefix and a star match, compared byte by byte.
    fn begins(&self, subject: &[u8]) -> bool {
        self.text.split_last().is_some_and(|(_, prefix)| subject.starts_with(prefix))
    }

    /// True for `*`.
    #[inline]
    pub fn is_any(&self) -> bool {
        self.kind == Kind::Any
    }

    /// True if it matches one string only.
    pub fn is_literal(&self) -> bool {
        self.kind == Kind::Literal
    }

    /// The glob as it was written.
    pub fn text(&self) -> &[u8] {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn kinds() {
        for (text, kind) in [
            ("*", Kind::Any),
            ("", Kind::Literal),
            ("app", Kind::Literal),
            ("app:*", Kind::Prefix(Head::of(b"app:"))),
            ("app:**", Kind::General),
            ("*app", Kind::General),
            ("a?*", Kind::General),
            ("[ab]*", Kind::General),
            (r"a\**", Kind::General),
        ] {
            assert_eq!(Glob::new(text.as_bytes()).kind, kind, "{text}");
        }
    }

    proptest! {
        /// The fast paths agree with the general one.
        #[test]
        fn all_kinds_agree(glob in r"[ab*?\[\]\\^-]{0,6}", subject in "[ab*]{0,6}") {
            let general = glob_matches_case(glob.as_bytes(), subject.as_bytes());
            prop_assert_eq!(Glob::new(glob.as_bytes()).matches(subject.as_bytes()), general);
        }

        /// Prefixes around eight bytes, and subjects that differ from them in one byte at most.
        #[test]
        fn prefixes(prefix in "[a-c:]{0,11}", rest in "[a-c]{0,11}", at in 0usize..24, other in "[a-c]") {
            let mut subject = format!("{prefix}{rest}").into_bytes();
            if let Some(byte) = subject.get_mut(at) {
                *byte = other.as_bytes()[0];
            }
            let expected = subject.starts_with(prefix.as_bytes());
            prop_assert_eq!(Glob::new(format!("{prefix}*").as_bytes()).matches(&subject), expected);
            subject.truncate(at);
            let expected = subject.starts_with(prefix.as_bytes());
            prop_assert_eq!(Glob::new(format!("{prefix}*").as_bytes()).matches(&subject), expected);
        }
    }
}
