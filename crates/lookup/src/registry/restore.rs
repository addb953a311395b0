//! Registrations restored from a snapshot: stale until the nodes have registered again or time is up.
//!
//! A stale producer has its saved registrations. When the same node (by address and TCP port) connects and
//! registers a topic, the stale producer loses that topic, so that no node is listed twice and no topic is
//! without producers in between. A tombstone moves to the new producer. When time is up, stale producers are
//! removed, with the names that no node has registered by then.

use rustc_hash::FxHashMap;

use super::Registry;
use super::producer::ProducerKey;
use super::tables::{Topic, TopicId};
use crate::snapshot::{SavedNode, SavedTopic};

impl Registry {
    /// Registers the nodes of a snapshot, at `now`; those beyond a limit are left out.
    pub fn restore(&mut self, nodes: &[SavedNode], now: i64) {
        for saved in nodes {
            let node = saved.node();
            let address = (node.broadcast_address.clone(), node.tcp_port);
            // A node on two connections becomes one stale producer.
            let key = self.restored.by_address.get(&address).copied().unwrap_or_else(|| {
                let key = self.insert_producer(saved.remote.clone(), node, now, true);
                self.restored.by_address.insert(address, key);
                key
            });
            for topic in &saved.topics {
                let known = self.tables.topic(&topic.name).is_some();
                let channels = topic.channels.iter().map(Some);
                for channel in channels.chain([None]) {
                    let _ = self.register(key, &topic.name, channel.map(String::as_str));
                }
                let Some(id) = self.tables.topic(&topic.name) else { continue };
                if !known {
                    self.restored.topics.insert(id);
                }
                if let Some(tombstone) = self.tables.topic_mut(id).producers.get_mut(&key) {
                    *tombstone = topic.tombstoned_at;
                }
            }
        }
    }

    /// Forgets every restored producer and name that no node has registered again.
    pub fn forget_restored(&mut self) {
        let restored = std::mem::take(&mut self.restored);
        for key in restored.by_address.into_values() {
            self.remove_producer(key);
        }
        for id in restored.topics {
            for channel in self.tables.channels_of(id) {
                if self.tables.get_channel(channel).is_some_and(|channel| channel.producers.is_empty()) {
                    self.tables.remove_channel(channel);
                }
            }
            let idle = |topic: &Topic| topic.producers.is_empty() && topic.channels.is_empty();
            if self.tables.get(id).is_some_and(idle) {
                self.tables.remove_topic(id);
            }
        }
    }

    /// Number of remaining stale producers.
    pub fn stale(&self) -> usize {
        self.restored.by_address.len()
    }

    /// The next nodes after `after` for a snapshot, and the key to continue from; `None` at the end.
    pub fn saved(
        &self,
        after: Option<ProducerKey>,
        nodes_max: usize,
    ) -> (Vec<SavedNode>, Option<ProducerKey>) {
        let later = |key: &ProducerKey| after.is_none_or(|after| *key > after);
        let mut keys: Vec<ProducerKey> = self.producers.keys().copied().filter(later).collect();
        let more = keys.len() > nodes_max;
        if more {
            keys.select_nth_unstable(nodes_max);
            keys.truncate(nodes_max);
        }
        keys.sort_unstable();
        let last = keys.last().copied().filter(|_| more);
        (keys.into_iter().filter_map(|key| self.saved_node(key)).collect(), last)
    }

    fn saved_node(&self, key: ProducerKey) -> Option<SavedNode> {
        let known = self.producers.get(&key)?;
        let mut channels: FxHashMap<TopicId, Vec<String>> = FxHashMap::default();
        for channel in known.channels.iter().filter_map(|id| self.tables.get_channel(*id)) {
            channels.entry(channel.topic).or_default().push(channel.name.to_string());
        }
        let topics = known.topics.iter().filter_map(|id| {
            let topic = self.tables.get(*id)?;
            let mut channels = channels.remove(id).unwrap_or_default();
            channels.sort_unstable();
            let tombstoned_at = topic.producers.get(&key).copied().flatten();
            Some(SavedTopic { name: topic.name.to_string(), tombstoned_at, channels })
        });
        let mut topics: Vec<SavedTopic> = topics.collect();
        topics.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Some(SavedNode::new(&known.producer.remote, &known.producer.node, topics))
    }
}

#[cfg(test)]
mod tests {
    use wire::nsq::lookup::Node;

