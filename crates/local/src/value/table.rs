//! A table of elements by key: what a hash, a set or a sorted set becomes when it is large.
//!
//! Elements stand densely in a vector; the last one fills the place of one that is removed. So a random
//! element is one throw, and a scan goes from the end to the front: what moves during it moves from where the
//! scan has been to where it has not, and is at most seen twice, never missed.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::index::Index;

/// An element with a key.
pub(crate) trait Keyed {
    /// Its key.
    fn key(&self) -> &[u8];
    /// Bytes that it has allocated.
    fn heap_bytes(&self) -> usize;
}

/// Elements by key.
#[derive(Debug, Clone)]
pub(crate) struct Table<E> {
    index: Index,
    elements: Vec<E>,
    hasher: RandomState,
    heap_bytes: usize,
}

impl<E> Default for Table<E> {
    fn default() -> Self {
        Table { index: Index::default(), elements: Vec::new(), hasher: RandomState::default(), heap_bytes: 0 }
    }
}

impl<E: Keyed> Table<E> {
    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.elements.len()
    }

    /// Bytes allocated.
    pub(crate) fn bytes(&self) -> usize {
        self.index.bytes() + self.elements.capacity() * size_of::<E>() + self.heap_bytes
    }

    /// Upper bound of the bytes that `more` elements allocate, without those of their own.
    pub(crate) fn growth(&self, more: usize) -> usize {
        let wanted = self.elements.len() + more;
        let room = self.elements.capacity();
        let elements = if wanted <= room { 0 } else { wanted.max(room * 2).max(8) - room };
        self.index.growth(more) + elements * size_of::<E>()
    }

    fn hash(&self, key: &[u8]) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    /// Position of the element of a key.
    pub(crate) fn find(&self, key: &[u8]) -> Option<usize> {
        self.index.find(self.hash(key), |at| self.elements[at].key() == key)
    }

    /// The element at a position below [`Table::len`].
    pub(crate) fn at(&self, at: usize) -> &E {
        &self.elements[at]
    }

    /// The element of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&E> {
        self.find(key).map(|at| &self.elements[at])
    }

    /// All elements.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, E> {
        self.elements.iter()
    }

    /// Adds an element whose key is not in the table; returns its position.
    pub(crate) fn push(&mut self, element: E) -> usize {
        let at = self.elements.len();
        self.index.insert(self.hash(element.key()), at);
        self.heap_bytes += element.heap_bytes();
        self.elements.push(element);
        at
    }

    /// Replaces the element at a position by one of the same key.
    pub(crate) fn replace(&mut self, at: usize, element: E) {
        self.heap_bytes = self.heap_bytes + element.heap_bytes() - self.elements[at].heap_bytes();
        self.elements[at] = element;
    }

    /// Changes the element at a position, which keeps its key and its size.
    pub(crate) fn at_mut(&mut self, at: usize) -> &mut E {
        &mut self.elements[at]
    }

    /// Removes the element at a position, which the last one takes.
    pub(crate) fn swap_remove(&mut self, at: usize) -> E {
        let hash = self.hash(self.elements[at].key());
        self.index.remove(hash, at);
        let last = self.elements.len() - 1;
        if at != last {
            let hash = self.hash(self.elements[last].key());
            self.index.relocate(hash, last, at);
        }
        let element = self.elements.swap_remove(at);
        self.heap_bytes -= element.heap_bytes();
        if self.elements.capacity() > 64 && self.elements.len() * 4 < self.elements.capacity() {
            self.elements.shrink_to(self.elements.len() * 2);
        }
        element
    }

    /// Visits about `count` elements from a cursor on, 0 for the first call; returns the next cursor, 0 at
    /// the end.
    pub(crate) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&E)) -> u64 {
        let span = scan_span(cursor, count, self.elements.len());
        let next = span.start as u64;
        for at in span.rev() {
            visit(&self.elements[at]);
        }
        next
    }
}

/// The positions that a scan visits from a cursor on, backwards; the first of them is the next cursor.
pub(crate) fn scan_span(cursor: u64, count: usize, len: usize) -> std::ops::Range<usize> {
    let end = if cursor == 0 { len } else { usize::try_from(cursor).unwrap_or(len).min(len) };
    end.saturating_sub(count)..end
}

/// Bytes that the allocator uses for an allocation of this length.
pub(crate) fn allocated(len: usize) -> usize {
    if len == 0 { 0 } else { (len + 8).next_multiple_of(16).max(32) }
}

/// A member of a set.
pub(crate) type Member = Box<[u8]>;

impl Keyed for Member {
    fn key(&self) -> &[u8] {
        self
    }

    fn heap_bytes(&self) -> usize {
        allocated(self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_misses_nothing_that_stays() {
        let name = |i: u32| i.to_be_bytes().to_vec().into_boxed_slice();
        let mut table = Table::<Member>::default();
        (0..1000).for_each(|i| {
            table.push(name(i));
        });
        let (mut seen, mut cursor, mut gone) = (std::collections::HashSet::new(), 0, 0);
        loop {
            cursor = table.scan(cursor, 10, |member| {
                seen.insert(member.clone());
            });
            if cursor == 0 {
                break;
            }
            // Every other one of the first half goes, and new ones come.
            for _ in 0..7 {
                if gone < 500 {
                    let at = table.find(&name(gone)).expect("it is there");
                    table.swap_remove(at);
                    table.push(name(10_000 + gone));
                    gone += 2;
                }
            }
        }
        for i in (0..1000).filter(|i| i % 2 == 1 || *i >= 500) {
            assert!(seen.contains(&name(i)), "{i}");
        }
        let counted: usize = table.iter().map(Keyed::heap_bytes).sum();
        assert_eq!(counted, table.heap_bytes);
    }
}
