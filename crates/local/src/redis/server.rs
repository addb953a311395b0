//! Commands about the server that clients and suites begin with: `FUNCTION` where there are none,
//! `CONFIG SET` of events, of memory and of what has no effect here, and `MEMORY USAGE`.

use super::call::Call;
use super::fault::{Fault, word};
use super::integer::integer;
use crate::entry::Entry;
use crate::events::Told;

/// `FUNCTION FLUSH | LIST | KILL`: there are no functions.
pub(super) fn function(call: &mut Call<'_>) -> Result<(), Fault> {
    let how = call.args.get(2).map(|how| how.to_ascii_lowercase());
    match (call.arg(1).to_ascii_lowercase().as_slice(), call.args.len()) {
        (b"flush", 2 | 3) => match how.as_deref() {
            None | Some(b"sync" | b"async") => call.ok(),
            _ => Err(Fault::Other("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")),
        },
        (b"list", _) => call.empty(),
        (b"kill", 2) => Err(Fault::Other("NOTBUSY No scripts in execution right now.")),
        _ => Err(Fault::unsupported(&[b"function ", call.arg(1)].concat())),
    }
}

/// `MEMORY USAGE key [SAMPLES count]`: the bytes that the entry counts.
pub(super) fn memory(call: &mut Call<'_>) -> Result<(), Fault> {
    let samples = match call.args.get(3..).unwrap_or_default() {
        [] => 0,
        [option, count] if option.eq_ignore_ascii_case(b"samples") => integer(count)?,
        _ => return Err(Fault::Syntax),
    };
    if !call.arg(1).eq_ignore_ascii_case(b"usage") || call.args.len() < 3 {
        return Err(Fault::unsupported(&[b"memory ", call.arg(1)].concat()));
    }
    if samples < 0 {
        return Err(Fault::Syntax);
    }
    match call.peek(call.arg(2)).map(Entry::weight) {
        Some(bytes) => call.count(bytes),
        None => call.null(),
    }
}

/// Settings of Redis' encodings, and of the time from which on scripts count as busy. Values are kept in
/// their own way here, whatever their size, and scripts have a limit of their own.
const WITHOUT_EFFECT: [&str; 17] = [
    "busy-reply-threshold",
    "hash-max-listpack-entries",
    "hash-max-listpack-value",
    "hash-max-ziplist-entries",
    "hash-max-ziplist-value",
    "hll-sparse-max-bytes",
    "list-compress-depth",
    "list-max-listpack-size",
    "list-max-ziplist-size",
    "lua-time-limit",
    "set-max-intset-entries",
    "stream-node-max-bytes",
    "stream-node-max-entries",
    "zset-max-listpack-entries",
    "zset-max-listpack-value",
    "zset-max-ziplist-entries",
    "zset-max-ziplist-value",
];

/// `CONFIG SET name value …`: events, memory below the limit, and settings that have no effect here.
pub(super) fn config(call: &mut Call<'_>) -> Result<(), Fault> {
    let pairs = call.args.get(2..).unwrap_or_default();
    if !call.arg(1).eq_ignore_ascii_case(b"set") || pairs.is_empty() {
        return Err(Fault::unsupported(&[b"config ", call.arg(1)].concat()));
    }
    if !pairs.len().is_multiple_of(2) {
        return Err(Fault::Arity("config|set"));
    }
    let settings = pairs.chunks_exact(2).map(|pair| Setting::read(pair[0], pair[1]));
    // None is set unless all are right.
    for setting in settings.collect::<Result<Vec<Setting>, Fault>>()? {
        match setting {
            Setting::Nothing => {}
            Setting::Events(told) => call.store.set_events(told),
            Setting::Memory(bytes) => call.store.set_bytes_max(bytes),
        }
    }
    call.ok()
}

/// The effect of a setting.
enum Setting {
    Nothing,
    /// `notify-keyspace-events`
    Events(Told),
    /// `maxmemory`: below the limit of the configuration file, or 0 for that.
    Memory(usize),
}

impl Setting {
    fn read(name: &[u8], value: &[u8]) -> Result<Setting, Fault> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match () {
            () if is("notify-keyspace-events") => Told::parse(value).map(Setting::Events).ok_or(EVENTS),
            () if is("maxmemory") => memory_bytes(value).map(Setting::Memory).ok_or(MEMORY),
            // What the cache does, by its nearest name.
            () if is("maxmemory-policy") && value.eq_ignore_ascii_case(b"allkeys-lru") => {
                Ok(Setting::Nothing)
            }
            // Nothing is ever saved, and no more than that can be asked for.
            () if is("save") && value.is_empty() => Ok(Setting::Nothing),
            () if WITHOUT_EFFECT.iter().any(|known| is(known)) => Ok(Setting::Nothing),
            () => Err(Fault::Text(format!(
                "ERR the embedded cache has no setting '{}' with this value: its limits are in the configuration file",
                word(name)
            ))),
        }
    }
}

const EVENTS: Fault = Fault::Other(
    "ERR CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - Invalid event class character. \
     The embedded cache has 'Ag$lshzxeKEtdn'.",
);
const MEMORY: Fault = Fault::Other(
    "ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value",
);

/// A number of bytes with Redis' units: `100`, `100kb`, `100m`.
fn memory_bytes(text: &[u8]) -> Option<usize> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = text.split_at(digits);
    let unit = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let number: usize = std::str::from_utf8(number).ok()?.parse().ok()?;
    number.checked_mul(unit)
}
