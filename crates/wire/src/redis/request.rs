//! Finds the end of a request, its command and its first key, in bytes that arrive piece by piece.
//!
//! ```text
//!   *<count>\r\n  $<len>\r\n<name>\r\n  $<len>\r\n<argument>\r\n …          a RESP array of bulks
//!   <word> <word> …\n                                                       or an inline command
//! ```
//! The scanner parses headers and skips arguments; the only argument it reads is the name. It does not read
//! skipped bytes again when more arrive, so a request costs the same in any number of pieces. One that is
//! there whole is scanned without any state.
//!
//! It accepts what Redis 7 accepts, except what two servers could read in two ways: numbers are canonical (no
//! leading zero, no sign, as Redis' own `string2ll`), each argument ends with `\r\n` (Redis does not check),
//! and a header's line ends with `\r\n` (Redis accepts any byte after `\r`). A scanned frame may therefore be
//! forwarded verbatim. A wrong byte is reported at once, where Redis waits for the end of its line.

use super::args::{Args, Argument};
use super::command::{self, Command};
use super::decimal::{Decimal, decimal};
use super::inline;
use super::{Limits, ProtocolError};

/// Outcome of scanning the available bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// A complete request at the front of the frame.
    Done(Request),
    /// The first `len` bytes request nothing (`*0\r\n`, a negative count, an empty line) and get no answer,
    /// as in Redis.
    Skip {
        /// Bytes to drop.
        len: usize,
    },
    /// The first `len` bytes are an inline command: pass them to [`super::encode_inline`] and scan its
    /// output.
    Inline {
        /// Bytes of the line, its end included.
        len: usize,
    },
    /// The request is incomplete; scanning needs at least `want` bytes in total, from the front of the frame.
    /// `want` is bounded by the limits, but comes from the client: reserve no memory for it in advance.
    NeedMore {
        /// Bytes wanted in total.
        want: usize,
    },
    /// These bytes are not a request, and none can follow them.
    Bad(ProtocolError),
}

/// A place in a frame. Frames are shorter than 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Place {
    head: u32,
    start: u32,
    end: u32,
}

/// One complete request. It holds only positions; its methods take the frame it was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    len: u32,
    count: u32,
    name: Place,
    first: Place,
    command: Option<&'static Command>,
}

impl Request {
    /// Length of the request on the wire.
    #[allow(clippy::len_without_is_empty, reason = "no request is empty")]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Number of arguments, including the command's name; at least 1.
    pub fn argument_count(&self) -> usize {
        self.count as usize
    }

    /// The command, if it is in the table. For `OBJECT ENCODING k` this is `OBJECT`; [`Request::route`] finds
    /// the subcommand.
    pub fn command(&self) -> Option<&'static Command> {
        self.command
    }

    /// The command's name as the client wrote it.
    pub fn name<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        frame.get(self.name.start as usize..self.name.end as usize).unwrap_or_default()
    }

    /// The argument after the name, which is the key of most commands; `None` if absent.
    #[inline]
    pub fn first<'a>(&self, frame: &'a [u8]) -> Option<Argument<'a>> {
        if self.count < 2 {
            return None;
        }
        Argument::at(frame, self.first.head as usize, self.first.start as usize, self.first.end as usize)
    }

    /// All arguments, the name first.
    pub fn args<'a>(&self, frame: &'a [u8]) -> Args<'a> {
        Args::new(frame, self.name.head as usize, self.count as usize)
    }
}

/// Finds the end of one request after the other. Between requests it holds only 36 bytes of zeros.
#[derive(Debug, Clone, Default)]
pub struct RequestScanner {
    /// Bytes from the front of the frame already scanned.
    scanned: u32,
    /// Number of arguments of the request, 0 until its header was parsed.
    count: u32,
    /// Arguments not yet skipped.
    left: u32,
    name: Place,
    first: Place,
}

/// Longest frame, so that every position fits in 32 bits.
const FRAME_BYTES_MAX: usize = u32::MAX as usize;

impl RequestScanner {
    /// A new scanner.
    pub fn new() -> Self {
        Self::default()
    }

    /// Scans the bytes at the front of `frame`. After [`Scan::NeedMore`] the next call must pass the same
    /// bytes with more after them; after anything else the scanner is reset.
    #[inline]
    pub fn scan(&mut self, frame: &[u8], limits: &Limits) -> Scan {
        let outcome = match frame.first() {
            Some(b'*') => self.scan_array(frame, limits),
            Some(_) => self.scan_line(frame, limits),
            None => return Scan::NeedMore { want: 1 },
        };
        if self.scanned > 0 && !matches!(outcome, Scan::NeedMore { .. }) {
            *self = RequestScanner::new();
        }
        outcome
    }

    #[inline]
    fn scan_array(&mut self, frame: &[u8], limits: &Limits) -> Scan {
        match self.count {
            0 => match whole(frame, limits) {
                Some(request) => Scan::Done(request),
                None => self.scan_piecemeal(frame, limits),
            },
            _ => self.scan_piecemeal(frame, limits),
        }
    }

