//! Changes of lists, hashes, sets and sorted sets in place: type, room and account in one way.

use super::Store;
use crate::entry::{Entry, NEVER};
use crate::value::{Collection, Value};

/// Elements that a change may add, and their bytes together.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Room {
    pub(crate) elements: usize,
    pub(crate) bytes: usize,
}

impl Room {
    /// The room of these elements.
    pub(crate) fn of(elements: &[&[u8]]) -> Room {
        Room { elements: elements.len(), bytes: elements.iter().map(|element| element.len()).sum() }
    }
}

/// A change that did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EditFault {
    /// The key holds another type.
    WrongType,
    /// The value would exceed what fits under the limit.
    TooLarge,
}

impl Store {
    /// The collection of `key`, if it is there; counts as use.
    pub(crate) fn collection<C: Collection>(
        &mut self,
        key: &[u8],
        now_ms: u64,
    ) -> Result<Option<&C>, EditFault> {
        self.counters.gets += 1;
        let Some(at) = self.find(key, now_ms) else { return Ok(None) };
        self.counters.get_hits += 1;
        let entry = self.keyspace.at_mut(at);
        entry.note_use(now_ms);
        entry.value().and_then(C::of).map(Some).ok_or(EditFault::WrongType)
    }

    /// Changes the collection of `key`. If there is none, it is created first if `creates`, else nothing
    /// happens. An empty one is removed afterwards. `room` bounds what `change` adds.
    pub(crate) fn edit<C: Collection, R>(
        &mut self,
        key: &[u8],
        now_ms: u64,
        creates: bool,
        room: Room,
        change: impl FnOnce(&mut C) -> R,
    ) -> Result<Option<R>, EditFault> {
        match self.find(key, now_ms) {
            Some(at) => {
                let entry = self.keyspace.at(at);
                let collection = entry.value().and_then(C::of).ok_or(EditFault::WrongType)?;
                let growth =
                    if room.elements == 0 { 0 } else { collection.room_for(room.elements, room.bytes) };
                if entry.weight() + growth > self.bytes_max - self.bytes_max / 16 && room.elements > 0 {
                    return Err(EditFault::TooLarge);
                }
                if self.bytes + growth > self.bytes_max {
                    self.make_room(growth, key);
                }
            }
            None if creates => {
                let empty = C::default();
                let growth = empty.room_for(room.elements, room.bytes);
                if !self.fits(key.len(), growth) {
                    return Err(EditFault::TooLarge);
                }
                self.make_room(growth + key.len() + super::ENTRY_OVERHEAD_BYTES * 2, key);
                self.put_entry(Entry::with_value(key, empty.into_value(), NEVER, now_ms));
            }
            None => return Ok(None),
        }
        let Some(at) = self.keyspace.find(key) else { return Err(EditFault::TooLarge) };
        self.counters.sets += u64::from(room.elements > 0);
        self.keyspace.at_mut(at).note_use(now_ms);
        let (result, is_empty) = self
            .resize(at, |entry| {
                let collection = entry.value_mut().and_then(C::of_mut)?;
                let result = change(collection);
                Some((result, collection.count() == 0))
            })
            .ok_or(EditFault::WrongType)?;
        self.changed(key);
        if is_empty {
            self.take_at(at);
        }
        Ok(Some(result))
    }

    /// Puts a collection in the place of whatever `key` holds; an empty one removes it.
    pub(crate) fn replace<C: Collection>(
        &mut self,
        key: &[u8],
        collection: C,
        now_ms: u64,
    ) -> Result<(), EditFault> {
        if collection.count() == 0 {
            self.take(key, now_ms);
            return Ok(());
        }
        self.put_value(key, collection.into_value(), NEVER, now_ms).map_err(|_| EditFault::TooLarge)
    }

    /// The type of what `key` holds, by Redis' name.
    pub(crate) fn type_of(&mut self, key: &[u8], now_ms: u64) -> Option<&'static str> {
        Some(self.peek(key, now_ms)?.value().map_or("string", Value::type_name))
    }
}
