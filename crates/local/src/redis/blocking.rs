//! Commands that wait for an element: `BLPOP` and its kin.
//!
//! The store does not wait. It says that the command has to ([`Block`]), and names keys that have changed;
//! the caller runs the command again then, or answers it with a null array when its time is over.

use super::call::{Block, Call};
use super::fault::Fault;
use super::score;
use super::{list, sorted_set};
use crate::value::list::End;

/// The time that a command waits: seconds with decimals, 0 for ever.
fn timeout(text: &[u8]) -> Result<Option<u64>, Fault> {
    let seconds = score::parse(text).ok_or(Fault::Other("ERR timeout is not a float or out of range"))?;
    if seconds < 0.0 {
        return Err(Fault::Other("ERR timeout is negative"));
    }
    let ms = (seconds * 1000.0).ceil();
    if ms > i64::MAX as f64 {
        return Err(Fault::Other("ERR timeout is out of range"));
    }
    Ok((ms > 0.0).then_some(ms as u64))
}

fn wait(call: &mut Call<'_>, timeout_ms: Option<u64>, keys: &[&[u8]]) -> Result<(), Fault> {
    call.block =
        Some(Block { timeout_ms, keys: keys.iter().map(|key| Box::from(*key)).collect(), request: None });
    Ok(())
}

/// `BLPOP key … timeout`
pub(super) fn blpop(call: &mut Call<'_>) -> Result<(), Fault> {
    each(call, |call, key| list::pop_with_key(call, key, End::Left))
}

/// `BRPOP key … timeout`
pub(super) fn brpop(call: &mut Call<'_>) -> Result<(), Fault> {
    each(call, |call, key| list::pop_with_key(call, key, End::Right))
}

/// `BZPOPMIN key … timeout`
pub(super) fn bzpopmin(call: &mut Call<'_>) -> Result<(), Fault> {
    each(call, |call, key| sorted_set::pop_with_key(call, key, false))
}

/// `BZPOPMAX key … timeout`
pub(super) fn bzpopmax(call: &mut Call<'_>) -> Result<(), Fault> {
    each(call, |call, key| sorted_set::pop_with_key(call, key, true))
}

/// Answers from the first key with which `pop` succeeds; waits if there is none.
fn each(call: &mut Call<'_>, pop: impl Fn(&mut Call<'_>, &[u8]) -> Result<bool, Fault>) -> Result<(), Fault> {
    let Some((last, keys)) = call.args.get(1..).and_then(<[_]>::split_last) else {
        return Err(Fault::Syntax);
    };
    let timeout = timeout(last)?;
    for key in keys {
        if call.looks_at(key) && pop(call, key)? {
            return Ok(());
        }
    }
    wait(call, timeout, keys)
}

/// `BLMOVE source destination LEFT | RIGHT LEFT | RIGHT timeout`
pub(super) fn blmove(call: &mut Call<'_>) -> Result<(), Fault> {
    let (from, to) = (list::end_of(call.arg(3))?, list::end_of(call.arg(4))?);
    let timeout = timeout(call.arg(5))?;
    if list::transfer(call, from, to)? { Ok(()) } else { wait(call, timeout, &[call.arg(1)]) }
}

/// `BRPOPLPUSH source destination timeout`
pub(super) fn brpoplpush(call: &mut Call<'_>) -> Result<(), Fault> {
    let timeout = timeout(call.arg(3))?;
    if list::transfer(call, End::Right, End::Left)? { Ok(()) } else { wait(call, timeout, &[call.arg(1)]) }
}

/// `BLMPOP timeout numkeys key … LEFT | RIGHT [COUNT count]`
pub(super) fn blmpop(call: &mut Call<'_>) -> Result<(), Fault> {
    let timeout = timeout(call.arg(1))?;
    let (keys, found) = list::pop_of(call, 2)?;
    if found { Ok(()) } else { wait(call, timeout, keys) }
}

/// `BZMPOP timeout numkeys key … MIN | MAX [COUNT count]`
pub(super) fn bzmpop(call: &mut Call<'_>) -> Result<(), Fault> {
    let timeout = timeout(call.arg(1))?;
    let (keys, found) = sorted_set::pop_of(call, 2)?;
    if found { Ok(()) } else { wait(call, timeout, keys) }
}
