//! A memcached command in progress: its words, its data block, the time, the store, and the reply buffer.
//!
//! A failing command returns the line that its client gets; text commands that end in `noreply` run inside
//! `unless_noreply`, which drops all output.

use wire::memcache::KEY_BYTES_MAX;

use super::refusal::{BAD_FORMAT, Refusal};
use crate::Store;

/// Most words kept; longer lines are only legal for commands with many keys.
const WORDS_KEPT: usize = 24;

/// The words of a command line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'r> {
    line: &'r [u8],
    kept: [&'r [u8]; WORDS_KEPT],
    count: usize,
}

impl<'r> Words<'r> {
    /// Splits a line at spaces only; the line ends at a NUL, as a C string does.
    pub(super) fn of(line: &'r [u8]) -> Words<'r> {
        let line = line.split(|&byte| byte == 0).next().unwrap_or_default();
        let mut words = Words { line, kept: [b""; WORDS_KEPT], count: 0 };
        for word in words.all() {
            if let Some(place) = words.kept.get_mut(words.count) {
                *place = word;
            }
            words.count += 1;
        }
        words
    }

    /// Number of words, including the command's name.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// A word; empty if there are fewer.
    pub(super) fn get(&self, i: usize) -> &'r [u8] {
        self.kept.get(i).copied().unwrap_or_default()
    }

    /// The kept words from `start` on.
    pub(super) fn kept_from(&self, start: usize) -> &[&'r [u8]] {
        self.kept.get(start..self.count.min(WORDS_KEPT)).unwrap_or_default()
    }

    /// Every word.
    pub(super) fn all(&self) -> impl Iterator<Item = &'r [u8]> + use<'r> {
        self.line.split(|&byte| byte == b' ').filter(|word| !word.is_empty())
    }

    /// True if the last word is `noreply`.
    pub(super) fn noreply(&self) -> bool {
        self.all().last() == Some(b"noreply")
    }
}

/// A command with a valid number of words.
pub(super) struct Request<'r> {
    pub(super) store: &'r mut Store,
    pub(super) words: Words<'r>,
    pub(super) data: &'r [u8],
    pub(super) now_s: u64,
    pub(super) out: &'r mut Vec<u8>,
    /// Suppresses all answers of text commands, including errors.
    pub(super) noreply: bool,
}

impl<'r> Request<'r> {
    /// The time in the store's unit.
    pub(super) fn now_ms(&self) -> u64 {
        self.now_s.saturating_mul(1000)
    }

    /// The key of a command, its second word.
    pub(super) fn key(&self) -> Result<&'r [u8], Refusal> {
        let key = self.words.get(1);
        if key.len() > KEY_BYTES_MAX { Err(BAD_FORMAT) } else { Ok(key) }
    }

    /// Appends an answer line.
    pub(super) fn answer(&mut self, line: &str) -> Result<(), Refusal> {
        self.out.extend_from_slice(line.as_bytes());
        self.out.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Runs a text command, and drops its output if it ends in `noreply`.
    pub(super) fn unless_noreply(
        &mut self,
        run: impl FnOnce(&mut Request<'r>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.noreply = self.words.noreply();
        let start = self.out.len();
        let result = run(self);
        if self.noreply {
            self.out.truncate(start);
            return Ok(());
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn words_of_lines() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("   ", &[]),
            ("get", &["get"]),
            ("  get   a  b ", &["get", "a", "b"]),
            ("get a\tb", &["get", "a\tb"]),
            ("get a\0b c", &["get", "a"]),
        ];
        for (line, want) in cases {
            let words = Words::of(line.as_bytes());
            assert_eq!(words.count(), want.len(), "{line:?}");
            assert!(words.all().eq(want.iter().map(|word| word.as_bytes())), "{line:?}");
        }
        let many = "get ".repeat(1000);
        let words = Words::of(many.as_bytes());
        assert_eq!((words.count(), words.kept_from(2).len(), words.get(500)), (1000, 22, &b""[..]));
    }
}
