//! Union, intersection and difference of sorted sets; sets take part with scores of 1.

use wire::redis::encode;

use super::super::call::{Call, Words};
use super::super::fault::Fault;
use super::super::{random, score, set};
use crate::events::Class;
use crate::value::Collection;
use crate::value::set::Set;
use crate::value::sorted_set::SortedSet;

/// An operation on several sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}
use Operation::{Difference, Intersection, Union};

/// The score of a member that several sets have.
#[derive(Debug, Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Aggregate::Sum => number(a + b),
            Aggregate::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Aggregate::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        }
    }
}

/// Infinity less infinity, and infinity times 0, count as 0.
fn number(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// The members of a key, with weighted scores.
struct Source {
    members: Vec<(Vec<u8>, f64)>,
}

/// `ZUNION numkeys key … [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub(in super::super) fn zunion(call: &mut Call<'_>) -> Result<(), Fault> {
    reply(call, Union)
}

/// `ZINTER numkeys key … [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub(in super::super) fn zinter(call: &mut Call<'_>) -> Result<(), Fault> {
    reply(call, Intersection)
}

/// `ZDIFF numkeys key … [WITHSCORES]`
pub(in super::super) fn zdiff(call: &mut Call<'_>) -> Result<(), Fault> {
    reply(call, Difference)
}

/// `ZUNIONSTORE destination numkeys key … [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX]`
pub(in super::super) fn zunionstore(call: &mut Call<'_>) -> Result<(), Fault> {
    store(call, Union)
}

/// `ZINTERSTORE destination numkeys key … [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX]`
pub(in super::super) fn zinterstore(call: &mut Call<'_>) -> Result<(), Fault> {
    store(call, Intersection)
}

/// `ZDIFFSTORE destination numkeys key …`
pub(in super::super) fn zdiffstore(call: &mut Call<'_>) -> Result<(), Fault> {
    store(call, Difference)
}

/// `ZINTERCARD numkeys key … [LIMIT limit]`
pub(in super::super) fn zintercard(call: &mut Call<'_>) -> Result<(), Fault> {
    let (keys, options) = numbered_keys(call, 1)?;
    check_types(call, keys)?;
    let limit = set::limit(options)?;
    let sources = sources(call, keys, &[])?;
    let len = combine(Intersection, sources, Aggregate::Sum).len().min(limit);
    call.count(len)
}

fn reply(call: &mut Call<'_>, operation: Operation) -> Result<(), Fault> {
    let (result, with_scores) = run(call, operation, 1, true)?;
    random::write_head(call.out, result.len(), with_scores, call.version);
    for (member, score) in result.range(0..result.len()) {
        random::write_pair_head(call.out, with_scores, call.version);
        encode::bulk(call.out, member);
        if with_scores {
            score::write(call.out, score, call.version);
        }
    }
    Ok(())
}

fn store(call: &mut Call<'_>, operation: Operation) -> Result<(), Fault> {
    let (result, _) = run(call, operation, 2, false)?;
    let len = result.len();
    call.replace(call.arg(1), result, (Class::SORTED_SET, call.name))?;
    call.count(len)
}

fn numbered_keys<'c>(call: &Call<'c>, at: usize) -> Result<(Words<'c>, Words<'c>), Fault> {
    super::super::integer::integer(call.arg(at))?;
    call.numbered_keys(at, Fault::NoInputKey(call.name), Fault::Syntax)
}

fn run(
    call: &mut Call<'_>,
    operation: Operation,
    at: usize,
    may_show_scores: bool,
) -> Result<(SortedSet, bool), Fault> {
    let (keys, mut options) = numbered_keys(call, at)?;
    // Types first, as Redis.
    check_types(call, keys)?;
    let (mut weights, mut aggregate, mut with_scores) = (Vec::new(), Aggregate::Sum, false);
    while let [option, rest @ ..] = options {
        options = rest;
        match option.to_ascii_lowercase().as_slice() {
            b"weights" if operation != Difference && rest.len() >= keys.len() => {
                let (given, rest) = rest.split_at(keys.len());
                weights = given
                    .iter()
                    .map(|weight| score::parse(weight).ok_or(Fault::WEIGHT))
                    .collect::<Result<_, _>>()?;
                options = rest;
            }
            b"aggregate" if operation != Difference && !rest.is_empty() => {
                aggregate = match rest[0].to_ascii_lowercase().as_slice() {
                    b"sum" => Aggregate::Sum,
                    b"min" => Aggregate::Min,
                    b"max" => Aggregate::Max,
                    _ => return Err(Fault::Syntax),
                };
                options = &rest[1..];
            }
            b"withscores" if may_show_scores => with_scores = true,
            _ => return Err(Fault::Syntax),
        }
    }
    let sources = sources(call, keys, &weights)?;
    Ok((combine(operation, sources, aggregate), with_scores))
}

fn check_types(call: &mut Call<'_>, keys: &[&[u8]]) -> Result<(), Fault> {
    for key in keys {
        if !matches!(call.store.type_of(key, call.now_ms), None | Some("set" | "zset")) {
            return Err(Fault::WRONG_TYPE);
        }
    }
    Ok(())
}

fn sources(call: &mut Call<'_>, keys: &[&[u8]], weights: &[f64]) -> Result<Vec<Source>, Fault> {
    let mut sources = Vec::with_capacity(keys.len());
    for (i, key) in keys.iter().enumerate() {
        let weight = weights.get(i).copied().unwrap_or(1.0);
        let mut members = Vec::new();
        let is_set =
            call.peek(key).and_then(|entry| entry.value()).is_some_and(|value| Set::of(value).is_some());
        if is_set {
            if let Some(set) = call.collection::<Set>(key)? {
                set.each(|member| members.push((member.to_vec(), number(weight))));
            }
        } else if let Some(set) = call.collection::<SortedSet>(key)? {
            let all = set.range(0..set.len());
            members.extend(all.map(|(member, score)| (member.to_vec(), number(weight * score))));
        }
        sources.push(Source { members });
    }
    Ok(sources)
}

fn combine(operation: Operation, mut sources: Vec<Source>, aggregate: Aggregate) -> SortedSet {
    if operation != Difference {
        // Redis adds up from the smallest set on, and sums of doubles depend on their order.
        sources.sort_by_key(|source| source.members.len());
    }
    let mut sources = sources.into_iter();
    let mut result = SortedSet::default();
    let Some(first) = sources.next() else { return result };
    first.members.iter().for_each(|(member, score)| result.set(member, *score));
    for source in sources {
        match operation {
            Union => {
                for (member, score) in &source.members {
                    let score = result.score(member).map_or(*score, |old| aggregate.of(old, *score));
                    result.set(member, score);
                }
            }
            Difference => source.members.iter().for_each(|(member, _)| {
                result.remove(member);
            }),
            Intersection => {
                let mut next = SortedSet::default();
                for (member, score) in &source.members {
                    if let Some(old) = result.score(member) {
                        next.set(member, aggregate.of(old, *score));
                    }
                }
                result = next;
            }
        }
    }
    result
}
