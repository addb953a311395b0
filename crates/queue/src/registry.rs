//! The topics of this shard, by name.

use std::ops::{Deref, DerefMut};

use rustc_hash::FxHashMap;

use crate::topic::Topic;
use crate::work_list::Mark;

/// Key of a topic within its shard; the next topic in the same slot has another generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicKey {
    /// Slot; small, dense, reused.
    pub slot: u32,
    pub(crate) generation: u32,
}

#[derive(Debug)]
struct Slot<W> {
    generation: u32,
    topic: Option<Box<Entry<W>>>,
}

/// A topic with the queue's bookkeeping.
#[derive(Debug)]
pub struct Entry<W> {
    topic: Topic<W>,
    /// Bookkeeping of the queue, unknown to the topic.
    pub notes: TopicNotes,
}

/// Bookkeeping of the queue for a topic.
#[derive(Debug, Default)]
pub struct TopicNotes {
    /// In the list of topics to commit.
    pub dirty: Mark,
    /// In the list of topics whose events are to be written soon.
    pub lazy: Mark,
    /// In the list of topics written since their last checkpoint.
    pub written: Mark,
    /// In the list of topics whose writes are to be retried.
    pub unwritten: Mark,
    /// In the list of topics in memory that may have messages to release.
    pub to_release: Mark,
    /// Descriptors of its journal when last counted.
    pub descriptors: usize,
    /// FIN and REQ since events were last written.
    pub events: u32,
    /// Turn in which it entered the list of journals with open files; 0 if it is not listed.
    pub opened: u64,
    /// Turn in which it was last written to.
    pub last_used: u64,
}

impl<W> Deref for Entry<W> {
    type Target = Topic<W>;

    #[inline]
    fn deref(&self) -> &Topic<W> {
        &self.topic
    }
}

impl<W> DerefMut for Entry<W> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Topic<W> {
        &mut self.topic
    }
}

/// All topics.
#[derive(Debug)]
pub struct Registry<W> {
    slots: Vec<Slot<W>>,
    free: Vec<u32>,
    names: FxHashMap<String, u32>,
}

impl<W> Default for Registry<W> {
    fn default() -> Self {
        Registry { slots: Vec::new(), free: Vec::new(), names: FxHashMap::default() }
    }
}

impl<W> Registry<W> {
    /// Number of topics.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Adds a topic; its name must be new.
    pub fn insert(&mut self, topic: Topic<W>) -> TopicKey {
        let name = topic.name.clone();
        let entry = Box::new(Entry { topic, notes: TopicNotes::default() });
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize].topic = Some(entry);
                slot
            }
            None => {
                self.slots.push(Slot { generation: 0, topic: Some(entry) });
                (self.slots.len() - 1) as u32
            }
        };
        self.names.insert(name, slot);
        TopicKey { slot, generation: self.slots[slot as usize].generation }
    }

    /// Removes a topic.
    pub fn remove(&mut self, key: TopicKey) -> Option<Entry<W>> {
        let entry =
            self.slots.get_mut(key.slot as usize).filter(|entry| entry.generation == key.generation)?;
        let topic = entry.topic.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.slot);
        self.names.remove(&topic.name);
        Some(*topic)
    }

    /// Gives a topic another name, which must be new. Its files keep theirs.
    pub fn rename(&mut self, key: TopicKey, name: &str) {
        let Some(topic) = self.get_mut(key) else { return };
        let old = std::mem::replace(&mut topic.name, name.to_owned());
        self.names.remove(&old);
        self.names.insert(name.to_owned(), key.slot);
    }

    /// A topic by name.
    #[inline]
    pub fn find(&self, name: &str) -> Option<TopicKey> {
        let &slot = self.names.get(name)?;
        Some(TopicKey { slot, generation: self.slots[slot as usize].generation })
    }

    /// A topic, if it still exists.
    #[inline]
    pub fn get(&self, key: TopicKey) -> Option<&Entry<W>> {
        let entry = self.slots.get(key.slot as usize)?;
        if entry.generation == key.generation { entry.topic.as_deref() } else { None }
    }

    /// A topic, if it still exists.
    #[inline]
    pub fn get_mut(&mut self, key: TopicKey) -> Option<&mut Entry<W>> {
        let entry = self.slots.get_mut(key.slot as usize)?;
        if entry.generation == key.generation { entry.topic.as_deref_mut() } else { None }
    }

    /// Takes a topic out temporarily, so that the rest can be changed along with it. It must be
    /// [restored](Registry::restore).
    pub fn take(&mut self, key: TopicKey) -> Option<Box<Entry<W>>> {
        let entry = self.slots.get_mut(key.slot as usize)?;
        if entry.generation == key.generation { entry.topic.take() } else { None }
    }

    /// Puts back a topic that was taken out.
    pub fn restore(&mut self, key: TopicKey, topic: Box<Entry<W>>) {
        self.slots[key.slot as usize].topic = Some(topic);
    }

    /// Key of the topic in this slot.
    pub fn key_of(&self, slot: u32) -> Option<TopicKey> {
        let entry = self.slots.get(slot as usize)?;
        entry.topic.as_ref().map(|_| TopicKey { slot, generation: entry.generation })
    }

    /// The keys of all topics, in order of slot.
    pub fn keys(&self) -> Vec<TopicKey> {
        (0..self.slots.len() as u32).filter_map(|slot| self.key_of(slot)).collect()
    }

    /// All topics, in order of slot.
    pub fn iter(&self) -> impl Iterator<Item = (TopicKey, &Entry<W>)> {
        self.slots.iter().enumerate().filter_map(|(slot, entry)| {
            let key = TopicKey { slot: slot as u32, generation: entry.generation };
            entry.topic.as_deref().map(|topic| (key, topic))
        })
    }
}
