//! Commands about sorted sets: members and their scores. Ranges and the algebra of several sets have their
//! files.

pub(super) mod algebra;
mod bounds;
pub(super) mod range;

use wire::redis::encode;

use super::call::{Call, Words};
use super::fault::Fault;
use super::integer::{count, pop_count};
use super::random::{self, Throws};
use super::scan::{self, Scan};
use super::score;
use crate::events::Class;
use crate::store::Room;
use crate::value::sorted_set::SortedSet;

/// Options of `ZADD`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Options {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
    /// Count changed members as well.
    ch: bool,
    /// Add to the score.
    incr: bool,
}

impl Options {
    /// Reads those of the `known` options that stand at `at` one after another; returns the place after them.
    pub(super) fn parse_some(args: &[&[u8]], mut at: usize, known: &[&str]) -> (Options, usize) {
        let mut options = Options::default();
        while let Some(word) = args.get(at)
            && let Some(name) = known.iter().find(|name| word.eq_ignore_ascii_case(name.as_bytes()))
        {
            match *name {
                "nx" => options.nx = true,
                "xx" => options.xx = true,
                "gt" => options.gt = true,
                "lt" => options.lt = true,
                "ch" => options.ch = true,
                _ => options.incr = true,
            }
            at += 1;
        }
        (options, at)
    }

    /// True with both `NX` and `XX`.
    pub(super) fn is_contradictory(self) -> bool {
        self.nx && self.xx
    }
}

/// `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member …`
pub(super) fn zadd(call: &mut Call<'_>) -> Result<(), Fault> {
    let (options, at) = Options::parse_some(call.args, 2, &["nx", "xx", "gt", "lt", "ch", "incr"]);
    add(call, options, call.args.get(at..).unwrap_or_default())
}

/// `ZINCRBY key increment member`
pub(super) fn zincrby(call: &mut Call<'_>) -> Result<(), Fault> {
    let options = Options { incr: true, ..Options::default() };
    add(call, options, call.args.get(2..).unwrap_or_default())
}

/// Adds pairs of scores and members, and replies as `ZADD`.
pub(super) fn add(call: &mut Call<'_>, options: Options, pairs: &[&[u8]]) -> Result<(), Fault> {
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(Fault::Syntax);
    }
    if options.nx && options.xx {
        return Err(Fault::XX_AND_NX);
    }
    if (options.nx && (options.gt || options.lt)) || (options.gt && options.lt) {
        return Err(Fault::GT_LT_NX);
    }
    if options.incr && pairs.len() > 2 {
        return Err(Fault::INCR_PAIR);
    }
    let pairs: Vec<(f64, &[u8])> = pairs
        .chunks_exact(2)
        .map(|pair| Ok((score::parse(pair[0]).ok_or(Fault::NotFloat)?, pair[1])))
        .collect::<Result<_, Fault>>()?;
    let members: Vec<&[u8]> = pairs.iter().map(|(_, member)| *member).collect();
    let (mut added, mut changed, mut last) = (0, 0, None);
    let mut change = |set: &mut SortedSet, _: &mut Vec<u8>| {
        for (given, member) in &pairs {
            let old = set.score(member);
            let score = old.filter(|_| options.incr).map_or(*given, |old| old + given);
            if score.is_nan() {
                return Err(Fault::SCORE_NAN);
            }
            let takes = match old {
                Some(_) if options.nx => false,
                Some(old) if options.gt => score > old,
                Some(old) if options.lt => score < old,
                Some(_) => true,
                None => !options.xx,
            };
            if !takes {
                continue;
            }
            last = Some(score);
            added += usize::from(old.is_none());
            if old != Some(score) {
                changed += usize::from(old.is_some());
                set.set(member, score);
            }
        }
        Ok(())
    };
    let key = call.arg(1);
    if options.xx {
        call.edit_existing(key, Room::of(&members), change)?.unwrap_or(Ok(()))?;
    } else {
        call.edit(key, Room::of(&members), &mut change)??;
    }
    if added + changed > 0 {
        call.tell(Class::SORTED_SET, if options.incr { "zincr" } else { "zadd" }, key);
    }
    match (options.incr, last) {
        (true, Some(score)) => {
            score::write(call.out, score, call.version);
            Ok(())
        }
        (true, None) => call.null(),
        (false, _) => call.count(added + if options.ch { changed } else { 0 }),
    }
}

