//! Entries under a byte limit: lookup, change, expiry, eviction.
//!
//! The limit counts keys, values and [`ENTRY_OVERHEAD_BYTES`] for each entry; `quick_cache` evicts the least
//! used (S3-FIFO kin). Expiry is lazy: an expired entry is removed when it is accessed.
//!
//! Time is in milliseconds of wall-clock time. `deadline_ms` is the last millisecond of an entry's life.

use quick_cache::unsync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};

use crate::memcache::counters::{CommandCounters, Surroundings};

/// Cost of an entry beyond its key and value: slab slot, hash slot, two allocations.
pub const ENTRY_OVERHEAD_BYTES: usize = 128;

/// The deadline of an entry that never expires.
pub const NEVER: u64 = u64::MAX;

/// Bytes of the limit per remembered key of an evicted entry; these distinguish returning keys from new ones.
const BYTES_PER_GHOST: usize = 2048;

/// The cache of a pool whose server is `local`. Owned by one shard.
#[derive(Debug)]
pub struct Store {
    cache: Cache<Box<[u8]>, Entry, EntryBytes, DefaultHashBuilder, CountEvictions>,
    bytes_max: usize,
    cas_last: u64,
    /// Time of a delayed `flush_all`.
    flush_at_ms: Option<u64>,
    /// Time the store was first used.
    pub(super) started_ms: Option<u64>,
    pub(super) counters: Counters,
    pub(super) commands: CommandCounters,
    /// The pool's figures for memcached's `stats`; set before use.
    pub surroundings: Surroundings,
}

/// Counters since the start, or since `stats reset`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Keys looked up by a command that reads values.
    pub gets: u64,
    /// Keys found among them.
    pub get_hits: u64,
    /// Values written.
    pub sets: u64,
    /// Entries removed by a client.
    pub deletes: u64,
    /// Expired entries found and removed.
    pub expired: u64,
    /// Live entries evicted to make room.
    pub evicted: u64,
}

/// A value and its attributes for both protocols.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The string.
    pub value: Vec<u8>,
    /// Last millisecond of its life; [`NEVER`] without expiry.
    pub deadline_ms: u64,
    /// Last access that counted as use.
    pub accessed_ms: u64,
    /// memcached's cas unique, renewed on each change of the value.
    pub cas: u64,
    /// memcached's client flags.
    pub flags: u32,
    /// True if it was read since it was stored (meta flag `h`).
    pub fetched: bool,
    /// True if it was invalidated but may still be served (meta reply flag `X`).
    pub stale: bool,
    /// True if a client has won the right to refill it (meta reply flags `W`, then `Z`).
    pub token_sent: bool,
    /// True if its key arrived in base64 and must be sent so.
    pub key_base64: bool,
}

impl Entry {
    fn is_live(&self, now_ms: u64) -> bool {
        now_ms <= self.deadline_ms
    }

    /// Replaces the value; reuses storage unless it is too small or wastes much.
    fn replace_value(&mut self, value: &[u8]) {
        let room = self.value.capacity();
        if room < value.len() || room > value.len() + value.len() / 4 + 64 {
            self.value = value.to_vec();
        } else {
            self.value.clear();
            self.value.extend_from_slice(value);
        }
    }
}

/// Attributes of a value to store.
#[derive(Debug, Clone, Copy)]
pub struct Attributes {
    /// Client flags.
    pub flags: u32,
    /// Last millisecond of its life.
    pub deadline_ms: u64,
    /// True if the key arrived in base64.
    pub key_base64: bool,
}

impl Attributes {
    /// No flags, a plain key, and this deadline.
    pub fn until(deadline_ms: u64) -> Attributes {
        Attributes { flags: 0, deadline_ms, key_base64: false }
    }
}

/// The value can never fit under the byte limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

#[derive(Debug, Clone)]
struct EntryBytes;

impl Weighter<Box<[u8]>, Entry> for EntryBytes {
    fn weight(&self, key: &Box<[u8]>, entry: &Entry) -> u64 {
        weight(key.len(), entry.value.len())
    }
}

fn weight(key: usize, value: usize) -> u64 {
    key.saturating_add(value).saturating_add(ENTRY_OVERHEAD_BYTES) as u64
}

/// Counts entries evicted by an insertion.
#[derive(Debug, Clone)]
struct CountEvictions;

impl Lifecycle<Box<[u8]>, Entry> for CountEvictions {
    type RequestState = u64;

    fn on_evict(&self, evicted: &mut u64, _: Box<[u8]>, _: Entry) {
        *evicted += 1;
    }
}

