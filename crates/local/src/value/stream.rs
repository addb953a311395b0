//! A stream: entries in the order of their ids, and the groups that read them.
//!
//! ```text
//! blocks: [ids, ends, fields] [ids, ends, fields] …     at most 100 entries or 4 KB each, as in Redis
//! fields of an entry: length, bytes, length, bytes …    lengths of seven bits per byte, the last without the eighth
//! ```
//! A stream without entries stays, as in Redis.

mod block;
mod group;
mod id;

use std::collections::{BTreeMap, VecDeque};

use block::Block;
pub(crate) use block::Fields;
pub(crate) use group::{Consumer, Group};
pub(crate) use id::Id;

/// Room of a block's ids, ends and fields beyond those of a change.
const BLOCK_ROOM: usize = 128 * (size_of::<Id>() + size_of::<u32>()) + 2 * block::BYTES_MAX;

/// A stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stream {
    blocks: VecDeque<Block>,
    len: usize,
    /// The greatest id that it has had, or was given.
    pub(crate) last: Id,
    /// The greatest id that `XDEL` has removed.
    pub(crate) deleted_max: Id,
    /// Number of entries that it has ever had.
    pub(crate) added: u64,
    groups: BTreeMap<Box<[u8]>, Group>,
    block_bytes: usize,
    group_bytes: usize,
}

