//! A sorted set: members with scores, in the order of scores and then of members.
//!
//! Up to [`PACKED_MAX`] short members stand packed in their order; beyond that there is a table of members
//! and an order beside it. Every range is a range of ranks: bounds of scores and of members are turned into
//! ranks by [`SortedSet::count_while`].

use std::cmp::Ordering;
use std::ops::Range;

use super::order::{Order, Spot};
use super::pack::{self, Pack};
use super::table::{Keyed, Table, allocated};

/// Most members, and most bytes of each, of a packed sorted set: Redis' defaults.
const PACKED_MAX: usize = 128;
const PACKED_BYTES_MAX: usize = 64;

/// A member and its score.
#[derive(Debug, Clone)]
pub(crate) struct Scored {
    member: Box<[u8]>,
    score: f64,
}

impl Keyed for Scored {
    fn key(&self) -> &[u8] {
        &self.member
    }

    fn heap_bytes(&self) -> usize {
        allocated(self.member.len())
    }
}

/// A sorted set.
#[derive(Debug, Clone)]
pub(crate) enum SortedSet {
    /// Members and scores (eight bytes) in turn.
    Packed(Pack),
    Large(Box<Large>),
}

/// A table of members, and their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Large {
    table: Table<Scored>,
    order: Order,
}

impl Default for SortedSet {
    fn default() -> Self {
        SortedSet::Packed(Pack::default())
    }
}

fn compare(score: f64, member: &[u8], other_score: f64, other: &[u8]) -> Ordering {
    // Scores are never NaN; -0 equals 0.
    score.partial_cmp(&other_score).unwrap_or(Ordering::Equal).then_with(|| member.cmp(other))
}

impl SortedSet {
    /// Number of members.
    pub(crate) fn len(&self) -> usize {
        match self {
            SortedSet::Packed(pack) => pack.len() / 2,
            SortedSet::Large(large) => large.table.len(),
        }
    }

