//! Patterns of keys: `app:*` to read and write, `%R~shared:*` to read only, `%W~log:*` to write only.
//!
//! As in Redis, a key that is both read and written needs one pattern that allows both. Two that allow one
//! each do not combine, unless their globs are equal: `%R~a %W~a` is `a`, but `%R~a* %W~a` does not allow
//! `GETSET a`. A command that learns only whether a key exists needs any pattern that matches.

use wire::redis::command::Side;

use crate::glob::{GLOB_BYTES_MAX, Glob, Head};

/// The keys that a user may touch.
#[derive(Debug, Clone)]
pub struct KeyRules {
    /// Some pattern is `*`, to read and write.
    all: bool,
    /// Head of the first pattern that allows both sides and needs no more than a head.
    quick: Head,
    patterns: Vec<Pattern>,
}

impl Default for KeyRules {
    fn default() -> Self {
        KeyRules { all: false, quick: Head::NEVER, patterns: Vec::new() }
    }
}

#[derive(Debug, Clone)]
struct Pattern {
    glob: Glob,
    side: Side,
}

impl KeyRules {
    /// Parses patterns; each fault names the pattern and its error.
    pub fn parse<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<KeyRules, Vec<String>> {
        let mut rules = KeyRules::default();
        let mut faults = Vec::new();
        for text in patterns {
            match pattern(text) {
                Ok(pattern) => rules.add(pattern),
                Err(why) => faults.push(format!("\"{}\": {why}", text.escape_default())),
            }
        }
        let mut heads = rules.patterns.iter().filter(|pattern| pattern.side == Side::BOTH);
        rules.quick = heads.find_map(|pattern| pattern.glob.head()).unwrap_or(Head::NEVER);
        if faults.is_empty() { Ok(rules) } else { Err(faults) }
    }

    fn add(&mut self, mut pattern: Pattern) {
        if let Some(at) = self.patterns.iter().position(|known| known.glob == pattern.glob) {
            pattern.side = pattern.side.or(self.patterns.remove(at).side);
        }
        self.all |= pattern.glob.is_any() && pattern.side == Side::BOTH;
        self.patterns.push(pattern);
    }

    /// True if all keys may be read and written.
    #[inline]
    pub fn all(&self) -> bool {
        self.all
    }

    /// True if the accesses of `side` to this key are allowed.
    #[inline]
    pub fn allow(&self, key: &[u8], side: Side) -> bool {
        // One comparison decides for nearly all keys of nearly all users.
        key.first_chunk().is_some_and(|first| self.quick.begins(*first)) || self.allow_in_full(key, side)
    }

    fn allow_in_full(&self, key: &[u8], side: Side) -> bool {
        let fits = |pattern: &Pattern| side.is_within(pattern.side) && pattern.glob.matches(key);
        self.all || self.patterns.iter().any(fits)
    }

    /// True if all keys may be read, as `SORT … GET` needs.
    pub fn all_readable(&self) -> bool {
        self.all || self.patterns.iter().any(|p| p.glob.is_any() && Side::READ.is_within(p.side))
    }

    /// The patterns as Redis shows them: `~app:* %R~shared:*`.
    pub fn shown(&self) -> Vec<u8> {
        if self.all {
            return b"~*".to_vec();
        }
        let shown = |pattern: &Pattern| {
            let prefix: &[u8] = match pattern.side {
                Side::READ => b"%R~",
                Side::WRITE => b"%W~",
                _ => b"~",
            };
            [prefix, pattern.glob.text()].concat()
        };
        self.patterns.iter().map(shown).collect::<Vec<_>>().join(&b' ')
    }
}

fn pattern(text: &str) -> Result<Pattern, &'static str> {
    if text.eq_ignore_ascii_case("allkeys") {
        return Ok(Pattern { glob: Glob::new(b"*"), side: Side::BOTH });
    }
    if text.eq_ignore_ascii_case("resetkeys") {
        return Err("the list begins empty; leave it out");
    }
    let (side, glob) = match text.as_bytes() {
        [b'%', rest @ ..] => sided(rest)?,
        [b'~', glob @ ..] => (Side::BOTH, glob),
        glob => (Side::BOTH, glob),
    };
    match glob {
        [] => Err("it is empty and fits the empty key only; write \"*\" for all keys"),
        _ if glob.len() > GLOB_BYTES_MAX => Err("it is longer than 1024 bytes"),
        _ if glob.iter().any(u8::is_ascii_whitespace) => Err("it has a space; write ? for any byte"),
        _ => Ok(Pattern { glob: Glob::new(glob), side }),
    }
}

