//! All entries, found by key or by position.
//!
//! Entries stand densely in pages, which are not copied when more come; the last one fills the place of one
//! that is removed. So any entry is one throw, and a scan from the end to the front misses none
//! (`value/table.rs`).

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::entry::Entry;
use crate::index::Index;
use crate::value::table::scan_span;

/// Entries of a page.
const PAGE: usize = 512;

/// Keys that are looked for ahead at a time: about as many reads as a core has under way.
pub(crate) const FETCH_AHEAD: usize = 16;

/// Entries by key and by position.
#[derive(Debug, Default)]
pub(crate) struct Keyspace {
    index: Index,
    pages: Vec<Vec<Entry>>,
    len: usize,
    hasher: RandomState,
}

impl Keyspace {
    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The hash of a key.
    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    /// Position of the entry of a key.
    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> Option<usize> {
        self.index.find(self.hash(key), |at| self.at(at).key() == key)
    }

    /// Reads what finding these keys will read, all of it at once: see [`crate::Store::fetch_ahead`].
    pub(crate) fn fetch_ahead(&self, keys: &[&[u8]]) {
        let mut found = [None; FETCH_AHEAD];
        for (at, key) in found.iter_mut().zip(keys) {
            *at = self.index.guess(self.hash(key));
        }
        let entries = found.map(|at| at.map(|at| self.at(at)));
        let lines = entries.iter().flatten().map(|entry| entry.touch());
        std::hint::black_box(lines.fold(0, |sum, line| sum ^ line));
    }

    /// Position of an entry with this hash that is `wanted`.
    pub(crate) fn find_hash(&self, hash: u32, wanted: impl Fn(&Entry) -> bool) -> Option<usize> {
        self.index.find(hash, |at| wanted(self.at(at)))
    }

    /// The entry at a position below [`Keyspace::len`].
    #[inline]
    pub(crate) fn at(&self, at: usize) -> &Entry {
        &self.pages[at / PAGE][at % PAGE]
    }

    /// The entry at a position, to change it. Its key stays.
    #[inline]
    pub(crate) fn at_mut(&mut self, at: usize) -> &mut Entry {
        &mut self.pages[at / PAGE][at % PAGE]
    }

    /// Adds an entry whose key is not there; returns its hash.
    pub(crate) fn push(&mut self, entry: Entry) -> u32 {
        let hash = self.hash(entry.key());
        self.index.insert(hash, self.len);
        match self.pages.last_mut() {
            Some(page) if page.len() < PAGE => page.push(entry),
            _ => {
                let mut page = Vec::with_capacity(PAGE);
                page.push(entry);
                self.pages.push(page);
            }
        }
        self.len += 1;
        hash
    }

    /// Removes the entry at a position, which the last one takes.
    pub(crate) fn swap_remove(&mut self, at: usize) -> Option<Entry> {
        let hash = self.hash(self.at(at).key());
        self.index.remove(hash, at);
        let page = self.pages.last_mut()?;
        let moved = page.pop()?;
        if page.is_empty() {
            self.pages.pop();
        }
        self.len -= 1;
        if at == self.len {
            return Some(moved);
        }
        let hash = self.hash(moved.key());
        self.index.relocate(hash, self.len, at);
        Some(std::mem::replace(self.at_mut(at), moved))
    }

    /// Visits about `count` entries from a cursor on, 0 for the first call; returns the next cursor, 0 at the
    /// end.
    pub(crate) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&Entry)) -> u64 {
        let span = scan_span(cursor, count, self.len);
        let next = span.start as u64;
        for at in span.rev() {
            visit(self.at(at));
        }
        next
    }

    /// Drops every entry.
    pub(crate) fn clear(&mut self) {
        self.index = Index::default();
        self.pages = Vec::new();
        self.len = 0;
    }
}
