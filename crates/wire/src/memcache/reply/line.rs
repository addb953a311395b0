//! Reads one line of a reply.

use super::asked;
use super::{BadReply, Expect, ReplyKind, Status};
use crate::memcache::scan::end_of_word;
use crate::memcache::{KEY_BYTES_MAX, unsigned};

/// Meaning of a line within its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// It is the last (or only) line.
    Last(Status),
    /// A data block for this key, of this many bytes, follows, then more lines.
    Block(&'a [u8], u64),
    /// A data block of this many bytes follows and ends the reply.
    Data(u64),
    /// More lines follow.
    More,
}

/// Parses `line` (without CR LF) of a reply to a request that expects `expect` and names `asked`; `first`
/// marks the first line. The caller checks that the key of a block was requested.
#[inline]
pub(super) fn read<'a>(
    line: &'a [u8],
    first: bool,
    expect: Expect,
    asked: &[u8],
) -> Result<Line<'a>, BadReply> {
    if let Some(found) = fitting(line, first, expect.kind)? {
        if !asked.is_empty() && expect.kind.is_meta() && !echoes(line, expect.kind, asked) {
            return Err(BadReply::NotAsked);
        }
        return Ok(found);
    }
    error(line).map(Line::Last).ok_or(BadReply::Unexpected)
}

/// Parses a line that fits the request; none if it does not.
#[inline]
fn fitting(line: &[u8], first: bool, kind: ReplyKind) -> Result<Option<Line<'_>>, BadReply> {
    let status = match kind {
        ReplyKind::Values => return values(line, 3, 3),
        ReplyKind::ValuesCas => return values(line, 4, 4),
        ReplyKind::Stats => return Ok(stats(line)),
        ReplyKind::MetaGet | ReplyKind::MetaArithmetic if is_word(line, b"VA") => {
            return meta_value(line).map(Some);
        }
        ReplyKind::AnyText => return any_text(line, first),
        ReplyKind::Stored => stored(line),
        ReplyKind::Number => number(line).or_else(|| not_found(line)),
        ReplyKind::Touched => exact(line, b"TOUCHED", Status::Touched).or_else(|| not_found(line)),
        ReplyKind::Deleted => exact(line, b"DELETED", Status::Deleted).or_else(|| not_found(line)),
        ReplyKind::Ok => exact(line, b"OK", Status::Ok),
        ReplyKind::Version => version(line),
        ReplyKind::Reset => exact(line, b"RESET", Status::Reset),
        ReplyKind::MetaGet => meta(line, &[(b"HD", Status::Header), (b"EN", Status::Miss)]),
        ReplyKind::MetaSet => meta(line, META_SET),
        ReplyKind::MetaDelete => meta(line, META_DELETE),
        ReplyKind::MetaArithmetic => meta(line, META_SET),
        ReplyKind::MetaNoop => exact(line, b"MN", Status::Noop),
        ReplyKind::MetaDebug => meta(line, &[(b"ME", Status::Debug), (b"EN", Status::Miss)]),
        ReplyKind::Never => return Err(BadReply::Unexpected),
    };
    Ok(status.map(Line::Last))
}

const META_SET: &[(&[u8; 2], Status)] = &[
    (b"HD", Status::Header),
    (b"NS", Status::MetaNotStored),
    (b"EX", Status::MetaExists),
    (b"NF", Status::MetaNotFound),
];
const META_DELETE: &[(&[u8; 2], Status)] =
    &[(b"HD", Status::Header), (b"NF", Status::MetaNotFound), (b"EX", Status::MetaExists)];

