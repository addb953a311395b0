//! `XINFO`: a stream, its groups, their consumers.

use wire::redis::{Version, encode};

use super::super::call::Call;
use super::super::fault::Fault;
use super::super::integer::integer;
use super::{put_entries, put_entry, put_id, put_known, unknown_group, wrong_subcommand};
use crate::value::stream::{Consumer, Fields, Group, Id, Stream};

/// `XINFO STREAM | GROUPS | CONSUMERS key …`
pub(in super::super) fn xinfo(call: &mut Call<'_>) -> Result<(), Fault> {
    let args = call.args.len();
    match call.arg(1).to_ascii_lowercase().as_slice() {
        b"stream" if args >= 3 => stream(call),
        b"stream" => Err(Fault::Arity("xinfo|stream")),
        b"groups" if args == 3 => groups(call),
        b"groups" => Err(Fault::Arity("xinfo|groups")),
        b"consumers" if args == 4 => consumers(call),
        b"consumers" => Err(Fault::Arity("xinfo|consumers")),
        _ => Err(wrong_subcommand(call)),
    }
}

fn name(out: &mut Vec<u8>, name: &str) {
    encode::bulk(out, name.as_bytes());
}

fn number(out: &mut Vec<u8>, what: &str, n: u64) {
    name(out, what);
    encode::integer(out, n as i64);
}

fn id(out: &mut Vec<u8>, what: &str, id: Id) {
    name(out, what);
    put_id(out, id);
}

fn stream(call: &mut Call<'_>) -> Result<(), Fault> {
    let full = match call.args.get(3..).unwrap_or_default() {
        [] => None,
        [full, rest @ ..] if full.eq_ignore_ascii_case(b"full") => match rest {
            [] => Some(10),
            [count, wanted] if count.eq_ignore_ascii_case(b"count") => {
                let wanted = integer(wanted)?;
                Some(if wanted < 0 { 10 } else { wanted as usize })
                    .map(|n| if n == 0 { usize::MAX } else { n })
            }
            _ => return Err(wrong_subcommand(call)),
        },
        _ => return Err(wrong_subcommand(call)),
    };
    let version = call.version;
    let (stream, out) = call.collection_and_out::<Stream>(call.arg(2))?;
    let stream = stream.ok_or(Fault::NO_KEY)?;
    encode::map(out, if full.is_some() { 9 } else { 10 }, version);
    number(out, "length", stream.len() as u64);
    number(out, "radix-tree-keys", stream.blocks() as u64);
    number(out, "radix-tree-nodes", stream.blocks() as u64 + 1);
    id(out, "last-generated-id", stream.last);
    id(out, "max-deleted-entry-id", stream.deleted_max);
    number(out, "entries-added", stream.added);
    id(out, "recorded-first-entry-id", stream.first());
    match full {
        None => {
            number(out, "groups", stream.groups().len() as u64);
            name(out, "first-entry");
            put_one(out, stream.range(Id::MIN, Id::MAX).next(), version);
            name(out, "last-entry");
            put_one(out, stream.range_back(Id::MIN, Id::MAX).next(), version);
        }
        Some(count) => {
            name(out, "entries");
            put_entries(out, stream.range(Id::MIN, Id::MAX).take(count));
            name(out, "groups");
            encode::array(out, stream.groups().len());
            for (group_name, group) in stream.groups() {
                put_whole_group(out, stream, (group_name, group), count, version);
            }
        }
    }
    Ok(())
}

fn put_one(out: &mut Vec<u8>, entry: Option<(Id, Fields<'_>)>, version: Version) {
    match entry {
        Some((id, fields)) => put_entry(out, id, fields),
        None => encode::null(out, version),
    }
}

fn put_whole_group(
    out: &mut Vec<u8>,
    stream: &Stream,
    (group_name, group): (&[u8], &Group),
    count: usize,
    version: Version,
) {
    encode::map(out, 7, version);
    name(out, "name");
    encode::bulk(out, group_name);
    id(out, "last-delivered-id", group.last);
    put_progress(out, stream, group, version);
    number(out, "pel-count", group.pending().len() as u64);
    name(out, "pending");
    encode::array(out, group.pending().len().min(count));
    for (id, pending) in group.pending().iter().take(count) {
        encode::array(out, 4);
        put_id(out, *id);
        encode::bulk(out, &pending.consumer);
        encode::integer(out, pending.delivered_ms as i64);
        encode::integer(out, pending.deliveries as i64);
    }
    name(out, "consumers");
    encode::array(out, group.consumers().len());
    for (consumer_name, consumer) in group.consumers() {
        put_whole_consumer(out, group, (consumer_name, consumer), count, version);
    }
}

fn put_whole_consumer(
    out: &mut Vec<u8>,
    group: &Group,
    (consumer_name, consumer): (&[u8], &Consumer),
    count: usize,
    version: Version,
) {
    encode::map(out, 4, version);
    name(out, "name");
    encode::bulk(out, consumer_name);
    number(out, "seen-time", consumer.seen_ms);
    number(out, "pel-count", consumer.pending.len() as u64);
    name(out, "pending");
    encode::array(out, consumer.pending.len().min(count));
    for id in consumer.pending.iter().take(count) {
        encode::array(out, 3);
        put_id(out, *id);
        let pending = group.pending().get(id);
        encode::integer(out, pending.map_or(0, |pending| pending.delivered_ms as i64));
        encode::integer(out, pending.map_or(0, |pending| pending.deliveries as i64));
    }
}

/// Replies with the number of entries that a group has read, and of those that it has before it.
fn put_progress(out: &mut Vec<u8>, stream: &Stream, group: &Group, version: Version) {
    name(out, "entries-read");
    put_known(out, group.read, version);
    let read = match group.read {
        Some(read) if !stream.has_gap_from(group.last) => Some(read),
        _ => stream.added_up_to(group.last),
    };
    let lag = if stream.added == 0 { Some(0) } else { read.map(|read| stream.added.wrapping_sub(read)) };
    name(out, "lag");
    put_known(out, lag, version);
}

fn groups(call: &mut Call<'_>) -> Result<(), Fault> {
    let version = call.version;
    let (stream, out) = call.collection_and_out::<Stream>(call.arg(2))?;
    let stream = stream.ok_or(Fault::NO_KEY)?;
    encode::array(out, stream.groups().len());
    for (group_name, group) in stream.groups() {
        encode::map(out, 6, version);
        name(out, "name");
        encode::bulk(out, group_name);
        number(out, "consumers", group.consumers().len() as u64);
        number(out, "pending", group.pending().len() as u64);
        id(out, "last-delivered-id", group.last);
        put_progress(out, stream, group, version);
    }
    Ok(())
}

fn consumers(call: &mut Call<'_>) -> Result<(), Fault> {
    let (key, group_name, version, now_ms) = (call.arg(2), call.arg(3), call.version, call.now_ms);
    let (stream, out) = call.collection_and_out::<Stream>(key)?;
    let stream = stream.ok_or(Fault::NO_KEY)?;
    let group = stream.group(group_name).ok_or_else(|| unknown_group(key, group_name))?;
    encode::array(out, group.consumers().len());
    for (consumer_name, consumer) in group.consumers() {
        encode::map(out, 3, version);
        name(out, "name");
        encode::bulk(out, consumer_name);
        number(out, "pending", consumer.pending.len() as u64);
        number(out, "idle", now_ms.saturating_sub(consumer.seen_ms));
    }
    Ok(())
}
