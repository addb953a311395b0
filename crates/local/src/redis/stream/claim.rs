//! `XCLAIM` and `XAUTOCLAIM`: entries that another consumer has not acknowledged get a new one.

use wire::redis::encode;

use super::super::call::Call;
use super::super::fault::{Fault, word};
use super::super::integer::integer;
use super::{has_consumer, id, no_group, put_entry, put_id, tell_consumer};
use crate::store::Room;
use crate::value::stream::{Group, Id, Stream};

/// Options of `XCLAIM`.
struct Options {
    delivered_ms: u64,
    deliveries: Option<u64>,
    force: bool,
    only_ids: bool,
    last: Option<Id>,
}

/// `XCLAIM key group consumer min-idle id … [IDLE ms] [TIME ms] [RETRYCOUNT count] [FORCE] [JUSTID]
/// [LASTID id]`
pub(in super::super) fn xclaim(call: &mut Call<'_>) -> Result<(), Fault> {
    let (key, name, consumer, now_ms) = (call.arg(1), call.arg(2), call.arg(3), call.now_ms);
    check_group(call, name)?;
    let idle_min = idle_min(call, "XCLAIM")?;
    let rest = call.args.get(5..).unwrap_or_default();
    let ids: Vec<Id> = rest.iter().map_while(|text| id::strict(text, 0).ok()).collect();
    let options = options(rest.get(ids.len()..).unwrap_or_default(), now_ms)?;
    let room = Room { elements: ids.len() + 2, bytes: consumer.len() };
    let was_there = has_consumer(call, key, name, consumer);
    call.edit_existing(key, room, |stream: &mut Stream, out| {
        stream.change_group(name, |group, stream| {
            if let Some(last) = options.last.filter(|last| *last > group.last) {
                group.last = last;
            }
            let (mut claimed, mut body) = (0, Vec::new());
            for id in ids {
                if claim(group, stream, id, (consumer, idle_min, now_ms), &options) {
                    put_claimed(&mut body, stream, id, options.only_ids);
                    claimed += 1;
                }
            }
            encode::array(out, claimed);
            out.extend_from_slice(&body);
        });
    })?;
    tell_consumer(call, key, name, consumer, was_there);
    Ok(())
}

/// Gives an entry to the consumer; false if it is not to be claimed.
fn claim(
    group: &mut Group,
    stream: &Stream,
    id: Id,
    (consumer, idle_min, now_ms): (&[u8], u64, u64),
    options: &Options,
) -> bool {
    if !stream.has(id) {
        group.forget(id);
        return false;
    }
    let before = match group.pending().get(&id) {
        Some(pending) if now_ms.saturating_sub(pending.delivered_ms) < idle_min => return false,
        Some(pending) => pending.deliveries,
        None if options.force => 1,
        None => return false,
    };
    let consumer = group.consumer(consumer, now_ms);
    let deliveries = options.deliveries.unwrap_or(before + u64::from(!options.only_ids));
    group.give(id, &consumer, options.delivered_ms, deliveries);
    true
}

fn put_claimed(out: &mut Vec<u8>, stream: &Stream, id: Id, only_id: bool) {
    match stream.get(id) {
        Some(fields) if !only_id => put_entry(out, id, fields),
        _ => put_id(out, id),
    }
}

