//! Eviction: which entries go when room is needed.
//!
//! ```text
//! memory is short: new ──▶ probation (a tenth of the limit, first in first out) ──unused──▶ evicted, remembered
//!                                     │used                                           │ came back
//!                                     ▼                                               ▼
//!                             main: a clock; each pass takes one use away, evicts those without
//! ```
//! After S3-FIFO: what is seen once does not push out what is used. While there is room, new entries go
//! straight to main. An entry counts up to three uses.

use super::Store;
use crate::events::Class;

/// The share of the limit below which new entries need no probation: 7/8.
const SHORT_NUM: usize = 7;
const SHORT_DEN: usize = 8;
/// Probation's share of the limit: a tenth.
const PROBATION_SHARE: usize = 10;
impl Store {
    /// True if an entry that comes now is on probation.
    pub(super) fn needs_probation(&self, hash: u32) -> bool {
        self.bytes > self.bytes_max / SHORT_DEN * SHORT_NUM && !self.eviction.was_evicted(hash)
    }

    /// Puts the entry of a key of this hash on probation.
    pub(super) fn begin_probation(&mut self, hash: u32, weight: usize) {
        self.eviction.probation.push_back(hash);
        self.eviction.probation_bytes += weight;
        // Those that have gone stay in the line, so it is kept short.
        while self.eviction.probation.len() > self.keyspace.len() / 4 + 64 {
            let Some(hash) = self.eviction.probation.pop_front() else { break };
            self.end_probation(hash);
        }
    }

    fn end_probation(&mut self, hash: u32) {
        if let Some(at) = self.keyspace.find_hash(hash, |entry| entry.on_probation) {
            let entry = self.keyspace.at_mut(at);
            entry.on_probation = false;
            let weight = entry.weight();
            self.eviction.left_probation(weight);
        }
    }

    /// Evicts entries other than that of `keep` until `wanted` more bytes are below the limit, or nothing is
    /// left.
    pub(super) fn make_room(&mut self, wanted: usize, keep: &[u8]) {
        while self.bytes + wanted > self.bytes_max {
            let line_is_long = self.eviction.probation_bytes > self.bytes_max / PROBATION_SHARE;
            let evicted = (line_is_long && self.evict_from_probation(keep))
                || self.evict_from_main(keep)
                || self.evict_from_probation(keep)
                // Those on probation that were used are in main now.
                || self.evict_from_main(keep);
            if !evicted {
                break;
            }
        }
    }

    /// Evicts the oldest unused entry on probation; used ones go to main.
    fn evict_from_probation(&mut self, keep: &[u8]) -> bool {
        while let Some(hash) = self.eviction.probation.pop_front() {
            let Some(at) = self.keyspace.find_hash(hash, |entry| entry.on_probation) else { continue };
            let entry = self.keyspace.at(at);
            if entry.uses > 0 || entry.key() == keep {
                self.end_probation(hash);
                continue;
            }
            self.eviction.remember(hash, self.bytes_max);
            self.evict(at);
            return true;
        }
        false
    }

    /// Evicts the first entry of main without uses. False if there is none, after some turns of the clock.
    fn evict_from_main(&mut self, keep: &[u8]) -> bool {
        let turns = usize::from(crate::entry::USES_MAX) + 2;
        for _ in 0..self.keyspace.len() * turns {
            if self.eviction.hand >= self.keyspace.len() {
                self.eviction.hand = 0;
            }
            let at = self.eviction.hand;
            self.eviction.hand += 1;
            let entry = self.keyspace.at_mut(at);
            if entry.on_probation {
                continue;
            }
            if entry.uses > 0 {
                entry.uses -= 1;
                continue;
            }
            if entry.key() != keep {
                self.evict(at);
                return true;
            }
        }
        false
    }

    fn evict(&mut self, at: usize) {
        self.counters.evicted += 1;
        let entry = self.take_at(at);
        if let Some(entry) = entry.filter(|_| self.tells()) {
            self.tell(Class::EVICTED, "evicted", entry.key());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::entry::NEVER;
    use crate::store::{Attributes, Store};

    #[test]
    fn used_entries_on_probation_make_room_when_there_are_no_others() {
        let mut store = Store::new(64 << 10);
        let forever = Attributes::until(NEVER);
        store.put(b"large", &vec![0; 58 << 10], forever, 0).expect("fits");
        for key in [b"a", b"b", b"c"] {
            store.put(key, &[0; 1000], forever, 0).expect("fits");
            store.read(key, 0, |entry| assert!(entry.is_some_and(|entry| entry.on_probation)));
        }
        store.remove(b"large", 0);
        store.make_room(63 << 10, b"a");
        assert!(store.bytes() <= 2 << 10, "{}", store.bytes());
    }

    /// A stream of keys by a Zipf-like law: the hit rate beside that of an ideal cache of the same size.
    #[test]
    fn what_is_used_stays_when_others_pass_once() {
        let mut store = Store::new(64 << 10);
        let value = [0u8; 50];
        let put = |store: &mut Store, key: String, now_ms| {
            let key = key.into_bytes();
            let hit = store.read(&key, now_ms, |entry| entry.is_some());
            if !hit {
                store.put(&key, &value, Attributes::until(NEVER), now_ms).expect("fits");
            }
            hit
        };
        let mut hits = 0;
        for round in 0..400 {
            for used in 0..100 {
                hits += usize::from(put(&mut store, format!("used{used}"), round));
            }
            for once in 0..100 {
                put(&mut store, format!("once{round}.{once}"), round);
            }
        }
        assert!(hits > 39_000, "{hits} of 40000");
        assert!(store.counters().evicted > 30_000);
    }
}