    /// Scans a request that has not arrived whole, has long headers, or is wrong.
    fn scan_piecemeal(&mut self, frame: &[u8], limits: &Limits) -> Scan {
        if self.count == 0 {
            match header(frame, limits) {
                Ok((0, len)) => return Scan::Skip { len },
                Ok((count, len)) => (self.count, self.left, self.scanned) = (count, count, len as u32),
                Err(scan) => return scan,
            }
        }
        let bulk_bytes_max = limits.bulk_bytes_max.min(FRAME_BYTES_MAX);
        let request_bytes_max = limits.request_bytes_max.min(FRAME_BYTES_MAX);
        while self.left > 0 {
            let head = self.scanned as usize;
            let (start, len) = match bulk_header(frame, head, bulk_bytes_max, limits) {
                Ok(found) => found,
                Err(scan) => return scan,
            };
            let end = start + len;
            if end + 2 > request_bytes_max {
                return Scan::Bad(ProtocolError::TooBigRequest);
            }
            match frame.get(end..end + 2) {
                Some(b"\r\n") => {}
                Some(_) => return Scan::Bad(ProtocolError::UnterminatedBulk),
                None => return Scan::NeedMore { want: end + 2 },
            }
            let place = Place { head: head as u32, start: start as u32, end: end as u32 };
            match self.count - self.left {
                0 => self.name = place,
                1 => self.first = place,
                _ => {}
            }
            self.scanned = (end + 2) as u32;
            self.left -= 1;
        }
        let name = &frame[self.name.start as usize..self.name.end as usize];
        Scan::Done(Request {
            len: self.scanned,
            count: self.count,
            name: self.name,
            first: self.first,
            command: command::lookup(name),
        })
    }

    fn scan_line(&mut self, frame: &[u8], limits: &Limits) -> Scan {
        let line_max =
            limits.inline_bytes_max.min(limits.request_bytes_max.min(FRAME_BYTES_MAX).saturating_sub(1));
        let unseen = frame.get(self.scanned as usize..).unwrap_or_default();
        let Some(at) = memchr::memchr(b'\n', unseen).map(|at| at + self.scanned as usize) else {
            if frame.len() > line_max {
                return Scan::Bad(ProtocolError::TooBigInline);
            }
            self.scanned = frame.len() as u32;
            return Scan::NeedMore { want: frame.len() + 1 };
        };
        let len = at + 1;
        if at > line_max {
            return Scan::Bad(ProtocolError::TooBigInline);
        }
        match inline::first_word(&frame[..at]) {
            None => Scan::Skip { len },
            Some(word) if inline::is_cross_protocol(word) => Scan::Bad(ProtocolError::CrossProtocol),
            Some(_) => Scan::Inline { len },
        }
    }
}

/// The request at the front of `frame`, if it is there whole and nothing is wrong with it, as nearly every
/// request. Anything else is scanned piece by piece.
#[inline(always)]
fn whole(frame: &[u8], limits: &Limits) -> Option<Request> {
    let bulk_bytes_max = limits.bulk_bytes_max.min(FRAME_BYTES_MAX);
    let (count, len) = match decimal(frame.get(1..)?) {
        Decimal::Done(count, len) if count > 0 && count as u64 <= limits.arguments_max as u64 => {
            (u32::try_from(count).ok()?, len)
        }
        _ => return None,
    };
    let (mut name, mut first) = (Place::default(), Place::default());
    let mut at = 1 + len;
    for n in 0..count {
        let [b'$', rest @ ..] = frame.get(at..)? else { return None };
        let (len, head_len) = match decimal(rest) {
            Decimal::Done(len, head_len) if len >= 0 && len as u64 <= bulk_bytes_max as u64 => {
                (len, head_len)
            }
            _ => return None,
        };
        let start = at + 1 + head_len;
        let end = start + len as usize;
        if frame.get(end..end + 2)? != b"\r\n" {
            return None;
        }
        let place = Place { head: at as u32, start: start as u32, end: end as u32 };
        match n {
            0 => name = place,
            1 => first = place,
            _ => {}
        }
        at = end + 2;
    }
    if at > limits.request_bytes_max.min(FRAME_BYTES_MAX) {
        return None;
    }
    let command = command::lookup(&frame[name.start as usize..name.end as usize]);
    Some(Request { len: at as u32, count, name, first, command })
}

/// Parses `*count\r\n`: the count (0 for an empty request) and its length in bytes.
#[inline(always)]
fn header(frame: &[u8], limits: &Limits) -> Result<(u32, usize), Scan> {
    match decimal(&frame[1..]) {
        Decimal::Done(count, len) if count <= 0 => Ok((0, 1 + len)),
        Decimal::Done(count, len) if count as u64 <= limits.arguments_max as u64 => u32::try_from(count)
            .map(|count| (count, 1 + len))
            .map_err(|_| Scan::Bad(ProtocolError::InvalidMultibulkLength)),
        Decimal::Done(..) if !limits.authenticated => {
            Err(Scan::Bad(ProtocolError::UnauthenticatedMultibulkLength))
        }
        Decimal::Done(..) | Decimal::Bad => Err(Scan::Bad(ProtocolError::InvalidMultibulkLength)),
        Decimal::More => Err(Scan::NeedMore { want: frame.len() + 1 }),
    }
}

/// Parses `$len\r\n` at `head`: start and length of the argument.
#[inline(always)]
fn bulk_header(
    frame: &[u8],
    head: usize,
    bulk_bytes_max: usize,
    limits: &Limits,
) -> Result<(usize, usize), Scan> {
    let rest = match frame.get(head..) {
        Some([b'$', rest @ ..]) => rest,
        Some([other, ..]) => return Err(Scan::Bad(ProtocolError::ExpectedBulk(*other))),
        _ => return Err(Scan::NeedMore { want: head + 1 }),
    };
    match decimal(rest) {
        Decimal::Done(len, head_len) if (0..=bulk_bytes_max as i64).contains(&len) => {
            Ok((head + 1 + head_len, len as usize))
        }
        Decimal::Done(len, _) if len > 0 && !limits.authenticated => {
            Err(Scan::Bad(ProtocolError::UnauthenticatedBulkLength))
        }
        Decimal::Done(..) | Decimal::Bad => Err(Scan::Bad(ProtocolError::InvalidBulkLength)),
        Decimal::More => Err(Scan::NeedMore { want: frame.len() + 1 }),
    }
}
