//! Messages of the engine that local topics are taking over.

use std::sync::Arc;

use engine::Handle;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::registry::TopicKey;
use crate::request::Reply;
use crate::topic::ChannelKey;

/// A topic that takes messages: for one of its channels, or for all.
pub(super) type Heir = (TopicKey, Option<ChannelKey>);

/// Messages that are being taken over.
#[derive(Default)]
pub(super) struct Taking {
    /// Batches that are being written.
    pub batches: FxHashMap<u64, Batch>,
    /// Ids of messages that a channel has.
    pub ids: FxHashMap<Heir, FxHashSet<u64>>,
    /// Redrives that wait for letters, by the number of their task.
    pub orders: FxHashMap<u64, Order>,
}

/// Messages that are being written.
pub(super) struct Batch {
    pub heir: Heir,
    pub messages: Vec<(u64, Handle)>,
    pub order: Option<Order>,
}

/// A redrive of letters on the engine to a local topic.
pub(super) struct Order {
    pub topic: String,
    pub channel: String,
    pub letters: Arc<str>,
    pub left: usize,
    pub moved: u64,
    pub died: Option<std::ops::Range<i64>>,
    pub reply: Reply,
}

impl Taking {
    /// True while a batch for this topic is being written.
    pub fn is_writing(&self, topic: TopicKey) -> bool {
        self.batches.values().any(|batch| batch.heir.0 == topic)
    }

    /// Forgets what is known of a topic.
    pub fn forget(&mut self, topic: TopicKey) {
        self.ids.retain(|(key, _), _| *key != topic);
    }
}
