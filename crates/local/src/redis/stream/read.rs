//! `XREAD` and `XREADGROUP`.

use std::sync::Arc;

use wire::redis::{Version, encode};

use super::super::call::{Block, Call};
use super::super::fault::{Fault, word};
use super::super::integer::integer;
use super::{has_consumer, id, put_entries, put_entry, put_id, tell_consumer};
use crate::store::Room;
use crate::value::stream::{Group, Id, Stream};

/// A request for entries of some streams.
struct Request<'c> {
    /// Its group and consumer.
    group: Option<(&'c [u8], &'c [u8])>,
    no_ack: bool,
    /// Most entries of each stream.
    count: usize,
    /// Time that it waits, in milliseconds; 0 is for ever.
    block_ms: Option<u64>,
    keys: &'c [&'c [u8]],
    from: &'c [&'c [u8]],
}

/// Place from which a stream is read.
#[derive(Debug, Clone, Copy)]
enum From {
    /// Entries after an id.
    After(Id),
    /// Entries that the group has not delivered.
    New,
    /// Entries after an id that the consumer has and did not acknowledge.
    Own(Id),
}

/// `XREAD [COUNT count] [BLOCK ms] STREAMS key … id …`
pub(in super::super) fn xread(call: &mut Call<'_>) -> Result<(), Fault> {
    read(call, false)
}

/// `XREADGROUP GROUP group consumer [COUNT count] [BLOCK ms] [NOACK] STREAMS key … id …`
pub(in super::super) fn xreadgroup(call: &mut Call<'_>) -> Result<(), Fault> {
    read(call, true)
}

fn read(call: &mut Call<'_>, grouped: bool) -> Result<(), Fault> {
    let request = parse(call.args.get(1..).unwrap_or_default(), grouped)?;
    let (mut from, mut found) = (Vec::new(), Vec::new());
    // One that has waited looks at the key that has changed, whatever has become of the others.
    let looked_at = request.keys.iter().zip(request.from).filter(|(key, _)| call.looks_at(key));
    for (key, text) in looked_at.collect::<Vec<_>>() {
        let place = place(call, &request, key, text)?;
        from.push(place);
        if has_some(call, &request, key, place)? {
            found.push((*key, place));
        }
    }
    if found.is_empty() {
        return wait(call, &request, &from);
    }
    match call.version {
        Version::Resp2 => encode::array(call.out, found.len()),
        Version::Resp3 => encode::map(call.out, found.len(), call.version),
    }
    for (key, from) in found {
        if call.version == Version::Resp2 {
            encode::array(call.out, 2);
        }
        encode::bulk(call.out, key);
        put_stream(call, &request, key, from)?;
    }
    Ok(())
}

