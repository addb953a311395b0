//! Checks that a reply names requested keys only.
//!
//! A server answers with the blocks of the requested keys, in their order, without the misses; one that is
//! itself a proxy may reorder them. A block of any other key belongs to another request: the connection is
//! out of step, and its value must not reach any client.

use super::BadReply;
use crate::memcache::request::Tokens;

/// Most passes through the keys per reply: enough for a server that answers by groups, and few enough to
/// bound the work.
const ROUNDS_MAX: u32 = 64;

/// Position among the requested keys at which the next block is expected.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cursor {
    /// After the key of the last block.
    at: usize,
    rounds: u32,
}

impl Cursor {
    /// Checks a block for `key`; `asked` are the keys of the request, separated by spaces.
    #[inline]
    pub(super) fn meet(&mut self, key: &[u8], asked: &[u8]) -> Result<(), BadReply> {
        let rest = &asked[self.at..];
        if !key.is_empty() && rest.starts_with(key) && rest.get(key.len()).is_none_or(|byte| *byte == b' ') {
            self.at = (self.at + key.len() + 1).min(asked.len());
            return Ok(());
        }
        self.search(key, asked)
    }

    #[cold]
    fn search(&mut self, key: &[u8], asked: &[u8]) -> Result<(), BadReply> {
        let find = |from| Tokens::from(asked, from).find(|token| token.of(asked) == key);
        let mut found = find(self.at);
        if found.is_none() && self.rounds < ROUNDS_MAX {
            self.rounds += 1;
            found = find(0);
        }
        let found = found.ok_or(BadReply::NotAsked)?;
        self.at = (found.end as usize + 1).min(asked.len());
        Ok(())
    }
}

/// Checks that the meta flags `k` and `O` in the reply `words` match the request, whose line from its key on
/// is `asked`.
pub(super) fn echoes(words: &[u8], asked: &[u8]) -> bool {
    if asked.is_empty() {
        return true;
    }
    Tokens::from(words, 0).map(|span| span.of(words)).all(|word| match word {
        [b'k', key @ ..] => is_first(key, asked),
        [b'O', ..] => Tokens::from(asked, 0).skip(1).any(|span| span.of(asked) == word),
        _ => true,
    })
}

/// True if `key` is the key of a request for one key.
pub(super) fn is_first(key: &[u8], asked: &[u8]) -> bool {
    Tokens::from(asked, 0).next().is_some_and(|span| span.of(asked) == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meets(asked: &str, keys: &[&str]) -> bool {
        let mut cursor = Cursor::default();
        keys.iter().all(|key| cursor.meet(key.as_bytes(), asked.as_bytes()).is_ok())
    }

    #[test]
    fn keys_that_were_asked_for() {
        for keys in [
            &["a", "bb", "a", "ccc"][..],
            &["a"],
            &["ccc"],
            &["bb", "ccc"],
            // By groups, as nutcracker answers.
            &["ccc", "bb", "a"],
        ] {
            assert!(meets("a bb a ccc", keys), "{keys:?}");
            assert!(meets(" a  bb   a ccc ", keys), "{keys:?}");
        }
        for keys in [&["b"][..], &["bbb"], &["a", "x"], &["ccc", "c"], &["cccc"], &[""]] {
            assert!(!meets("a bb a ccc", keys), "{keys:?}");
        }
        assert!(!meets("", &["a"]));
    }

    #[test]
    fn a_server_cannot_keep_us_searching() {
        let mut cursor = Cursor::default();
        let found = (0..1000).take_while(|n| cursor.meet([b"b", b"a"][n % 2], b"a b").is_ok()).count();
        assert!((100..200).contains(&found), "{found}");
    }

    #[test]
    fn flags_that_come_back() {
        let cases = [
            ("", "kother O9", true),
            ("key k O12", "kkey O12 f0", true),
            ("key k O12", "f0", true),
            ("key k O12", "kkez", false),
            ("key k O12", "O1", false),
            ("Okey k", "OOkey", false),
            ("a2V5 b k", "ka2V5 b", true),
        ];
        for (asked, words, right) in cases {
            assert_eq!(echoes(words.as_bytes(), asked.as_bytes()), right, "{asked:?} {words:?}");
        }
    }
}
