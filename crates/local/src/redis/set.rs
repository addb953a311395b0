//! Commands about sets.

use wire::redis::encode;

use super::call::Call;
use super::fault::Fault;
use super::integer::count;
use super::random::{self, Throws};
use super::scan::{self, Scan};
use crate::events::Class;
use crate::store::Room;
use crate::value::set::Set;

/// `SADD key member …`
pub(super) fn sadd(call: &mut Call<'_>) -> Result<(), Fault> {
    let members = call.args.get(2..).unwrap_or_default();
    let added = call.edit(call.arg(1), Room::of(members), |set: &mut Set, _| {
        members.iter().filter(|member| set.insert(member)).count()
    })?;
    if added > 0 {
        call.tell(Class::SET, "sadd", call.arg(1));
    }
    call.count(added)
}

/// `SREM key member …`
pub(super) fn srem(call: &mut Call<'_>) -> Result<(), Fault> {
    let members = call.args.get(2..).unwrap_or_default();
    let removed = call.edit_existing(call.arg(1), Room::default(), |set: &mut Set, _| {
        members.iter().filter(|member| set.remove(member)).count()
    })?;
    if removed.is_some_and(|removed| removed > 0) {
        call.tell(Class::SET, "srem", call.arg(1));
    }
    call.count(removed.unwrap_or(0))
}

/// `SCARD key`
pub(super) fn scard(call: &mut Call<'_>) -> Result<(), Fault> {
    let len = call.collection::<Set>(call.arg(1))?.map_or(0, Set::len);
    call.count(len)
}

/// `SISMEMBER key member`
pub(super) fn sismember(call: &mut Call<'_>) -> Result<(), Fault> {
    let member = call.arg(2);
    let found = call.collection::<Set>(call.arg(1))?.is_some_and(|set| set.contains(member));
    call.integer(i64::from(found))
}

