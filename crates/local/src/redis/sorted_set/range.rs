//! Ranges of sorted sets: read, counted, removed, stored.

use std::ops::Range;

use wire::redis::{Version, encode};

use super::super::call::Call;
use super::super::fault::Fault;
use super::super::integer::integer;
use super::super::{random, score};
use super::bounds::{Bounds, By};
use crate::events::Class;
use crate::store::Room;
use crate::value::sorted_set::SortedSet;

/// A command's fixed part; None where options decide.
#[derive(Debug, Clone, Copy)]
struct Form {
    by: Option<By>,
    reversed: Option<bool>,
}

/// A range to read.
struct Reading<'a> {
    bounds: Bounds<'a>,
    reversed: bool,
    with_scores: bool,
    /// Offset and number of members, by score or member.
    limit: Option<(i64, i64)>,
}

/// `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`
pub(in super::super) fn zrange(call: &mut Call<'_>) -> Result<(), Fault> {
    read(call, Form { by: None, reversed: None })
}

/// `ZREVRANGE key start stop [WITHSCORES]`
pub(in super::super) fn zrevrange(call: &mut Call<'_>) -> Result<(), Fault> {
    read(call, Form { by: Some(By::Rank), reversed: Some(true) })
}

/// `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`
pub(in super::super) fn zrangebyscore(call: &mut Call<'_>) -> Result<(), Fault> {
    read(call, Form { by: Some(By::Score), reversed: Some(false) })
}

/// `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`
pub(in super::super) fn zrevrangebyscore(call: &mut Call<'_>) -> Result<(), Fault> {
    read(call, Form { by: Some(By::Score), reversed: Some(true) })
}

/// `ZRANGEBYLEX key min max [LIMIT offset count]`
pub(in super::super) fn zrangebylex(call: &mut Call<'_>) -> Result<(), Fault> {
    read(call, Form { by: Some(By::Lex), reversed: Some(false) })
}

/// `ZREVRANGEBYLEX key max min [LIMIT offset count]`
pub(in super::super) fn zrevrangebylex(call: &mut Call<'_>) -> Result<(), Fault> {
    read(call, Form { by: Some(By::Lex), reversed: Some(true) })
}

fn read(call: &mut Call<'_>, form: Form) -> Result<(), Fault> {
    let reading = Reading::parse(call.args, 2, form, false)?;
    let version = call.version;
    let (set, out) = call.collection_and_out::<SortedSet>(call.arg(1))?;
    let Some(set) = set else {
        encode::array(out, 0);
        return Ok(());
    };
    let ranks = reading.ranks(set);
    random::write_head(out, ranks.len(), reading.with_scores, version);
    let members = set.range(ranks);
    if reading.reversed {
        write(out, members.rev(), reading.with_scores, version);
    } else {
        write(out, members, reading.with_scores, version);
    }
    Ok(())
}

fn write<'s>(
    out: &mut Vec<u8>,
    members: impl Iterator<Item = (&'s [u8], f64)>,
    with_scores: bool,
    version: Version,
) {
    for (member, score) in members {
        random::write_pair_head(out, with_scores, version);
        encode::bulk(out, member);
        if with_scores {
            score::write(out, score, version);
        }
    }
}

/// `ZRANGESTORE destination source start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count]`
pub(in super::super) fn zrangestore(call: &mut Call<'_>) -> Result<(), Fault> {
    let reading = Reading::parse(call.args, 3, Form { by: None, reversed: None }, true)?;
    let mut result = SortedSet::default();
    if let Some(set) = call.collection::<SortedSet>(call.arg(2))? {
        set.range(reading.ranks(set)).for_each(|(member, score)| result.set(member, score));
    }
    let len = result.len();
    call.replace(call.arg(1), result, (Class::SORTED_SET, call.name))?;
    call.count(len)
}

