//! The words of a command line, separated by spaces only: tabs and control characters belong to words, as in
//! memcached.

use crate::memcache::Span;
use crate::memcache::scan::end_of_word;

/// Iterates over the words of a line.
#[derive(Debug, Clone)]
pub(crate) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    /// The words of `text` (a line without its line end) from byte `at` on.
    pub(crate) fn from(text: &'a [u8], at: usize) -> Self {
        Tokens { text, at }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Span;

    #[inline]
    fn next(&mut self) -> Option<Span> {
        let mut start = self.at;
        while *self.text.get(start)? == b' ' {
            start += 1;
        }
        let end = end_of_word(self.text, start);
        self.at = end;
        Some(Span::new(start, end))
    }
}

/// The keys of a request, in order, as places in its frame.
#[derive(Debug, Clone)]
pub struct Keys<'a> {
    tokens: Tokens<'a>,
    left: u32,
}

impl<'a> Keys<'a> {
    pub(super) fn new(text: &'a [u8], first: Span, count: u32) -> Self {
        Keys { tokens: Tokens::from(text, first.start as usize), left: count }
    }
}

impl Iterator for Keys<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        self.left = self.left.checked_sub(1)?;
        self.tokens.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Keys<'_> {}

/// The meta flags of a request: letter, and the argument in the same word.
#[derive(Debug, Clone)]
pub struct MetaFlags<'a> {
    text: &'a [u8],
    tokens: Tokens<'a>,
}

impl<'a> MetaFlags<'a> {
    pub(super) fn new(text: &'a [u8], tokens: Tokens<'a>) -> Self {
        MetaFlags { text, tokens }
    }
}

impl<'a> Iterator for MetaFlags<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.tokens.next()?.of(self.text).split_first().map(|(&letter, token)| (letter, token))
    }
}
