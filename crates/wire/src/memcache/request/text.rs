//! Parses a whole command line of the text protocol. Meta commands are parsed in [`super::meta`].
//!
//! The order of the checks and the texts are those of memcached 1.6.18: number of words first (`ERROR`), then
//! key length, then numbers from left to right.

use super::bad::{self, BadRequest, Cause};
use super::line::{Line, Words, data_bytes, swallow, with_data};
use super::token::Tokens;
use super::{Request, meta, signed, unsigned};
use crate::memcache::{Command, KEY_BYTES_MAX, Limits, Shape};

/// Parses the line whose LF is at `line_end`.
#[inline]
pub(super) fn parse(frame: &[u8], line_end: usize, limits: &Limits) -> Result<Request, BadRequest> {
    let text_end = if line_end > 1 && frame[line_end - 1] == b'\r' { line_end - 1 } else { line_end };
    let text = &frame[..text_end];
    let len = line_end + 1;
    let unknown = || BadRequest::skip(Cause::Unknown, bad::ERROR, len);
    let name = Tokens::from(text, 0).next().ok_or_else(unknown)?;
    let command = Command::named(name.of(text)).ok_or_else(unknown)?;
    let line = Line { text, len, command, name };
    match command.row().shape {
        Shape::Keys { exptime } => keys(&line, exptime),
        Shape::Storage { cas } => storage(&line, cas, limits),
        Shape::Meta => meta::keyed(&line),
        Shape::MetaStorage => meta::storage(&line, limits),
        Shape::MetaDebug => meta::debug(&line),
        Shape::Arithmetic => number(&line, bad::BAD_DELTA, |token| unsigned(token).is_some()),
        Shape::Touch => number(&line, bad::BAD_EXPTIME, |token| signed(token).is_some()),
        Shape::Delete => delete(&line),
        Shape::FlushAll => flush_all(&line),
        Shape::Verbosity => verbosity(&line),
        Shape::Stats => stats(&line),
        Shape::Bare => Ok(bare(&line)),
    }
}

#[inline]
fn keys(line: &Line<'_>, exptime: bool) -> Result<Request, BadRequest> {
    let mut tokens = line.arguments();
    if exptime {
        let time = tokens.next().ok_or(line.bad(Cause::Unknown, bad::ERROR))?;
        if signed(time.of(line.text)).is_none() {
            return Err(line.bad(Cause::Argument, bad::BAD_EXPTIME));
        }
    }
    let Some(key) = tokens.next() else {
        // `gat 0` requests nothing and gets an empty reply
        let (cause, reply) = if exptime { (Cause::Answered, bad::END) } else { (Cause::Unknown, bad::ERROR) };
        return Err(line.bad(cause, reply));
    };
    let mut too_long = key.len() > KEY_BYTES_MAX;
    let mut key_count = 1;
    for token in tokens {
        too_long |= token.len() > KEY_BYTES_MAX;
        key_count += 1;
    }
    if too_long {
        return Err(line.bad(Cause::Argument, bad::BAD_FORMAT));
    }
    Ok(Request { key_count, key, ..line.request() })
}

/// Parses a line with a data block. Its end is unknown without a reliable byte count: if the line is one word
/// short (usually an empty key), or malformed with one word too many (a key with a space).
fn storage(line: &Line<'_>, cas: bool, limits: &Limits) -> Result<Request, BadRequest> {
    let words = Words::of(line);
    let needed = if cas { 5 } else { 4 };
    if words.count < needed || words.count > needed + 1 {
        let data_may_follow = words.count + 1 >= needed;
        return Err(if data_may_follow {
            BadRequest::close(Cause::Unknown, bad::ERROR)
        } else {
            line.bad(Cause::Unknown, bad::ERROR)
        });
    }
    let word = |index: usize| words.spans[index].of(line.text);
    let request = line.with_noreply(line.keyed(words.spans[0]), &words);
    let Some(bytes) = data_bytes(word(3)) else {
        return Err(BadRequest::close(Cause::Argument, bad::BAD_FORMAT));
    };
    let well_formed = words.spans[0].len() <= KEY_BYTES_MAX
        && unsigned(word(1)).is_some()
        && signed(word(2)).is_some()
        && (!cas || unsigned(word(4)).is_some());
    if !well_formed {
        let stray_word = words.count > needed && !request.noreply;
        return Err(if stray_word {
            BadRequest::close(Cause::Argument, bad::BAD_FORMAT)
        } else {
            swallow(line, bytes, Cause::Argument, bad::BAD_FORMAT).unless_noreply(request.noreply)
        });
    }
    with_data(line, request, bytes, limits).map_err(|fault| fault.unless_noreply(request.noreply))
}

