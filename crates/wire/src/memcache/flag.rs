//! The table of meta flags: letter, argument, and treatment by a proxy.
//!
//! Like memcached 1.6.18, reads every known flag on every meta command and ignores those that have no meaning
//! there.

/// Argument of a meta flag, after its letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// None; any text is ignored.
    None,
    /// A signed decimal number (seconds).
    Seconds,
    /// An unsigned decimal number up to 2^64-1.
    Unsigned,
    /// One character.
    Mode,
    /// Up to 31 bytes, repeated in the reply.
    Opaque,
}

/// One meta flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// Its letter.
    pub letter: u8,
    /// Its argument.
    pub token: TokenKind,
    /// The commands on which it has a meaning.
    pub commands: &'static str,
    /// Its effect.
    pub meaning: &'static str,
    /// The proxy's use of it; empty if it is forwarded unchanged.
    pub proxy: &'static str,
}

const fn flag(letter: u8, token: TokenKind, commands: &'static str, meaning: &'static str) -> Flag {
    Flag { letter, token, commands, meaning, proxy: "" }
}

/// All flags, by letter.
pub static FLAGS: [Flag; 25] = [
    flag(b'C', TokenKind::Unsigned, "ms md ma", "only if the item's cas is this"),
    flag(b'D', TokenKind::Unsigned, "ma", "add or subtract this much; 1 if absent"),
    Flag {
        proxy: "passes it on; memcached 1.6.18 does not know it and answers an error",
        ..flag(b'E', TokenKind::Unsigned, "mg ms md ma", "the item's new cas")
    },
    flag(b'F', TokenKind::Unsigned, "ms", "client flags of the item"),
    flag(b'I', TokenKind::None, "ms md", "mark stale (ms: if C is older)"),
    flag(b'J', TokenKind::Unsigned, "ma", "first value when N creates the item"),
    flag(b'L', TokenKind::None, "", "reserved for proxies"),
    flag(b'M', TokenKind::Mode, "ms ma", "mode: ms E A P R S, ma I + D -"),
    flag(b'N', TokenKind::Seconds, "mg ms ma", "create on a miss, with this time to live"),
    flag(b'O', TokenKind::Opaque, "mg ms md ma", "opaque, returned in the reply"),
    flag(b'P', TokenKind::None, "", "reserved for proxies"),
    flag(b'R', TokenKind::Seconds, "mg", "give a win if less than this time to live is left"),
    flag(b'T', TokenKind::Seconds, "mg ms md ma", "new time to live"),
    Flag {
        proxy: "routes by the decoded key, so that a key has one server however it is written",
        ..flag(b'b', TokenKind::None, "mg ms md ma me", "the key is base64")
    },
    flag(b'c', TokenKind::None, "mg ms ma", "return the cas"),
    flag(b'f', TokenKind::None, "mg", "return the client flags"),
    flag(b'h', TokenKind::None, "mg", "return whether it was hit before"),
    flag(b'k', TokenKind::None, "mg ms md ma", "return the key"),
    flag(b'l', TokenKind::None, "mg", "return seconds since the last access"),
    Flag {
        proxy: "takes it off, swallows the replies that it hides: mg EN, ms HD, md HD, ma HD and VA",
        ..flag(b'q', TokenKind::None, "mg ms md ma", "quiet: no reply in the expected case")
    },
    flag(b's', TokenKind::None, "mg", "return the size"),
    flag(b't', TokenKind::None, "mg ma", "return the time to live that is left"),
    flag(b'u', TokenKind::None, "mg", "do not count as an access"),
    flag(b'v', TokenKind::None, "mg ma", "return the value"),
    Flag {
        proxy: "passes it on; memcached 1.6.18 does not know it and answers an error",
        ..flag(b'x', TokenKind::None, "md", "remove the value, keep the item")
    },
];

/// The table by letter, for the parser.
static BY_LETTER: [Option<TokenKind>; 128] = by_letter();

const fn by_letter() -> [Option<TokenKind>; 128] {
    let mut table = [None; 128];
    let mut at = 0;
    while at < FLAGS_TABLE_LEN {
        table[FLAGS[at].letter as usize] = Some(FLAGS[at].token);
        at += 1;
    }
    table
}

const FLAGS_TABLE_LEN: usize = 25;

impl Flag {
    /// Argument of the flag `letter`, if there is such a flag.
    pub(crate) fn token_of(letter: u8) -> Option<TokenKind> {
        BY_LETTER.get(letter as usize).copied().flatten()
    }
}

/// The letters seen on one line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlagSet(u64);

impl FlagSet {
    /// The letter's bit: one for each byte from `@` to 0x7f; other bytes are no flags and share one.
    fn bit(letter: u8) -> u64 {
        1 << if letter.is_ascii_alphabetic() { letter - b'@' } else { 0 }
    }

    /// True if the letter was on the line.
    pub fn has(self, letter: u8) -> bool {
        self.0 & FlagSet::bit(letter) != 0
    }

    /// True if any of the letters was on the line.
    pub fn has_any(self, letters: &[u8]) -> bool {
        letters.iter().any(|&letter| self.has(letter))
    }

    /// Adds a letter; false if it was already in the set.
    pub(crate) fn add(&mut self, letter: u8) -> bool {
        let new = !self.has(letter);
        self.0 |= FlagSet::bit(letter);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_sorted_and_found() {
        assert!(FLAGS.windows(2).all(|pair| pair[0].letter < pair[1].letter));
        assert_eq!(FLAGS.len(), FLAGS_TABLE_LEN);
        for flag in &FLAGS {
            assert_eq!(Flag::token_of(flag.letter), Some(flag.token));
        }
        for byte in [0, b' ', b'0', b'y', b'z', b'A', 0x7f, 0x80, 0xff] {
            assert_eq!(Flag::token_of(byte), None);
        }
    }

    #[test]
    fn a_set_knows_its_letters() {
        let mut set = FlagSet::default();
        assert!(set.add(b'q') && set.add(b'Q') && set.add(b'z') && set.add(b'A'));
        assert!(!set.add(b'q'));
        assert!(set.has(b'z') && !set.has(b'a') && set.has_any(b"bcA") && !set.has_any(b"bc"));
    }
}
