//! Commands about keys as such (`DEL`, `EXISTS`, `TYPE` …), and about the server (`PING`, `FLUSHALL` …).
//!
//! `DEL` and `UNLINK` are the same here: memory is always freed at once. So are `FLUSHALL` and `FLUSHDB`,
//! since there is one database.

use wire::redis::encode;

use super::call::Call;
use super::fault::Fault;
use super::integer::integer;
use crate::decimal::decimal;
use crate::events::Class;

/// `DEL key …`, `UNLINK key …`
pub(super) fn del(call: &mut Call<'_>) -> Result<(), Fault> {
    let removed = call.keys().filter(|key| call.remove(key)).count();
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
    let touched =
        call.keys().filter(|key| call.store.change(key, 0, now_ms, |entry| entry.note_use(now_ms)).is_some());
    let touched = touched.count();
    call.count(touched)
}

/// `TIME`: seconds since 1970, and microseconds, of which thousands are known.
pub(super) fn time(call: &mut Call<'_>) -> Result<(), Fault> {
    encode::array(call.out, 2);
    encode::bulk(call.out, (call.now_ms / 1000).to_string().as_bytes());
    encode::bulk(call.out, (call.now_ms % 1000 * 1000).to_string().as_bytes());
    Ok(())
}

/// `TYPE key`
pub(super) fn kind(call: &mut Call<'_>) -> Result<(), Fault> {
    let kind = call.store.type_of(call.arg(1), call.now_ms).unwrap_or("none");
    encode::simple(call.out, kind.as_bytes());
    Ok(())
}

/// `RENAME key newkey`
pub(super) fn rename(call: &mut Call<'_>) -> Result<(), Fault> {
    let (from, to) = (call.arg(1), call.arg(2));
    if call.peek(from).is_none() {
        return Err(Fault::NO_KEY);
    }
    if from != to {
        rename_to(call, from, to);
    }
    call.ok()
}

/// `RENAMENX key newkey`
pub(super) fn renamenx(call: &mut Call<'_>) -> Result<(), Fault> {
    let (from, to) = (call.arg(1), call.arg(2));
    if call.peek(from).is_none() {
        return Err(Fault::NO_KEY);
    }
    if from == to || call.peek(to).is_some() {
        return call.integer(0);
    }
    rename_to(call, from, to);
    call.integer(1)
}

fn rename_to(call: &mut Call<'_>, from: &[u8], to: &[u8]) {
    if let Some(entry) = call.store.take(from, call.now_ms) {
        make_way(call, to);
        call.store.put_entry(entry.renamed(to, call.now_ms));
        if call.store.tells() {
            call.store.tell(Class::GENERIC, "rename_from", from);
            call.store.tell(Class::GENERIC, "rename_to", to);
        }
    }
}

/// Takes out what a key holds that gets another value: to Redis that one is new.
fn make_way(call: &mut Call<'_>, key: &[u8]) {
    if call.store.tells() {
        call.store.take(key, call.now_ms);
    }
}

/// `COPY source destination [DB 0] [REPLACE]`
pub(super) fn copy(call: &mut Call<'_>) -> Result<(), Fault> {
    let (from, to, now_ms) = (call.arg(1), call.arg(2), call.now_ms);
    let mut replaces = false;
    let mut options = call.args.get(3..).unwrap_or_default();
    while let [option, rest @ ..] = options {
        options = rest;
        if option.eq_ignore_ascii_case(b"replace") {
            replaces = true;
        } else if option.eq_ignore_ascii_case(b"db") && !rest.is_empty() {
            if integer(rest[0])? != 0 {
                return Err(Fault::DATABASE);
            }
            options = &rest[1..];
        } else {
            return Err(Fault::Syntax);
        }
    }
    if from == to {
        return Err(Fault::SAME_OBJECT);
    }
    let Some(entry) = call.peek(from) else { return call.integer(0) };
    let entry = entry.copied_to(to, now_ms);
    if call.peek(to).is_some() && !replaces {
        return call.integer(0);
    }
    if entry.weight() > call.store.bytes_max() - call.store.bytes_max() / 16 {
        return Err(Fault::TooLarge(call.store.item_bytes_max()));
    }
    make_way(call, to);
    call.store.put_entry(entry);
    call.tell(Class::GENERIC, "copy_to", to);
    call.integer(1)
}

/// `OBJECT ENCODING | REFCOUNT | IDLETIME | FREQ key`
pub(super) fn object(call: &mut Call<'_>) -> Result<(), Fault> {
    let (what, now_s) = (call.arg(1).to_ascii_lowercase(), call.now_ms / 1000);
    let Some(entry) = call.peek(call.arg(2)) else {
        return call.null();
    };
    match what.as_slice() {
        b"encoding" => {
            let name = entry.value().map_or_else(|| string_encoding(entry.text()), |value| value.encoding());
            encode::bulk(call.out, name.as_bytes());
            Ok(())
        }
        b"refcount" => call.integer(1),
        b"idletime" => {
            let idle_s = now_s.saturating_sub(u64::from(entry.accessed_s));
            call.integer(idle_s as i64)
        }
        b"freq" => Err(Fault::NO_LFU),
        _ => Err(Fault::Syntax),
    }
}

/// Redis' name for the encoding of a string that was stored whole.
fn string_encoding(string: &[u8]) -> &'static str {
    /// Redis' limit of strings beside their object.
    const EMBEDDED_BYTES_MAX: usize = 44;
    if decimal(string).is_some() {
        "int"
    } else if string.len() <= EMBEDDED_BYTES_MAX {
        "embstr"
    } else {
        "raw"
    }
}

/// Entries among which `DBSIZE` looks for expired ones.
const SWEPT_MAX: usize = 10_000;

/// `DBSIZE`
pub(super) fn dbsize(call: &mut Call<'_>) -> Result<(), Fault> {
    call.store.remove_expired(SWEPT_MAX, call.now_ms);
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