/// `VALUE key flags bytes [cas]` or END.
#[inline]
fn values(line: &[u8], words_min: usize, words_max: usize) -> Result<Option<Line<'_>>, BadReply> {
    let Some(rest) = line.strip_prefix(b"VALUE ") else {
        return Ok((line == b"END").then_some(Line::Last(Status::End)));
    };
    let mut end = end_of_word(rest, 0);
    let key = &rest[..end];
    if end == 0 || end > KEY_BYTES_MAX {
        return Err(BadReply::Unexpected);
    }
    let mut numbers = [0; 3];
    let mut count = 1;
    while end < rest.len() {
        let place = numbers.get_mut(count - 1).ok_or(BadReply::Unexpected)?;
        let start = end + 1;
        end = end_of_word(rest, start);
        *place = unsigned(&rest[start..end]).ok_or(BadReply::Length)?;
        count += 1;
    }
    if (words_min..=words_max).contains(&count) {
        Ok(Some(Line::Block(key, numbers[1])))
    } else {
        Err(BadReply::Unexpected)
    }
}

/// `STAT name value` (the value may be missing or hold spaces) or END.
fn stats(line: &[u8]) -> Option<Line<'_>> {
    if line == b"END" {
        return Some(Line::Last(Status::End));
    }
    line.strip_prefix(b"STAT ").filter(|rest| !rest.is_empty()).map(|_| Line::More)
}

/// `VA bytes flags…`.
fn meta_value(line: &[u8]) -> Result<Line<'_>, BadReply> {
    let length = line[2..].strip_prefix(b" ").ok_or(BadReply::Length)?;
    let length = length.split(|&byte| byte == b' ').next().unwrap_or_default();
    unsigned(length).map(Line::Data).ok_or(BadReply::Length)
}

/// True if a meta reply names the requested key and opaque, or none.
fn echoes(line: &[u8], kind: ReplyKind, asked: &[u8]) -> bool {
    let words = line.get(3..).unwrap_or_default();
    match kind {
        ReplyKind::MetaDebug => words.is_empty() || asked::is_first(&words[..end_of_word(words, 0)], asked),
        _ => asked::echoes(words, asked),
    }
}

fn any_text(line: &[u8], first: bool) -> Result<Option<Line<'_>>, BadReply> {
    if let Some(found) = values(line, 3, 4)? {
        return Ok(Some(found));
    }
    if !first {
        return Ok(None);
    }
    let one_word = stored(line)
        .or_else(|| number(line))
        .or_else(|| exact(line, b"TOUCHED", Status::Touched))
        .or_else(|| exact(line, b"DELETED", Status::Deleted))
        .or_else(|| version(line));
    Ok(one_word.map(Line::Last))
}

fn stored(line: &[u8]) -> Option<Status> {
    exact(line, b"STORED", Status::Stored)
        .or_else(|| exact(line, b"NOT_STORED", Status::NotStored))
        .or_else(|| exact(line, b"EXISTS", Status::Exists))
        .or_else(|| not_found(line))
}

fn not_found(line: &[u8]) -> Option<Status> {
    exact(line, b"NOT_FOUND", Status::NotFound)
}

fn number(line: &[u8]) -> Option<Status> {
    unsigned(line.trim_ascii_end()).map(|_| Status::Number)
}

fn version(line: &[u8]) -> Option<Status> {
    line.starts_with(b"VERSION ").then_some(Status::Version)
}

fn error(line: &[u8]) -> Option<Status> {
    [
        (&b"SERVER_ERROR"[..], Status::ServerError),
        (b"CLIENT_ERROR", Status::ClientError),
        (b"ERROR", Status::Error),
    ]
    .into_iter()
    .find(|(word, _)| is_word(line, word))
    .map(|(_, status)| status)
}

fn exact(line: &[u8], word: &[u8], status: Status) -> Option<Status> {
    (line == word).then_some(status)
}

fn meta(line: &[u8], words: &[(&[u8; 2], Status)]) -> Option<Status> {
    words.iter().find(|(word, _)| is_word(line, *word)).map(|&(_, status)| status)
}

/// True if `line` is `word`, or begins with it and a space.
fn is_word(line: &[u8], word: &[u8]) -> bool {
    line.strip_prefix(word).is_some_and(|rest| rest.first().is_none_or(|&byte| byte == b' '))
}
