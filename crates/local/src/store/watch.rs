//! Watched keys: what `WATCH` remembers, and which changes it and waiting commands learn of.
//!
//! Only keys that somebody watches or waits for are noted, so that others cost one look at an empty map.

use super::Store;
use crate::watches::Watches;

impl Store {
    /// Begins to watch a key; returns its version. Each call is ended by one of [`Store::unwatch`].
    pub fn watch(&mut self, key: &[u8], now_ms: u64) -> u64 {
        self.find(key, now_ms);
        let watched = self.watches.keys.entry(key.into()).or_default();
        watched.watchers += 1;
        watched.version
    }

    /// Ends watching a key; false if it has changed since it had that version, or expired.
    pub fn unwatch(&mut self, key: &[u8], version: u64, now_ms: u64) -> bool {
        self.find(key, now_ms);
        let Some(watched) = self.watches.keys.get_mut(key) else { return false };
        let is_same = watched.version == version;
        watched.watchers = watched.watchers.saturating_sub(1);
        self.forget_if_unwatched(key);
        is_same
    }

    /// Begins to wait for a key: a change makes it [ready](Store::take_ready). Each call is ended by one of
    /// [`Store::stop_waiting`].
    pub fn wait_for(&mut self, key: &[u8]) {
        self.watches.keys.entry(key.into()).or_default().waiting += 1;
    }

    /// Ends waiting for a key.
    pub fn stop_waiting(&mut self, key: &[u8]) {
        if let Some(watched) = self.watches.keys.get_mut(key) {
            watched.waiting = watched.waiting.saturating_sub(1);
        }
        self.forget_if_unwatched(key);
    }

    /// True if a key holds a list.
    pub fn holds_list(&mut self, key: &[u8], now_ms: u64) -> bool {
        self.type_of(key, now_ms) == Some("list")
    }

    /// True if somebody watches or waits for a key.
    pub fn is_watched(&self) -> bool {
        !self.watches.keys.is_empty()
    }

    /// True if a key that somebody waits for has changed.
    pub fn has_ready(&self) -> bool {
        !self.watches.ready.is_empty()
    }

    /// The keys that have changed and that somebody waits for, in the order of their changes.
    pub fn take_ready(&mut self) -> Vec<Box<[u8]>> {
        std::mem::take(&mut self.watches.ready)
    }

    fn forget_if_unwatched(&mut self, key: &[u8]) {
        if self.watches.keys.get(key).is_some_and(|watched| watched.watchers + watched.waiting == 0) {
            self.watches.keys.remove(key);
        }
    }

    /// Notes that a key has changed.
    #[inline]
    pub(super) fn changed(&mut self, key: &[u8]) {
        if !self.watches.keys.is_empty() {
            self.note_change(key);
        }
    }

    #[cold]
    fn note_change(&mut self, key: &[u8]) {
        let Watches { keys, last, ready } = &mut self.watches;
        if let Some(watched) = keys.get_mut(key) {
            *last += 1;
            watched.version = *last;
            if watched.waiting > 0 && ready.last().is_none_or(|newest| **newest != *key) {
                ready.push(key.into());
            }
        }
    }

    /// Notes that every key has changed that is there.
    pub(super) fn changed_all(&mut self) {
        if self.watches.keys.is_empty() {
            return;
        }
        let keys: Vec<Box<[u8]>> = self.watches.keys.keys().cloned().collect();
        for key in keys {
            if self.keyspace.find(&key).is_some() {
                self.note_change(&key);
            }
        }
    }
}
