//! Stale producers and names: known from a snapshot, and not registered again.

use rustc_hash::{FxHashMap, FxHashSet};
use wire::nsq::lookup::Node;

use super::producer::ProducerKey;
use super::tables::TopicId;

/// Stale producers and names.
#[derive(Debug, Default)]
pub(super) struct Restored {
    /// Stale producers by the address of their node.
    pub(super) by_address: FxHashMap<(String, i64), ProducerKey>,
    /// Topics known only from the snapshot.
    pub(super) topics: FxHashSet<TopicId>,
    /// Stale producers whose nodes are back.
    pub(super) returned: FxHashSet<ProducerKey>,
}

impl Restored {
    /// Keeps a topic beyond the snapshot, because it was registered, created or deleted.
    pub(super) fn settle(&mut self, topic: TopicId) {
        self.topics.remove(&topic);
    }

    /// The stale producer of a node that has reconnected.
    pub(super) fn predecessor(&mut self, node: &Node) -> Option<ProducerKey> {
        if self.by_address.is_empty() {
            return None;
        }
        let predecessor = self.by_address.get(&(node.broadcast_address.clone(), node.tcp_port)).copied()?;
        self.returned.insert(predecessor);
        Some(predecessor)
    }
}
