//! `SLOWLOG`: the slow log of the client's pool, in the shape of Redis 7.0. The arguments of an entry are cut
//! shorter than Redis cuts them, and clients have no port.

use telemetry::{SlowLog, SlowRequest};
use wire::redis::{Args, encode, integer};

use crate::subcommand;

/// Entries that Redis gives unless it is asked for a number.
const COUNT: usize = 10;

/// Answers `SLOWLOG GET [count]`; `args` begin with `GET`.
pub(super) fn get(log: &SlowLog, mut args: Args<'_>, out: &mut Vec<u8>) {
    let word = args.next().map_or(&b""[..], |word| word.bytes());
    let count = args.next();
    if args.next().is_some() {
        return subcommand::write_unknown(word, "SLOWLOG", out);
    }
    let count = match count.map(|count| integer(count.bytes())) {
        None => Some(COUNT),
        Some(Some(-1)) => Some(usize::MAX),
        Some(count) => count.and_then(|count| usize::try_from(count).ok()),
    };
    let Some(count) = count else {
        return encode::error(out, b"ERR count should be greater than or equal to -1");
    };
    let entries = log.newest(count);
    encode::array(out, entries.len());
    entries.iter().for_each(|entry| write(entry, out));
}

fn write(entry: &SlowRequest, out: &mut Vec<u8>) {
    encode::array(out, 6);
    encode::integer(out, entry.id as i64);
    encode::integer(out, (entry.at_ms / 1000) as i64);
    encode::integer(out, i64::try_from(entry.total_us()).unwrap_or(i64::MAX));
    let has_more = entry.more_arguments > 0;
    encode::array(out, entry.arguments.len() + usize::from(has_more));
    for argument in &entry.arguments {
        let cut = format!("... ({} more bytes)", argument.more);
        let end = if argument.more > 0 { cut.as_bytes() } else { b"" };
        encode::bulk(out, &[&argument.bytes, end].concat());
    }
    if has_more {
        encode::bulk(out, format!("... ({} more arguments)", entry.more_arguments).as_bytes());
    }
    encode::bulk(out, entry.client.as_bytes());
    encode::bulk(out, entry.client_name.as_bytes());
}
