//! Positions of elements by the hash of their keys.
//!
//! Elements stand densely in a vector of their owner; the index maps 32 bits of a key's hash to a position.
//! The hash is kept beside it, so that growth touches no element.

use hashbrown::HashTable;

/// An element's hash and position.
#[derive(Debug, Clone, Copy)]
struct Place {
    hash: u32,
    at: u32,
}

/// Bytes per bucket of the hash table: a place and a control byte.
const BUCKET_BYTES: usize = size_of::<Place>() + 1;
/// Control bytes beyond the last bucket, and alignment.
const TAIL_BYTES: usize = 32;
/// Capacity below which an index does not shrink.
const SHRINK_MIN: usize = 256;

/// Positions by hash.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    places: HashTable<Place>,
}

impl Index {
    /// The position of an element of this hash that `is` the wanted one.
    #[inline]
    pub(crate) fn find(&self, hash: u32, is: impl Fn(usize) -> bool) -> Option<usize> {
        let found = self.places.find(spread(hash), |place| place.hash == hash && is(place.at as usize));
        found.map(|place| place.at as usize)
    }

    /// A position with this hash, most likely the only one.
    #[inline]
    pub(crate) fn guess(&self, hash: u32) -> Option<usize> {
        self.find(hash, |_| true)
    }

    /// Adds a position.
    pub(crate) fn insert(&mut self, hash: u32, at: usize) {
        self.places.insert_unique(spread(hash), Place { hash, at: at as u32 }, |place| spread(place.hash));
    }

    /// Removes a position.
    pub(crate) fn remove(&mut self, hash: u32, at: usize) {
        if let Ok(found) = self.places.find_entry(spread(hash), |place| place.at as usize == at) {
            found.remove();
        }
        let (len, room) = (self.places.len(), self.places.capacity());
        if room > SHRINK_MIN && len * 8 < room {
            self.places.shrink_to(len * 2, |place| spread(place.hash));
        }
    }

    /// Notes that an element has moved.
    pub(crate) fn relocate(&mut self, hash: u32, from: usize, to: usize) {
        if let Some(place) = self.places.find_mut(spread(hash), |place| place.at as usize == from) {
            place.at = to as u32;
        }
    }

    /// Bytes allocated.
    pub(crate) fn bytes(&self) -> usize {
        self.places.allocation_size()
    }

    /// Upper bound of the bytes that `more` insertions allocate.
    pub(crate) fn growth(&self, more: usize) -> usize {
        let wanted = self.places.len() + more;
        if wanted <= self.places.capacity() {
            return 0;
        }
        let buckets = (wanted * 8 / 7 + 1).next_power_of_two().max(4);
        (buckets * BUCKET_BYTES + TAIL_BYTES).max(self.bytes() * 2) - self.bytes()
    }
}

/// A hash of 64 bits, as the hash table wants them, from one of 32.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_never_more_than_announced() {
        let mut index = Index::default();
        for at in 0..5000 {
            let (before, announced) = (index.bytes(), index.growth(1));
            index.insert((at as u32).wrapping_mul(0x9e37_79b9), at);
            assert!(index.bytes() <= before + announced, "{at}");
        }
        for at in 0..5000 {
            index.remove((at as u32).wrapping_mul(0x9e37_79b9), at);
        }
        assert!(index.bytes() < 16 << 10, "memory is given back");
    }
}
