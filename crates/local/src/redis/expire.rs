//! Time to live: setting, reading and removing it.
//!
//! All sums are in signed milliseconds, as in Redis, and overflow of 64 bits is refused before the key is
//! looked up. A deadline that is not in the future removes the key.

use super::call::Call;
use super::fault::Fault;
use super::integer::integer;
use crate::entry::NEVER;
use crate::events::Class;

/// Milliseconds of a second.
const SECOND: i64 = 1000;

/// `EXPIRE key seconds [NX | XX | GT | LT]`
pub(super) fn expire(call: &mut Call<'_>) -> Result<(), Fault> {
    set_end(call, SECOND, true)
}

/// `PEXPIRE key milliseconds [NX | XX | GT | LT]`
pub(super) fn pexpire(call: &mut Call<'_>) -> Result<(), Fault> {
    set_end(call, 1, true)
}

/// `EXPIREAT key seconds-since-1970 [NX | XX | GT | LT]`
pub(super) fn expireat(call: &mut Call<'_>) -> Result<(), Fault> {
    set_end(call, SECOND, false)
}

/// `PEXPIREAT key milliseconds-since-1970 [NX | XX | GT | LT]`
pub(super) fn pexpireat(call: &mut Call<'_>) -> Result<(), Fault> {
    set_end(call, 1, false)
}

/// Condition for the new deadline.
#[derive(Debug, Clone, Copy, Default)]
struct When {
    /// `NX`: only for a key without a deadline.
    nx: bool,
    /// `XX`: only for a key with one.
    xx: bool,
    /// `GT`: only a later deadline; none counts as the latest.
    gt: bool,
    /// `LT`: only an earlier deadline.
    lt: bool,
}

impl When {
    fn parse(args: &[&[u8]]) -> Result<When, Fault> {
        let mut when = When::default();
        for option in args.iter().skip(3) {
            let flag = match option.to_ascii_lowercase().as_slice() {
                b"nx" => &mut when.nx,
                b"xx" => &mut when.xx,
                b"gt" => &mut when.gt,
                b"lt" => &mut when.lt,
                _ => return Err(Fault::unsupported_option(option)),
            };
            *flag = true;
        }
        if when.nx && (when.xx || when.gt || when.lt) {
            return Err(Fault::NxWithOthers);
        }
        if when.gt && when.lt { Err(Fault::GtWithLt) } else { Ok(when) }
    }

    fn takes(self, new: i64, old: Option<i64>) -> bool {
        match old {
            None => !self.xx && !self.gt,
            Some(old) => !self.nx && (!self.gt || new > old) && (!self.lt || new < old),
        }
    }
}

fn set_end(call: &mut Call<'_>, unit: i64, relative: bool) -> Result<(), Fault> {
    let when = When::parse(call.args)?;
    let given = integer(call.arg(2))?;
    let now = i64::try_from(call.now_ms).unwrap_or(i64::MAX);
    let base = if relative { now } else { 0 };
    let end = given.checked_mul(unit).and_then(|ms| ms.checked_add(base));
    let end = end.ok_or(Fault::ExpireTime(call.name))?;

    let key = call.arg(1);
    let Some(old) = call.peek(key).map(|entry| end_of(entry.deadline_ms)) else {
        return call.integer(0);
    };
    if !when.takes(end, old) {
        return call.integer(0);
    }
    match u64::try_from(end) {
        Ok(deadline_ms) if end > now => {
            call.store.change(key, 0, call.now_ms, |entry| entry.deadline_ms = deadline_ms);
            call.tell(Class::GENERIC, "expire", key);
        }
        _ => {
            call.remove(key);
        }
    }
    call.integer(1)
}

/// `PERSIST key`
pub(super) fn persist(call: &mut Call<'_>) -> Result<(), Fault> {
    let ended = call.store.change(call.arg(1), 0, call.now_ms, |entry| {
        std::mem::replace(&mut entry.deadline_ms, NEVER) != NEVER
    });
    if ended == Some(true) {
        call.tell(Class::GENERIC, "persist", call.arg(1));
    }
    call.integer(i64::from(ended.unwrap_or(false)))
}

/// `TTL key`
pub(super) fn ttl(call: &mut Call<'_>) -> Result<(), Fault> {
    reply_end(call, SECOND, true)
}

/// `PTTL key`
pub(super) fn pttl(call: &mut Call<'_>) -> Result<(), Fault> {
    reply_end(call, 1, true)
}

/// `EXPIRETIME key`
pub(super) fn expiretime(call: &mut Call<'_>) -> Result<(), Fault> {
    reply_end(call, SECOND, false)
}

/// `PEXPIRETIME key`
pub(super) fn pexpiretime(call: &mut Call<'_>) -> Result<(), Fault> {
    reply_end(call, 1, false)
}

fn reply_end(call: &mut Call<'_>, unit: i64, relative: bool) -> Result<(), Fault> {
    const NO_KEY: i64 = -2;
    const NO_END: i64 = -1;
    let now = i64::try_from(call.now_ms).unwrap_or(i64::MAX);
    let base = if relative { now } else { 0 };
    let reply = match call.peek(call.arg(1)).map(|entry| end_of(entry.deadline_ms)) {
        None => NO_KEY,
        Some(None) => NO_END,
        // Rounded to the nearest unit, as Redis does.
        Some(Some(end)) => end.saturating_sub(base).max(0).saturating_add(unit / 2) / unit,
    };
    call.integer(reply)
}

fn end_of(deadline_ms: u64) -> Option<i64> {
    (deadline_ms != NEVER).then(|| i64::try_from(deadline_ms).unwrap_or(i64::MAX))
}
