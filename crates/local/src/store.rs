//! Entries under a byte limit: lookup, change, expiry, eviction.
//!
//! The limit counts every byte of every value, of whatever type, and what an entry costs beside it. A change
//! says beforehand how much it may add; room is made first, so that the limit holds at all times. Expiry is
//! lazy: an expired entry is removed when it is accessed.
//!
//! Time is in milliseconds of wall-clock time. `deadline_ms` is the last millisecond of an entry's life.

mod edit;
mod evict;
mod tell;
mod watch;

use crate::entry::{Entry, Item};
use crate::events::{Class, Told};
use crate::eviction::Eviction;
use crate::keyspace::Keyspace;
use crate::memcache::counters::{CommandCounters, Surroundings};
use crate::published::Published;
use crate::scripts::Scripts;
use crate::value::Value;
use crate::watches::Watches;
pub(crate) use edit::{EditFault, Room};

/// Most bytes that an entry costs beyond its key and value: its place, its share of the index, the
/// allocator's rounding.
pub const ENTRY_OVERHEAD_BYTES: usize = 128;

/// The cache of a pool whose server is `local`. Owned by one shard.
#[derive(Debug)]
pub struct Store {
    keyspace: Keyspace,
    bytes: usize,
    bytes_max: usize,
    /// The limit that it was made with: `bytes_max` may be set lower for a while.
    configured_bytes_max: usize,
    eviction: Eviction,
    watches: Watches,
    cas_last: u64,
    /// Time of a delayed `flush_all`.
    flush_at_ms: Option<u64>,
    /// Time the store was first used.
    pub(super) started_ms: Option<u64>,
    /// State of the dice for `RANDOMKEY` and the like.
    dice: u64,
    /// Scripts, once one has come.
    pub(crate) scripts: Option<Box<Scripts>>,
    /// The events of keys that are told.
    told: Told,
    /// The entry that [`Store::sweep`] looked at last.
    swept: usize,
    /// Messages of scripts, and events, that nobody has taken yet.
    pub(crate) published: Vec<Published>,
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

/// Attributes of a value to store.
#[derive(Debug, Clone, Copy)]
pub struct Attributes {
    /// Client flags, if memcached stores it.
    pub flags: Option<u32>,
    /// Last millisecond of its life.
    pub deadline_ms: u64,
    /// True if the key arrived in base64.
    pub key_base64: bool,
}

impl Attributes {
    /// No flags, a plain key, and this deadline.
    pub fn until(deadline_ms: u64) -> Attributes {
        Attributes { flags: None, deadline_ms, key_base64: false }
    }
}

/// The value can never fit under the byte limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

impl Store {
    /// An empty cache of at most `bytes_max` bytes. Memory grows as it fills.
    pub fn new(bytes_max: usize) -> Store {
        let keyspace = Keyspace::default();
        let dice = u64::from(keyspace.hash(b"dice")) | 1 << 32;
        Store {
            keyspace,
            bytes: 0,
            bytes_max,
            configured_bytes_max: bytes_max,
            eviction: Eviction::default(),
            watches: Watches::default(),
            cas_last: 0,
            flush_at_ms: None,
            started_ms: None,
            dice,
            scripts: None,
            told: Told::default(),
            swept: 0,
            published: Vec::new(),
            counters: Counters::default(),
            commands: CommandCounters::default(),
            surroundings: Surroundings::default(),
        }
    }

    /// The byte limit.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Lowers the byte limit, and evicts what is above it; 0 or more than it was made with restores that.
    pub(super) fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = match bytes_max {
            0 => self.configured_bytes_max,
            lower => lower.min(self.configured_bytes_max),
        };
        self.make_room(0, b"");
    }

    /// Bytes of keys, values and overhead of all entries.
    pub fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// Number of entries, including expired ones not yet found.
    pub fn len(&self) -> usize {
        self.keyspace.len()
    }

    /// True if there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counters so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Most bytes of a key and its value together. A sixteenth of the limit is left to others.
    pub fn item_bytes_max(&self) -> usize {
        (self.bytes_max - self.bytes_max / 16).saturating_sub(ENTRY_OVERHEAD_BYTES)
    }

    /// True if a key and a value of these lengths can be stored.
    pub(super) fn fits(&self, key: usize, value: usize) -> bool {
        key.saturating_add(value) <= self.item_bytes_max()
    }

    /// Most keys that [`Store::fetch_ahead`] takes.
    pub const FETCH_AHEAD: usize = crate::keyspace::FETCH_AHEAD;

    /// Brings the entries of keys near that requests will ask for soon, at most [`Store::FETCH_AHEAD`].
    /// Changes nothing. One key after another, each waits for memory three times; all together, three times.
    pub fn fetch_ahead(&self, keys: &[&[u8]]) {
        self.keyspace.fetch_ahead(keys);
    }

