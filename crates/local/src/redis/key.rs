//! Commands about keys as such (`DEL`, `EXISTS`, `TYPE` …), and about the server (`PING`, `FLUSHALL` …).
//!
//! `DEL` and `UNLINK` are the same here: memory is always freed at once. So are `FLUSHALL` and `FLUSHDB`,
//! since there is one database.

use wire::redis::encode;

use super::call::Call;
use super::fault::Fault;

/// `DEL key …`, `UNLINK key …`
pub(super) fn del(call: &mut Call<'_>) -> Result<(), Fault> {
    let removed = call.keys().filter(|key| call.store.remove(key, call.now_ms)).count();
    call.count(removed)
}

/// `EXISTS key …`: a key named twice counts twice.
pub(super) fn exists(call: &mut Call<'_>) -> Result<(), Fault> {
    let found = call.keys().filter(|key| call.peek(key).is_some()).count();
    call.count(found)
}

/// `TOUCH key …`
pub(super) fn touch(call: &mut Call<'_>) -> Result<(), Fault> {
    let now_ms = call.now_ms;
    let touched = call
        .keys()
        .filter(|key| call.store.change(key, 0, now_ms, |entry| entry.accessed_ms = now_ms).is_some());
    let touched = touched.count();
    call.count(touched)
}

/// `TYPE key`
pub(super) fn kind(call: &mut Call<'_>) -> Result<(), Fault> {
    let kind: &[u8] = if call.peek(call.arg(1)).is_some() { b"string" } else { b"none" };
    encode::simple(call.out, kind);
    Ok(())
}

/// `DBSIZE`
pub(super) fn dbsize(call: &mut Call<'_>) -> Result<(), Fault> {
    let entries = call.store.len();
    call.count(entries)
}

/// `FLUSHALL [ASYNC | SYNC]`, `FLUSHDB [ASYNC | SYNC]`
pub(super) fn flush(call: &mut Call<'_>) -> Result<(), Fault> {
    let known = match call.args {
        [_] => true,
        [_, how] => how.eq_ignore_ascii_case(b"async") || how.eq_ignore_ascii_case(b"sync"),
        _ => false,
    };
    if !known {
        return Err(Fault::Syntax);
    }
    call.store.clear();
    call.ok()
}

/// `PING [message]`
pub(super) fn ping(call: &mut Call<'_>) -> Result<(), Fault> {
    match call.args {
        [_] => encode::simple(call.out, b"PONG"),
        [_, message] => encode::bulk(call.out, message),
        _ => return Err(Fault::Arity(call.name)),
    }
    Ok(())
}

/// `ECHO message`
pub(super) fn echo(call: &mut Call<'_>) -> Result<(), Fault> {
    encode::bulk(call.out, call.arg(1));
    Ok(())
}
