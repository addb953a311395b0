//! `GET`, `SET` and the other commands that read or write whole strings or pieces of them.
//!
//! Writing a whole string clears its time to live unless an option overrides that; writing a part keeps it.

use wire::redis::encode;

use super::call::Call;
use super::fault::Fault;
use super::integer::integer;
use super::options::{Clock, Condition, Life, Of, Options};
use crate::entry::{Entry, NEVER};
use crate::events::Class;

/// `GET key`
pub(super) fn get(call: &mut Call<'_>) -> Result<(), Fault> {
    call.reply_value(call.arg(1))
}

/// `SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`
pub(super) fn set(call: &mut Call<'_>) -> Result<(), Fault> {
    let options = Options::parse(call.args, 3, Of::Set)?;
    let (key, value) = (call.arg(1), call.arg(2));
    let deadline_ms = call.deadline_of_set(key, options.life)?;
    if options.get {
        call.reply_value(key)?;
    }
    if !allowed(call, key, options.condition) {
        return if options.get { Ok(()) } else { call.null() };
    }
    put_whole(call, key, value, deadline_ms, !matches!(options.life, Life::Keep))?;
    if options.get { Ok(()) } else { call.ok() }
}

/// Stores a string, and tells of it and of its time to live, if that is new.
fn put_whole(
    call: &mut Call<'_>,
    key: &[u8],
    value: &[u8],
    deadline_ms: u64,
    is_new_deadline: bool,
) -> Result<(), Fault> {
    call.put(key, value, deadline_ms)?;
    call.tell(Class::STRING, "set", key);
    if is_new_deadline && deadline_ms != NEVER {
        call.tell(Class::GENERIC, "expire", key);
    }
    Ok(())
}

/// `SETNX key value`
pub(super) fn setnx(call: &mut Call<'_>) -> Result<(), Fault> {
    let (key, value) = (call.arg(1), call.arg(2));
    if !allowed(call, key, Condition::Absent) {
        return call.integer(0);
    }
    put_whole(call, key, value, NEVER, true)?;
    call.integer(1)
}

/// `SETEX key seconds value`
pub(super) fn setex(call: &mut Call<'_>) -> Result<(), Fault> {
    set_for(call, Clock::Ex)
}

/// `PSETEX key milliseconds value`
pub(super) fn psetex(call: &mut Call<'_>) -> Result<(), Fault> {
    set_for(call, Clock::Px)
}

fn set_for(call: &mut Call<'_>, clock: Clock) -> Result<(), Fault> {
    let deadline_ms = call.deadline(clock, call.arg(2))?;
    let (key, value) = (call.arg(1), call.arg(3));
    put_whole(call, key, value, deadline_ms, true)?;
    call.ok()
}

fn allowed(call: &mut Call<'_>, key: &[u8], condition: Condition) -> bool {
    match condition {
        Condition::None => true,
        Condition::Absent => call.peek(key).is_none(),
        Condition::Present => call.peek(key).is_some(),
    }
}

/// `GETSET key value`
pub(super) fn getset(call: &mut Call<'_>) -> Result<(), Fault> {
    let (key, value) = (call.arg(1), call.arg(2));
    call.reply_value(key)?;
    put_whole(call, key, value, NEVER, true)
}

/// `GETDEL key`
pub(super) fn getdel(call: &mut Call<'_>) -> Result<(), Fault> {
    call.reply_value(call.arg(1))?;
    call.remove(call.arg(1));
    Ok(())
}

/// `GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]`
pub(super) fn getex(call: &mut Call<'_>) -> Result<(), Fault> {
    let options = Options::parse(call.args, 2, Of::Getex)?;
    let key = call.arg(1);
    if call.string(key)?.is_none() {
        return call.null();
    }
    let deadline_ms = match options.life {
        Life::Until(clock, text) => Some(call.deadline(clock, text)?),
        Life::Persist => Some(NEVER),
        Life::Plain | Life::Keep => None,
    };
    call.reply_value(key)?;
    match deadline_ms {
        Some(past) if past <= call.now_ms => {
            call.remove(key);
        }
        Some(deadline_ms) => {
            let change = |entry: &mut Entry| std::mem::replace(&mut entry.deadline_ms, deadline_ms);
            let before = call.store.change(key, 0, call.now_ms, change);
            match deadline_ms {
                NEVER if before == Some(NEVER) => {}
                NEVER => call.tell(Class::GENERIC, "persist", key),
                _ => call.tell(Class::GENERIC, "expire", key),
            }
        }
        None => {}
    }
    Ok(())
}

/// `MGET key …`
pub(super) fn mget(call: &mut Call<'_>) -> Result<(), Fault> {
    encode::array(call.out, call.args.len() - 1);
    for key in call.keys() {
        if call.reply_value(key).is_err() {
            call.null()?;
        }
    }
    Ok(())
}

