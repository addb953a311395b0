//! Commands about hashes.

use wire::redis::encode;

use super::call::Call;
use super::fault::Fault;
use super::integer::integer;
use super::long_double::LongDouble;
use super::random::{self, Throws};
use super::scan::{self, Scan};
use crate::decimal::decimal;
use crate::events::Class;
use crate::store::Room;
use crate::value::hash::Hash;

/// `HSET key field value …`
pub(super) fn hset(call: &mut Call<'_>) -> Result<(), Fault> {
    let added = set_pairs(call)?;
    call.count(added)
}

/// `HMSET key field value …`
pub(super) fn hmset(call: &mut Call<'_>) -> Result<(), Fault> {
    set_pairs(call)?;
    call.ok()
}

fn set_pairs(call: &mut Call<'_>) -> Result<usize, Fault> {
    let pairs = call.args.get(2..).unwrap_or_default();
    if !pairs.len().is_multiple_of(2) {
        return Err(Fault::Arity(call.name));
    }
    let added = call.edit(call.arg(1), Room::of(pairs), |hash: &mut Hash, _| {
        pairs.chunks_exact(2).filter(|pair| hash.set(pair[0], pair[1])).count()
    })?;
    call.tell(Class::HASH, "hset", call.arg(1));
    Ok(added)
}

/// `HSETNX key field value`
pub(super) fn hsetnx(call: &mut Call<'_>) -> Result<(), Fault> {
    let (key, field, value) = (call.arg(1), call.arg(2), call.arg(3));
    if call.collection::<Hash>(key)?.is_some_and(|hash| hash.get(field).is_some()) {
        return call.integer(0);
    }
    call.edit(key, Room::of(&[field, value]), |hash: &mut Hash, _| hash.set(field, value))?;
    call.tell(Class::HASH, "hset", key);
    call.integer(1)
}

/// `HGET key field`
pub(super) fn hget(call: &mut Call<'_>) -> Result<(), Fault> {
    let (field, version) = (call.arg(2), call.version);
    let (hash, out) = call.collection_and_out::<Hash>(call.arg(1))?;
    match hash.and_then(|hash| hash.get(field)) {
        Some(value) => encode::bulk(out, value),
        None => encode::null(out, version),
    }
    Ok(())
}

/// `HMGET key field …`
pub(super) fn hmget(call: &mut Call<'_>) -> Result<(), Fault> {
    let (fields, version) = (call.args.get(2..).unwrap_or_default(), call.version);
    let (hash, out) = call.collection_and_out::<Hash>(call.arg(1))?;
    encode::array(out, fields.len());
    for field in fields {
        match hash.and_then(|hash| hash.get(field)) {
            Some(value) => encode::bulk(out, value),
            None => encode::null(out, version),
        }
    }
    Ok(())
}

/// `HDEL key field …`
pub(super) fn hdel(call: &mut Call<'_>) -> Result<(), Fault> {
    let fields = call.args.get(2..).unwrap_or_default();
    let removed = call.edit_existing(call.arg(1), Room::default(), |hash: &mut Hash, _| {
        fields.iter().filter(|field| hash.remove(field)).count()
    })?;
    if removed.is_some_and(|removed| removed > 0) {
        call.tell(Class::HASH, "hdel", call.arg(1));
    }
    call.count(removed.unwrap_or(0))
}

/// `HLEN key`
pub(super) fn hlen(call: &mut Call<'_>) -> Result<(), Fault> {
    let len = call.collection::<Hash>(call.arg(1))?.map_or(0, Hash::len);
    call.count(len)
}

/// `HSTRLEN key field`
pub(super) fn hstrlen(call: &mut Call<'_>) -> Result<(), Fault> {
    let field = call.arg(2);
    let hash = call.collection::<Hash>(call.arg(1))?;
    let len = hash.and_then(|hash| hash.get(field)).map_or(0, <[u8]>::len);
    call.count(len)
}

/// `HEXISTS key field`
pub(super) fn hexists(call: &mut Call<'_>) -> Result<(), Fault> {
    let field = call.arg(2);
    let found = call.collection::<Hash>(call.arg(1))?.is_some_and(|hash| hash.get(field).is_some());
    call.integer(i64::from(found))
}

/// `HKEYS key`
pub(super) fn hkeys(call: &mut Call<'_>) -> Result<(), Fault> {
    let (hash, out) = call.collection_and_out::<Hash>(call.arg(1))?;
    encode::array(out, hash.map_or(0, Hash::len));
    hash.into_iter().flat_map(Hash::iter).for_each(|(field, _)| encode::bulk(out, field));
    Ok(())
}

