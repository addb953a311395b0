//! Commands about lists.

use wire::redis::encode;

use super::call::{Call, Words};
use super::fault::Fault;
use super::integer::{count, integer, pop_count};
use crate::events::Class;
use crate::store::Room;
use crate::value::list::{End, List};

/// `LPUSH key element …`
pub(super) fn lpush(call: &mut Call<'_>) -> Result<(), Fault> {
    push(call, End::Left, true)
}

/// `RPUSH key element …`
pub(super) fn rpush(call: &mut Call<'_>) -> Result<(), Fault> {
    push(call, End::Right, true)
}

/// `LPUSHX key element …`
pub(super) fn lpushx(call: &mut Call<'_>) -> Result<(), Fault> {
    push(call, End::Left, false)
}

/// `RPUSHX key element …`
pub(super) fn rpushx(call: &mut Call<'_>) -> Result<(), Fault> {
    push(call, End::Right, false)
}

fn push(call: &mut Call<'_>, end: End, creates: bool) -> Result<(), Fault> {
    let (key, elements) = (call.arg(1), call.args.get(2..).unwrap_or_default());
    let change = |list: &mut List, _: &mut Vec<u8>| {
        elements.iter().for_each(|element| list.push(end, element));
        list.len()
    };
    let len = if creates {
        call.edit(key, Room::of(elements), change)?
    } else {
        call.edit_existing(key, Room::of(elements), change)?.unwrap_or(0)
    };
    if len > 0 {
        call.tell(Class::LIST, pushed(end), key);
    }
    call.count(len)
}

/// The event of a push at this end,
fn pushed(end: End) -> &'static str {
    if end == End::Left { "lpush" } else { "rpush" }
}

/// and that of a pop.
fn popped_at(end: End) -> &'static str {
    if end == End::Left { "lpop" } else { "rpop" }
}

/// `LPOP key [count]`
pub(super) fn lpop(call: &mut Call<'_>) -> Result<(), Fault> {
    pop(call, End::Left)
}

/// `RPOP key [count]`
pub(super) fn rpop(call: &mut Call<'_>) -> Result<(), Fault> {
    pop(call, End::Right)
}

fn pop(call: &mut Call<'_>, end: End) -> Result<(), Fault> {
    let (key, version) = (call.arg(1), call.version);
    let many = match call.args {
        [_, _] => None,
        [_, _, many] => Some(count(many)?),
        _ => return Err(Fault::Arity(call.name)),
    };
    let Some(wanted) = many else {
        let popped = call.edit_existing(key, Room::default(), |list: &mut List, out| {
            list.pop(end, |element| encode::bulk(out, element));
        })?;
        if popped.is_none() {
            return call.null();
        }
        call.tell(Class::LIST, popped_at(end), key);
        return Ok(());
    };
    let popped =
        call.edit_existing(key, Room::default(), |list: &mut List, out| pop_many(list, end, wanted, out))?;
    match popped {
        None => encode::null_array(call.out, version),
        Some(0) => {}
        Some(_) => call.tell(Class::LIST, popped_at(end), key),
    }
    Ok(())
}

/// Replies with up to `wanted` elements, which are removed; returns their number.
fn pop_many(list: &mut List, end: End, wanted: usize, out: &mut Vec<u8>) -> usize {
    let wanted = wanted.min(list.len());
    encode::array(out, wanted);
    for _ in 0..wanted {
        list.pop(end, |element| encode::bulk(out, element));
    }
    wanted
}

/// `LMPOP numkeys key … LEFT | RIGHT [COUNT count]`
pub(super) fn lmpop(call: &mut Call<'_>) -> Result<(), Fault> {
    let (_, found) = pop_of(call, 1)?;
    if !found {
        encode::null_array(call.out, call.version);
    }
    Ok(())
}

/// Pops from the first list of several keys, whose number is argument `at`. Returns the keys, and false if
/// there was none.
pub(super) fn pop_of<'c>(call: &mut Call<'c>, at: usize) -> Result<(Words<'c>, bool), Fault> {
    let (keys, rest) = call.numbered_keys(at, Fault::NUMKEYS, Fault::Syntax)?;
    let [end, options @ ..] = rest else { return Err(Fault::Syntax) };
    let end = end_of(end)?;
    let wanted = pop_count(options)?;
    let ready = call.ready;
    for key in keys.iter().filter(|key| ready.is_none_or(|ready| ready == **key)) {
        let popped = call.edit_existing(key, Room::default(), |list: &mut List, out| {
            encode::array(out, 2);
            encode::bulk(out, key);
            pop_many(list, end, wanted, out);
        })?;
        if popped.is_some() {
            call.tell(Class::LIST, popped_at(end), key);
            return Ok((keys, true));
        }
    }
    Ok((keys, false))
}