/// `SMISMEMBER key member …`
pub(super) fn smismember(call: &mut Call<'_>) -> Result<(), Fault> {
    let members = call.args.get(2..).unwrap_or_default();
    let (set, out) = call.collection_and_out::<Set>(call.arg(1))?;
    encode::array(out, members.len());
    for member in members {
        encode::integer(out, i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

/// `SMEMBERS key`
pub(super) fn smembers(call: &mut Call<'_>) -> Result<(), Fault> {
    let version = call.version;
    let (set, out) = call.collection_and_out::<Set>(call.arg(1))?;
    encode::set(out, set.map_or(0, Set::len), version);
    set.into_iter().for_each(|set| set.each(|member| encode::bulk(out, member)));
    Ok(())
}

/// `SPOP key [count]`
pub(super) fn spop(call: &mut Call<'_>) -> Result<(), Fault> {
    let (key, version) = (call.arg(1), call.version);
    let wanted = match call.args {
        [_, _] => None,
        [_, _, wanted] => Some(count(wanted)?),
        _ => return Err(Fault::Syntax),
    };
    let len = call.collection::<Set>(key)?.map_or(0, Set::len);
    let Some(wanted) = wanted else {
        if len == 0 {
            return call.null();
        }
        let at = call.store.below(len);
        call.edit_existing(key, Room::default(), |set: &mut Set, out| pop(set, at, out))?;
        call.tell(Class::SET, "spop", key);
        return Ok(());
    };
    let wanted = wanted.min(len);
    encode::set(call.out, wanted, version);
    for left in 0..wanted {
        let at = call.store.below(len - left);
        call.edit_existing(key, Room::default(), |set: &mut Set, out| pop(set, at, out))?;
    }
    if wanted > 0 {
        call.tell(Class::SET, "spop", key);
    }
    Ok(())
}

fn pop(set: &mut Set, at: usize, out: &mut Vec<u8>) {
    let member = set.at(at, <[u8]>::to_vec);
    set.remove(&member);
    encode::bulk(out, &member);
}

/// `SRANDMEMBER key [count]`
pub(super) fn srandmember(call: &mut Call<'_>) -> Result<(), Fault> {
    let key = call.arg(1);
    if call.args.len() > 3 {
        return Err(Fault::Syntax);
    }
    let throws = Throws::parse(call, b"")?;
    let len = call.collection::<Set>(key)?.map_or(0, Set::len);
    if len == 0 && throws.is_none() {
        return call.null();
    }
    let chosen = random::choose(call.store, len, throws.as_ref().map_or(1, |throws| throws.count))?;
    let (set, out) = call.collection_and_out::<Set>(key)?;
    if throws.is_some() {
        encode::array(out, chosen.len());
    }
    for at in chosen {
        set.into_iter().for_each(|set| set.at(at, |member| encode::bulk(out, member)));
    }
    Ok(())
}

/// `SMOVE source destination member`
pub(super) fn smove(call: &mut Call<'_>) -> Result<(), Fault> {
    let (source, destination, member) = (call.arg(1), call.arg(2), call.arg(3));
    let Some(set) = call.collection::<Set>(source)? else { return call.integer(0) };
    let found = set.contains(member);
    call.collection::<Set>(destination)?;
    if found && source != destination {
        // First where it can fail; its events come last.
        let told = call.store.published.len();
        let is_new = call.edit(destination, Room::of(&[member]), |set: &mut Set, _| set.insert(member))?;
        let later = call.store.published.split_off(told);
        call.edit_existing(source, Room::default(), |set: &mut Set, _| set.remove(member))?;
        call.tell(Class::SET, "srem", source);
        call.store.published.extend(later);
        if is_new {
            call.tell(Class::SET, "sadd", destination);
        }
    }
    call.integer(i64::from(found))
}

/// `SINTER key …`
pub(super) fn sinter(call: &mut Call<'_>) -> Result<(), Fault> {
    let set = intersection(call, call.args.get(1..).unwrap_or_default(), usize::MAX)?;
    reply(call, &set)
}

/// `SINTERSTORE destination key …`
pub(super) fn sinterstore(call: &mut Call<'_>) -> Result<(), Fault> {
    let set = intersection(call, call.args.get(2..).unwrap_or_default(), usize::MAX)?;
    store(call, set)
}

/// `SINTERCARD numkeys key … [LIMIT limit]`
pub(super) fn sintercard(call: &mut Call<'_>) -> Result<(), Fault> {
    let (keys, options) = call.numbered_keys(1, Fault::NUMKEYS, Fault::NUMKEYS_ARGS)?;
    let limit = limit(options)?;
    let len = intersection(call, keys, limit)?.len();
    call.count(len)
}

/// `[LIMIT limit]`; 0 stands for none.
pub(super) fn limit(mut options: &[&[u8]]) -> Result<usize, Fault> {
    let mut limit = 0;
    while let [option, value, rest @ ..] = options {
        if !option.eq_ignore_ascii_case(b"limit") {
            return Err(Fault::Syntax);
        }
        limit = count(value).map_err(|_| Fault::LIMIT_NEGATIVE)?;
        options = rest;
    }
    match (options, limit) {
        ([], 0) => Ok(usize::MAX),
        ([], limit) => Ok(limit),
        _ => Err(Fault::Syntax),
    }
}

/// `SUNION key …`
pub(super) fn sunion(call: &mut Call<'_>) -> Result<(), Fault> {
    let set = union(call, call.args.get(1..).unwrap_or_default())?;
    reply(call, &set)
}

/// `SUNIONSTORE destination key …`
pub(super) fn sunionstore(call: &mut Call<'_>) -> Result<(), Fault> {
    let set = union(call, call.args.get(2..).unwrap_or_default())?;
    store(call, set)
}

/// `SDIFF key …`
pub(super) fn sdiff(call: &mut Call<'_>) -> Result<(), Fault> {
    let set = difference(call, call.args.get(1..).unwrap_or_default())?;
    reply(call, &set)
}

/// `SDIFFSTORE destination key …`
pub(super) fn sdiffstore(call: &mut Call<'_>) -> Result<(), Fault> {
    let set = difference(call, call.args.get(2..).unwrap_or_default())?;
    store(call, set)
}

fn reply(call: &mut Call<'_>, set: &Set) -> Result<(), Fault> {
    encode::set(call.out, set.len(), call.version);
    set.each(|member| encode::bulk(call.out, member));
    Ok(())
}

fn store(call: &mut Call<'_>, set: Set) -> Result<(), Fault> {
    let len = set.len();
    call.replace(call.arg(1), set, (Class::SET, call.name))?;
    call.count(len)
}

/// The members that all sets have, up to `limit` of them.
fn intersection(call: &mut Call<'_>, keys: &[&[u8]], limit: usize) -> Result<Set, Fault> {
    let mut smallest: Option<(&[u8], usize)> = None;
    let mut is_empty = false;
    for key in keys {
        let len = call.collection::<Set>(key)?.map_or(0, Set::len);
        is_empty |= len == 0;
        if smallest.is_none_or(|(_, other)| len < other) {
            smallest = Some((key, len));
        }
    }
    let mut result = Set::default();
    let Some((first, _)) = smallest.filter(|_| !is_empty) else { return Ok(result) };
    let mut members = Vec::new();
    if let Some(set) = call.collection::<Set>(first)? {
        set.each(|member| members.push(member.to_vec()));
    }
    for key in keys.iter().filter(|key| **key != first) {
        if let Some(set) = call.collection::<Set>(key)? {
            members.retain(|member| set.contains(member));
        }
    }
    members.iter().take(limit).for_each(|member| {
        result.insert(member);
    });
    Ok(result)
}

fn union(call: &mut Call<'_>, keys: &[&[u8]]) -> Result<Set, Fault> {
    let mut result = Set::default();
    for key in keys {
        if let Some(set) = call.collection::<Set>(key)? {
            set.each(|member| {
                result.insert(member);
            });
        }
    }
    Ok(result)
}

fn difference(call: &mut Call<'_>, keys: &[&[u8]]) -> Result<Set, Fault> {
    let mut result = Set::default();
    for (i, key) in keys.iter().enumerate() {
        let Some(set) = call.collection::<Set>(key)? else { continue };
        if i == 0 {
            set.each(|member| {
                result.insert(member);
            });
        } else if set.len() < result.len() {
            set.each(|member| {
                result.remove(member);
            });
        } else {
            let mut gone = Vec::new();
            result.each(|member| gone.extend(set.contains(member).then(|| member.to_vec())));
            gone.iter().for_each(|member| {
                result.remove(member);
            });
        }
    }
    Ok(result)
}

/// `SSCAN key cursor [MATCH pattern] [COUNT count]`
pub(super) fn sscan(call: &mut Call<'_>) -> Result<(), Fault> {
    let Some(scan) = Scan::begin::<Set>(call)? else { return Ok(()) };
    let Some(set) = call.collection::<Set>(call.arg(1))? else { return Ok(()) };
    let (mut found, mut bulks) = (Vec::new(), 0);
    let next = set.scan(scan.cursor, scan.count, |member| {
        if scan.matches(member) {
            encode::bulk(&mut found, member);
            bulks += 1;
        }
    });
    scan::reply(call.out, next, bulks, &found);
    Ok(())
}