/// `HVALS key`
pub(super) fn hvals(call: &mut Call<'_>) -> Result<(), Fault> {
    let (hash, out) = call.collection_and_out::<Hash>(call.arg(1))?;
    encode::array(out, hash.map_or(0, Hash::len));
    hash.into_iter().flat_map(Hash::iter).for_each(|(_, value)| encode::bulk(out, value));
    Ok(())
}

/// `HGETALL key`
pub(super) fn hgetall(call: &mut Call<'_>) -> Result<(), Fault> {
    let version = call.version;
    let (hash, out) = call.collection_and_out::<Hash>(call.arg(1))?;
    encode::map(out, hash.map_or(0, Hash::len), version);
    for (field, value) in hash.into_iter().flat_map(Hash::iter) {
        encode::bulk(out, field);
        encode::bulk(out, value);
    }
    Ok(())
}

/// `HINCRBY key field increment`
pub(super) fn hincrby(call: &mut Call<'_>) -> Result<(), Fault> {
    let (key, field, increment) = (call.arg(1), call.arg(2), integer(call.arg(3))?);
    let old = match call.collection::<Hash>(key)?.and_then(|hash| hash.get(field)) {
        Some(value) => decimal(value).ok_or(Fault::HASH_NOT_INTEGER)?,
        None => 0,
    };
    let new = old.checked_add(increment).ok_or(Fault::Overflow)?;
    let text = new.to_string();
    call.edit(key, Room::of(&[field, text.as_bytes()]), |hash: &mut Hash, _| {
        hash.set(field, text.as_bytes())
    })?;
    call.tell(Class::HASH, "hincrby", key);
    call.integer(new)
}

/// `HINCRBYFLOAT key field increment`
pub(super) fn hincrbyfloat(call: &mut Call<'_>) -> Result<(), Fault> {
    let (key, field) = (call.arg(1), call.arg(2));
    let increment = LongDouble::parse(call.arg(3)).ok_or(Fault::NotFloat)?;
    let old = match call.collection::<Hash>(key)?.and_then(|hash| hash.get(field)) {
        Some(value) => LongDouble::parse(value).ok_or(Fault::HASH_NOT_FLOAT)?,
        None => LongDouble::ZERO,
    };
    let sum = old.add(increment).ok_or(Fault::NotFinite)?.to_string();
    call.edit(key, Room::of(&[field, sum.as_bytes()]), |hash: &mut Hash, _| hash.set(field, sum.as_bytes()))?;
    call.tell(Class::HASH, "hincrbyfloat", key);
    encode::bulk(call.out, sum.as_bytes());
    Ok(())
}

/// `HRANDFIELD key [count [WITHVALUES]]`
pub(super) fn hrandfield(call: &mut Call<'_>) -> Result<(), Fault> {
    let key = call.arg(1);
    let Some(throws) = Throws::parse(call, b"withvalues")? else {
        let len = call.collection::<Hash>(key)?.map_or(0, Hash::len);
        if len == 0 {
            return call.null();
        }
        let at = call.store.below(len);
        let (hash, out) = call.collection_and_out::<Hash>(key)?;
        encode::bulk(out, hash.map_or(b"", |hash| hash.at(at).0));
        return Ok(());
    };
    let len = call.collection::<Hash>(key)?.map_or(0, Hash::len);
    let chosen = random::choose(call.store, len, throws.count)?;
    let version = call.version;
    let (hash, out) = call.collection_and_out::<Hash>(key)?;
    random::write_head(out, chosen.len(), throws.with_more, version);
    for at in chosen {
        let (field, value) = hash.map(|hash| hash.at(at)).unwrap_or_default();
        random::write_pair_head(out, throws.with_more, version);
        encode::bulk(out, field);
        if throws.with_more {
            encode::bulk(out, value);
        }
    }
    Ok(())
}

/// `HSCAN key cursor [MATCH pattern] [COUNT count]`
pub(super) fn hscan(call: &mut Call<'_>) -> Result<(), Fault> {
    let Some(scan) = Scan::begin::<Hash>(call)? else { return Ok(()) };
    let Some(hash) = call.collection::<Hash>(call.arg(1))? else { return Ok(()) };
    let (mut found, mut bulks) = (Vec::new(), 0);
    let next = hash.scan(scan.cursor, scan.count, |field, value| {
        if scan.matches(field) {
            encode::bulk(&mut found, field);
            encode::bulk(&mut found, value);
            bulks += 2;
        }
    });
    scan::reply(call.out, next, bulks, &found);
    Ok(())
}