    /// Called before each request: starts the clock, and runs a delayed flush that is due.
    pub(super) fn tick(&mut self, now_ms: u64) {
        self.started_ms.get_or_insert(now_ms);
        if self.flush_at_ms.is_some_and(|at| at <= now_ms) {
            self.clear();
        }
    }

    /// Passes the live entry of `key` to `look` and counts that as use.
    #[inline]
    pub(super) fn read<R>(&mut self, key: &[u8], now_ms: u64, look: impl FnOnce(Option<&Entry>) -> R) -> R {
        self.counters.gets += 1;
        let Some(at) = self.find(key, now_ms) else { return look(None) };
        self.counters.get_hits += 1;
        let entry = self.keyspace.at_mut(at);
        entry.note_use(now_ms);
        look(Some(entry))
    }

    /// The live entry of `key`, without counting this as use.
    pub(super) fn peek(&mut self, key: &[u8], now_ms: u64) -> Option<&Entry> {
        self.find(key, now_ms).map(|at| self.keyspace.at(at))
    }

    /// The live entry of `key`, if it is a string, with memcached's attributes.
    pub(super) fn peek_item(&mut self, key: &[u8], now_ms: u64) -> Option<&Entry> {
        let at = self.find_item(key, now_ms)?;
        Some(self.keyspace.at(at))
    }

    /// The position of the live entry of `key`.
    #[inline]
    fn find(&mut self, key: &[u8], now_ms: u64) -> Option<usize> {
        let at = self.keyspace.find(key)?;
        if self.keyspace.at(at).is_live(now_ms) {
            return Some(at);
        }
        self.expire_at(at);
        None
    }

    fn find_item(&mut self, key: &[u8], now_ms: u64) -> Option<usize> {
        let at = self.find(key, now_ms)?;
        let entry = self.keyspace.at(at);
        entry.string()?;
        if entry.is_item() {
            return Some(at);
        }
        // Written by Redis' commands: memcached's attributes begin here.
        let item = Item { cas: self.cas_next(), flags: 0 };
        self.make_room(32, key);
        let at = self.keyspace.find(key)?;
        self.resize(at, |entry| entry.set_item(item));
        Some(at)
    }