impl Store {
    /// An empty cache of at most `bytes_max` bytes of keys, values and overhead. Memory grows as it fills.
    pub fn new(bytes_max: usize) -> Store {
        let mut options = OptionsBuilder::new();
        options.weight_capacity(bytes_max as u64);
        options.estimated_items_capacity((bytes_max / BYTES_PER_GHOST).max(1)).ghost_allocation(1.0);
        // The builder can only fail for lack of one of the two values above.
        let options = options.build().expect("capacities are set");
        let cache = Cache::with_options(options, EntryBytes, DefaultHashBuilder::default(), CountEvictions);
        let counters = Counters::default();
        let (commands, surroundings) = Default::default();
        Store {
            cache,
            bytes_max,
            cas_last: 0,
            flush_at_ms: None,
            started_ms: None,
            counters,
            commands,
            surroundings,
        }
    }

    /// The byte limit.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Bytes of keys, values and overhead of all entries.
    pub fn bytes(&self) -> u64 {
        self.cache.weight()
    }

    /// Number of entries, including expired ones not yet found.
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    /// True if there are no entries.
    pub fn is_empty(&self) -> bool {
        self.cache.is_empty()
    }

    /// Counters so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Most bytes of a key and its value together. `quick_cache` admits nothing larger than its share for
    /// frequently used entries (97 %), so the rest of the limit does not count.
    pub fn item_bytes_max(&self) -> usize {
        (self.bytes_max - self.bytes_max / 16).saturating_sub(ENTRY_OVERHEAD_BYTES)
    }

    /// True if a key and a value of these lengths can be stored.
    pub(super) fn fits(&self, key: usize, value: usize) -> bool {
        key.saturating_add(value) <= self.item_bytes_max()
    }

    /// Called before each request: starts the clock, and runs a delayed flush that is due.
    pub(super) fn tick(&mut self, now_ms: u64) {
        self.started_ms.get_or_insert(now_ms);
        if self.flush_at_ms.is_some_and(|at| at <= now_ms) {
            self.clear();
        }
    }

    /// Passes the live entry of `key` to `look` and counts that as use.
    pub(super) fn read<R>(&mut self, key: &[u8], now_ms: u64, look: impl FnOnce(Option<&Entry>) -> R) -> R {
        self.counters.gets += 1;
        match self.cache.get(key) {
            Some(entry) if entry.is_live(now_ms) => {
                self.counters.get_hits += 1;
                return look(Some(entry));
            }
            Some(_) => {}
            None => return look(None),
        }
        self.expire(key);
        look(None)
    }

    /// The live entry of `key`, without counting this as use.
    pub(super) fn peek(&mut self, key: &[u8], now_ms: u64) -> Option<&Entry> {
        let dead = !self.cache.peek(key)?.is_live(now_ms);
        if dead {
            self.expire(key);
            return None;
        }
        self.cache.peek(key)
    }

    /// Stores a value under a new cas unique, and returns that. All earlier attributes of the key are reset.
    pub(super) fn put(
        &mut self,
        key: &[u8],
        value: &[u8],
        attributes: Attributes,
        now_ms: u64,
    ) -> Result<u64, TooLarge> {
        if !self.fits(key.len(), value.len()) {
            return Err(TooLarge);
        }
        self.counters.sets += 1;
        let cas = self.cas_next();
        let Attributes { flags, deadline_ms, key_base64 } = attributes;
        let fresh = |value| Entry {
            value,
            deadline_ms,
            accessed_ms: now_ms,
            cas,
            flags,
            key_base64,
            ..Entry::default()
        };
        if self.grows_past_limit(value.len()) {
            self.cache.remove(key);
        } else if let Some(mut entry) = self.cache.get_mut(key) {
            entry.replace_value(value);
            let value = std::mem::take(&mut entry.value);
            *entry = fresh(value);
            return Ok(cas);
        }
        self.insert(key.into(), fresh(value.to_vec()));
        Ok(cas)
    }

    /// Changes the live entry of `key`; None if there is none. `growth` is the most bytes its value can gain;
    /// the caller has checked [`Store::fits`].
    pub(super) fn change<R>(
        &mut self,
        key: &[u8],
        growth: usize,
        now_ms: u64,
        change: impl FnOnce(&mut Entry) -> R,
    ) -> Option<R> {
        self.peek(key, now_ms)?;
        if !self.grows_past_limit(growth) {
            return self.cache.get_mut(key).map(|mut entry| change(&mut entry));
        }
        // Changed in place, it would exceed the limit until the next insertion.
        let (key, mut entry) = self.cache.remove(key)?;
        let result = change(&mut entry);
        self.insert(key, entry);
        Some(result)
    }

