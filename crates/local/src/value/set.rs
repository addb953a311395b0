//! A set: integers only, sorted; few short members, packed; or a table.
//!
//! Up to [`INTEGERS_MAX`] members that are all integers stand in a sorted vector, as Redis' intset.

use super::pack::{self, Pack};
#[cfg(test)]
use super::table::Keyed;
use super::table::{Member, Table};
use crate::decimal::decimal;

/// Most members of a set of integers: Redis' default.
const INTEGERS_MAX: usize = 512;
/// Most members of a packed set, and most bytes of each.
const PACKED_MAX: usize = 128;
const PACKED_BYTES_MAX: usize = 64;

/// A set.
#[derive(Debug, Clone)]
pub(crate) enum Set {
    /// Sorted.
    Integers(Vec<i64>),
    Packed(Pack),
    Table(Table<Member>),
}

impl Default for Set {
    fn default() -> Self {
        Set::Integers(Vec::new())
    }
}

impl Set {
    /// Number of members.
    pub(crate) fn len(&self) -> usize {
        match self {
            Set::Integers(sorted) => sorted.len(),
            Set::Packed(pack) => pack.len(),
            Set::Table(table) => table.len(),
        }
    }

    /// Bytes allocated.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Set::Integers(sorted) => sorted.capacity() * size_of::<i64>(),
            Set::Packed(pack) => pack.bytes(),
            Set::Table(table) => table.bytes(),
        }
    }

    /// Upper bound of the bytes that these many members of `bytes` together allocate.
    pub(crate) fn growth(&self, members: usize, bytes: usize) -> usize {
        let apart = bytes + members * 40;
        let few = self.len() + members <= PACKED_MAX && bytes <= PACKED_BYTES_MAX;
        let own = match self {
            Set::Table(table) => return table.growth(members) + apart,
            Set::Integers(sorted) => sorted.len() * 40,
            Set::Packed(pack) if few => return pack.growth(bytes + 2 * members),
            Set::Packed(pack) => pack.used() + pack.len() * 40,
        };
        let table = if few { 0 } else { Table::<Member>::default().growth(self.len() + members) };
        own + apart + table + self.bytes() + 64
    }

    /// True if it has the member.
    pub(crate) fn contains(&self, member: &[u8]) -> bool {
        match self {
            Set::Integers(sorted) => decimal(member).is_some_and(|n| sorted.binary_search(&n).is_ok()),
            Set::Packed(pack) => find(pack, member).is_some(),
            Set::Table(table) => table.find(member).is_some(),
        }
    }

    /// Adds a member; false if it is there already.
    pub(crate) fn insert(&mut self, member: &[u8]) -> bool {
        if let Set::Integers(sorted) = self {
            match decimal(member) {
                Some(n) => match sorted.binary_search(&n) {
                    Ok(_) => return false,
                    Err(at) if sorted.len() < INTEGERS_MAX => {
                        sorted.insert(at, n);
                        return true;
                    }
                    Err(_) => *self = Set::Table(self.table()),
                },
                None if sorted.len() < PACKED_MAX && member.len() <= PACKED_BYTES_MAX => {
                    let mut pack = Pack::default();
                    sorted.iter().for_each(|n| pack.push_back(n.to_string().as_bytes()));
                    *self = Set::Packed(pack);
                }
                None => *self = Set::Table(self.table()),
            }
        }
        if let Set::Packed(pack) = self {
            if find(pack, member).is_some() {
                return false;
            }
            if pack.len() < PACKED_MAX && member.len() <= PACKED_BYTES_MAX {
                pack.push_back(member);
                return true;
            }
            *self = Set::Table(self.table());
        }
        let Set::Table(table) = self else { return false };
        let is_new = table.find(member).is_none();
        if is_new {
            table.push(member.into());
        }
        is_new
    }

    /// Removes a member; false if it is not there.
    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            Set::Integers(sorted) => decimal(member).and_then(|n| sorted.binary_search(&n).ok()).map(|at| {
                sorted.remove(at);
            }),
            Set::Packed(pack) => find(pack, member).map(|at| pack.remove(at)),
            Set::Table(table) => table.find(member).map(|at| drop(table.swap_remove(at))),
        }
        .is_some()
    }

    /// Passes the member at an index below [`Set::len`] to `look`.
    pub(crate) fn at<R>(&self, index: usize, look: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Set::Integers(sorted) => {
                look(sorted.get(index).copied().unwrap_or_default().to_string().as_bytes())
            }
            Set::Packed(pack) => {
                look(pack.offset(index).and_then(|at| pack.at(at)).map_or(b"", |(member, _)| member))
            }
            Set::Table(table) => look(table.at(index)),
        }
    }

    /// Visits all members.
    pub(crate) fn each(&self, mut visit: impl FnMut(&[u8])) {
        match self {
            Set::Integers(sorted) => sorted.iter().for_each(|n| visit(n.to_string().as_bytes())),
            Set::Packed(pack) => pack.iter().for_each(|(_, member)| visit(member)),
            Set::Table(table) => table.iter().for_each(|member| visit(member)),
        }
    }

    /// Visits about `count` members from a cursor on; returns the next cursor. A small set is visited at
    /// once.
    pub(crate) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8])) -> u64 {
        match self {
            Set::Table(table) => table.scan(cursor, count, |member| visit(member)),
            _ => {
                self.each(visit);
                0
            }
        }
    }

    /// Redis' name for its encoding: 7.0 knows no packed set.
    pub(crate) fn encoding(&self) -> &'static str {
        match self {
            Set::Integers(_) => "intset",
            _ => "hashtable",
        }
    }

    fn table(&self) -> Table<Member> {
        let mut table = Table::default();
        self.each(|member| {
            table.push(member.into());
        });
        table
    }
}

fn find(pack: &Pack, member: &[u8]) -> Option<usize> {
    let mut members: pack::Iter<'_> = pack.iter();
    members.find(|(_, own)| *own == member).map(|(at, _)| at)
}

/// Bytes of a member in a table, for tests of the account.
#[cfg(test)]
fn member_bytes(member: &Member) -> usize {
    member.heap_bytes() + size_of::<Member>()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_a_set(
            steps in prop::collection::vec((0u8..5, 0u16..700), 1..900),
            words_from in 0usize..900,
        ) {
            let (mut set, mut model) = (Set::default(), BTreeSet::new());
            for (step, (action, number)) in steps.into_iter().enumerate() {
                let mut member = number.to_string();
                if step > words_from && number % 3 == 0 {
                    member.push_str(if number % 50 == 0 { "a long one: 1234567890123456789012345678901234567890123456789012345" } else { "x" });
                }
                let member = member.into_bytes();
                let (before, growth) = (set.bytes(), set.growth(1, member.len()));
                if action == 0 {
                    prop_assert_eq!(set.remove(&member), model.remove(&member));
                } else {
                    prop_assert_eq!(set.insert(&member), model.insert(member.clone()));
                }
                prop_assert!(set.bytes() <= before + growth);
                prop_assert_eq!(set.contains(&member), model.contains(&member));
                prop_assert_eq!(set.len(), model.len());
            }
            let mut all = BTreeSet::new();
            set.each(|member| { all.insert(member.to_vec()); });
            prop_assert_eq!(&all, &model);
            if let Set::Table(table) = &set {
                prop_assert!(set.bytes() >= table.iter().map(member_bytes).sum::<usize>());
            }
        }
    }
}
