//! Types shared by both scanners: the outcome of a scan, a place in a frame, the limits, and the search for
//! the end of a word.

use std::ops::Range;

/// Outcome of scanning the bytes so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan<T, E> {
    /// A complete frame.
    Done(T),
    /// Scanning needs at least `want` bytes, counted from the frame's first.
    NeedMore {
        /// At least one more than now available.
        want: usize,
    },
    /// No well-formed frame starts here.
    Bad(E),
}

/// A place in a frame, in bytes from the frame's first. Half as large as a `Range<usize>`; a request frame is
/// shorter than 2^32 bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }

    /// Number of bytes.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// True if there are no bytes.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The span as a range.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The bytes at this place in `frame`.
    pub fn of(self, frame: &[u8]) -> &[u8] {
        &frame[self.range()]
    }
}

/// Longest key, in bytes as written on the line (a base64 key counts encoded), as memcached 1.6.
pub const KEY_BYTES_MAX: usize = 250;

/// Limits on input. Key length is not among them: it is [`KEY_BYTES_MAX`] everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest command line without its LF. memcached rejects a line without LF after 2048 bytes.
    pub line_bytes_max: usize,
    /// Longest line of `get` and `gets`, which memcached does not limit.
    pub get_line_bytes_max: usize,
    /// Longest data block, in requests and replies.
    pub value_bytes_max: usize,
    /// Longest reply to `stats`.
    pub stats_bytes_max: usize,
}

impl Default for Limits {
    /// Lines as memcached 1.6; values up to 1 GiB, its largest item; `get` lines up to 1 MiB, unless more
    /// memory is available; `stats` up to 1 MiB.
    fn default() -> Self {
        Limits {
            line_bytes_max: 2048,
            get_line_bytes_max: 1 << 20,
            value_bytes_max: 1 << 30,
            stats_bytes_max: 1 << 20,
        }
    }
}

/// End of the word that starts at `start`. Words are short: eight bytes at a time cost less than a call of
/// memchr.
#[inline]
pub(crate) fn end_of_word(text: &[u8], start: usize) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let mut at = start;
    while let Some(chunk) = text[at..].first_chunk::<8>() {
        // a byte that was a space becomes zero, and the lowest zero byte gets its high bit set
        let zeros = u64::from_le_bytes(*chunk) ^ (ONES * u64::from(b' '));
        let found = zeros.wrapping_sub(ONES) & !zeros & (ONES << 7);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    text[at..].iter().position(|&byte| byte == b' ').map_or(text.len(), |len| at + len)
}
