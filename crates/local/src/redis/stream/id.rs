//! Ids in arguments: whole, without their second number, open, or the ends of a range.

use super::super::fault::Fault;
use crate::value::stream::Id;

const INVALID: Fault = Fault::Other("ERR Invalid stream ID specified as stream command argument");

/// An id without `-` and `+`; `seq` stands for a second number that is missing.
pub(super) fn strict(text: &[u8], seq: u64) -> Result<Id, Fault> {
    let mut halves = text.splitn(2, |byte| *byte == b'-');
    let ms = halves.next().and_then(number).ok_or(INVALID)?;
    let seq = halves.next().map_or(Some(seq), number).ok_or(INVALID)?;
    Ok(Id { ms, seq })
}

/// An id, or `-` and `+` for the least and the greatest.
pub(super) fn any(text: &[u8], seq: u64) -> Result<Id, Fault> {
    match text {
        b"-" => Ok(Id::MIN),
        b"+" => Ok(Id::MAX),
        _ => strict(text, seq),
    }
}

/// The first id of a range, which `(` excludes.
pub(super) fn start(text: &[u8]) -> Result<Id, Fault> {
    match text.strip_prefix(b"(") {
        Some(text) => strict(text, 0)?.next().ok_or(Fault::Other("ERR invalid start ID for the interval")),
        None => any(text, 0),
    }
}

/// The last id of a range, which `(` excludes.
pub(super) fn end(text: &[u8]) -> Result<Id, Fault> {
    match text.strip_prefix(b"(") {
        Some(text) => {
            strict(text, u64::MAX)?.previous().ok_or(Fault::Other("ERR invalid end ID for the interval"))
        }
        None => any(text, u64::MAX),
    }
}

/// The id of a new entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum New {
    /// `*`
    Auto,
    /// `ms-*`
    At(u64),
    Given(Id),
}

pub(super) fn new(text: &[u8]) -> Result<New, Fault> {
    if text == b"*" {
        return Ok(New::Auto);
    }
    match text.strip_suffix(b"-*") {
        Some(ms) => number(ms).map(New::At).ok_or(INVALID),
        None => strict(text, 0).map(New::Given),
    }
}

fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