impl Stream {
    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Number of blocks.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Bytes allocated.
    pub(crate) fn bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>() + self.block_bytes + self.group_bytes
    }

    /// Upper bound of the bytes that entries with these fields allocate, or as many pending ones.
    pub(crate) fn growth(&self, elements: usize, bytes: usize) -> usize {
        let is_full = self.blocks.len() == self.blocks.capacity();
        let line = if is_full { self.blocks.capacity().max(4) * size_of::<Block>() } else { 0 };
        line + BLOCK_ROOM + 2 * bytes + elements * (group::PENDING_BYTES + 2 * block::LENGTH_BYTES_MAX)
    }

    /// The first id; zero if there is no entry.
    pub(crate) fn first(&self) -> Id {
        self.blocks.front().map(Block::first).unwrap_or_default()
    }

    /// The last id of an entry; zero if there is none.
    pub(crate) fn newest(&self) -> Id {
        self.blocks.back().map(Block::last).unwrap_or_default()
    }

    /// Appends an entry, whose id is greater than the last.
    pub(crate) fn push<'f>(&mut self, id: Id, fields: impl Iterator<Item = &'f [u8]>) {
        if self.blocks.back().is_none_or(Block::is_full) {
            self.blocks.push_back(Block::default());
        }
        let Some(block) = self.blocks.back_mut() else { return };
        let before = block.bytes();
        block.push(id, fields);
        self.block_bytes += block.bytes() - before;
        self.len += 1;
        self.last = id;
        self.added += 1;
    }

    /// Removes an entry; false if there is none of this id.
    pub(crate) fn remove(&mut self, id: Id) -> bool {
        let Some(at) = self.block_of(id) else { return false };
        let Some(block) = self.blocks.get_mut(at) else { return false };
        let before = block.bytes();
        if !block.remove(id) {
            return false;
        }
        let after = block.bytes();
        let is_empty = block.is_empty();
        self.block_bytes = self.block_bytes + after - before;
        if is_empty {
            self.block_bytes -= after;
            self.blocks.remove(at);
        }
        self.len -= 1;
        self.deleted_max = self.deleted_max.max(id);
        true
    }

    /// Removes entries from the front while `is_over` says so of the number that is left and the id. With
    /// `whole`, blocks are removed as one, if all of their entries are to go, and at most about `limit`
    /// entries.
    pub(crate) fn trim(&mut self, whole: bool, limit: usize, is_over: impl Fn(usize, Id) -> bool) -> usize {
        let mut removed = 0;
        while let Some(block) = self.blocks.front_mut() {
            let count = block.len();
            if whole && removed + count > limit {
                break;
            }
            if is_over(self.len - (count - 1), block.last()) {
                self.block_bytes -= block.bytes();
                self.blocks.pop_front();
                self.len -= count;
                removed += count;
                continue;
            }
            if !whole {
                let before = block.bytes();
                let mut gone = 0;
                while is_over(self.len - gone, block.id_at(gone)) {
                    gone += 1;
                }
                block.remove_first(gone);
                self.block_bytes = self.block_bytes + block.bytes() - before;
                self.len -= gone;
                removed += gone;
            }
            break;
        }
        removed
    }

    /// True if there is an entry of this id.
    pub(crate) fn has(&self, id: Id) -> bool {
        self.get(id).is_some()
    }

    /// The fields of an entry.
    pub(crate) fn get(&self, id: Id) -> Option<Fields<'_>> {
        self.blocks.get(self.block_of(id)?)?.get(id)
    }

    /// The entries of ids between two, both included.
    pub(crate) fn range(&self, from: Id, to: Id) -> impl Iterator<Item = (Id, Fields<'_>)> {
        let first = self.blocks.partition_point(|block| block.last() < from);
        self.blocks
            .range(first..)
            .take_while(move |block| block.first() <= to)
            .flat_map(move |block| block.range(from, to))
    }

    /// The entries of ids between two, both included, from the last to the first.
    pub(crate) fn range_back(&self, from: Id, to: Id) -> impl Iterator<Item = (Id, Fields<'_>)> {
        let end = self.blocks.partition_point(|block| block.first() <= to);
        let blocks = self.blocks.range(..end).rev().take_while(move |block| block.last() >= from);
        blocks.flat_map(move |block| block.range(from, to).rev())
    }

    /// Its groups, by name.
    pub(crate) fn groups(&self) -> &BTreeMap<Box<[u8]>, Group> {
        &self.groups
    }

    /// A group.
    pub(crate) fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    /// Adds a group; false if there is one of this name.
    pub(crate) fn add_group(&mut self, name: &[u8], group: Group) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        self.group_bytes += group.bytes() + name.len();
        self.groups.insert(name.into(), group);
        true
    }

    /// Removes a group; false if there is none of this name.
    pub(crate) fn remove_group(&mut self, name: &[u8]) -> bool {
        let Some(group) = self.groups.remove(name) else { return false };
        self.group_bytes -= group.bytes() + name.len();
        true
    }

    /// Changes a group, which is not in the stream meanwhile.
    pub(crate) fn change_group<R>(
        &mut self,
        name: &[u8],
        change: impl FnOnce(&mut Group, &Stream) -> R,
    ) -> Option<R> {
        let mut group = std::mem::take(self.groups.get_mut(name)?);
        let before = group.bytes();
        let result = change(&mut group, self);
        self.group_bytes = self.group_bytes + group.bytes() - before;
        *self.groups.get_mut(name)? = group;
        Some(result)
    }

    fn block_of(&self, id: Id) -> Option<usize> {
        let at = self.blocks.partition_point(|block| block.last() < id);
        (at < self.blocks.len()).then_some(at)
    }

    /// True if `XDEL` has removed an entry of an id from `from` on that others stand before.
    pub(crate) fn has_gap_from(&self, from: Id) -> bool {
        self.len > 0 && self.deleted_max >= self.first() && from <= self.deleted_max
    }

    /// Number of entries up to this id that were ever added, if that is known.
    pub(crate) fn added_up_to(&self, id: Id) -> Option<u64> {
        if self.added == 0 {
            return Some(0);
        }
        if self.len == 0 && id <= self.last {
            return Some(self.added);
        }
        if id != Id::MIN && id < self.deleted_max {
            return None;
        }
        match id.cmp(&self.last) {
            std::cmp::Ordering::Equal => return Some(self.added),
            std::cmp::Ordering::Greater => return None,
            std::cmp::Ordering::Less => {}
        }
        let first = self.first();
        if self.deleted_max != Id::MIN && self.deleted_max >= first {
            return None;
        }
        let before = self.added - self.len as u64;
        match id.cmp(&first) {
            std::cmp::Ordering::Less => Some(before),
            std::cmp::Ordering::Equal => Some(before + 1),
            std::cmp::Ordering::Greater => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> Id {
        Id { ms: n / 3, seq: n % 3 + 1 }
    }

    fn counted(stream: &Stream) -> usize {
        stream.blocks.iter().map(Block::bytes).sum()
    }

    #[test]
    fn ranges_removals_and_trims_over_many_blocks() {
        let mut stream = Stream::default();
        for n in 0..1000 {
            let announced = stream.bytes() + stream.growth(2, 6);
            stream.push(id(n), [&b"f"[..], n.to_string().as_bytes()].into_iter());
            assert!(stream.bytes() <= announced, "{n}");
        }
        assert!(stream.blocks() >= 10 && stream.len() == 1000);
        let texts = |range: &mut dyn Iterator<Item = (Id, Fields<'_>)>| -> Vec<(Id, Vec<u8>)> {
            range.map(|(id, fields)| (id, fields.last().unwrap_or_default().to_vec())).collect()
        };
        let forth = texts(&mut stream.range(id(150), id(420)));
        assert_eq!((forth.len(), &forth[0].1[..], &forth[270].1[..]), (271, &b"150"[..], &b"420"[..]));
        let mut back = texts(&mut stream.range_back(id(150), id(420)));
        back.reverse();
        assert_eq!(forth, back);
        for n in (0..1000).filter(|n| n % 7 != 0) {
            assert!(stream.remove(id(n)) && !stream.remove(id(n)) && !stream.has(id(n)));
        }
        assert_eq!((stream.len(), stream.deleted_max, stream.first()), (143, id(999), id(0)));
        assert_eq!(stream.block_bytes, counted(&stream));
        assert_eq!(stream.trim(false, 0, |left, _| left > 20), 123);
        assert_eq!((stream.len(), stream.newest(), stream.last), (20, id(994), id(999)));
        assert_eq!(stream.trim(true, usize::MAX, |_, at| at < id(0)), 0);
        assert_eq!(stream.trim(false, 0, |_, at| at < id(990)), 19);
        assert_eq!(stream.trim(false, 0, |_, _| true), 1);
        assert_eq!((stream.len(), stream.block_bytes, stream.first()), (0, 0, Id::MIN));
    }
}
