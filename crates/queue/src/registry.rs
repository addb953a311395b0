//! The topics of this shard, by name.

use std::ops::{Deref, DerefMut};

use rustc_hash::FxHashMap;

use crate::topic::Topic;
use crate::work_list::Mark;

/// Names a topic within its shard; a successor in the same slot has another generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicKey {
    /// Slot; small, dense, reused.
    pub slot: u32,
    generation: u32,
}

#[derive(Debug)]
struct Slot<W> {
    generation: u32,
    topic: Option<Box<Entry<W>>>,
}

/// A topic with the marks of the queue.
#[derive(Debug)]
pub struct Entry<W> {
    topic: Topic<W>,
    /// Marks of the queue, of which the topic knows nothing.
    pub notes: TopicNotes,
}

/// Marks of the queue on a topic.
#[derive(Debug, Default)]
pub struct TopicNotes {
    /// It stands in the list of topics to commit.
    pub dirty: Mark,
    /// It stands in the list of topics whose events are to be written soon.
    pub lazy: Mark,
    /// It stands in the list of topics that were written to since their last checkpoint.
    pub written: Mark,
    /// It stands in the list of topics whose writes are to be tried again.
    pub unwritten: Mark,
    /// It stands in the list of topics in memory that may have messages to release.
    pub to_release: Mark,
    /// Descriptors of its journal, as they were counted.
    pub descriptors: usize,
    /// FIN and REQ since events were last written.
    pub events: u32,
    /// Turn in which it came into the list of journals with an open file; 0 if it is not there.
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
    /// Number of them.
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

    /// Takes a topic out.
    pub fn remove(&mut self, key: TopicKey) -> Option<Entry<W>> {
        let entry =
            self.slots.get_mut(key.slot as usize).filter(|entry| entry.generation == key.generation)?;
        let topic = entry.topic.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.slot);
        self.names.remove(&topic.name);
        Some(*topic)
    }

    /// A topic by name.
    #[inline]
    pub fn find(&self, name: &str) -> Option<TopicKey> {
        let &slot = self.names.get(name)?;
        Some(TopicKey { slot, generation: self.slots[slot as usize].generation })
    }

    /// A topic, if it is still there.
    #[inline]
    pub fn get(&self, key: TopicKey) -> Option<&Entry<W>> {
        let entry = self.slots.get(key.slot as usize)?;
        if entry.generation == key.generation { entry.topic.as_deref() } else { None }
    }

    /// A topic, if it is still there.
    #[inline]
    pub fn get_mut(&mut self, key: TopicKey) -> Option<&mut Entry<W>> {
        let entry = self.slots.get_mut(key.slot as usize)?;
        if entry.generation == key.generation { entry.topic.as_deref_mut() } else { None }
    }

    /// Takes a topic out of its place for a moment, so that the rest can be changed along with it. It must be
    /// [restored](Registry::restore).
    pub fn take(&mut self, key: TopicKey) -> Option<Box<Entry<W>>> {
        let entry = self.slots.get_mut(key.slot as usize)?;
        if entry.generation == key.generation { entry.topic.take() } else { None }
    }

    /// Puts back what was taken.
    pub fn restore(&mut self, key: TopicKey, topic: Box<Entry<W>>) {
        self.slots[key.slot as usize].topic = Some(topic);
    }

    /// Whoever holds this slot now.
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
