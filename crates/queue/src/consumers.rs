//! The consumers of one channel, and the order of their turns.
//!
//! RDY is a window: a consumer gets messages while it has fewer in flight than its RDY. Consumers with room
//! take turns in a ring, one message each, so that load is even and ten thousand consumers that want nothing
//! cost nothing. A consumer leaves the ring when its turn comes and it cannot take a message.
//!
//! There is a ring for each [`Nearness`]. The nearest consumer with room gets the message, so that traffic
//! crosses zones only when the consumers in the daemon's zone are busy; this is nsqd's experiment
//! `topology-aware-consumption`. Without it all consumers share one ring.

use std::collections::VecDeque;
use std::time::Duration;

use net::{ConnId, Instant};

use crate::in_flight::Line;

/// Names a consumer within its channel; a successor in the same slot has another generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerKey {
    /// Slot; small, dense, reused.
    pub slot: u32,
    generation: u32,
}

/// Distance of a consumer, by the region and zone that it reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nearness {
    /// In the daemon's zone.
    Zone,
    /// In its region.
    Region,
    /// Somewhere else, or it does not matter.
    #[default]
    Elsewhere,
}

/// Terms of delivery to a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Its connection.
    pub conn: ConnId,
    /// Time it may keep a message.
    pub timeout: Duration,
    /// Longest time it may keep a message with TOUCH.
    pub timeout_max: Duration,
    /// Percent of the messages that it wants, 1 to 99; 0 for all.
    pub sample_rate: u8,
    /// Distance; nearer consumers come first.
    pub nearness: Nearness,
}

/// One consumer.
#[derive(Debug)]
pub struct Consumer {
    /// See [`Terms`].
    pub terms: Terms,
    /// Last RDY.
    pub ready: u32,
    /// Messages handed over and not answered yet.
    pub in_flight: u32,
    /// Its flights in order of deadline.
    pub line: Line,
    /// After CLS: it gets nothing more.
    pub closing: bool,
    /// Its connection is at its limit of unsent output.
    pub blocked: bool,
    /// Its entry in the channel's list of deadlines: not later than its first flight's. Entries with another
    /// time are void.
    pub armed: Option<Instant>,
    /// Messages handed over.
    pub delivered: u64,
    /// Messages it finished.
    pub finished: u64,
    /// Messages it requeued.
    pub requeued: u64,
    in_ring: bool,
}

impl Consumer {
    /// True if it can take the next message.
    #[inline]
    pub fn can_take(&self) -> bool {
        self.in_flight < self.ready && !self.closing && !self.blocked
    }
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    consumer: Option<Consumer>,
}

/// All consumers of a channel.
#[derive(Debug, Default)]
pub struct Consumers {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// By nearness.
    rings: [VecDeque<ConsumerKey>; 3],
    count: usize,
}

impl Consumers {
    /// Number of consumers.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Sets how long consumers may keep a message with TOUCH.
    pub fn set_timeout_max(&mut self, timeout_max: Duration) {
        for consumer in self.slots.iter_mut().filter_map(|slot| slot.consumer.as_mut()) {
            consumer.terms.timeout_max = timeout_max;
        }
    }

    /// Adds a consumer, whose RDY is 0.
    pub fn insert(&mut self, terms: Terms) -> ConsumerKey {
        let consumer = Some(Consumer {
            terms,
            ready: 0,
            in_flight: 0,
            line: Line::default(),
            closing: false,
            blocked: false,
            armed: None,
            delivered: 0,
            finished: 0,
            requeued: 0,
            in_ring: false,
        });
        self.count += 1;
        match self.free.pop() {
            Some(slot) => {
                let entry = &mut self.slots[slot as usize];
                entry.consumer = consumer;
                ConsumerKey { slot, generation: entry.generation }
            }
            None => {
                if self.slots.is_empty() {
                    // By default a vector allocates room for four, and many channels have one consumer.
                    self.slots.reserve_exact(1);
                }
                self.slots.push(Slot { generation: 0, consumer });
                ConsumerKey { slot: (self.slots.len() - 1) as u32, generation: 0 }
            }
        }
    }

