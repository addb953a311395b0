//! Storage for values that come and go at run time: dense, reused, and safe against stale keys.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

use crate::keys::Key;

/// Values by keys of type `K`. [`Slab::get`] is for keys that may be stale: those of timers and mail.
/// `slab[key]` is for keys whose owner goes before the value.
#[derive(Debug)]
pub(crate) struct Slab<K, T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    keys: PhantomData<K>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<K: Key, T> Slab<K, T> {
    pub(crate) fn new() -> Slab<K, T> {
        Slab { slots: Vec::new(), free: Vec::new(), keys: PhantomData }
    }

    /// Adds a value made from its key; None if no key is left.
    pub(crate) fn insert_with(&mut self, make: impl FnOnce(K) -> T) -> Option<K> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.slots.len()).ok().filter(|index| *index < K::INDEX_END)?;
                self.slots.push(Slot { generation: 0, value: None });
                index
            }
        };
        let slot = &mut self.slots[index as usize];
        let key = K::new(index, slot.generation);
        slot.value = Some(make(key));
        Some(key)
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<T> {
        let slot = self.slots.get_mut(key.index() as usize)?;
        if slot.generation != key.generation() {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = (slot.generation + 1) % K::GENERATION_END;
        self.free.push(key.index());
        Some(value)
    }

    #[inline]
    pub(crate) fn get(&self, key: K) -> Option<&T> {
        match self.slots.get(key.index() as usize) {
            Some(slot) if slot.generation == key.generation() => slot.value.as_ref(),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut T> {
        match self.slots.get_mut(key.index() as usize) {
            Some(slot) if slot.generation == key.generation() => slot.value.as_mut(),
            _ => None,
        }
    }

    /// Items, in the order of indices.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        let slots = (0u32..).zip(&self.slots);
        slots.filter_map(|(index, slot)| Some((K::new(index, slot.generation), slot.value.as_ref()?)))
    }

    /// Items that may be changed, in the order of indices.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut T)> {
        let slots = (0u32..).zip(&mut self.slots);
        slots.filter_map(|(index, slot)| Some((K::new(index, slot.generation), slot.value.as_mut()?)))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.value.as_ref())
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|slot| slot.value.as_mut())
    }
}

impl<K: Key, T> Index<K> for Slab<K, T> {
    type Output = T;

    #[inline]
    fn index(&self, key: K) -> &T {
        match self.get(key) {
            Some(value) => value,
            None => stale(),
        }
    }
}

impl<K: Key, T> IndexMut<K> for Slab<K, T> {
    #[inline]
    fn index_mut(&mut self, key: K) -> &mut T {
        match self.get_mut(key) {
            Some(value) => value,
            None => stale(),
        }
    }
}

#[cold]
#[inline(never)]
fn stale() -> ! {
    panic!("a key whose owner should have gone before what it names")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::PoolKey;

    #[test]
    fn stale_keys_find_nothing() {
        let mut slab: Slab<PoolKey, &str> = Slab::new();
        let first = slab.insert_with(|_| "first").unwrap();
        let other = slab.insert_with(|_| "other").unwrap();
        assert_eq!(slab.remove(first), Some("first"));
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        let second = slab.insert_with(|_| "second").unwrap();
        assert_eq!((second.index(), second == first), (first.index(), false));
        assert_eq!((slab.get(first), slab[second], slab[other]), (None, "second", "other"));
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.iter().collect::<Vec<_>>(), [(second, &"second"), (other, &"other")]);
        assert_eq!(slab.values().count(), 2);
    }

    #[test]
    fn there_are_no_more_keys_than_the_type_has() {
        let mut slab: Slab<PoolKey, ()> = Slab::new();
        for _ in 0..1 << 16 {
            slab.insert_with(|_| ()).unwrap();
        }
        assert_eq!(slab.insert_with(|_| ()), None);
        let last = PoolKey::new(65_535, 0);
        slab.remove(last).unwrap();
        assert_eq!(slab.insert_with(|_| ()), Some(PoolKey::new(65_535, 1)));
    }

    #[test]
    fn generations_begin_anew_after_the_last() {
        let mut slab: Slab<PoolKey, ()> = Slab::new();
        for generation in (0..1 << 16).chain([0]) {
            let key = slab.insert_with(|_| ()).unwrap();
            assert_eq!(key.generation(), generation);
            slab.remove(key).unwrap();
        }
    }
}
