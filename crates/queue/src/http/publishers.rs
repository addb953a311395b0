//! Publishers over HTTP, and how much each publishes to a topic.
//!
//! HTTP has no clients that stay: user, address and library together are a publisher. At most
//! [`PUBLISHERS_MAX`] are known, which take some 300 bytes each; a new one takes the place of the one that
//! has not published for longest.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ::http::Asked;
use axum::http::header::USER_AGENT;

/// Most publishers known.
const PUBLISHERS_MAX: usize = 512;
/// Most bytes kept of a library's name.
const AGENT_BYTES_MAX: usize = 100;

/// The publishers that are known.
#[derive(Debug, Default)]
pub(super) struct Publishers {
    hasher: RandomState,
    known: Mutex<HashMap<u64, Publisher>>,
}

/// A publisher of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Publisher {
    pub topic: String,
    pub sender: Sender,
    /// Messages since `first`.
    pub count: u64,
    /// Its first publication, in seconds since 1970.
    pub first: u64,
    /// Its last one.
    pub last: u64,
}

/// A sender of publications.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Sender {
    /// Name of its user; empty if no login is needed.
    pub user: String,
    /// Its address, without the port.
    pub address: String,
    /// Its library, as it names it.
    pub agent: String,
}

impl Sender {
    /// The sender of a request; None for this process itself.
    pub fn of(asked: &Asked) -> Option<Sender> {
        if asked.link.own {
            return None;
        }
        let agent = asked.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        Some(Sender {
            user: asked.user.as_ref().map_or_else(String::new, |user| user.name().to_owned()),
            address: asked.link.host().to_owned(),
            agent: agent.get(..AGENT_BYTES_MAX).unwrap_or(agent).to_owned(),
        })
    }
}

impl Publishers {
    /// Counts messages that a sender has published now.
    pub fn count(&self, topic: &str, sender: Sender, messages: u64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.count_at(now, topic, sender, messages);
    }

    fn count_at(&self, now: u64, topic: &str, sender: Sender, messages: u64) {
        let key = self.hasher.hash_one((topic, &sender));
        let mut known = self.known();
        if let Some(publisher) = known.get_mut(&key) {
            publisher.count = publisher.count.saturating_add(messages);
            publisher.last = now;
            return;
        }
        if known.len() >= PUBLISHERS_MAX {
            let quietest = known.iter().min_by_key(|(_, publisher)| publisher.last).map(|(key, _)| *key);
            quietest.map(|key| known.remove(&key));
        }
        let publisher = Publisher { topic: topic.to_owned(), sender, count: messages, first: now, last: now };
        known.insert(key, publisher);
    }

    /// Those of a topic, or of all.
    pub fn of_topic(&self, topic: Option<&str>) -> Vec<Publisher> {
        let is_wanted = |publisher: &&Publisher| topic.is_none_or(|topic| publisher.topic == topic);
        self.known().values().filter(is_wanted).cloned().collect()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<u64, Publisher>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(address: &str) -> Sender {
        Sender { user: String::new(), address: address.into(), agent: "curl/8".into() }
    }

    #[test]
    fn publications_are_counted_by_topic_and_sender() {
        let publishers = Publishers::default();
        for (now, topic, address, messages) in
            [(5, "t", "a", 1), (6, "t", "a", 10), (7, "u", "a", 3), (8, "t", "b", 2)]
        {
            publishers.count_at(now, topic, sender(address), messages);
        }
        let mut of_t = publishers.of_topic(Some("t"));
        of_t.sort_by(|a, b| a.sender.address.cmp(&b.sender.address));
        let figures: Vec<_> =
            of_t.iter().map(|one| (&*one.sender.address, one.count, one.first, one.last)).collect();
        assert_eq!(figures, [("a", 11, 5, 6), ("b", 2, 8, 8)]);
        assert_eq!(publishers.of_topic(None).len(), 3);
    }

    #[test]
    fn the_quietest_makes_room() {
        let publishers = Publishers::default();
        for n in 0..PUBLISHERS_MAX {
            publishers.count_at(100, "t", sender(&n.to_string()), 1);
        }
        publishers.count_at(99, "t", sender("7"), 1);
        publishers.count_at(101, "t", sender("new"), 1);
        let known: Vec<String> =
            publishers.of_topic(None).into_iter().map(|one| one.sender.address).collect();
        assert_eq!(known.len(), PUBLISHERS_MAX);
        assert!(known.contains(&"new".into()) && !known.contains(&"7".into()));
    }
}