/// Parses `R~glob`, `W~glob`, `RW~glob`, as Redis does after `%`.
fn sided(text: &[u8]) -> Result<(Side, &[u8]), &'static str> {
    const WRONG: &str = "after % comes R, W or RW, then ~; a key that begins with % is written ~%…";
    let tilde = text.iter().position(|b| *b == b'~').ok_or(WRONG)?;
    let (letters, glob) = (&text[..tilde], &text[tilde + 1..]);
    let side = match letters.to_ascii_uppercase().as_slice() {
        b"R" => Side::READ,
        b"W" => Side::WRITE,
        b"RW" | b"WR" => Side::BOTH,
        _ => return Err(WRONG),
    };
    Ok((side, glob))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read() {
        for (text, shown) in [
            ("app:*", "~app:*"),
            ("~app:*", "~app:*"),
            ("%R~a", "%R~a"),
            ("%w~a", "%W~a"),
            ("%RW~a", "~a"),
            ("%Wr~a", "~a"),
            ("*", "~*"),
            ("allkeys", "~*"),
            ("%RW~*", "~*"),
            ("%R~*", "%R~*"),
            ("~%R~a", "~%R~a"),
            ("~~a", "~~a"),
        ] {
            let rules = KeyRules::parse([text]).unwrap();
            assert_eq!(String::from_utf8(rules.shown()).unwrap(), shown, "{text}");
        }
        let long = "x".repeat(1025);
        for text in ["", "~", "%", "%a", "%R", "%X~a", "%~a", "%RR~a", "%R~", "resetkeys", "a b", &long] {
            assert!(KeyRules::parse([text]).is_err(), "{text}");
        }
        assert!(KeyRules::parse(["x".repeat(1024).as_str()]).is_ok());
        let faults = KeyRules::parse(["%X~a", "ok", "a\nb"]).unwrap_err();
        assert_eq!(faults.len(), 2);
        assert!(faults[1].starts_with("\"a\\nb\": "), "{}", faults[1]);
    }

    #[test]
    fn sides_do_not_add_up() {
        let rules = KeyRules::parse(["app:*", "%R~both*", "%W~both", "%R~r:*", "%W~w:*"]).unwrap();
        let allowed = |key: &str| {
            [Side::NONE, Side::READ, Side::WRITE, Side::BOTH].map(|side| rules.allow(key.as_bytes(), side))
        };
        assert_eq!(allowed("app:1"), [true, true, true, true]);
        assert_eq!(allowed("both"), [true, true, true, false]);
        assert_eq!(allowed("r:1"), [true, true, false, false]);
        assert_eq!(allowed("w:1"), [true, false, true, false]);
        assert_eq!(allowed("other"), [false; 4]);
        assert!(!rules.all_readable());
        assert!(KeyRules::parse(["%R~*"]).unwrap().all_readable());
        assert!(!KeyRules::parse(["%W~*"]).unwrap().all_readable());
        assert!(!KeyRules::default().allow(b"", Side::NONE));
        let same = KeyRules::parse(["%R~a", "%W~a"]).unwrap();
        assert!(same.allow(b"a", Side::BOTH) && !same.all());
        assert!(KeyRules::parse(["%R~*", "%W~*"]).unwrap().all());
    }

    proptest::proptest! {
        /// The comparison with a head and the walk over all patterns agree.
        #[test]
        fn a_head_decides_as_all_patterns_do(
            patterns in proptest::collection::vec("(%R~|%W~|)([ab]{1,9}\\*?|\\*)", 1..4),
            key in "[ab]{0,12}",
        ) {
            let rules = KeyRules::parse(patterns.iter().map(String::as_str)).unwrap();
            for side in [Side::NONE, Side::READ, Side::WRITE, Side::BOTH] {
                let (quick, full) = (rules.allow(key.as_bytes(), side), rules.allow_in_full(key.as_bytes(), side));
                proptest::prop_assert_eq!(quick, full);
            }
        }
    }
}
