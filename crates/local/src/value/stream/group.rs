//! A group of consumers of a stream: what was delivered, to whom, and what is not acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Id;

/// Bytes counted for an entry that is not acknowledged: its places in two trees.
pub(crate) const PENDING_BYTES: usize = 128;
/// Bytes counted for a consumer and its name, and for a group.
const CONSUMER_BYTES: usize = 160;
const GROUP_BYTES: usize = 192;

/// A group.
#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    /// The last id delivered.
    pub(crate) last: Id,
    /// Number of entries of the stream up to it, if that is known.
    pub(crate) read: Option<u64>,
    pending: BTreeMap<Id, Pending>,
    consumers: BTreeMap<Arc<[u8]>, Consumer>,
    name_bytes: usize,
}

/// An entry that was delivered and not acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) consumer: Arc<[u8]>,
    pub(crate) delivered_ms: u64,
    pub(crate) deliveries: u64,
}

/// A consumer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Consumer {
    /// Time of its last request.
    pub(crate) seen_ms: u64,
    pub(crate) pending: BTreeSet<Id>,
}

impl Group {
    /// A group that begins after an id.
    pub(crate) fn new(last: Id, read: Option<u64>) -> Group {
        Group { last, read, ..Group::default() }
    }

    /// Bytes counted.
    pub(crate) fn bytes(&self) -> usize {
        GROUP_BYTES
            + self.pending.len() * PENDING_BYTES
            + self.consumers.len() * CONSUMER_BYTES
            + self.name_bytes
    }

    /// Entries that are not acknowledged.
    pub(crate) fn pending(&self) -> &BTreeMap<Id, Pending> {
        &self.pending
    }

    /// An entry that is not acknowledged, to change its time and its count.
    pub(crate) fn pending_mut(&mut self, id: Id) -> Option<&mut Pending> {
        self.pending.get_mut(&id)
    }

    /// The consumers, by name.
    pub(crate) fn consumers(&self) -> &BTreeMap<Arc<[u8]>, Consumer> {
        &self.consumers
    }

    /// The name of a consumer as the group has it; it is added if it is new, and was seen now.
    pub(crate) fn consumer(&mut self, name: &[u8], now_ms: u64) -> Arc<[u8]> {
        if let Some((known, _)) = self.consumers.get_key_value(name) {
            let known = Arc::clone(known);
            self.see(name, now_ms);
            return known;
        }
        let name: Arc<[u8]> = name.into();
        self.name_bytes += name.len();
        self.consumers.insert(Arc::clone(&name), Consumer { seen_ms: now_ms, pending: BTreeSet::new() });
        name
    }

    /// Notes that a consumer, if there is one of this name, was seen.
    pub(crate) fn see(&mut self, name: &[u8], now_ms: u64) {
        if let Some(consumer) = self.consumers.get_mut(name) {
            consumer.seen_ms = now_ms;
        }
    }

    /// Removes a consumer and what it has not acknowledged, whose number is returned; None if there is none.
    pub(crate) fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let consumer = self.consumers.remove(name)?;
        self.name_bytes -= name.len();
        consumer.pending.iter().for_each(|id| drop(self.pending.remove(id)));
        Some(consumer.pending.len())
    }

    /// Gives an entry to a consumer of the group, whoever had it.
    pub(crate) fn give(&mut self, id: Id, consumer: &Arc<[u8]>, delivered_ms: u64, deliveries: u64) {
        let pending = Pending { consumer: Arc::clone(consumer), delivered_ms, deliveries };
        if let Some(before) = self.pending.insert(id, pending)
            && let Some(former) = self.consumers.get_mut(&before.consumer)
        {
            former.pending.remove(&id);
        }
        if let Some(own) = self.consumers.get_mut(consumer) {
            own.pending.insert(id);
        }
    }

    /// Forgets an entry that was delivered; false if it was not, or is acknowledged.
    pub(crate) fn forget(&mut self, id: Id) -> bool {
        let Some(pending) = self.pending.remove(&id) else { return false };
        if let Some(consumer) = self.consumers.get_mut(&pending.consumer) {
            consumer.pending.remove(&id);
        }
        true
    }
}