/// `ZREM key member …`
pub(super) fn zrem(call: &mut Call<'_>) -> Result<(), Fault> {
    let members = call.args.get(2..).unwrap_or_default();
    let removed = call.edit_existing(call.arg(1), Room::default(), |set: &mut SortedSet, _| {
        members.iter().filter(|member| set.remove(member).is_some()).count()
    })?;
    if removed.is_some_and(|removed| removed > 0) {
        call.tell(Class::SORTED_SET, "zrem", call.arg(1));
    }
    call.count(removed.unwrap_or(0))
}

/// `ZCARD key`
pub(super) fn zcard(call: &mut Call<'_>) -> Result<(), Fault> {
    let len = call.collection::<SortedSet>(call.arg(1))?.map_or(0, SortedSet::len);
    call.count(len)
}

/// `ZSCORE key member`
pub(super) fn zscore(call: &mut Call<'_>) -> Result<(), Fault> {
    let member = call.arg(2);
    match call.collection::<SortedSet>(call.arg(1))?.and_then(|set| set.score(member)) {
        Some(score) => {
            score::write(call.out, score, call.version);
            Ok(())
        }
        None => call.null(),
    }
}

/// `ZMSCORE key member …`
pub(super) fn zmscore(call: &mut Call<'_>) -> Result<(), Fault> {
    let (members, version) = (call.args.get(2..).unwrap_or_default(), call.version);
    let (set, out) = call.collection_and_out::<SortedSet>(call.arg(1))?;
    encode::array(out, members.len());
    for member in members {
        match set.and_then(|set| set.score(member)) {
            Some(score) => score::write(out, score, version),
            None => encode::null(out, version),
        }
    }
    Ok(())
}

/// `ZRANK key member [WITHSCORE]`
pub(super) fn zrank(call: &mut Call<'_>) -> Result<(), Fault> {
    rank(call, false)
}

/// `ZREVRANK key member [WITHSCORE]`
pub(super) fn zrevrank(call: &mut Call<'_>) -> Result<(), Fault> {
    rank(call, true)
}

fn rank(call: &mut Call<'_>, reversed: bool) -> Result<(), Fault> {
    let (member, version) = (call.arg(2), call.version);
    let with_score = match call.args.get(3..) {
        Some([]) | None => false,
        Some([option]) if option.eq_ignore_ascii_case(b"withscore") => true,
        Some(_) => return Err(Fault::Syntax),
    };
    let (set, out) = call.collection_and_out::<SortedSet>(call.arg(1))?;
    let found = set.and_then(|set| {
        let rank = set.rank(member)?;
        Some((if reversed { set.len() - 1 - rank } else { rank }, set.score(member)?))
    });
    match (found, with_score) {
        (Some((rank, _)), false) => encode::integer(out, rank as i64),
        (Some((rank, score)), true) => {
            encode::array(out, 2);
            encode::integer(out, rank as i64);
            score::write(out, score, version);
        }
        (None, false) => encode::null(out, version),
        (None, true) => encode::null_array(out, version),
    }
    Ok(())
}

/// `ZPOPMIN key [count]`
pub(super) fn zpopmin(call: &mut Call<'_>) -> Result<(), Fault> {
    pop(call, false)
}

/// `ZPOPMAX key [count]`
pub(super) fn zpopmax(call: &mut Call<'_>) -> Result<(), Fault> {
    pop(call, true)
}

fn pop(call: &mut Call<'_>, from_top: bool) -> Result<(), Fault> {
    let (key, version) = (call.arg(1), call.version);
    let wanted = match call.args {
        [_, _] => None,
        [_, _, wanted] => Some(count(wanted)?),
        _ => return Err(Fault::Syntax),
    };
    let popped = call.edit_existing(key, Room::default(), |set: &mut SortedSet, out| {
        let members = take(set, from_top, wanted.unwrap_or(1));
        let count = members.len();
        let nested = wanted.is_some();
        random::write_head(
            out,
            members.len(),
            true,
            if nested { version } else { wire::redis::Version::Resp2 },
        );
        for (member, score) in members {
            random::write_pair_head(out, nested, version);
            encode::bulk(out, &member);
            score::write(out, score, version);
        }
        count
    })?;
    match popped {
        None => return call.empty(),
        Some(0) => {}
        Some(_) => call.tell(Class::SORTED_SET, popped_from(from_top), key),
    }
    Ok(())
}

/// The event of a pop from this side.
fn popped_from(top: bool) -> &'static str {
    if top { "zpopmax" } else { "zpopmin" }
}