    /// Bytes allocated.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            SortedSet::Packed(pack) => pack.bytes(),
            SortedSet::Large(large) => size_of::<Large>() + large.table.bytes() + large.order.bytes(),
        }
    }

    /// Upper bound of the bytes that these many members of `bytes` together allocate.
    pub(crate) fn growth(&self, members: usize, bytes: usize) -> usize {
        let apart = bytes + members * 40;
        match self {
            SortedSet::Packed(pack) => {
                let packed = pack.growth(bytes + 12 * members);
                let all = self.len() + members;
                if all <= PACKED_MAX && bytes <= PACKED_BYTES_MAX {
                    return packed;
                }
                let empty = Large::default();
                let large = size_of::<Large>() + empty.table.growth(all) + empty.order.growth(all);
                packed + apart + self.len() * 40 + pack.used() + large
            }
            SortedSet::Large(large) => apart + large.table.growth(members) + large.order.growth(members),
        }
    }

    /// The score of a member.
    pub(crate) fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            SortedSet::Packed(pack) => find(pack, member).map(|(_, score)| score),
            SortedSet::Large(large) => large.table.get(member).map(|scored| scored.score),
        }
    }

    /// Sets the score of a member, which is added if it is not there.
    pub(crate) fn set(&mut self, member: &[u8], score: f64) {
        if let SortedSet::Packed(pack) = self {
            let old = find(pack, member).map(|(at, _)| at);
            let fits = pack.len() < 2 * PACKED_MAX && member.len() <= PACKED_BYTES_MAX;
            if old.is_some() || fits {
                old.into_iter().for_each(|at| remove_pair(pack, at));
                // Redis keeps packed scores as integers where it can, so that -0 becomes 0.
                let score = if score == 0.0 { 0.0 } else { score };
                let at = spot(pack, score, member);
                pack.insert(at, member);
                let after = pack.at(at).map_or(at, |(_, next)| next);
                pack.insert(after, &score.to_le_bytes());
                return;
            }
            *self = SortedSet::Large(Box::new(unpacked(pack)));
        }
        if let SortedSet::Large(large) = self {
            large.set(member, score);
        }
    }

    /// Removes a member; its score, if it was there.
    pub(crate) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match self {
            SortedSet::Packed(pack) => {
                let (at, score) = find(pack, member)?;
                remove_pair(pack, at);
                Some(score)
            }
            SortedSet::Large(large) => Some(large.remove(large.table.find(member)?)),
        }
    }

    /// Number of members before this one.
    pub(crate) fn rank(&self, member: &[u8]) -> Option<usize> {
        let score = self.score(member)?;
        Some(self.count_while(|other_score, other| compare(other_score, other, score, member).is_lt()))
    }

    /// Number of members at the front that are `before` something.
    pub(crate) fn count_while(&self, before: impl Fn(f64, &[u8]) -> bool) -> usize {
        match self {
            SortedSet::Packed(pack) => {
                Pairs(pack.iter()).take_while(|(member, score)| before(*score, member)).count()
            }
            SortedSet::Large(large) => {
                let table = &large.table;
                let spot = large.order.partition(|score, at| before(score, table.at(at).key()));
                large.order.rank(spot)
            }
        }
    }

    /// Members with scores of a range of ranks.
    pub(crate) fn range(&self, range: Range<usize>) -> Members<'_> {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        match self {
            SortedSet::Packed(pack) => {
                let mut rest = Pairs(pack.iter());
                (0..start).for_each(|_| {
                    rest.next();
                });
                (end..self.len()).for_each(|_| {
                    rest.next_back();
                });
                Members::Packed(rest)
            }
            SortedSet::Large(large) => {
                let members = large.order.range(start..end).map(|at| {
                    let scored = large.table.at(at);
                    (scored.key(), scored.score)
                });
                Members::Large(Box::new(members))
            }
        }
    }

    /// The member with its score at a place that has nothing to do with ranks, below [`SortedSet::len`].
    pub(crate) fn at(&self, at: usize) -> (&[u8], f64) {
        match self {
            SortedSet::Packed(_) => self.range(at..at + 1).next().unwrap_or((b"", 0.0)),
            SortedSet::Large(large) => (large.table.at(at).key(), large.table.at(at).score),
        }
    }

    /// Removes a range of ranks; returns the number of members removed.
    pub(crate) fn remove_range(&mut self, range: Range<usize>) -> usize {
        let members: Vec<Box<[u8]>> = self.range(range).map(|(member, _)| member.into()).collect();
        members.iter().filter(|member| self.remove(member).is_some()).count()
    }

    /// Visits about `count` members from a cursor on; returns the next cursor. A packed set is visited at
    /// once.
    pub(crate) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        match self {
            SortedSet::Packed(pack) => {
                Pairs(pack.iter()).for_each(|(member, score)| visit(member, score));
                0
            }
            SortedSet::Large(large) => {
                large.table.scan(cursor, count, |scored| visit(scored.key(), scored.score))
            }
        }
    }

    /// Redis' name for its encoding.
    pub(crate) fn encoding(&self) -> &'static str {
        match self {
            SortedSet::Packed(_) => "listpack",
            SortedSet::Large(_) => "skiplist",
        }
    }
}

impl Large {
    fn spot(&self, score: f64, member: &[u8]) -> Spot {
        self.order
            .partition(|other_score, at| compare(other_score, self.table.at(at).key(), score, member).is_lt())
    }

    fn set(&mut self, member: &[u8], score: f64) {
        let at = if let Some(at) = self.table.find(member) {
            let old = self.table.at(at).score;
            let spot = self.spot(old, member);
            self.order.remove(spot);
            self.table.at_mut(at).score = score;
            at
        } else {
            self.table.push(Scored { member: member.into(), score })
        };
        // An element that is not in the order yet is not met by this search.
        let spot = self.spot(score, member);
        self.order.insert(spot, score, at);
    }

    fn remove(&mut self, at: usize) -> f64 {
        let spot = self.spot(self.table.at(at).score, self.table.at(at).key());
        self.order.remove(spot);
        let last = self.table.len() - 1;
        if at != last {
            let moved = self.table.at(last);
            let spot = self.spot(moved.score, moved.key());
            self.order.relocate(spot, at);
        }
        self.table.swap_remove(at).score
    }
}

fn score_of(bytes: &[u8]) -> f64 {
    bytes.first_chunk::<8>().map_or(0.0, |bytes| f64::from_le_bytes(*bytes))
}

/// Offset and score of a member.
fn find(pack: &Pack, member: &[u8]) -> Option<(usize, f64)> {
    let mut at = pack.start();
    while let Some((own, score_at)) = pack.at(at) {
        let (score, next) = pack.at(score_at)?;
        if own == member {
            return Some((at, score_of(score)));
        }
        at = next;
    }
    None
}

