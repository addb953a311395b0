//! The VALUE blocks of a reply, for merging with those of other servers.

use std::ops::Range;

use memchr::memchr;

use crate::memcache::scan::end_of_word;
use crate::memcache::unsigned;

/// One VALUE block, as places in the reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The key.
    pub key: Range<usize>,
    /// The data, without its CR LF.
    pub data: Range<usize>,
    /// All of it, from VALUE to the CR LF after the data.
    pub whole: Range<usize>,
}

/// Iterates over the VALUE blocks of a complete reply found by [`super::ReplyScanner`]. Ends at the first
/// thing that is not a block.
///
/// A server answers with blocks in the order of the requested keys, without the misses. To merge the replies
/// to a split request, go through its keys in order, and for each take the next block of its server's reply
/// *if it is for that key*: [`Blocks::next_for`].
#[derive(Debug, Clone)]
pub struct Blocks<'a> {
    reply: &'a [u8],
    at: usize,
}

impl<'a> Blocks<'a> {
    /// The blocks of `reply`.
    pub fn new(reply: &'a [u8]) -> Self {
        Blocks { reply, at: 0 }
    }

    /// The blocks of `reply` from byte `at` on, the start of a block; see [`Blocks::position`].
    pub fn resume(reply: &'a [u8], at: usize) -> Self {
        Blocks { reply, at }
    }

    /// Start of the next block.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The next block, if it is for `key`; otherwise leaves it for later.
    pub fn next_for(&mut self, key: &[u8]) -> Option<Block> {
        let block = self.peek()?;
        if &self.reply[block.key.clone()] != key {
            return None;
        }
        self.at = block.whole.end;
        Some(block)
    }

    fn peek(&self) -> Option<Block> {
        let rest = self.reply.get(self.at..)?.strip_prefix(b"VALUE ")?;
        let line = rest[..memchr(b'\n', rest)?].strip_suffix(b"\r")?;
        let key_len = end_of_word(line, 0);
        let flags = line.get(key_len + 1..)?;
        let bytes = flags.get(end_of_word(flags, 0) + 1..)?;
        let len = usize::try_from(unsigned(&bytes[..end_of_word(bytes, 0)])?).ok()?;
        let key_start = self.at + b"VALUE ".len();
        let data_start = key_start + line.len() + 2;
        let data_end = data_start.checked_add(len)?;
        let end = data_end.checked_add(2).filter(|&end| end <= self.reply.len())?;
        Some(Block { key: key_start..key_start + key_len, data: data_start..data_end, whole: self.at..end })
    }
}

impl Iterator for Blocks<'_> {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let block = self.peek()?;
        self.at = block.whole.end;
        Some(block)
    }
}
