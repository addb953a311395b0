//! Reading of streams, see [`super`].
//!
//! ```text
//! nodes: count, then for each  first id (16 bytes as a string)  listpack of entries
//! length  last id  [first id  greatest removed id  entries ever]     [ ]: since Redis 7.0
//! groups: count, then for each  name  last id  [entries read]  pending entries  consumers
//!
//! listpack: entries  removed  fields  field …  0     the master entry, then for each entry
//!           flags  id − first id (two numbers)  [fields]  [field]  value …  number of elements
//! ```

use super::input::Bad;
use super::kind;
use super::packed::{Element, listpack};
use super::reader::Reader;
use crate::value::stream::{Group, Id, Stream};

/// Flags of an entry: it was removed; its fields are those of the master entry.
const REMOVED: i64 = 1;
const SAME_FIELDS: i64 = 2;

pub(super) fn stream(reader: &mut Reader<'_>, kind: u8) -> Result<Stream, Bad> {
    let mut stream = Stream::default();
    for _ in 0..reader.length()? {
        let key = reader.string()?;
        let packed = reader.string()?;
        let first = raw_id(&key)?;
        node(reader, &mut stream, first, listpack(&packed)?)?;
    }
    if reader.length()? != stream.len() as u64 {
        return Err(Bad::Format);
    }
    let last = id(reader)?;
    if last < stream.newest() {
        return Err(Bad::Format);
    }
    stream.last = last;
    if kind != kind::STREAM {
        id(reader)?;
        stream.deleted_max = id(reader)?;
        stream.added = reader.length()?;
        if stream.added < stream.len() as u64 {
            return Err(Bad::Format);
        }
    }
    for _ in 0..reader.length()? {
        let name = reader.string()?;
        let group = group(reader, kind)?;
        if !stream.add_group(&name, group) {
            return Err(Bad::Format);
        }
    }
    Ok(stream)
}

/// An id of sixteen bytes.
fn raw_id(bytes: &[u8]) -> Result<Id, Bad> {
    let (ms, seq) = bytes.split_first_chunk::<8>().ok_or(Bad::Format)?;
    let seq = <[u8; 8]>::try_from(seq).map_err(|_| Bad::Format)?;
    Ok(Id { ms: u64::from_be_bytes(*ms), seq: u64::from_be_bytes(seq) })
}

/// An id of two numbers.
fn id(reader: &mut Reader<'_>) -> Result<Id, Bad> {
    Ok(Id { ms: reader.length()?, seq: reader.length()? })
}

/// Reads the entries of a node.
fn node(
    reader: &mut Reader<'_>,
    stream: &mut Stream,
    first: Id,
    elements: Vec<Element<'_>>,
) -> Result<(), Bad> {
    let mut elements = elements.into_iter();
    let mut next = || elements.next().ok_or(Bad::Format);
    let [live, removed, master_len] = [next()?.number()?, next()?.number()?, next()?.number()?];
    let mut master = Vec::new();
    for _ in 0..master_len {
        master.push(next()?.text());
    }
    next()?;
    let count = live.checked_add(removed).filter(|_| live >= 0 && removed >= 0).ok_or(Bad::Format)?;
    let mut found = 0;
    for _ in 0..count {
        let flags = next()?.number()?;
        // Differences may wrap around, as they do where they were made.
        let ms = first.ms.wrapping_add(next()?.number()? as u64);
        let seq = first.seq.wrapping_add(next()?.number()? as u64);
        let has_same = flags & SAME_FIELDS != 0;
        let pairs = if has_same { master_len } else { next()?.number()? };
        let mut fields = Vec::new();
        for at in 0..pairs {
            let field =
                if has_same { master.get(at as usize).ok_or(Bad::Format)?.clone() } else { next()?.text() };
            fields.push(field);
            fields.push(next()?.text());
        }
        next()?;
        if flags & REMOVED != 0 {
            continue;
        }
        found += 1;
        let id = Id { ms, seq };
        if id <= stream.newest() || fields.is_empty() {
            return Err(Bad::Format);
        }
        for field in &fields {
            reader.count(field.len())?;
        }
        stream.push(id, fields.iter().map(Vec::as_slice));
    }
    if found == live && next().is_err() { Ok(()) } else { Err(Bad::Format) }
}

fn group(reader: &mut Reader<'_>, kind: u8) -> Result<Group, Bad> {
    let last = id(reader)?;
    let read =
        if kind == kind::STREAM { None } else { Some(reader.length()?).filter(|read| *read != u64::MAX) };
    let mut group = Group::new(last, read);
    let mut pending = std::collections::BTreeMap::new();
    for _ in 0..reader.length()? {
        let id = raw_id(reader.input.take(16)?)?;
        let delivered_ms = reader.input.u64()?;
        let deliveries = reader.length()?;
        reader.count(0)?;
        if pending.insert(id, (delivered_ms, deliveries)).is_some() {
            return Err(Bad::Format);
        }
    }
    for _ in 0..reader.length()? {
        let name = reader.string()?;
        let seen_ms = reader.input.u64()?;
        if kind == kind::STREAM_3 {
            reader.input.u64()?;
        }
        if group.consumers().contains_key(name.as_slice()) {
            return Err(Bad::Format);
        }
        let consumer = group.consumer(&name, seen_ms);
        for _ in 0..reader.length()? {
            let id = raw_id(reader.input.take(16)?)?;
            let (delivered_ms, deliveries) = pending.remove(&id).ok_or(Bad::Format)?;
            group.give(id, &consumer, delivered_ms, deliveries);
        }
    }
    // Each has its consumer.
    if pending.is_empty() { Ok(group) } else { Err(Bad::Format) }
}