    use super::super::Lifetimes;
    use super::*;

    fn node(port: i64) -> Node {
        Node {
            broadcast_address: "h".into(),
            tcp_port: port,
            http_port: port + 1,
            version: "1".into(),
            ..Node::default()
        }
    }

    /// A registry of two nodes, restored after a restart.
    fn restored() -> Registry {
        let mut before = Registry::default();
        for port in [1, 3] {
            let key = before.add_producer(format!("r:{port}"), node(port), 0);
            before.register(key, "t", Some("c")).unwrap();
            before.register(key, "u", None).unwrap();
        }
        before.tombstone("u", "h:2", 7);
        let (nodes, more) = before.saved(None, 10);
        assert_eq!((nodes.len(), more), (2, None));
        let mut after = Registry::default();
        after.restore(&nodes, 100);
        after
    }

    fn found(registry: &Registry, topic: &str) -> Option<Vec<(i64, bool)>> {
        let found = registry.lookup(topic, 100, Lifetimes::default())?;
        let mut all: Vec<_> = found.producers.iter().map(|p| (p.node.tcp_port, p.stale)).collect();
        all.sort_unstable();
        Some(all)
    }

    #[test]
    fn a_restart_answers_from_the_snapshot_and_forgets_it_in_time() {
        let mut registry = restored();
        assert_eq!(found(&registry, "t"), Some(vec![(1, true), (3, true)]));
        assert_eq!(found(&registry, "u"), Some(vec![(3, true)]), "the tombstone was kept");
        assert_eq!(registry.stale(), 2);
        registry.forget_restored();
        assert_eq!((found(&registry, "t"), registry.stale()), (None, 0));
        assert_eq!(registry.counts(), (0, 0, 0));
    }

    #[test]
    fn a_node_that_comes_back_takes_over_topic_by_topic() {
        let mut registry = restored();
        let key = registry.add_producer("r:9".into(), node(1), 100);
        assert_eq!(found(&registry, "t"), Some(vec![(1, true), (3, true)]), "not yet registered");
        registry.register(key, "t", Some("c")).unwrap();
        assert_eq!(found(&registry, "t"), Some(vec![(1, false), (3, true)]));
        registry.register(key, "u", None).unwrap();
        assert_eq!(found(&registry, "u"), Some(vec![(3, true)]), "its tombstone goes over");
        let seen = registry.nodes(100, Lifetimes::default());
        assert_eq!(seen.iter().map(|seen| seen.producer.stale).collect::<Vec<_>>(), [true, false]);
        registry.forget_restored();
        assert_eq!(found(&registry, "t"), Some(vec![(1, false)]));
        assert_eq!(registry.counts(), (1, 2, 1), "topics that somebody has stay");
    }

    #[test]
    fn what_a_node_gives_up_is_not_in_answers_by_its_stale_self() {
        let mut registry = restored();
        let key = registry.add_producer("r:9".into(), node(1), 100);
        registry.unregister(key, "t", None);
        assert_eq!(found(&registry, "t"), Some(vec![(3, true)]));
        registry.delete_topic("t");
        registry.create_topic("t").unwrap();
        registry.forget_restored();
        assert_eq!(found(&registry, "t"), Some(vec![]), "somebody wants it");
    }

    #[test]
    fn a_node_that_was_there_twice_is_restored_once_and_forgotten() {
        let mut registry = Registry::default();
        let topics = |name: &str| vec![SavedTopic { name: name.into(), ..SavedTopic::default() }];
        let twice =
            [("r:1", "t"), ("r:2", "u")].map(|(from, name)| SavedNode::new(from, &node(1), topics(name)));
        registry.restore(&twice, 0);
        assert_eq!(registry.counts(), (1, 2, 0));
        registry.forget_restored();
        assert_eq!(registry.counts(), (0, 0, 0));
    }

    #[test]
    fn nodes_are_saved_in_parts() {
        let mut registry = Registry::default();
        for port in 0..10 {
            registry.add_producer(String::new(), node(port), 0);
        }
        let (mut ports, mut after) = (Vec::new(), None);
        loop {
            let (nodes, next) = registry.saved(after, 4);
            assert!(nodes.len() <= 4);
            ports.extend(nodes.iter().map(|saved| saved.node().tcp_port));
            match next {
                None => break,
                next => after = next,
            }
        }
        assert_eq!(ports, (0..10).collect::<Vec<_>>());
    }
}