/// `MSET key value …`
pub(super) fn mset(call: &mut Call<'_>) -> Result<(), Fault> {
    check_pairs(call)?;
    put_pairs(call)?;
    call.ok()
}

/// `MSETNX key value …`: all, or none if one of the keys exists.
pub(super) fn msetnx(call: &mut Call<'_>) -> Result<(), Fault> {
    check_pairs(call)?;
    for key in call.keys().step_by(2) {
        if call.peek(key).is_some() {
            return call.integer(0);
        }
    }
    put_pairs(call)?;
    call.integer(1)
}

/// Fails unless each key has a value and fits, before anything is written.
fn check_pairs(call: &Call<'_>) -> Result<(), Fault> {
    if call.args.len().is_multiple_of(2) {
        return Err(Fault::Arity(call.name));
    }
    call.keys()
        .step_by(2)
        .zip(call.keys().skip(1).step_by(2))
        .try_for_each(|(key, value)| call.check_length(key, value.len()))
}

fn put_pairs(call: &mut Call<'_>) -> Result<(), Fault> {
    for (key, value) in call.keys().step_by(2).zip(call.keys().skip(1).step_by(2)) {
        put_whole(call, key, value, NEVER, true)?;
    }
    Ok(())
}

/// `APPEND key value`
pub(super) fn append(call: &mut Call<'_>) -> Result<(), Fault> {
    let (key, tail) = (call.arg(1), call.arg(2));
    let Some(old) = call.string(key)?.map(<[u8]>::len) else {
        call.put(key, tail, NEVER)?;
        call.tell(Class::STRING, "append", key);
        return call.count(tail.len());
    };
    let length = old + tail.len();
    call.check_length(key, length)?;
    write_at(call, key, old, tail);
    call.tell(Class::STRING, "append", key);
    call.count(length)
}

/// `STRLEN key`
pub(super) fn strlen(call: &mut Call<'_>) -> Result<(), Fault> {
    let length = call.string(call.arg(1))?.map_or(0, <[u8]>::len);
    call.count(length)
}

/// `SETRANGE key offset value`: zero bytes fill a gap.
pub(super) fn setrange(call: &mut Call<'_>) -> Result<(), Fault> {
    let (key, piece) = (call.arg(1), call.arg(3));
    let offset = integer(call.arg(2))?;
    let offset = usize::try_from(offset).map_err(|_| Fault::Offset)?;
    let old = call.string(key)?.map(<[u8]>::len);
    if piece.is_empty() {
        return call.count(old.unwrap_or(0));
    }
    let length = offset.saturating_add(piece.len()).max(old.unwrap_or(0));
    call.check_length(key, length)?;
    if old.is_none() {
        call.put(key, b"", NEVER)?;
    }
    write_at(call, key, offset, piece);
    call.tell(Class::STRING, "setrange", key);
    call.count(length)
}

/// Writes `piece` at `offset` of an existing string, which grows as needed: with spare capacity, so that many
/// small appends do not copy it each time.
pub(super) fn write_at(call: &mut Call<'_>, key: &[u8], offset: usize, piece: &[u8]) {
    let end = offset + piece.len();
    let spare = (end / 8).min(call.store.item_bytes_max().saturating_sub(key.len() + end));
    call.store.change(key, end + spare, call.now_ms, |entry| {
        let Some(string) = entry.growing() else { return };
        if end > string.capacity() {
            string.reserve_exact(end + spare - string.len());
        }
        if end > string.len() {
            string.resize(end, 0);
        }
        if let Some(place) = string.get_mut(offset..end) {
            place.copy_from_slice(piece);
        }
    });
}

/// `GETRANGE key start end`, `SUBSTR key start end`: both ends included, negative indexes count from the end.
pub(super) fn getrange(call: &mut Call<'_>) -> Result<(), Fault> {
    let (start, end) = (integer(call.arg(2))?, integer(call.arg(3))?);
    let (key, out) = (call.arg(1), &mut *call.out);
    call.store.read(key, call.now_ms, |entry| {
        let value = entry.map_or(Some(&b""[..]), |entry| entry.string());
        encode::bulk(out, range(value.ok_or(Fault::WRONG_TYPE)?, start, end));
        Ok(())
    })
}

fn range(value: &[u8], start: i64, end: i64) -> &[u8] {
    if start < 0 && end < 0 && start > end {
        return b"";
    }
    let length = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let from_end = |i: i64| if i < 0 { i.saturating_add(length).max(0) } else { i };
    let (start, end) = (from_end(start), from_end(end).min(length - 1));
    match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) if start <= end => value.get(start..=end).unwrap_or_default(),
        _ => b"",
    }
}