/// A key and a number.
fn number(
    line: &Line<'_>,
    reply: &'static [u8],
    is_number: impl Fn(&[u8]) -> bool,
) -> Result<Request, BadRequest> {
    let words = Words::of(line);
    if words.count != 2 && words.count != 3 {
        return Err(line.bad(Cause::Unknown, bad::ERROR));
    }
    let request = line.with_noreply(line.keyed(words.spans[0]), &words);
    let fault = if words.spans[0].len() > KEY_BYTES_MAX {
        bad::BAD_FORMAT
    } else if !is_number(words.spans[1].of(line.text)) {
        reply
    } else {
        return Ok(request);
    };
    Err(line.bad(Cause::Argument, fault).unless_noreply(request.noreply))
}

/// A key, then `0`, `noreply` or both.
fn delete(line: &Line<'_>) -> Result<Request, BadRequest> {
    let words = Words::of(line);
    if words.count == 0 || words.count > 3 {
        return Err(line.bad(Cause::Unknown, bad::ERROR));
    }
    let mut request = line.keyed(words.spans[0]);
    if words.count > 1 {
        request = line.with_noreply(request, &words);
        let zero = words.spans[1].of(line.text) == b"0";
        let valid = if words.count == 2 { zero || request.noreply } else { zero && request.noreply };
        if !valid {
            return Err(line.bad(Cause::Argument, bad::BAD_DELETE).unless_noreply(request.noreply));
        }
    }
    if words.spans[0].len() > KEY_BYTES_MAX {
        return Err(line.bad(Cause::Argument, bad::BAD_FORMAT).unless_noreply(request.noreply));
    }
    Ok(request)
}

fn flush_all(line: &Line<'_>) -> Result<Request, BadRequest> {
    let words = Words::of(line);
    if words.count > 2 {
        return Err(line.bad(Cause::Unknown, bad::ERROR));
    }
    let request = line.with_noreply(line.request(), &words);
    let has_delay = words.count > usize::from(request.noreply);
    if has_delay && signed(words.spans[0].of(line.text)).is_none() {
        return Err(line.bad(Cause::Argument, bad::BAD_EXPTIME).unless_noreply(request.noreply));
    }
    Ok(request)
}

fn verbosity(line: &Line<'_>) -> Result<Request, BadRequest> {
    let words = Words::of(line);
    if words.count != 1 && words.count != 2 {
        return Err(line.bad(Cause::Unknown, bad::ERROR));
    }
    let request = line.with_noreply(line.request(), &words);
    if unsigned(words.spans[0].of(line.text)).is_none() {
        return Err(line.bad(Cause::Argument, bad::BAD_FORMAT).unless_noreply(request.noreply));
    }
    Ok(request)
}

fn stats(line: &Line<'_>) -> Result<Request, BadRequest> {
    let Some(group) = line.arguments().next() else { return Ok(line.request()) };
    let command = Command::stats_of(group.of(line.text));
    let command = command.ok_or(line.bad(Cause::Argument, bad::STATS_ARGUMENT))?;
    Ok(Request { command, ..line.request() })
}

fn bare(line: &Line<'_>) -> Request {
    let words = Words::of(line);
    if line.command.row().noreply { line.with_noreply(line.request(), &words) } else { line.request() }
}