    /// Removes a consumer. The caller must return its flights first.
    pub fn remove(&mut self, key: ConsumerKey) -> Option<Consumer> {
        let entry =
            self.slots.get_mut(key.slot as usize).filter(|entry| entry.generation == key.generation)?;
        let consumer = entry.consumer.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.slot);
        self.count -= 1;
        Some(consumer)
    }

    /// A consumer, if it still exists.
    #[inline]
    pub fn get(&self, key: ConsumerKey) -> Option<&Consumer> {
        let entry = self.slots.get(key.slot as usize)?;
        if entry.generation == key.generation { entry.consumer.as_ref() } else { None }
    }

    /// A consumer, if it still exists.
    #[inline]
    pub fn get_mut(&mut self, key: ConsumerKey) -> Option<&mut Consumer> {
        let entry = self.slots.get_mut(key.slot as usize)?;
        if entry.generation == key.generation { entry.consumer.as_mut() } else { None }
    }

    /// Adds a consumer to the ring if it can take a message and is not in it. Must be called after any change
    /// that may let it take one.
    #[inline]
    pub fn refresh(&mut self, key: ConsumerKey) {
        if let Some(consumer) = self.get_mut(key)
            && consumer.can_take()
            && !consumer.in_ring
        {
            consumer.in_ring = true;
            let nearness = consumer.terms.nearness as usize;
            self.rings[nearness].push_back(key);
        }
    }

    /// The next consumer in turn, which moves to the end of its ring.
    #[inline]
    pub fn next_in_turn(&mut self) -> Option<ConsumerKey> {
        for ring in 0..self.rings.len() {
            while let Some(key) = self.rings[ring].pop_front() {
                let Some(consumer) = self.get_mut(key) else { continue };
                if consumer.can_take() {
                    self.rings[ring].push_back(key);
                    return Some(key);
                }
                consumer.in_ring = false;
            }
        }
        None
    }

    /// True if a consumer may be waiting for a message; false positives are possible.
    #[inline]
    pub fn may_take(&self) -> bool {
        self.rings.iter().any(|ring| !ring.is_empty())
    }

    /// All consumers, in order of slot.
    pub fn iter(&self) -> impl Iterator<Item = (ConsumerKey, &Consumer)> {
        self.slots.iter().enumerate().filter_map(|(slot, entry)| {
            let key = ConsumerKey { slot: slot as u32, generation: entry.generation };
            entry.consumer.as_ref().map(|consumer| (key, consumer))
        })
    }

    /// All consumers, mutably. The rings are not updated.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Consumer> {
        self.slots.iter_mut().filter_map(|entry| entry.consumer.as_mut())
    }

    /// The key of the consumer that is in this slot now.
    #[inline]
    pub fn key_of(&self, slot: u32) -> Option<ConsumerKey> {
        let entry = self.slots.get(slot as usize)?;
        entry.consumer.as_ref().map(|_| ConsumerKey { slot, generation: entry.generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(index: u32) -> Terms {
        Terms {
            conn: ConnId { index, generation: 0 },
            timeout: Duration::from_mins(1),
            timeout_max: Duration::from_mins(15),
            sample_rate: 0,
            nearness: Nearness::Elsewhere,
        }
    }

    #[test]
    fn the_nearest_come_first_while_they_can_take_more() {
        let mut consumers = Consumers::default();
        for (n, nearness) in
            [Nearness::Elsewhere, Nearness::Region, Nearness::Zone, Nearness::Zone].into_iter().enumerate()
        {
            let key = consumers.insert(Terms { nearness, ..terms(n as u32) });
            consumers.get_mut(key).unwrap().ready = 2;
            consumers.refresh(key);
        }
        let mut turns = Vec::new();
        while let Some(key) = consumers.next_in_turn() {
            consumers.get_mut(key).unwrap().in_flight += 1;
            turns.push(key.slot);
        }
        assert_eq!(turns, [2, 3, 2, 3, 1, 1, 0, 0]);
    }

    #[test]
    fn consumers_take_turns_and_leave_when_full() {
        let mut consumers = Consumers::default();
        let keys: Vec<_> = (0..3).map(|n| consumers.insert(terms(n))).collect();
        assert_eq!(consumers.next_in_turn(), None);
        for (key, ready) in keys.iter().zip([2, 1, 0]) {
            consumers.get_mut(*key).unwrap().ready = ready;
            consumers.refresh(*key);
            consumers.refresh(*key);
        }
        let mut turns = Vec::new();
        while let Some(key) = consumers.next_in_turn() {
            consumers.get_mut(key).unwrap().in_flight += 1;
            turns.push(key.slot);
        }
        assert_eq!(turns, [0, 1, 0]);
        assert!(!consumers.may_take());
    }

    #[test]
    fn a_key_of_one_that_left_is_dead() {
        let mut consumers = Consumers::default();
        let old = consumers.insert(terms(1));
        consumers.get_mut(old).unwrap().ready = 1;
        consumers.refresh(old);
        assert!(consumers.remove(old).is_some());
        assert!(consumers.remove(old).is_none());
        let new = consumers.insert(terms(2));
        assert_eq!(new.slot, old.slot);
        assert!(consumers.get(old).is_none());
        assert_eq!(consumers.next_in_turn(), None, "the ring holds only the dead key");
        assert_eq!(consumers.key_of(new.slot), Some(new));
        assert_eq!(consumers.len(), 1);
    }
}
