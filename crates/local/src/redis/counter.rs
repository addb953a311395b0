//! `INCR` and the like: numbers stored as strings.
//!
//! Integers have 64 bits and a canonical form; floats are C's `long double`. A missing counter starts from 0
//! and never expires; an existing one keeps its time to live.

use wire::redis::encode;

use super::call::Call;
use super::fault::Fault;
use super::integer::integer;
use super::long_double::LongDouble;
use crate::entry::NEVER;
use crate::events::Class;

/// `INCR key`
pub(super) fn incr(call: &mut Call<'_>) -> Result<(), Fault> {
    add(call, 1)
}

/// `DECR key`
pub(super) fn decr(call: &mut Call<'_>) -> Result<(), Fault> {
    add(call, -1)
}

/// `INCRBY key increment`
pub(super) fn incrby(call: &mut Call<'_>) -> Result<(), Fault> {
    let increment = integer(call.arg(2))?;
    add(call, increment)
}

/// `DECRBY key decrement`
pub(super) fn decrby(call: &mut Call<'_>) -> Result<(), Fault> {
    let decrement = integer(call.arg(2))?;
    add(call, decrement.checked_neg().ok_or(Fault::DecrementOverflow)?)
}

fn add(call: &mut Call<'_>, increment: i64) -> Result<(), Fault> {
    let key = call.arg(1);
    let old = call.string(key)?.map_or(Ok(0), integer)?;
    let new = old.checked_add(increment).ok_or(Fault::Overflow)?;
    store(call, key, new.to_string().as_bytes())?;
    call.tell(Class::STRING, "incrby", key);
    call.integer(new)
}

/// `INCRBYFLOAT key increment`
pub(super) fn incrbyfloat(call: &mut Call<'_>) -> Result<(), Fault> {
    let key = call.arg(1);
    let parse = |text: &[u8]| LongDouble::parse(text).ok_or(Fault::NotFloat);
    let old = call.string(key)?.map_or(Ok(LongDouble::ZERO), parse)?;
    let sum = old.add(parse(call.arg(2))?).ok_or(Fault::NotFinite)?.to_string();
    store(call, key, sum.as_bytes())?;
    call.tell(Class::STRING, "incrbyfloat", key);
    encode::bulk(call.out, sum.as_bytes());
    Ok(())
}

/// Writes a number; an existing key keeps its time to live.
fn store(call: &mut Call<'_>, key: &[u8], number: &[u8]) -> Result<(), Fault> {
    let deadline_ms = call.peek(key).map_or(NEVER, |entry| entry.deadline_ms);
    call.put(key, number, deadline_ms)
}