fn parse<'c>(args: &'c [&'c [u8]], grouped: bool) -> Result<Request<'c>, Fault> {
    let mut request =
        Request { group: None, no_ack: false, count: usize::MAX, block_ms: None, keys: &[], from: &[] };
    let mut at = 0;
    while let Some(option) = args.get(at) {
        let rest = args.get(at + 1..).unwrap_or_default();
        match (option.to_ascii_lowercase().as_slice(), rest) {
            (b"block", [ms, ..]) => {
                let wrong = || Fault::Other("ERR timeout is not an integer or out of range");
                let ms = integer(ms).map_err(|_| wrong())?;
                let ms = u64::try_from(ms).map_err(|_| Fault::Other("ERR timeout is negative"))?;
                request.block_ms = Some(ms);
                at += 2;
            }
            (b"count", [count, ..]) => {
                let count = usize::try_from(integer(count)?).unwrap_or(0);
                request.count = if count == 0 { usize::MAX } else { count };
                at += 2;
            }
            (b"group", [group, consumer, ..]) => {
                if !grouped {
                    return Err(Fault::Other(
                        "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                request.group = Some((group, consumer));
                at += 3;
            }
            (b"noack", _) => {
                if !grouped {
                    return Err(Fault::Other(
                        "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                request.no_ack = true;
                at += 1;
            }
            (b"streams", [_, ..]) => {
                if !rest.len().is_multiple_of(2) {
                    return Err(Fault::Other(
                        "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
                    ));
                }
                (request.keys, request.from) = rest.split_at(rest.len() / 2);
                break;
            }
            _ => return Err(Fault::Syntax),
        }
    }
    if request.keys.is_empty() {
        return Err(Fault::Syntax);
    }
    if grouped && request.group.is_none() {
        return Err(Fault::Other("ERR Missing GROUP option for XREADGROUP"));
    }
    Ok(request)
}

/// The place that an argument names.
fn place(call: &mut Call<'_>, request: &Request<'_>, key: &[u8], text: &[u8]) -> Result<From, Fault> {
    let is_again = call.ready.is_some();
    let stream = call.collection::<Stream>(key)?;
    if let Some((group, _)) = request.group
        && stream.is_none_or(|stream| stream.group(group).is_none())
    {
        return Err(Fault::Text(if !is_again {
            format!(
                "NOGROUP No such key '{}' or consumer group '{}' in XREADGROUP with GROUP option",
                word(key),
                word(group)
            )
        } else if stream.is_none() {
            "UNBLOCKED the stream key no longer exists".into()
        } else {
            "NOGROUP the consumer group this client was blocked on no longer exists".into()
        }));
    }
    match (text, request.group) {
        (b"$", Some(_)) => Err(Fault::Other(
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this \
             consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return \
             an empty result set.",
        )),
        (b"$", None) => Ok(From::After(stream.map(|stream| stream.last).unwrap_or_default())),
        (b">", Some(_)) => Ok(From::New),
        (b">", None) => Err(Fault::Other(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> \
             option.",
        )),
        (_, Some(_)) => id::strict(text, 0).map(From::Own),
        (_, None) => id::strict(text, 0).map(From::After),
    }
}

/// True if a stream has an answer now.
fn has_some(call: &mut Call<'_>, request: &Request<'_>, key: &[u8], from: From) -> Result<bool, Fault> {
    let Some(stream) = call.collection::<Stream>(key)? else { return Ok(false) };
    Ok(match from {
        From::Own(_) => true,
        From::After(id) => stream.len() > 0 && stream.newest() > id,
        From::New => {
            let group = request.group.and_then(|(name, _)| stream.group(name));
            group.is_some_and(|group| stream.len() > 0 && stream.newest() > group.last)
        }
    })
}

/// Waits if the request says so, from the ids that it means now.
fn wait(call: &mut Call<'_>, request: &Request<'_>, from: &[From]) -> Result<(), Fault> {
    let Some(block_ms) = request.block_ms else {
        encode::null_array(call.out, call.version);
        return Ok(());
    };
    let mut again = Vec::new();
    encode::array(&mut again, call.args.len());
    let ids = call.args.len() - request.from.len();
    call.args.iter().take(ids).for_each(|arg| encode::bulk(&mut again, arg));
    for (place, text) in from.iter().zip(request.from) {
        match place {
            From::After(id) => put_id(&mut again, *id),
            From::New | From::Own(_) => encode::bulk(&mut again, text),
        }
    }
    let keys = request.keys.iter().map(|key| Box::from(*key)).collect();
    let timeout_ms = (block_ms > 0).then_some(block_ms);
    call.block = Some(Block { timeout_ms, keys, request: Some(again.into()) });
    Ok(())
}

fn put_stream(call: &mut Call<'_>, request: &Request<'_>, key: &[u8], from: From) -> Result<(), Fault> {
    let (count, now_ms, version) = (request.count, call.now_ms, call.version);
    let Some((group, consumer)) = request.group else {
        let From::After(after) = from else { return Ok(()) };
        let (stream, out) = call.collection_and_out::<Stream>(key)?;
        let first = after.next().unwrap_or(Id::MAX);
        put_entries(out, stream.iter().flat_map(|stream| stream.range(first, Id::MAX)).take(count));
        return Ok(());
    };
    let waiting = call.collection::<Stream>(key)?.map_or(0, Stream::len).min(count);
    let room = Room { elements: waiting, bytes: consumer.len() };
    let was_there = has_consumer(call, key, group, consumer);
    call.edit_existing(key, room, |stream: &mut Stream, out| {
        stream.change_group(group, |group, stream| {
            let consumer = group.consumer(consumer, now_ms);
            match from {
                From::Own(after) => put_own(group, stream, &consumer, (after, count, now_ms), (out, version)),
                _ => put_new(group, stream, (&consumer, request.no_ack), (count, now_ms), out),
            }
        });
    })?;
    tell_consumer(call, key, group, consumer, was_there);
    Ok(())
}

/// Replies with entries that the group has not delivered yet, and delivers them to a consumer.
fn put_new(
    group: &mut Group,
    stream: &Stream,
    (consumer, no_ack): (&Arc<[u8]>, bool),
    (count, now_ms): (usize, u64),
    out: &mut Vec<u8>,
) {
    let first = group.last.next().unwrap_or(Id::MAX);
    let entries = stream.range(first, Id::MAX).take(count).inspect(|(id, _)| {
        group.read = match group.read {
            Some(read) if !stream.has_gap_from(*id) => Some(read + 1),
            read if stream.added == 0 => read,
            _ => stream.added_up_to(*id),
        };
        group.last = *id;
        if !no_ack {
            group.give(*id, consumer, now_ms, 1);
        }
    });
    put_entries(out, entries);
}

/// Replies with entries that a consumer has got and not acknowledged; null for fields that are gone.
fn put_own(
    group: &mut Group,
    stream: &Stream,
    consumer: &Arc<[u8]>,
    (after, count, now_ms): (Id, usize, u64),
    (out, version): (&mut Vec<u8>, Version),
) {
    let own = group.consumers().get(consumer);
    let first = after.next().unwrap_or(Id::MAX);
    let ids: Vec<Id> =
        own.into_iter().flat_map(|own| own.pending.range(first..)).take(count).copied().collect();
    encode::array(out, ids.len());
    for id in ids {
        if let Some(fields) = stream.get(id) {
            put_entry(out, id, fields);
            if let Some(pending) = group.pending_mut(id) {
                pending.delivered_ms = now_ms;
                pending.deliveries += 1;
            }
        } else {
            encode::array(out, 2);
            put_id(out, id);
            encode::null_array(out, version);
        }
    }
}
