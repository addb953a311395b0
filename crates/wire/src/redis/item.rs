//! One header of a reply with its direct content: a line, a bulk with its bytes, or the head of an aggregate.
//!
//! An item is parsed again from its head until it is complete; only the search for a line's end, which may be
//! long, resumes where it stopped.

use super::decimal::{Decimal, decimal, known};
use super::kind::Kind;
use super::{ReplyError, ReplyLimits};

/// A complete item.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    /// Its type; `None` for attributes, which are no reply.
    pub kind: Option<Kind>,
    /// The value of an integer, the length of a bulk, or the number of following elements.
    pub value: Option<i64>,
    /// Number of following elements, for the head of an aggregate or of attributes.
    pub elements: Option<u64>,
    /// Start of its text, its bytes or its elements.
    pub body: usize,
    /// Its end, without elements.
    pub end: usize,
}

/// An element at some position of a frame.
pub(super) enum Scanned {
    Item(Item),
    /// An incomplete item; it needs at least this many bytes of the frame.
    More {
        want: usize,
    },
    Bad(ReplyError),
}

/// Parses the item at `head`. `searched` is how far its line was already searched for an end, and is updated.
#[inline]
pub(super) fn item(frame: &[u8], head: usize, searched: &mut usize, limits: &ReplyLimits) -> Scanned {
    let Some((&first, rest)) = frame.get(head..).and_then(<[u8]>::split_first) else {
        return Scanned::More { want: head + 1 };
    };
    let body = head + 1;
    match first {
        b'$' => bulk(frame, rest, body, Kind::Bulk, limits),
        b':' => integer(frame, rest, body, searched, limits),
        b'+' => line(frame, body, Kind::Simple, searched, limits),
        b'*' => aggregate(frame, rest, body, Some(Kind::Array), 1, limits),
        b'-' => line(frame, body, Kind::Error, searched, limits),
        b'_' => line(frame, body, Kind::Null, searched, limits),
        b'#' => line(frame, body, Kind::Boolean, searched, limits),
        b',' => line(frame, body, Kind::Double, searched, limits),
        b'(' => line(frame, body, Kind::BigNumber, searched, limits),
        b'!' => bulk(frame, rest, body, Kind::BulkError, limits),
        b'=' => bulk(frame, rest, body, Kind::Verbatim, limits),
        b'%' => aggregate(frame, rest, body, Some(Kind::Map), 2, limits),
        b'~' => aggregate(frame, rest, body, Some(Kind::Set), 1, limits),
        b'>' => aggregate(frame, rest, body, Some(Kind::Push), 1, limits),
        b'|' => aggregate(frame, rest, body, None, 2, limits),
        other => Scanned::Bad(ReplyError::UnknownType(other)),
    }
}

/// The bulk or missing bulk at `head`, if complete and within the limit: the most frequent replies and
/// elements. Anything else, including errors, is left to [`item`].
#[inline(always)]
pub(super) fn whole_bulk(frame: &[u8], head: usize, limits: &ReplyLimits) -> Option<Item> {
    let [b'$', rest @ ..] = frame.get(head..)? else { return None };
    match bulk(frame, rest, head + 1, Kind::Bulk, limits) {
        Scanned::Item(item) => Some(item),
        _ => None,
    }
}

/// The bulk or missing bulk at the front of `frame`, which was already found complete. Anything else is left
/// to [`item`].
#[inline(always)]
pub(super) fn known_bulk(frame: &[u8]) -> Option<Item> {
    let [b'$', rest @ ..] = frame else { return None };
    let (len, head_len) = known(rest)?;
    let body = 1 + head_len;
    Some(match usize::try_from(len) {
        Ok(len) => {
            let end = body.checked_add(len)?.checked_add(2)?;
            Item { kind: Some(Kind::Bulk), value: Some(len as i64), elements: None, body, end }
        }
        Err(_) => Item { kind: Some(Kind::Null), value: None, elements: None, body, end: body },
    })
}

fn leaf(kind: Kind, value: Option<i64>, body: usize, end: usize) -> Scanned {
    Scanned::Item(Item { kind: Some(kind), value, elements: None, body, end })
}

