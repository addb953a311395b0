//! The arguments of a scanned request: found again by walking its headers, never stored.
//!
//! A relay reads one or two arguments of most requests, and a request of 1,048,576 arguments must not need a
//! table of as many ranges. Walking one argument costs about as much as reading its range from memory.

use std::fmt;
use std::ops::Range;

use super::decimal::{Decimal, decimal, known};

/// Position of one argument in its frame: `$len\r\n` from `head`, its bytes from `start` to `end`, then
/// `\r\n`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Argument<'a> {
    frame: &'a [u8],
    head: usize,
    start: usize,
    end: usize,
}

impl<'a> Argument<'a> {
    /// The argument at a place in `frame`; `None` if the frame is too short (not the frame scanned).
    pub(crate) fn at(frame: &'a [u8], head: usize, start: usize, end: usize) -> Option<Self> {
        let inside = head <= start && start <= end && end + 2 <= frame.len();
        inside.then_some(Argument { frame, head, start, end })
    }

    /// Its bytes.
    pub fn bytes(&self) -> &'a [u8] {
        &self.frame[self.start..self.end]
    }

    /// Range of its bytes, from the start of the frame.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Range with its header and line end, from the start of the frame, for copying into another request.
    pub fn encoded_range(&self) -> Range<usize> {
        self.head..self.end + 2
    }

    /// The argument with its header and line end.
    pub fn encoded(&self) -> &'a [u8] {
        &self.frame[self.encoded_range()]
    }

    /// True if its bytes equal a keyword, ASCII case ignored.
    pub fn is(&self, keyword: &str) -> bool {
        self.bytes().eq_ignore_ascii_case(keyword.as_bytes())
    }
}

/// The arguments of a request in order, the command's name first. Cheap to copy, so that a walk can begin
/// anywhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Args<'a> {
    frame: &'a [u8],
    at: usize,
    left: usize,
}

/// Without the bytes, which may be a password.
impl fmt::Debug for Argument<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Argument({:?})", self.range())
    }
}

/// Without the bytes, which may have a password among them.
impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Args({} from {})", self.left, self.at)
    }
}

impl<'a> Args<'a> {
    pub(crate) fn new(frame: &'a [u8], first: usize, count: usize) -> Self {
        Args { frame, at: first, left: count }
    }

    /// Parses a complete request frame known to be well-formed, such as one written by
    /// [`super::encode_inline`]. `None` if it is not.
    pub fn of(frame: &'a [u8]) -> Option<Self> {
        let rest = frame.strip_prefix(b"*")?;
        match decimal(rest) {
            Decimal::Done(count, len) => Some(Args::new(frame, 1 + len, usize::try_from(count).ok()?)),
            _ => None,
        }
    }

    /// Start of the next one, from the start of the frame.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Number of arguments left.
    pub fn count_left(&self) -> usize {
        self.left
    }
}

impl<'a> Iterator for Args<'a> {
    type Item = Argument<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Argument<'a>> {
        self.left = self.left.checked_sub(1)?;
        let head = self.at;
        let (len, head_len) = known(self.frame.get(head + 1..)?)?;
        let start = head + 1 + head_len;
        let end = start.checked_add(usize::try_from(len).ok()?)?;
        self.at = end.checked_add(2)?;
        (self.at <= self.frame.len()).then_some(Argument { frame: self.frame, head, start, end })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}
