//! A sketch of the keys that are used most: Space-Saving over a sample of the requests.
//!
//! There are [`ENTRIES`] places. A key that has none takes that of the key used least, together with its
//! count: so a key of which more than one in [`ENTRIES`] samples is surely has a place, and what a count may
//! be too high by is known, and is left out of the rates. All counts are halved now and then, with the time
//! in which they came about, so that rates are those of the last [`MEMORY_US`] or so.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use telemetry::{Cut, HotKey, KeyReports};

/// Places: about 20 KB.
const ENTRIES: usize = 128;
/// Age of the counts at which they are halved, in microseconds.
const MEMORY_US: u64 = 20_000_000;

/// Keys and how much they are used.
#[derive(Debug, Default)]
pub(crate) struct Sketch {
    entries: Vec<Entry>,
    /// Time in which the counts came about, in microseconds.
    age_us: u64,
}

/// A request in the sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampled<'a> {
    /// Its key, or the beginning of it,
    pub(crate) key: &'a [u8],
    /// and its whole length.
    pub(crate) key_len: usize,
    /// Identity of the server.
    pub(crate) server: &'a str,
    /// True for a write.
    pub(crate) writes: bool,
    /// Bytes of the reply to a read, or of a write.
    pub(crate) bytes: usize,
    /// Requests that it stands for.
    pub(crate) weight: u64,
}

#[derive(Debug)]
struct Entry {
    hash: u64,
    key: Cut,
    server: String,
    /// Requests counted, those of the keys that had its place before included.
    count: u64,
    reads: u64,
    writes: u64,
    read_bytes: u64,
    write_bytes: u64,
}

impl Sketch {
    /// Adds a request.
    pub(crate) fn add(&mut self, sampled: Sampled<'_>) {
        let mut hasher = DefaultHasher::new();
        (sampled.key, sampled.key_len).hash(&mut hasher);
        let hash = hasher.finish();
        let at = match self.entries.iter().position(|entry| entry.hash == hash) {
            Some(at) => at,
            None => self.take_place(hash, sampled),
        };
        let entry = &mut self.entries[at];
        let bytes = sampled.weight.saturating_mul(sampled.bytes as u64);
        entry.count += sampled.weight;
        let (requests, sum) = match sampled.writes {
            true => (&mut entry.writes, &mut entry.write_bytes),
            false => (&mut entry.reads, &mut entry.read_bytes),
        };
        *requests += sampled.weight;
        *sum = sum.saturating_add(bytes);
    }

    fn take_place(&mut self, hash: u64, sampled: Sampled<'_>) -> usize {
        let mut entry = Entry {
            hash,
            key: Cut::of(sampled.key, sampled.key_len),
            server: sampled.server.to_owned(),
            count: 0,
            reads: 0,
            writes: 0,
            read_bytes: 0,
            write_bytes: 0,
        };
        let least = self.entries.iter().enumerate().min_by_key(|(_, entry)| entry.count);
        match least.filter(|_| self.entries.len() >= ENTRIES) {
            Some((at, least)) => {
                entry.count = least.count;
                self.entries[at] = entry;
                at
            }
            None => {
                self.entries.push(entry);
                self.entries.len() - 1
            }
        }
    }

    /// Notes that time has passed.
    pub(crate) fn pass(&mut self, us: u64) {
        self.age_us = self.age_us.saturating_add(us);
        while self.age_us > MEMORY_US {
            self.age_us /= 2;
            for entry in &mut self.entries {
                let Entry { count, reads, writes, read_bytes, write_bytes, .. } = entry;
                [count, reads, writes, read_bytes, write_bytes].into_iter().for_each(|n| *n /= 2);
            }
            self.entries.retain(|entry| entry.count > 0);
        }
    }

    /// True without keys.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The keys used most, the first one most.
    pub(crate) fn hottest(&self) -> Vec<HotKey> {
        let mut entries: Vec<&Entry> =
            self.entries.iter().filter(|entry| entry.reads + entry.writes > 0).collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.reads + entry.writes));
        let seconds = self.age_us.max(1) as f64 / 1e6;
        let rate = |n: u64| n as f64 / seconds;
        let shown = |entry: &&Entry| HotKey {
            key: entry.key.clone(),
            server: entry.server.clone(),
            reads: rate(entry.reads),
            writes: rate(entry.writes),
            read_bytes: rate(entry.read_bytes),
            write_bytes: rate(entry.write_bytes),
        };
        entries.iter().take(KeyReports::KEYS_MAX).map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(sketch: &mut Sketch, key: &str, writes: bool) {
        let (key, key_len) = (key.as_bytes(), key.len());
        sketch.add(Sampled { key, key_len, server: "s", writes, bytes: 100, weight: 32 });
    }

    #[test]
    fn a_hot_key_stands_out_of_many() {
        let mut sketch = Sketch::default();
        // One request in ten is for one key, the others for 90,000 different ones.
        for n in 0..100_000u32 {
            if n % 10 == 0 {
                add(&mut sketch, "hot", n % 40 == 0);
            } else {
                add(&mut sketch, &n.to_string(), false);
            }
        }
        assert_eq!(sketch.entries.len(), ENTRIES);
        sketch.pass(10_000_000);
        let hottest = sketch.hottest();
        let first = &hottest[0];
        assert_eq!((first.key.to_string().as_str(), first.server.as_str()), ("hot", "s"));
        assert_eq!((first.reads, first.writes), (24_000.0, 8_000.0));
        assert_eq!((first.read_bytes, first.write_bytes), (2_400_000.0, 800_000.0));
        assert!(hottest[1].requests() < first.requests() / 4.0, "{:?}", hottest[1]);
    }

    #[test]
    fn what_is_no_longer_used_fades() {
        let mut sketch = Sketch::default();
        (0..100).for_each(|_| add(&mut sketch, "old", false));
        sketch.pass(MEMORY_US);
        let before = sketch.hottest()[0].reads;
        sketch.pass(MEMORY_US);
        (0..100).for_each(|_| add(&mut sketch, "new", true));
        sketch.pass(MEMORY_US / 2);
        let after = sketch.hottest();
        let rate = |name: &str| after.iter().find(|key| key.key.to_string() == name).map(HotKey::requests);
        assert!(rate("new") > rate("old") && rate("old") < Some(before), "{after:?}");
        (0..20).for_each(|_| sketch.pass(MEMORY_US));
        assert!(sketch.is_empty());
    }
}