/// Offset at which a member belongs.
fn spot(pack: &Pack, score: f64, member: &[u8]) -> usize {
    let mut at = pack.start();
    while let Some((own, score_at)) = pack.at(at) {
        let Some((own_score, next)) = pack.at(score_at) else { break };
        if compare(score_of(own_score), own, score, member).is_gt() {
            break;
        }
        at = next;
    }
    at
}

fn remove_pair(pack: &mut Pack, at: usize) {
    let is_first = at == pack.start();
    pack.remove(at);
    pack.remove(if is_first { pack.start() } else { at });
}

fn unpacked(pack: &Pack) -> Large {
    let mut large = Large::default();
    Pairs(pack.iter()).for_each(|(member, score)| large.set(member, score));
    large
}

/// Members and scores of a pack.
pub(crate) struct Pairs<'s>(pack::Iter<'s>);

impl<'s> Iterator for Pairs<'s> {
    type Item = (&'s [u8], f64);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?.1, score_of(self.0.next()?.1)))
    }
}

impl DoubleEndedIterator for Pairs<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let score = score_of(self.0.next_back()?.1);
        Some((self.0.next_back()?.1, score))
    }
}

/// Members with scores, from either end.
pub(crate) enum Members<'s> {
    Packed(Pairs<'s>),
    Large(Box<dyn DoubleEndedIterator<Item = (&'s [u8], f64)> + 's>),
}

impl<'s> Iterator for Members<'s> {
    type Item = (&'s [u8], f64);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Members::Packed(rest) => rest.next(),
            Members::Large(rest) => rest.next(),
        }
    }
}

impl DoubleEndedIterator for Members<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Members::Packed(rest) => rest.next_back(),
            Members::Large(rest) => rest.next_back(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_a_sorted_vector(
            steps in prop::collection::vec((0u8..6, 0u16..900, -20i32..20), 1..1500),
        ) {
            let (mut set, mut model) = (SortedSet::default(), Vec::<(f64, Vec<u8>)>::new());
            let long = steps.len() % 2 == 0;
            for (action, number, score) in steps {
                let mut member = number.to_string().into_bytes();
                if long && number == 7 { member.resize(70, b'x'); }
                let score = f64::from(score) / 2.0;
                let (before, growth) = (set.bytes(), set.growth(1, member.len()));
                let old = model.iter().position(|(_, own)| *own == member);
                prop_assert_eq!(set.rank(&member), old);
                if let Some(at) = old { model.remove(at); }
                if action == 0 {
                    prop_assert_eq!(set.remove(&member).is_some(), old.is_some());
                } else {
                    set.set(&member, score);
                    let at = model.partition_point(|(s, m)| compare(*s, m, score, &member).is_lt());
                    model.insert(at, (score, member.clone()));
                }
                prop_assert!(set.bytes() <= before + growth, "{} + {} < {}", before, growth, set.bytes());
                prop_assert_eq!(set.len(), model.len());
                let wanted = model.iter().find(|(_, own)| *own == member).map(|(score, _)| *score);
                prop_assert_eq!(set.score(&member), wanted);
            }
            let own: Vec<_> = model.iter().map(|(s, m)| (m.as_slice(), *s)).collect();
            prop_assert_eq!(set.range(0..usize::MAX).collect::<Vec<_>>(), own.clone());
            let (from, to) = (own.len() / 3, own.len() * 2 / 3);
            prop_assert_eq!(set.range(from..to).collect::<Vec<_>>(), own[from..to].to_vec());
            let back: Vec<_> = set.range(from..to).rev().collect();
            prop_assert_eq!(back, own[from..to].iter().rev().copied().collect::<Vec<_>>());
            prop_assert_eq!(set.count_while(|s, _| s < 1.5), own.iter().filter(|(_, s)| *s < 1.5).count());
            prop_assert_eq!(set.remove_range(from..to), to - from);
            prop_assert_eq!(set.len(), own.len() - (to - from));
            prop_assert!(set.range(0..usize::MAX).map(|(m, _)| m.to_vec()).eq(
                own[..from].iter().chain(&own[to..]).map(|(m, _)| m.to_vec())));
        }
    }
}
