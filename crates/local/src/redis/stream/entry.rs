//! Commands about entries: `XLEN`, `XRANGE`, `XREVRANGE`, `XDEL`, `XSETID`.

use wire::redis::encode;

use super::super::call::Call;
use super::super::fault::Fault;
use super::super::integer::integer;
use super::{id, put_entries};
use crate::events::Class;
use crate::store::Room;
use crate::value::stream::{Id, Stream};

/// `XLEN key`
pub(in super::super) fn xlen(call: &mut Call<'_>) -> Result<(), Fault> {
    let len = call.collection::<Stream>(call.arg(1))?.map_or(0, Stream::len);
    call.count(len)
}

/// `XRANGE key start end [COUNT count]`
pub(in super::super) fn xrange(call: &mut Call<'_>) -> Result<(), Fault> {
    range(call, false)
}

/// `XREVRANGE key end start [COUNT count]`
pub(in super::super) fn xrevrange(call: &mut Call<'_>) -> Result<(), Fault> {
    range(call, true)
}

fn range(call: &mut Call<'_>, back: bool) -> Result<(), Fault> {
    let (from, to) = if back { (call.arg(3), call.arg(2)) } else { (call.arg(2), call.arg(3)) };
    let (from, to) = (id::start(from)?, id::end(to)?);
    let mut count = usize::MAX;
    let mut options = call.args.get(4..).unwrap_or_default().iter();
    let is_count = |option: &[u8]| option.eq_ignore_ascii_case(b"count");
    while let Some(option) = options.next() {
        let value = options.next().filter(|_| is_count(option)).ok_or(Fault::Syntax)?;
        count = usize::try_from(integer(value)?).unwrap_or(0);
    }
    let version = call.version;
    let (stream, out) = call.collection_and_out::<Stream>(call.arg(1))?;
    match stream {
        None => encode::array(out, 0),
        Some(_) if count == 0 => encode::null_array(out, version),
        Some(stream) if back => put_entries(out, stream.range_back(from, to).take(count)),
        Some(stream) => put_entries(out, stream.range(from, to).take(count)),
    }
    Ok(())
}

/// `XDEL key id …`
pub(in super::super) fn xdel(call: &mut Call<'_>) -> Result<(), Fault> {
    let key = call.arg(1);
    if call.collection::<Stream>(key)?.is_none() {
        return call.integer(0);
    }
    let ids = call.args.iter().skip(2).map(|text| id::strict(text, 0)).collect::<Result<Vec<Id>, _>>()?;
    let removed = call.edit_existing(key, Room::default(), |stream: &mut Stream, _| {
        ids.iter().filter(|id| stream.remove(**id)).count()
    })?;
    if removed.is_some_and(|removed| removed > 0) {
        call.tell(Class::STREAM, "xdel", key);
    }
    call.count(removed.unwrap_or(0))
}

/// `XSETID key last-id [ENTRIESADDED count] [MAXDELETEDID id]`
pub(in super::super) fn xsetid(call: &mut Call<'_>) -> Result<(), Fault> {
    let last = id::strict(call.arg(2), 0)?;
    let (mut added, mut deleted_max) = (None, None);
    let mut options = call.args.get(3..).unwrap_or_default().iter();
    while let Some(option) = options.next() {
        let value = options.next().ok_or(Fault::Syntax)?;
        match option.to_ascii_lowercase().as_slice() {
            b"entriesadded" => {
                let count = integer(value)?;
                added = Some(
                    u64::try_from(count).map_err(|_| Fault::Other("ERR entries_added must be positive"))?,
                );
            }
            b"maxdeletedid" => {
                let id = id::strict(value, 0)?;
                if last < id {
                    return Err(Fault::Other(
                        "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                    ));
                }
                deleted_max = Some(id);
            }
            _ => return Err(Fault::Syntax),
        }
    }
    let key = call.arg(1);
    let Some(stream) = call.collection::<Stream>(key)? else { return Err(Fault::NO_KEY) };
    if stream.len() > 0 {
        if last < stream.newest() {
            return Err(Fault::Other(
                "ERR The ID specified in XSETID is smaller than the target stream top item",
            ));
        }
        if added.is_some_and(|added| (stream.len() as u64) > added) {
            return Err(Fault::Other(
                "ERR The entries_added specified in XSETID is smaller than the target stream length",
            ));
        }
    }
    if last < stream.deleted_max {
        return Err(Fault::Other(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        ));
    }
    call.edit_existing(key, Room::default(), |stream: &mut Stream, _| {
        stream.last = last;
        stream.added = added.unwrap_or(stream.added);
        stream.deleted_max = deleted_max.filter(|id| *id != Id::MIN).unwrap_or(stream.deleted_max);
    })?;
    call.tell(Class::STREAM, "xsetid", key);
    call.ok()
}