/// Pops an element and replies with the key and the element; false if there is none.
pub(super) fn pop_with_key(call: &mut Call<'_>, key: &[u8], end: End) -> Result<bool, Fault> {
    let popped = call.edit_existing(key, Room::default(), |list: &mut List, out| {
        encode::array(out, 2);
        encode::bulk(out, key);
        list.pop(end, |element| encode::bulk(out, element));
    })?;
    if popped.is_some() {
        call.tell(Class::LIST, popped_at(end), key);
    }
    Ok(popped.is_some())
}

pub(super) fn end_of(word: &[u8]) -> Result<End, Fault> {
    if word.eq_ignore_ascii_case(b"left") {
        Ok(End::Left)
    } else if word.eq_ignore_ascii_case(b"right") {
        Ok(End::Right)
    } else {
        Err(Fault::Syntax)
    }
}

/// `LLEN key`
pub(super) fn llen(call: &mut Call<'_>) -> Result<(), Fault> {
    let len = call.collection::<List>(call.arg(1))?.map_or(0, List::len);
    call.count(len)
}

/// `LINDEX key index`
pub(super) fn lindex(call: &mut Call<'_>) -> Result<(), Fault> {
    let (index, version) = (integer(call.arg(2)), call.version);
    let (list, out) = call.collection_and_out::<List>(call.arg(1))?;
    let element = match list {
        Some(list) => list.get(index?),
        None => None,
    };
    match element {
        Some(element) => encode::bulk(out, element),
        None => encode::null(out, version),
    }
    Ok(())
}

/// `LRANGE key start stop`: both ends included, negative indexes count from the end.
pub(super) fn lrange(call: &mut Call<'_>) -> Result<(), Fault> {
    let (start, stop) = (integer(call.arg(2))?, integer(call.arg(3))?);
    let (list, out) = call.collection_and_out::<List>(call.arg(1))?;
    let range = span(start, stop, list.map_or(0, List::len));
    encode::array(out, range.len());
    if let Some(list) = list {
        list.iter_from(range.start).take(range.len()).for_each(|element| encode::bulk(out, element));
    }
    Ok(())
}

/// `LTRIM key start stop`
pub(super) fn ltrim(call: &mut Call<'_>) -> Result<(), Fault> {
    let (start, stop) = (integer(call.arg(2))?, integer(call.arg(3))?);
    let key = call.arg(1);
    let trimmed = call.edit_existing(key, Room::default(), |list: &mut List, _| {
        list.keep(span(start, stop, list.len()));
    })?;
    if trimmed.is_some() {
        call.tell(Class::LIST, "ltrim", key);
    }
    call.ok()
}

/// The indexes from `start` to `stop`, both included, negative ones from the end.
pub(super) fn span(start: i64, stop: i64, len: usize) -> std::ops::Range<usize> {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let from_end = |index: i64| if index < 0 { index.saturating_add(len) } else { index };
    let (start, stop) = (from_end(start).max(0), from_end(stop).min(len - 1));
    if start > stop || start >= len { 0..0 } else { start as usize..stop as usize + 1 }
}

/// `LSET key index element`
pub(super) fn lset(call: &mut Call<'_>) -> Result<(), Fault> {
    let (key, element) = (call.arg(1), call.arg(3));
    if call.collection::<List>(key)?.is_none() {
        return Err(Fault::NO_KEY);
    }
    let index = integer(call.arg(2))?;
    let set = call.edit_existing(key, Room::of(&[element]), |list: &mut List, _| list.set(index, element))?;
    if set != Some(true) {
        return Err(Fault::INDEX);
    }
    call.tell(Class::LIST, "lset", key);
    call.ok()
}

/// `LINSERT key BEFORE | AFTER pivot element`
pub(super) fn linsert(call: &mut Call<'_>) -> Result<(), Fault> {
    let (pivot, element) = (call.arg(3), call.arg(4));
    let after = match call.arg(2).to_ascii_lowercase().as_slice() {
        b"before" => false,
        b"after" => true,
        _ => return Err(Fault::Syntax),
    };
    let len = call.edit_existing(call.arg(1), Room::of(&[element]), |list: &mut List, _| {
        if list.insert_beside(pivot, after, element) { list.len() as i64 } else { -1 }
    })?;
    if len.is_some_and(|len| len > 0) {
        call.tell(Class::LIST, "linsert", call.arg(1));
    }
    call.integer(len.unwrap_or(0))
}