/// Takes up to `wanted` members with the lowest scores, or the highest.
fn take(set: &mut SortedSet, from_top: bool, wanted: usize) -> Vec<(Box<[u8]>, f64)> {
    let wanted = wanted.min(set.len());
    let owned = |(member, score): (&[u8], f64)| (Box::from(member), score);
    let members: Vec<_> = if from_top {
        set.range(set.len() - wanted..set.len()).rev().map(owned).collect()
    } else {
        set.range(0..wanted).map(owned).collect()
    };
    members.iter().for_each(|(member, _)| {
        set.remove(member);
    });
    members
}

/// `ZMPOP numkeys key … MIN | MAX [COUNT count]`
pub(super) fn zmpop(call: &mut Call<'_>) -> Result<(), Fault> {
    let (_, found) = pop_of(call, 1)?;
    if !found {
        encode::null_array(call.out, call.version);
    }
    Ok(())
}

/// Pops from the first sorted set of several keys, whose number is argument `at`. Returns the keys, and false
/// if there was none.
pub(super) fn pop_of<'c>(call: &mut Call<'c>, at: usize) -> Result<(Words<'c>, bool), Fault> {
    let (keys, rest) = call.numbered_keys(at, Fault::NUMKEYS, Fault::Syntax)?;
    let [side, options @ ..] = rest else { return Err(Fault::Syntax) };
    let from_top = match side.to_ascii_lowercase().as_slice() {
        b"min" => false,
        b"max" => true,
        _ => return Err(Fault::Syntax),
    };
    let wanted = pop_count(options)?;
    let version = call.version;
    let ready = call.ready;
    for key in keys.iter().filter(|key| ready.is_none_or(|ready| ready == **key)) {
        let popped = call.edit_existing(key, Room::default(), |set: &mut SortedSet, out| {
            let members = take(set, from_top, wanted);
            encode::array(out, 2);
            encode::bulk(out, key);
            encode::array(out, members.len());
            for (member, score) in members {
                encode::array(out, 2);
                encode::bulk(out, &member);
                score::write(out, score, version);
            }
        })?;
        if popped.is_some() {
            call.tell(Class::SORTED_SET, popped_from(from_top), key);
            return Ok((keys, true));
        }
    }
    Ok((keys, false))
}

/// Pops a member and replies with the key, the member and its score; false if there is none.
pub(super) fn pop_with_key(call: &mut Call<'_>, key: &[u8], from_top: bool) -> Result<bool, Fault> {
    let version = call.version;
    let popped = call.edit_existing(key, Room::default(), |set: &mut SortedSet, out| {
        encode::array(out, 3);
        encode::bulk(out, key);
        for (member, score) in take(set, from_top, 1) {
            encode::bulk(out, &member);
            score::write(out, score, version);
        }
    })?;
    if popped.is_some() {
        call.tell(Class::SORTED_SET, popped_from(from_top), key);
    }
    Ok(popped.is_some())
}

/// `ZRANDMEMBER key [count [WITHSCORES]]`
pub(super) fn zrandmember(call: &mut Call<'_>) -> Result<(), Fault> {
    let (key, version) = (call.arg(1), call.version);
    let throws = Throws::parse(call, b"withscores")?;
    let len = call.collection::<SortedSet>(key)?.map_or(0, SortedSet::len);
    if len == 0 && throws.is_none() {
        return call.null();
    }
    let (count, with_scores) = throws.as_ref().map_or((1, false), |throws| (throws.count, throws.with_more));
    let chosen = random::choose(call.store, len, count)?;
    let (set, out) = call.collection_and_out::<SortedSet>(key)?;
    if throws.is_some() {
        random::write_head(out, chosen.len(), with_scores, version);
    }
    for at in chosen {
        let (member, score) = set.map(|set| set.at(at)).unwrap_or_default();
        random::write_pair_head(out, with_scores, version);
        encode::bulk(out, member);
        if with_scores {
            score::write(out, score, version);
        }
    }
    Ok(())
}

/// `ZSCAN key cursor [MATCH pattern] [COUNT count]`
pub(super) fn zscan(call: &mut Call<'_>) -> Result<(), Fault> {
    let Some(scan) = Scan::begin::<SortedSet>(call)? else { return Ok(()) };
    let Some(set) = call.collection::<SortedSet>(call.arg(1))? else { return Ok(()) };
    let (mut found, mut bulks) = (Vec::new(), 0);
    let next = set.scan(scan.cursor, scan.count, |member, score| {
        if scan.matches(member) {
            encode::bulk(&mut found, member);
            encode::bulk(&mut found, score::text(score).as_bytes());
            bulks += 2;
        }
    });
    scan::reply(call.out, next, bulks, &found);
    Ok(())
}
