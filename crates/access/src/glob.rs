//! Globs of keys, topics and channels, as `stringmatchlen` of Redis: `*`, `?`, `[a-z]`, and `\` to escape.
//!
//! Nearly all globs are a prefix and a star; these are compared as a prefix.

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
    Prefix,
    General,
}

impl Glob {
    /// Parses a glob; any bytes are valid.
    pub fn new(text: &[u8]) -> Glob {
        let is_plain = |text: &[u8]| !text.iter().any(|b| matches!(b, b'*' | b'?' | b'[' | b'\\'));
        let kind = match text {
            b"*" => Kind::Any,
            _ if is_plain(text) => Kind::Literal,
            [start @ .., b'*'] if is_plain(start) => Kind::Prefix,
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
            Kind::Prefix => subject.starts_with(&self.text[..self.text.len() - 1]),
            Kind::General => glob_matches_case(&self.text, subject),
        }
    }

    /// True for `*`.
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
            ("app:*", Kind::Prefix),
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
    }
}
