//! `DUMP` and `RESTORE`: a value as bytes, for another server or another time.

use wire::redis::encode;

use super::call::Call;
use super::fault::Fault;
use super::integer::integer;
use crate::dump::{self, Bad, Content};
use crate::entry::{Entry, NEVER};
use crate::events::Class;

const NEGATIVE_TTL: Fault = Fault::Other("ERR Invalid TTL value, must be >= 0");
const IDLE_TIME: Fault = Fault::Other("ERR Invalid IDLETIME value, must be >= 0");
const FREQUENCY: Fault = Fault::Other("ERR Invalid FREQ value, must be >= 0 and <= 255");
const BUSY: Fault = Fault::Other("BUSYKEY Target key name already exists.");
const FOOT: Fault = Fault::Other("ERR DUMP payload version or checksum are wrong");
const FORMAT: Fault = Fault::Other("ERR Bad data format");

/// `DUMP key`
pub(super) fn dump(call: &mut Call<'_>) -> Result<(), Fault> {
    match call.peek(call.arg(1)).map(dump::dump) {
        Some(payload) => encode::bulk(call.out, &payload),
        None => call.null()?,
    }
    Ok(())
}

/// Options of `RESTORE`.
#[derive(Default)]
struct Options {
    replaces: bool,
    absolute: bool,
    idle_s: Option<u64>,
}

impl Options {
    fn read(mut words: &[&[u8]]) -> Result<Options, Fault> {
        let mut options = Options::default();
        // Either is of an eviction policy, and Redis takes one of them.
        let mut has_frequency = false;
        while let [word, rest @ ..] = words {
            words = rest;
            match (word.to_ascii_lowercase().as_slice(), rest) {
                (b"replace", _) => options.replaces = true,
                (b"absttl", _) => options.absolute = true,
                (b"idletime", [value, rest @ ..]) if !has_frequency => {
                    options.idle_s = Some(u64::try_from(integer(value)?).map_err(|_| IDLE_TIME)?);
                    words = rest;
                }
                (b"freq", [value, rest @ ..]) if options.idle_s.is_none() => {
                    u8::try_from(integer(value)?).map_err(|_| FREQUENCY)?;
                    has_frequency = true;
                    words = rest;
                }
                _ => return Err(Fault::Syntax),
            }
        }
        Ok(options)
    }
}

/// `RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]`
pub(super) fn restore(call: &mut Call<'_>) -> Result<(), Fault> {
    let (key, payload) = (call.arg(1), call.arg(3));
    let options = Options::read(call.args.get(4..).unwrap_or_default())?;
    if !options.replaces && call.peek(key).is_some() {
        return Err(BUSY);
    }
    let ttl = u64::try_from(integer(call.arg(2))?).map_err(|_| NEGATIVE_TTL)?;
    let body = dump::checked(payload).ok_or(FOOT)?;
    let bytes_max = call.store.item_bytes_max();
    let content = dump::restore(body, bytes_max).map_err(|bad| match bad {
        Bad::Format => FORMAT,
        Bad::TooLarge => Fault::TooLarge(bytes_max),
    })?;
    let deadline_ms = match ttl {
        0 => NEVER,
        ttl if options.absolute => ttl,
        ttl => ttl.saturating_add(call.now_ms),
    };
    if deadline_ms <= call.now_ms {
        call.remove(key);
        return call.ok();
    }
    let size = match &content {
        Content::Text(text) => text.len(),
        Content::Value(value) => value.bytes(),
    };
    call.check_length(key, size)?;
    call.store.remove(key, call.now_ms);
    let mut entry = match content {
        Content::Text(text) => Entry::new(key, &text, deadline_ms, None, call.now_ms),
        Content::Value(value) => Entry::with_value(key, value, deadline_ms, call.now_ms),
    };
    let idle_s = u32::try_from(options.idle_s.unwrap_or(0)).unwrap_or(u32::MAX);
    entry.accessed_s = entry.accessed_s.saturating_sub(idle_s);
    call.store.put_entry(entry);
    call.tell(Class::GENERIC, "restore", key);
    call.ok()
}
