//! Messages of the engine that local topics are taking over.

use std::sync::Arc;

use engine::Handle;
use net::Instant;
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
    /// Channels that dead letters were brought back to, until their ids are forgotten, and when the last
    /// letter came.
    pub letters: FxHashMap<Heir, Instant>,
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
        self.letters.retain(|(key, _), _| *key != topic);
    }

    /// Forgets the ids of letters that came before `since`, but for topics that take messages over in other
    /// ways.
    pub fn forget_letters(&mut self, since: Instant, is_home: impl Fn(TopicKey) -> bool) {
        let ids = &mut self.ids;
        self.letters.retain(|heir, last| {
            let keeps = *last >= since;
            if !keeps && !is_home(heir.0) {
                ids.remove(heir);
            }
            keeps
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_known_for_a_while_and_what_a_home_took_for_longer() {
        let keys = [1, 2, 3].map(|slot| TopicKey { slot, generation: 0 });
        let [old, home, new] = keys.map(|key| (key, None));
        let mut taking = Taking::default();
        for (heir, at) in [(old, 1), (home, 1), (new, 2)] {
            taking.ids.entry(heir).or_default().insert(7);
            taking.letters.insert(heir, Instant(at));
        }
        taking.forget_letters(Instant(2), |key| key == home.0);
        assert!(!taking.ids.contains_key(&old) && taking.ids.contains_key(&home));
        assert_eq!(taking.ids.len(), 2);
        assert_eq!(taking.letters.keys().collect::<Vec<_>>(), [&new]);
        taking.forget(new.0);
        assert!(taking.letters.is_empty() && !taking.ids.contains_key(&new));
    }
}