/// `LREM key count element`: from the right if the count is negative, all if it is 0.
pub(super) fn lrem(call: &mut Call<'_>) -> Result<(), Fault> {
    let (wanted, element) = (integer(call.arg(2))?, call.arg(3));
    let end = if wanted < 0 { End::Right } else { End::Left };
    let most = if wanted == 0 { usize::MAX } else { wanted.unsigned_abs() as usize };
    let removed = call.edit_existing(call.arg(1), Room::default(), |list: &mut List, _| {
        list.remove_equal(element, end, most)
    })?;
    if removed.is_some_and(|removed| removed > 0) {
        call.tell(Class::LIST, "lrem", call.arg(1));
    }
    call.count(removed.unwrap_or(0))
}

/// `LMOVE source destination LEFT | RIGHT LEFT | RIGHT`
pub(super) fn lmove(call: &mut Call<'_>) -> Result<(), Fault> {
    let (from, to) = (end_of(call.arg(3))?, end_of(call.arg(4))?);
    if transfer(call, from, to)? { Ok(()) } else { call.null() }
}

/// `RPOPLPUSH source destination`
pub(super) fn rpoplpush(call: &mut Call<'_>) -> Result<(), Fault> {
    if transfer(call, End::Right, End::Left)? { Ok(()) } else { call.null() }
}

/// Moves an element from argument 1 to argument 2 and replies with it; false if there is none.
pub(super) fn transfer(call: &mut Call<'_>, from: End, to: End) -> Result<bool, Fault> {
    let (source, destination) = (call.arg(1), call.arg(2));
    let index = if from == End::Left { 0 } else { -1 };
    let element = match call.collection::<List>(source)? {
        Some(list) => list.get(index).unwrap_or_default().to_vec(),
        None => return Ok(false),
    };
    // First where it can fail. A list that is its own destination has its element twice for a moment.
    call.edit(destination, Room::of(&[&element]), |list: &mut List, _| {
        if source == destination {
            list.pop(from, |_| ());
        }
        list.push(to, &element);
    })?;
    if source != destination {
        call.edit_existing(source, Room::default(), |list: &mut List, _| list.pop(from, |_| ()))?;
    }
    call.tell(Class::LIST, pushed(to), destination);
    call.tell(Class::LIST, popped_at(from), source);
    encode::bulk(call.out, &element);
    Ok(true)
}

/// `LPOS key element [RANK rank] [COUNT count] [MAXLEN len]`
pub(super) fn lpos(call: &mut Call<'_>) -> Result<(), Fault> {
    let element = call.arg(2);
    let (mut rank, mut wanted, mut most) = (1i64, None, 0);
    let options = call.args.get(3..).unwrap_or_default();
    for option in options.chunks(2) {
        let [name, value] = option else { return Err(Fault::Syntax) };
        match name.to_ascii_lowercase().as_slice() {
            b"rank" => {
                rank = integer(value)?;
                if rank == 0 {
                    return Err(Fault::RANK_ZERO);
                }
                if rank == i64::MIN {
                    return Err(Fault::OUT_OF_RANGE);
                }
            }
            b"count" => wanted = Some(count(value).map_err(|_| Fault::COUNT_NEGATIVE)?),
            b"maxlen" => most = count(value).map_err(|_| Fault::MAXLEN_NEGATIVE)?,
            _ => return Err(Fault::Syntax),
        }
    }
    let version = call.version;
    let (list, out) = call.collection_and_out::<List>(call.arg(1))?;
    let Some(list) = list else {
        match wanted {
            Some(_) => encode::array(out, 0),
            None => encode::null(out, version),
        }
        return Ok(());
    };
    let most = if most == 0 { usize::MAX } else { most };
    let found = positions(list, element, rank, wanted.unwrap_or(1), most);
    match (wanted, found.first()) {
        (Some(_), _) => {
            encode::array(out, found.len());
            found.iter().for_each(|at| encode::integer(out, *at as i64));
        }
        (None, Some(at)) => encode::integer(out, *at as i64),
        (None, None) => encode::null(out, version),
    }
    Ok(())
}

/// Indexes of an element from its `rank`-th occurrence on, `wanted` of them (0: all), among the first `most`
/// that are compared.
fn positions(list: &List, element: &[u8], rank: i64, wanted: usize, most: usize) -> Vec<usize> {
    let wanted = if wanted == 0 { usize::MAX } else { wanted };
    let skipped = rank.unsigned_abs() as usize - 1;
    let len = list.len();
    let (hits_from_left, hits_from_right);
    let hits: &mut dyn Iterator<Item = usize> = if rank > 0 {
        hits_from_left = list.iter_from(0).enumerate();
        &mut hits_from_left.take(most).filter(|(_, own)| *own == element).map(|(at, _)| at)
    } else {
        hits_from_right = list.iter_back().enumerate();
        &mut hits_from_right.take(most).filter(|(_, own)| *own == element).map(|(at, _)| len - 1 - at)
    };
    hits.skip(skipped).take(wanted).collect()
}
