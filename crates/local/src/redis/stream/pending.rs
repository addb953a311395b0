//! `XPENDING`: what a group has delivered and nobody has acknowledged.

use std::collections::BTreeMap;

use wire::redis::{Version, encode};

use super::super::call::Call;
use super::super::fault::Fault;
use super::super::integer::integer;
use super::{id, no_group, put_id};
use crate::value::stream::{Group, Id, Stream};

/// `start end count [consumer]`, and the least time that an entry is idle.
struct Range<'c> {
    idle_min: u64,
    from: Id,
    to: Id,
    count: usize,
    consumer: Option<&'c [u8]>,
}

/// `XPENDING key group [[IDLE ms] start end count [consumer]]`
pub(in super::super) fn xpending(call: &mut Call<'_>) -> Result<(), Fault> {
    let range = match call.args.get(3..).unwrap_or_default() {
        [] => None,
        args if (3..=6).contains(&args.len()) => Some(parse(args)?),
        _ => return Err(Fault::Syntax),
    };
    let (name, now_ms, version) = (call.arg(2), call.now_ms, call.version);
    let missing = no_group(call, name);
    let (stream, out) = call.collection_and_out::<Stream>(call.arg(1))?;
    let group = stream.and_then(|stream| stream.group(name)).ok_or(missing)?;
    match range {
        None => put_summary(out, group, version),
        Some(range) => put_range(out, group, &range, now_ms),
    }
    Ok(())
}

fn parse<'c>(args: &'c [&'c [u8]]) -> Result<Range<'c>, Fault> {
    let (idle_min, args) = match args {
        [idle, ms, rest @ ..] if idle.eq_ignore_ascii_case(b"idle") => {
            let ms = integer(ms)?;
            if rest.len() < 3 {
                return Err(Fault::Syntax);
            }
            (u64::try_from(ms).unwrap_or(0), rest)
        }
        _ => (0, args),
    };
    let [from, to, count, consumer @ ..] = args else { return Err(Fault::Syntax) };
    let count = usize::try_from(integer(count)?).unwrap_or(0);
    let (from, to) = (id::start(from)?, id::end(to)?);
    match consumer {
        [] => Ok(Range { idle_min, from, to, count, consumer: None }),
        [consumer] => Ok(Range { idle_min, from, to, count, consumer: Some(consumer) }),
        _ => Err(Fault::Syntax),
    }
}

fn put_summary(out: &mut Vec<u8>, group: &Group, version: Version) {
    let pending = group.pending();
    encode::array(out, 4);
    encode::integer(out, pending.len() as i64);
    let (Some(first), Some(last)) = (pending.keys().next(), pending.keys().next_back()) else {
        encode::null(out, version);
        encode::null(out, version);
        return encode::null_array(out, version);
    };
    put_id(out, *first);
    put_id(out, *last);
    let by_consumer: BTreeMap<&[u8], usize> = group
        .consumers()
        .iter()
        .filter(|(_, consumer)| !consumer.pending.is_empty())
        .map(|(name, consumer)| (&**name, consumer.pending.len()))
        .collect();
    encode::array(out, by_consumer.len());
    for (name, count) in by_consumer {
        encode::array(out, 2);
        encode::bulk(out, name);
        encode::bulk(out, count.to_string().as_bytes());
    }
}

fn put_range(out: &mut Vec<u8>, group: &Group, range: &Range<'_>, now_ms: u64) {
    if range.from > range.to {
        return encode::array(out, 0);
    }
    let of_consumer = |name: &[u8]| range.consumer.is_none_or(|wanted| wanted == name);
    let all = group.pending().range(range.from..=range.to);
    let found: Vec<_> = all
        .filter(|(_, pending)| of_consumer(&pending.consumer))
        .filter(|(_, pending)| now_ms.saturating_sub(pending.delivered_ms) >= range.idle_min)
        .take(range.count)
        .collect();
    encode::array(out, found.len());
    for (id, pending) in found {
        encode::array(out, 4);
        put_id(out, *id);
        encode::bulk(out, &pending.consumer);
        encode::integer(out, now_ms.saturating_sub(pending.delivered_ms) as i64);
        encode::integer(out, pending.deliveries as i64);
    }
}