fn options(args: &[&[u8]], now_ms: u64) -> Result<Options, Fault> {
    let mut options =
        Options { delivered_ms: now_ms, deliveries: None, force: false, only_ids: false, last: None };
    let mut args = args.iter();
    while let Some(option) = args.next() {
        let lower = option.to_ascii_lowercase();
        let number = |value: &[u8], fault| integer(value).map_err(|_| Fault::Other(fault));
        match lower.as_slice() {
            b"force" => options.force = true,
            b"justid" => options.only_ids = true,
            _ => {
                let unknown = || Fault::Text(format!("ERR Unrecognized XCLAIM option '{}'", word(option)));
                let value = args.next().ok_or_else(unknown)?;
                match lower.as_slice() {
                    b"idle" => {
                        let idle = number(value, "ERR Invalid IDLE option argument for XCLAIM")?;
                        options.delivered_ms = delivered(now_ms as i64 - idle, now_ms);
                    }
                    b"time" => {
                        let time = number(value, "ERR Invalid TIME option argument for XCLAIM")?;
                        options.delivered_ms = delivered(time, now_ms);
                    }
                    b"retrycount" => {
                        let count = number(value, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                        options.deliveries = u64::try_from(count).ok();
                    }
                    b"lastid" => options.last = Some(id::strict(value, 0)?),
                    _ => return Err(unknown()),
                }
            }
        }
    }
    Ok(options)
}

/// A time of delivery, which is not in the future.
fn delivered(ms: i64, now_ms: u64) -> u64 {
    u64::try_from(ms).map_or(now_ms, |ms| ms.min(now_ms))
}

fn idle_min(call: &Call<'_>, command: &str) -> Result<u64, Fault> {
    let wrong = || Fault::Text(format!("ERR Invalid min-idle-time argument for {command}"));
    Ok(u64::try_from(integer(call.arg(4)).map_err(|_| wrong())?).unwrap_or(0))
}

fn check_group(call: &mut Call<'_>, name: &[u8]) -> Result<(), Fault> {
    let missing = no_group(call, name);
    let group = call.collection::<Stream>(call.arg(1))?.and_then(|stream| stream.group(name));
    group.map(drop).ok_or(missing)
}

/// `XAUTOCLAIM key group consumer min-idle start [COUNT count] [JUSTID]`
pub(in super::super) fn xautoclaim(call: &mut Call<'_>) -> Result<(), Fault> {
    /// Entries looked at for each that may be claimed.
    const LOOKS: usize = 10;
    let idle_min = idle_min(call, "XAUTOCLAIM")?;
    let from = id::start(call.arg(5))?;
    let (mut count, mut only_ids) = (100, false);
    let mut options = call.args.get(6..).unwrap_or_default().iter();
    while let Some(option) = options.next() {
        match option.to_ascii_lowercase().as_slice() {
            b"justid" => only_ids = true,
            b"count" => {
                let wanted = integer(options.next().ok_or(Fault::Syntax)?)?;
                let wanted = usize::try_from(wanted).ok().filter(|wanted| (1..1 << 56).contains(wanted));
                count = wanted.ok_or(Fault::Other("ERR COUNT must be > 0"))?;
            }
            _ => return Err(Fault::Syntax),
        }
    }
    let (key, name, consumer, now_ms) = (call.arg(1), call.arg(2), call.arg(3), call.now_ms);
    check_group(call, name)?;
    let claims = Options { delivered_ms: now_ms, deliveries: None, force: false, only_ids, last: None };
    let room = Room { elements: 2, bytes: consumer.len() };
    let was_there = has_consumer(call, key, name, consumer);
    call.edit_existing(key, room, |stream: &mut Stream, out| {
        stream.change_group(name, |group, stream| {
            let looked: Vec<Id> =
                group.pending().range(from..).map(|(id, _)| *id).take(count.saturating_mul(LOOKS)).collect();
            let (mut body, mut claimed, mut deleted, mut last) = (Vec::new(), 0, Vec::new(), None);
            for id in looked {
                if claimed + deleted.len() == count {
                    break;
                }
                last = Some(id);
                if !stream.has(id) {
                    group.forget(id);
                    deleted.push(id);
                } else if claim(group, stream, id, (consumer, idle_min, now_ms), &claims) {
                    put_claimed(&mut body, stream, id, only_ids);
                    claimed += 1;
                }
            }
            let next = last.and_then(Id::next).and_then(|next| group.pending().range(next..).next());
            encode::array(out, 3);
            put_id(out, next.map(|(id, _)| *id).unwrap_or_default());
            encode::array(out, claimed);
            out.extend_from_slice(&body);
            encode::array(out, deleted.len());
            deleted.iter().for_each(|id| put_id(out, *id));
        });
    })?;
    tell_consumer(call, key, name, consumer, was_there);
    Ok(())
}