    /// Stores a string under a new cas unique, and returns that. All earlier attributes of the key are reset.
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
        if self.tells() {
            // One that has expired ends before it is overwritten.
            self.find(key, now_ms);
        }
        self.counters.sets += 1;
        let Attributes { flags, deadline_ms, key_base64 } = attributes;
        let cas = self.cas_next();
        let item = flags.map(|flags| Item { cas, flags });
        if let Some(at) = self.keyspace.find(key) {
            let entry = self.keyspace.at_mut(at);
            let same_shape = item.is_some() == entry.is_item() && entry.value().is_none();
            if same_shape && entry.text().len() == value.len() {
                entry.set_string(value);
                item.into_iter().for_each(|item| entry.set_item(item));
                entry.deadline_ms = deadline_ms;
                entry.note_use(now_ms);
                (entry.fetched, entry.stale, entry.token_sent) = (false, false, false);
                entry.key_base64 = key_base64;
                self.changed(key);
                return Ok(cas);
            }
        }
        let mut entry = Entry::new(key, value, deadline_ms, item, now_ms);
        entry.key_base64 = key_base64;
        self.put_entry(entry);
        Ok(cas)
    }

    /// Stores a value that is not a string beside its key.
    pub(super) fn put_value(
        &mut self,
        key: &[u8],
        value: Value,
        deadline_ms: u64,
        now_ms: u64,
    ) -> Result<(), TooLarge> {
        if !self.fits(key.len(), value.bytes()) {
            return Err(TooLarge);
        }
        if self.tells() {
            self.find(key, now_ms);
        }
        self.put_entry(Entry::with_value(key, value, deadline_ms, now_ms));
        Ok(())
    }

    /// Stores an entry, in the place of one of the same key. It fits.
    pub(super) fn put_entry(&mut self, mut entry: Entry) {
        let weight = entry.weight();
        if let Some(at) = self.keyspace.find(entry.key()) {
            if self.bytes + weight <= self.bytes_max {
                self.changed(entry.key());
                entry.uses = self.keyspace.at(at).uses;
                entry.on_probation = self.keyspace.at(at).on_probation;
                self.resize(at, |place| *place = entry);
                return;
            }
            self.take_at(at);
        }
        self.changed(entry.key());
        self.make_room(weight, b"");
        let hash = self.keyspace.hash(entry.key());
        entry.on_probation = self.needs_probation(hash);
        let on_probation = entry.on_probation;
        if self.tells() {
            self.tell(Class::NEW, "new", entry.key());
        }
        self.keyspace.push(entry);
        self.bytes += weight;
        if on_probation {
            self.begin_probation(hash, weight);
        }
    }

    /// Changes the live entry of `key`; None if there is none. `growth` is the most bytes its string can
    /// gain; the caller has checked [`Store::fits`].
    pub(super) fn change<R>(
        &mut self,
        key: &[u8],
        growth: usize,
        now_ms: u64,
        change: impl FnOnce(&mut Entry) -> R,
    ) -> Option<R> {
        let mut at = self.find(key, now_ms)?;
        if growth > 0 {
            self.make_room(growth + key.len() + ENTRY_OVERHEAD_BYTES, key);
            at = self.keyspace.find(key)?;
        }
        self.changed(key);
        Some(self.resize(at, change))
    }

    /// [`Store::change`] for memcached: the entry has its attributes.
    pub(super) fn change_item<R>(
        &mut self,
        key: &[u8],
        growth: usize,
        now_ms: u64,
        change: impl FnOnce(&mut Entry) -> R,
    ) -> Option<R> {
        self.find_item(key, now_ms)?;
        self.change(key, growth, now_ms, |entry| {
            entry.uses = (entry.uses + 1).min(crate::entry::USES_MAX);
            change(entry)
        })
    }

    /// Changes an entry and accounts for it.
    fn resize<R>(&mut self, at: usize, change: impl FnOnce(&mut Entry) -> R) -> R {
        let entry = self.keyspace.at_mut(at);
        let before = entry.weight();
        let result = change(entry);
        let after = entry.weight();
        if entry.on_probation {
            self.eviction.resized(before, after);
        }
        self.bytes = self.bytes + after - before;
        result
    }

    /// Removes the live entry of `key`; false if there is none.
    pub(super) fn remove(&mut self, key: &[u8], now_ms: u64) -> bool {
        let removed = self.take(key, now_ms).is_some();
        self.counters.deletes += u64::from(removed);
        removed
    }

    /// Takes out the live entry of `key`.
    pub(super) fn take(&mut self, key: &[u8], now_ms: u64) -> Option<Entry> {
        let at = self.find(key, now_ms)?;
        self.take_at(at)
    }

    fn take_at(&mut self, at: usize) -> Option<Entry> {
        let entry = self.keyspace.swap_remove(at)?;
        let weight = entry.weight();
        self.bytes -= weight;
        if entry.on_probation {
            self.eviction.left_probation(weight);
        }
        self.changed(entry.key());
        Some(entry)
    }

    /// Removes expired entries among the last `count` ones.
    pub(super) fn remove_expired(&mut self, count: usize, now_ms: u64) {
        let len = self.keyspace.len();
        // From the end, so that what fills a gap has been looked at.
        for at in (len.saturating_sub(count)..len).rev() {
            if !self.keyspace.at(at).is_live(now_ms) {
                self.expire_at(at);
            }
        }
    }

    /// Drops every entry, and cancels a delayed flush.
    pub(super) fn clear(&mut self) {
        self.changed_all();
        self.keyspace.clear();
        self.eviction = Eviction::default();
        self.bytes = 0;
        self.flush_at_ms = None;
    }

    /// Schedules dropping every entry, at the first request after `at_ms`.
    pub(super) fn clear_at(&mut self, at_ms: u64) {
        self.flush_at_ms = Some(at_ms);
    }

    /// Visits about `count` entries from a cursor on, 0 for the first call; returns the next cursor, 0 at the
    /// end. Each entry that is there all the time is visited at least once.
    pub(super) fn scan(&self, cursor: u64, count: usize, visit: impl FnMut(&Entry)) -> u64 {
        self.keyspace.scan(cursor, count, visit)
    }

    /// A live entry by chance.
    pub(super) fn random(&mut self, now_ms: u64) -> Option<&Entry> {
        while self.keyspace.len() > 0 {
            let at = self.below(self.keyspace.len());
            if self.keyspace.at(at).is_live(now_ms) {
                return Some(self.keyspace.at(at));
            }
            self.expire_at(at);
        }
        None
    }

    /// A random number below `limit`, which is not 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.dice;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }

    /// Takes the messages that scripts have published, and the events of keys, in their order.
    pub fn take_published(&mut self) -> Vec<Published> {
        std::mem::take(&mut self.published)
    }

    /// A new cas unique.
    pub(super) fn cas_next(&mut self) -> u64 {
        self.cas_last += 1;
        self.cas_last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::NEVER;
    use proptest::prelude::*;

    fn value(store: &mut Store, key: &[u8], now_ms: u64) -> Option<Vec<u8>> {
        store.read(key, now_ms, |entry| entry.map(|entry| entry.text().to_vec()))
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
    fn looking_ahead_changes_nothing() {
        let mut store = Store::new(1 << 20);
        store.put(b"short", b"v", Attributes::until(NEVER), 0).expect("fits");
        store.put(b"long", &[7; 1000], Attributes::until(NEVER), 0).expect("fits");
        store.change(b"long", 64, 0, |entry| entry.growing().expect("a string").push(7));
        let (counters, bytes) = (store.counters(), store.bytes());
        let keys: [&[u8]; Store::FETCH_AHEAD] =
            std::array::from_fn(|n| [&b"short"[..], b"long", b"none", b""][n % 4]);
        for n in 0..=keys.len() {
            store.fetch_ahead(&keys[..n]);
        }
        assert_eq!((store.counters(), store.bytes(), store.len()), (counters, bytes, 2));
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
                        let grown = store.change(&name, length + 64, 0, |entry| {
                            entry.growing().expect("a string").resize(length, fill);
                        });
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

    /// Commands that write any type, by a number of four words.
    fn write(store: &mut Store, (what, which, length, repeat): (u8, u8, u16, u8)) {
        use wire::redis::Version;
        let key = format!("key{}", which % 12).into_bytes();
        let other = format!("key{}", (which / 12) % 12).into_bytes();
        let elements: Vec<Vec<u8>> = (0..=u16::from(repeat % 40))
            .map(|i| {
                let mut element = (i.wrapping_mul(length) % 300).to_string().into_bytes();
                element.resize(element.len() + usize::from(length % 97), b'x');
                element
            })
            .collect();
        let name: &[u8] = [
            b"SET".as_slice(),
            b"APPEND",
            b"RPUSH",
            b"LPUSH",
            b"SADD",
            b"HSET",
            b"ZADD",
            b"DEL",
            b"SPOP",
            b"LPOP",
            b"ZPOPMIN",
            b"RENAME",
            b"COPY",
            b"LSET",
            b"SUNIONSTORE",
            b"ZUNIONSTORE",
            b"SETRANGE",
            b"LINSERT",
            b"XADD",
            b"XTRIM",
            b"XREADGROUP",
        ][usize::from(what) % 21];
        let mut args: Vec<&[u8]> = vec![name, &key];
        let score = length.to_string().into_bytes();
        match name {
            b"SET" | b"APPEND" => args.push(&elements[0]),
            b"RPUSH" | b"LPUSH" | b"SADD" => args.extend(elements.iter().map(Vec::as_slice)),
            b"HSET" => elements.iter().for_each(|element| args.extend([element.as_slice(), &elements[0]])),
            b"ZADD" => elements.iter().for_each(|element| args.extend([score.as_slice(), element])),
            b"RENAME" => args.push(&other),
            b"COPY" => args.extend([other.as_slice(), b"REPLACE"]),
            b"LSET" => args.extend([b"0".as_slice(), &elements[0]]),
            b"SUNIONSTORE" => args.extend([other.as_slice(), &key]),
            b"ZUNIONSTORE" => args.extend([b"2".as_slice(), &other, &key]),
            b"SETRANGE" => args.extend([score.as_slice(), &elements[0]]),
            b"LINSERT" => args.extend([b"BEFORE".as_slice(), b"0", &elements[0]]),
            b"XADD" => args.extend([b"*".as_slice(), &other, &elements[0]]),
            b"XTRIM" => args.extend([b"MAXLEN".as_slice(), &score]),
            b"XREADGROUP" => {
                let group: [&[u8]; 6] = [b"XGROUP", b"CREATE", &key, b"g", b"0", b"MKSTREAM"];
                store.execute_redis(&group, 0, Version::Resp2, &mut Vec::new());
                args = vec![name, b"GROUP", b"g", &other, b"STREAMS", &key, b">"];
            }
            _ => {}
        }
        store.execute_redis(&args, 0, Version::Resp2, &mut Vec::new());
    }

    proptest! {
        #[test]
        fn the_limit_holds_over_all_types_and_every_byte_is_counted(
            bytes_max in 2usize << 10..200 << 10,
            steps in prop::collection::vec(any::<(u8, u8, u16, u8)>(), 1..500),
        ) {
            let mut store = Store::new(bytes_max);
            for step in steps {
                write(&mut store, step);
                prop_assert!(store.bytes <= bytes_max, "{} of {} after {:?}", store.bytes, bytes_max, step);
                let mut counted = 0;
                store.scan(0, usize::MAX, |entry| counted += entry.weight());
                prop_assert_eq!(store.bytes, counted, "after {:?}", step);
            }
        }
    }
}
