//! Scripts that clients of a pool have loaded or run, by the SHA-1 of their text, so that a server that does
//! not know one can be given it.
//!
//! Bounded: [`COUNT_MAX`] scripts of [`BYTES_MAX`] bytes in all, none longer than [`SCRIPT_MAX`], for each
//! pool and shard. Beyond that the oldest is forgotten; one that was only run (`EVAL`) before one that was
//! loaded, so that clients which make up a script for each request do not displace those that were meant to
//! stay.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use sha1::{Digest, Sha1};

/// Most scripts kept.
pub(crate) const COUNT_MAX: usize = 1024;
/// Most bytes of them.
pub(crate) const BYTES_MAX: usize = 4 << 20;
/// Longest script kept.
pub(crate) const SCRIPT_MAX: usize = 256 << 10;

/// The SHA-1 of a script.
pub(crate) type Sha = [u8; 20];

#[derive(Debug)]
struct Known {
    text: Arc<[u8]>,
    loaded: bool,
}

/// The scripts of a pool.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    by_sha: HashMap<Sha, Known>,
    /// Texts by [`look`], to recognize one that is run again without its SHA-1.
    by_look: HashMap<u64, Arc<[u8]>>,
    /// Those that were loaded, oldest first,
    loaded: VecDeque<Sha>,
    /// and those that were run. One that was loaded later may still be here.
    run: VecDeque<Sha>,
    bytes: usize,
}

/// A number from a script's length and bytes of its beginning, middle and end.
fn look(text: &[u8]) -> u64 {
    let at = |from: usize| {
        text.get(from..).and_then(|rest| rest.first_chunk::<8>()).map_or(0, |b| u64::from_le_bytes(*b))
    };
    let (middle, end) = (text.len() / 2, text.len().saturating_sub(8));
    [at(0), at(middle), at(end)]
        .iter()
        .fold(text.len() as u64, |sum, part| (sum.rotate_left(21) ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl Scripts {
    /// The text of a script.
    pub(crate) fn get(&self, sha: &Sha) -> Option<Arc<[u8]>> {
        self.by_sha.get(sha).map(|known| Arc::clone(&known.text))
    }

    /// Keeps a script. Returns it if it is loaded and was not before.
    pub(crate) fn learn(&mut self, text: &[u8], loaded: bool) -> Option<Arc<[u8]>> {
        if text.len() > SCRIPT_MAX {
            return None;
        }
        if !loaded && self.by_look.get(&look(text)).is_some_and(|known| **known == *text) {
            return None;
        }
        self.keep(text.into(), loaded)
    }

    /// Keeps a script that another shard has learnt.
    pub(crate) fn keep(&mut self, text: Arc<[u8]>, loaded: bool) -> Option<Arc<[u8]>> {
        let sha: Sha = Sha1::digest(&text).into();
        match self.by_sha.get_mut(&sha) {
            Some(known) if known.loaded || !loaded => return None,
            Some(known) => known.loaded = true,
            None => {
                self.bytes += text.len();
                self.by_look.insert(look(&text), Arc::clone(&text));
                self.by_sha.insert(sha, Known { text: Arc::clone(&text), loaded });
            }
        }
        if loaded { &mut self.loaded } else { &mut self.run }.push_back(sha);
        while self.by_sha.len() > COUNT_MAX || self.bytes > BYTES_MAX {
            self.forget_oldest();
        }
        loaded.then_some(text)
    }

    fn forget_oldest(&mut self) {
        let (sha, was_run) = match self.run.pop_front() {
            Some(sha) => (sha, true),
            None => match self.loaded.pop_front() {
                Some(sha) => (sha, false),
                None => return,
            },
        };
        // One that was loaded after it was run stays, in the other list.
        if self.by_sha.get(&sha).is_some_and(|known| !(was_run && known.loaded))
            && let Some(known) = self.by_sha.remove(&sha)
        {
            self.bytes -= known.text.len();
            let look = look(&known.text);
            if self.by_look.get(&look).is_some_and(|text| Arc::ptr_eq(text, &known.text)) {
                self.by_look.remove(&look);
            }
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        *self = Scripts::default();
    }
}

/// The SHA-1 that a client has written, in either case.
pub(crate) fn sha_of(text: &[u8]) -> Option<Sha> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let digits: &[u8; 40] = text.try_into().ok()?;
    let mut sha = Sha::default();
    for (byte, pair) in sha.iter_mut().zip(digits.chunks(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(sha)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha(text: &str) -> Sha {
        Sha1::digest(text).into()
    }

    #[test]
    fn a_script_is_found_by_its_digest_in_either_case() {
        let mut scripts = Scripts::default();
        assert!(scripts.learn(b"return 1", true).is_some());
        assert!(scripts.learn(b"return 1", true).is_none(), "known");
        for text in ["e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "E0E1F9FABFC9D4800C877A703B823AC0578FF8DB"] {
            let sha = sha_of(text.as_bytes()).expect("a digest");
            assert_eq!(scripts.get(&sha).as_deref(), Some(&b"return 1"[..]));
        }
        assert_eq!([sha_of(b"e0"), sha_of(&[b'g'; 40]), sha_of(&[b'0'; 41])], [None; 3]);
    }

    #[test]
    fn the_oldest_is_forgotten_and_loaded_ones_last() {
        let mut scripts = Scripts::default();
        scripts.learn(b"return 'run'", false);
        scripts.learn(b"return 'both'", false);
        scripts.learn(b"return 'loaded'", true);
        assert!(scripts.learn(b"return 'both'", true).is_some());
        for n in 0..2 * COUNT_MAX {
            scripts.learn(format!("return {n}").as_bytes(), false);
        }
        assert_eq!(scripts.by_sha.len(), COUNT_MAX);
        assert_eq!(scripts.by_look.len(), COUNT_MAX);
        assert!(scripts.get(&sha("return 'run'")).is_none());
        assert!(
            scripts.get(&sha("return 'loaded'")).is_some() && scripts.get(&sha("return 'both'")).is_some()
        );
        for n in 0..COUNT_MAX {
            scripts.learn(format!("return -{n}").as_bytes(), true);
        }
        assert_eq!((scripts.by_sha.len(), scripts.loaded.len()), (COUNT_MAX, COUNT_MAX));
        assert!(scripts.get(&sha("return 'loaded'")).is_none());
    }

    #[test]
    fn bytes_are_limited() {
        let mut scripts = Scripts::default();
        let long = |n: usize, len: usize| format!("{n:02}{}", "x".repeat(len)).into_bytes();
        for n in 0..40 {
            scripts.learn(&long(n, SCRIPT_MAX - 2), n % 2 == 0);
        }
        assert_eq!(scripts.bytes, BYTES_MAX);
        assert!(scripts.learn(&long(0, SCRIPT_MAX - 1), true).is_none(), "too long");
        assert_eq!(scripts.bytes, scripts.by_sha.values().map(|known| known.text.len()).sum::<usize>());
    }
}