/// `len\r\n bytes \r\n`, of which `rest` is available.
#[inline(always)]
fn bulk(frame: &[u8], rest: &[u8], at: usize, kind: Kind, limits: &ReplyLimits) -> Scanned {
    match decimal(rest) {
        Decimal::Done(-1, head_len) if kind == Kind::Bulk => {
            leaf(Kind::Null, None, at + head_len, at + head_len)
        }
        Decimal::Done(len, _) if len > limits.bulk_bytes_max.min(u32::MAX as usize) as i64 => {
            Scanned::Bad(ReplyError::TooBig)
        }
        Decimal::Done(len, head_len) if len >= 0 => {
            let body = at + head_len;
            let end = body + len as usize;
            match frame.get(end..end + 2) {
                Some(b"\r\n") => leaf(kind, Some(len), body, end + 2),
                Some(_) => Scanned::Bad(ReplyError::UnterminatedBulk),
                None => Scanned::More { want: end + 2 },
            }
        }
        Decimal::Done(..) | Decimal::Bad => Scanned::Bad(ReplyError::InvalidNumber),
        Decimal::More => Scanned::More { want: frame.len() + 1 },
    }
}

/// `n\r\n`, with `each` elements for each of n. `kind` is absent for attributes.
fn aggregate(
    frame: &[u8],
    rest: &[u8],
    at: usize,
    kind: Option<Kind>,
    each: i64,
    limits: &ReplyLimits,
) -> Scanned {
    match decimal(rest) {
        Decimal::Done(-1, len) if kind == Some(Kind::Array) => leaf(Kind::Null, None, at + len, at + len),
        Decimal::Done(count, len) if count >= 0 => {
            let elements = count as u64 * each as u64;
            if elements > limits.elements_max as u64 {
                return Scanned::Bad(ReplyError::TooBig);
            }
            let end = at + len;
            Scanned::Item(Item { kind, value: Some(count * each), elements: Some(elements), body: end, end })
        }
        Decimal::Done(..) | Decimal::Bad => Scanned::Bad(ReplyError::InvalidNumber),
        Decimal::More => Scanned::More { want: frame.len() + 1 },
    }
}

/// `[+-]digits\r\n`; the value is absent if it exceeds 64 bits.
#[inline]
fn integer(frame: &[u8], rest: &[u8], at: usize, searched: &mut usize, limits: &ReplyLimits) -> Scanned {
    if let Decimal::Done(value, len) = decimal(rest) {
        return leaf(Kind::Integer, Some(value), at, at + len);
    }
    let item = match line(frame, at, Kind::Integer, searched, limits) {
        Scanned::Item(item) => item,
        unfinished => return unfinished,
    };
    let text = &frame[at..item.end - 2];
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Scanned::Bad(ReplyError::InvalidNumber);
    }
    let value = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    Scanned::Item(Item { value, ..item })
}

/// `text\r\n`, where the text may hold anything but `\r\n`.
#[inline]
fn line(frame: &[u8], at: usize, kind: Kind, searched: &mut usize, limits: &ReplyLimits) -> Scanned {
    let Some(end) = line_end(frame, at.max(*searched)) else {
        // A `\r` at the very end is checked again.
        *searched = at.max(frame.len().saturating_sub(1));
        let too_long = frame.len() > at && frame.len() - 1 - at > limits.line_bytes_max;
        return if too_long {
            Scanned::Bad(ReplyError::TooBig)
        } else {
            Scanned::More { want: frame.len() + 1 }
        };
    };
    let text = &frame[at..end];
    match (kind, text) {
        _ if text.len() > limits.line_bytes_max => Scanned::Bad(ReplyError::TooBig),
        (Kind::Null, [_, ..]) => Scanned::Bad(ReplyError::Misplaced),
        (Kind::Boolean, b"t" | b"f") => leaf(kind, None, at, end + 2),
        (Kind::Boolean, _) => Scanned::Bad(ReplyError::Misplaced),
        _ => leaf(kind, None, at, end + 2),
    }
}

/// Position of the first `\r\n` at or after `from`.
#[inline]
fn line_end(frame: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let at = from + memchr::memchr(b'\r', frame.get(from..)?)?;
        match frame.get(at + 1) {
            Some(b'\n') => return Some(at),
            Some(_) => from = at + 1,
            None => return None,
        }
    }
}