    /// Removes the live entry of `key`; false if there is none.
    pub(super) fn remove(&mut self, key: &[u8], now_ms: u64) -> bool {
        match self.cache.remove(key) {
            Some((_, entry)) if entry.is_live(now_ms) => {
                self.counters.deletes += 1;
                true
            }
            Some(_) => {
                self.counters.expired += 1;
                false
            }
            None => false,
        }
    }

    /// Drops every entry, and cancels a delayed flush.
    pub(super) fn clear(&mut self) {
        self.cache.clear();
        self.flush_at_ms = None;
    }

    /// Schedules dropping every entry, at the first request after `at_ms`.
    pub(super) fn clear_at(&mut self, at_ms: u64) {
        self.flush_at_ms = Some(at_ms);
    }

    /// A new cas unique.
    pub(super) fn cas_next(&mut self) -> u64 {
        self.cas_last += 1;
        self.cas_last
    }

    fn insert(&mut self, key: Box<[u8]>, entry: Entry) {
        self.cache.insert_with_lifecycle(key, entry, &mut self.counters.evicted);
    }

    fn grows_past_limit(&self, growth: usize) -> bool {
        self.cache.weight().saturating_add(growth as u64) > self.bytes_max as u64
    }

    fn expire(&mut self, key: &[u8]) {
        self.counters.expired += 1;
        self.cache.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(store: &mut Store, key: &[u8], now_ms: u64) -> Option<Vec<u8>> {
        store.read(key, now_ms, |entry| entry.map(|entry| entry.value.clone()))
    }

    #[test]
    fn the_largest_item_fits_and_one_more_byte_does_not() {
        for bytes_max in [1 << 10, 1 << 16, 1 << 20] {
            let mut store = Store::new(bytes_max);
            let largest = store.item_bytes_max() - 1;
            let forever = Attributes::until(NEVER);
            assert_eq!(store.put(b"k", &vec![1; largest], forever, 0), Ok(1));
            assert_eq!(value(&mut store, b"k", 0).map(|v| v.len()), Some(largest));
            assert_eq!(store.put(b"k", &vec![1; largest + 1], forever, 0), Err(TooLarge));
            assert_eq!(value(&mut store, b"k", 0).map(|v| v.len()), Some(largest), "the old one stays");
        }
    }

    #[test]
    fn an_entry_lives_through_its_deadline() {
        let mut store = Store::new(1 << 16);
        for (now_ms, live) in [(9, true), (10, true), (11, false)] {
            store.put(b"k", b"v", Attributes::until(10), 0).expect("fits");
            assert_eq!(value(&mut store, b"k", now_ms).is_some(), live);
            store.put(b"k", b"v", Attributes::until(10), 0).expect("fits");
            assert_eq!(store.peek(b"k", now_ms).is_some(), live);
            store.put(b"k", b"v", Attributes::until(10), 0).expect("fits");
            assert_eq!(store.change(b"k", 0, now_ms, |_| ()).is_some(), live);
            store.put(b"k", b"v", Attributes::until(10), 0).expect("fits");
            assert_eq!(store.remove(b"k", now_ms), live);
        }
        assert!(store.is_empty());
        assert_eq!(store.counters().expired, 4);
    }

    #[test]
    fn a_delayed_flush_waits() {
        let mut store = Store::new(1 << 16);
        store.put(b"k", b"v", Attributes::until(NEVER), 0).expect("fits");
        store.clear_at(10);
        for (now_ms, len) in [(9, 1), (10, 0)] {
            store.tick(now_ms);
            assert_eq!(store.len(), len);
        }
    }

    proptest! {
        #[test]
        fn the_limit_holds_and_what_is_read_was_written(
            steps in prop::collection::vec((0u8..4, 0u8..40, 0usize..3000), 1..400),
        ) {
            let mut store = Store::new(32 << 10);
            let mut written = std::collections::HashMap::new();
            for (i, (action, key, length)) in steps.into_iter().enumerate() {
                let (name, fill) = ([key], i as u8);
                match action {
                    0 | 1 => {
                        store.put(&name, &vec![fill; length], Attributes::until(NEVER), 0).expect("fits");
                        written.insert(key, vec![fill; length]);
                    }
                    2 => {
                        let grown = store.change(&name, length, 0, |entry| entry.value.resize(length, fill));
                        if grown.is_some() {
                            written.get_mut(&key).expect("was written").resize(length, fill);
                        }
                    }
                    _ => {
                        store.remove(&name, 0);
                        written.remove(&key);
                    }
                }
                prop_assert!(store.bytes() <= store.bytes_max() as u64);
                if let Some(found) = value(&mut store, &name, 0) {
                    prop_assert_eq!(Some(&found), written.get(&key));
                }
            }
            let gone = written.len() - store.len();
            prop_assert!(store.counters().evicted >= gone as u64);
        }
    }
}
