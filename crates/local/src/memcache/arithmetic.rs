//! `incr` and `decr`: unsigned 64-bit numbers kept as text.
//!
//! Incrementing wraps around, decrementing stops at 0. A result shorter than the old value is padded with
//! spaces, as the value is overwritten in place; clients see `99 ` after `decr` of `100`, as in memcached.

use super::item::{CHUNK_BYTES_MAX, renew, size};
use super::number::unsigned;
use super::refusal::Refusal;
use super::request::Request;
use crate::Store;

/// The value is not a number.
pub(super) const NON_NUMERIC: Refusal = "CLIENT_ERROR cannot increment or decrement non-numeric value";

/// `incr key delta [noreply]`
pub(super) fn incr(request: &mut Request<'_>) -> Result<(), Refusal> {
    text_command(request, Direction::Up)
}

/// `decr key delta [noreply]`
pub(super) fn decr(request: &mut Request<'_>) -> Result<(), Refusal> {
    text_command(request, Direction::Down)
}

fn text_command(request: &mut Request<'_>, direction: Direction) -> Result<(), Refusal> {
    request.unless_noreply(|request| {
        let (key, now_ms) = (request.key()?, request.now_ms());
        let delta = unsigned(request.words.get(2)).ok_or("CLIENT_ERROR invalid numeric delta argument")?;
        match add(request.store, key, direction, delta, 0, now_ms)? {
            Sum::Is(number) => request.answer(&number.to_string()),
            Sum::NotFound | Sum::Exists => request.answer("NOT_FOUND"),
        }
    })
}

/// Direction of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// Outcome of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sum {
    /// The new value.
    Is(u64),
    NotFound,
    /// The cas unique differs.
    Exists,
}

/// Adds to the number of `key`, or subtracts from it. `cas` is the required cas unique; 0 for none.
pub(super) fn add(
    store: &mut Store,
    key: &[u8],
    direction: Direction,
    delta: u64,
    cas: u64,
    now_ms: u64,
) -> Result<Sum, Refusal> {
    let Some(entry) = store.peek_item(key, now_ms) else {
        count(store, direction, false);
        return Ok(Sum::NotFound);
    };
    let in_pieces = size(key.len(), entry.text().len(), entry.flags()) > CHUNK_BYTES_MAX;
    if entry.text().is_empty() || in_pieces {
        return Err(NON_NUMERIC);
    }
    if cas != 0 && cas != entry.cas() {
        return Ok(Sum::Exists);
    }
    let old = unsigned(entry.text()).ok_or(NON_NUMERIC)?;
    let new = match direction {
        Direction::Up => old.wrapping_add(delta),
        Direction::Down => old.saturating_sub(delta),
    };
    let text = new.to_string();
    let growth = text.len().saturating_sub(entry.text().len());
    if growth > 0 && !store.fits(key.len(), text.len()) {
        return Err("SERVER_ERROR out of memory");
    }
    let cas = store.cas_next();
    store.change_item(key, growth, now_ms, |entry| {
        if growth > 0 {
            renew(entry, cas, now_ms);
        }
        entry.set_cas(cas);
        let length = entry.text().len().max(text.len());
        entry.set_string(format!("{text:<length$}").as_bytes());
    });
    count(store, direction, true);
    Ok(Sum::Is(new))
}

fn count(store: &mut Store, direction: Direction, found: bool) {
    let commands = &mut store.commands;
    match direction {
        Direction::Up => commands.incr.note(found),
        Direction::Down => commands.decr.note(found),
    }
}
