//! A command line, its words, and the data block that may follow it: shared by text and meta commands.

use super::bad::{self, BadRequest, Cause};
use super::token::Tokens;
use super::{Request, unsigned};
use crate::memcache::{Command, FlagSet, Limits, Span};

/// Longest data block that memcached accepts.
const DATA_BYTES_MAX: u64 = i32::MAX as u64 - 2;

/// A line with its command, before its arguments are read.
pub(super) struct Line<'a> {
    /// The line without its line end.
    pub text: &'a [u8],
    /// Its length with the line end.
    pub len: usize,
    /// First word of the line.
    pub command: Command,
    /// Range of that word.
    pub name: Span,
}

impl<'a> Line<'a> {
    /// The words after the command's name.
    pub fn arguments(&self) -> Tokens<'a> {
        Tokens::from(self.text, self.name.end as usize)
    }

    /// Answers with `reply` and continues with the next line.
    pub fn bad(&self, cause: Cause, reply: &'static [u8]) -> BadRequest {
        BadRequest::skip(cause, reply, self.len)
    }

    /// A request without a key and without data.
    #[inline]
    pub fn request(&self) -> Request {
        Request {
            command: self.command,
            noreply: false,
            binary_key: false,
            bare_lf: self.text.len() + 2 != self.len,
            flags: FlagSet::default(),
            key_count: 0,
            name: self.name,
            key: Span { start: self.name.end, end: self.name.end },
            quiet_token: Span::default(),
            text_end: self.text.len() as u32,
            line_len: self.len as u32,
            data: Span::default(),
            frame_len: self.len as u32,
        }
    }

    /// A request for one key.
    #[inline]
    pub fn keyed(&self, key: Span) -> Request {
        Request { key, key_count: 1, ..self.request() }
    }

    fn is_noreply(&self, token: Option<&Span>) -> bool {
        token.is_some_and(|token| token.of(self.text) == b"noreply")
    }

    /// Sets `noreply` on `request` if its last word says so.
    pub fn with_noreply(&self, request: Request, words: &Words) -> Request {
        if !self.is_noreply(words.last()) {
            return request;
        }
        let last = words.count - 1;
        let start = if last == 0 { self.name.end } else { words.spans[last - 1].end };
        Request { noreply: true, quiet_token: Span { start, end: words.spans[last].end }, ..request }
    }
}

/// The first six words; more are only counted.
pub(super) struct Words {
    /// The first six.
    pub spans: [Span; 6],
    /// The number of all words.
    pub count: usize,
}

impl Words {
    /// The words after the command's name.
    pub fn of(line: &Line<'_>) -> Words {
        let mut words = Words { spans: [Span::default(); 6], count: 0 };
        for span in line.arguments() {
            if let Some(place) = words.spans.get_mut(words.count) {
                *place = span;
            }
            words.count += 1;
        }
        words
    }

    /// The last word, if it is among the six.
    fn last(&self) -> Option<&Span> {
        self.spans.get(self.count.checked_sub(1)?)
    }
}

/// Answers with `reply` and continues after the data block.
pub(super) fn swallow(line: &Line<'_>, bytes: u64, cause: Cause, reply: &'static [u8]) -> BadRequest {
    BadRequest { skip: line.len as u64 + bytes + 2, ..line.bad(cause, reply) }
}

/// Adds a data block of this many bytes to `request`.
pub(super) fn with_data(
    line: &Line<'_>,
    request: Request,
    bytes: u64,
    limits: &Limits,
) -> Result<Request, BadRequest> {
    if bytes > limits.value_bytes_max as u64 {
        return Err(swallow(line, bytes, Cause::TooLarge, bad::TOO_LARGE));
    }
    let data = Span::new(line.len, line.len + bytes as usize);
    Ok(Request { data, frame_len: data.end + 2, ..request })
}

/// The byte count of a data block, if memcached accepts it.
pub(super) fn data_bytes(token: &[u8]) -> Option<u64> {
    unsigned(token).filter(|&bytes| bytes <= DATA_BYTES_MAX)
}