impl<'a> Reading<'a> {
    /// Parses a range whose first bound is argument `at`, and the options behind it.
    fn parse(args: &[&'a [u8]], at: usize, form: Form, stores: bool) -> Result<Reading<'a>, Fault> {
        let Form { mut by, mut reversed } = form;
        let (mut with_scores, mut limit) = (false, None);
        let mut options = args.get(at + 2..).unwrap_or_default();
        while let [option, rest @ ..] = options {
            options = rest;
            match (option.to_ascii_lowercase().as_slice(), rest) {
                (b"withscores", _) if !stores => with_scores = true,
                (b"limit", [offset, count, rest @ ..]) => {
                    limit = Some((integer(offset)?, integer(count)?));
                    options = rest;
                }
                (b"rev", _) if reversed.is_none() => reversed = Some(true),
                (b"bylex", _) if by.is_none() => by = Some(By::Lex),
                (b"byscore", _) if by.is_none() => by = Some(By::Score),
                _ => return Err(Fault::Syntax),
            }
        }
        let (by, reversed) = (by.unwrap_or(By::Rank), reversed.unwrap_or(false));
        if limit.is_some_and(|(_, count)| count != -1) && by == By::Rank {
            return Err(Fault::LIMIT_BY_RANK);
        }
        if with_scores && by == By::Lex {
            return Err(Fault::SCORES_BY_LEX);
        }
        let (first, second) =
            (args.get(at).copied().unwrap_or_default(), args.get(at + 1).copied().unwrap_or_default());
        let (low, high) = if reversed && by != By::Rank { (second, first) } else { (first, second) };
        let limit = limit.filter(|_| by != By::Rank);
        Ok(Reading { bounds: Bounds::parse(by, low, high)?, reversed, with_scores, limit })
    }

    /// The ranks to read.
    fn ranks(&self, set: &SortedSet) -> Range<usize> {
        let ranks = self.bounds.ranks(set, self.reversed);
        let Some((offset, count)) = self.limit else { return ranks };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(ranks.len());
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(ranks.len() - offset);
        if self.reversed {
            ranks.end - offset - count..ranks.end - offset
        } else {
            ranks.start + offset..ranks.start + offset + count
        }
    }
}

/// `ZCOUNT key min max`
pub(in super::super) fn zcount(call: &mut Call<'_>) -> Result<(), Fault> {
    measure(call, By::Score)
}

/// `ZLEXCOUNT key min max`
pub(in super::super) fn zlexcount(call: &mut Call<'_>) -> Result<(), Fault> {
    measure(call, By::Lex)
}

fn measure(call: &mut Call<'_>, by: By) -> Result<(), Fault> {
    let bounds = Bounds::parse(by, call.arg(2), call.arg(3))?;
    let set = call.collection::<SortedSet>(call.arg(1))?;
    let count = set.map_or(0, |set| bounds.ranks(set, false).len());
    call.count(count)
}

/// `ZREMRANGEBYRANK key start stop`
pub(in super::super) fn zremrangebyrank(call: &mut Call<'_>) -> Result<(), Fault> {
    remove(call, By::Rank)
}

/// `ZREMRANGEBYSCORE key min max`
pub(in super::super) fn zremrangebyscore(call: &mut Call<'_>) -> Result<(), Fault> {
    remove(call, By::Score)
}

/// `ZREMRANGEBYLEX key min max`
pub(in super::super) fn zremrangebylex(call: &mut Call<'_>) -> Result<(), Fault> {
    remove(call, By::Lex)
}

fn remove(call: &mut Call<'_>, by: By) -> Result<(), Fault> {
    let bounds = Bounds::parse(by, call.arg(2), call.arg(3))?;
    let removed = call.edit_existing(call.arg(1), Room::default(), |set: &mut SortedSet, _| {
        set.remove_range(bounds.ranks(set, false))
    })?;
    if removed.is_some_and(|removed| removed > 0) {
        call.tell(Class::SORTED_SET, call.name, call.arg(1));
    }
    call.count(removed.unwrap_or(0))
}
