//! Names of topics and channels in `JetStream`.
//!
//! | what | name |
//! |---|---|
//! | stream of a topic | `PREFIX-TOPIC`, with the subject `PREFIX.topic.TOPIC` |
//! | consumer of a channel | `CHANNEL`; of an ephemeral one `~NODE~CHANNEL` |
//! | consumer that keeps messages before the first channel | `~hold` |
//! | stream of deferred messages | `PREFIX~deferred`, with the subjects `PREFIX.deferred.TOPIC` |
//! | consumer that keeps messages while a channel is moved | `~seek~CHANNEL` |
//! | consumers that keep finished messages | `~kept~NUMBER` |
//! | bucket of what exists and is paused | `PREFIX`, with the keys `topic.TOPIC` and `channel.TOPIC.CHANNEL` |
//! | settings in the bucket | the same keys after `settings.` |
//! | channels that are being moved, in the bucket | the same keys after `seek.` |
//! | topics that are local at all nodes, in the bucket | the same keys after `local.` |
//!
//! A dot separates tokens in NATS and may be part of an NSQ name: it is written `=`, which may not.

use std::sync::Arc;

/// Suffix of ephemeral channels.
const EPHEMERAL: &str = "#ephemeral";

/// The consumer that keeps messages until a topic has a channel.
pub const HOLD: &str = "~hold";

/// Names under one prefix, on one node.
#[derive(Debug, Clone)]
pub struct Names {
    prefix: Arc<str>,
    node: Arc<str>,
}

/// True if streams and buckets may begin with this.
pub fn is_valid_prefix(prefix: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=32).contains(&prefix.len()) && prefix.bytes().all(valid)
}

impl Names {
    /// Names that begin with `prefix`; `node` distinguishes the ephemeral channels of this process.
    pub fn new(prefix: &str, node: &str) -> Names {
        Names { prefix: prefix.into(), node: node.into() }
    }

    /// Stream of a topic.
    pub fn stream(&self, topic: &str) -> String {
        format!("{}-{}", self.prefix, encode(topic))
    }

    /// Subject of a topic's messages.
    pub fn subject(&self, topic: &str) -> String {
        format!("{}.topic.{}", self.prefix, encode(topic))
    }

    /// Consumer of a channel.
    pub fn consumer(&self, channel: &str) -> String {
        match channel.strip_suffix(EPHEMERAL) {
            Some(name) => format!("~{}~{}", self.node, encode(name)),
            None => encode(channel),
        }
    }

    /// Consumer that keeps the messages of a topic while a channel is moved.
    pub fn seek_consumer(&self, channel: &str) -> String {
        format!("~seek~{}", self.consumer(channel))
    }

    /// Stream of deferred messages.
    pub fn deferred_stream(&self) -> String {
        format!("{}~deferred", self.prefix)
    }

    /// Subject of a topic's deferred messages; of all topics', if none is given.
    pub fn deferred_subject(&self, topic: Option<&str>) -> String {
        format!("{}.deferred.{}", self.prefix, topic.map_or_else(|| "*".to_owned(), encode))
    }

    /// Subject of a stream that takes no more messages of its topic.
    pub fn closed_subject(&self, topic: &str) -> String {
        format!("{}.closed.{}", self.prefix, encode(topic))
    }

    /// Topic of a deferred message's subject.
    pub fn deferred_topic(&self, subject: &str) -> Option<String> {
        let rest = subject.strip_prefix(&*self.prefix)?.strip_prefix(".deferred.")?;
        Some(decode(rest))
    }

    /// Bucket of what exists.
    pub fn bucket(&self) -> &str {
        &self.prefix
    }
}

/// True if a channel belongs to one node and ends with its last consumer.
pub fn is_ephemeral(channel: &str) -> bool {
    channel.ends_with(EPHEMERAL)
}

/// The fact about a topic or a channel that a key in the bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// It exists, and is paused or not.
    Exists,
    /// Its settings.
    Settings,
    /// It is being moved.
    Seek,
    /// It has left the engine, and is local at every node.
    Local,
}

impl Fact {
    const ALL: [Fact; 4] = [Fact::Exists, Fact::Settings, Fact::Seek, Fact::Local];

    fn prefix(self) -> &'static str {
        match self {
            Fact::Exists => "",
            Fact::Settings => "settings.",
            Fact::Seek => "seek.",
            Fact::Local => "local.",
        }
    }
}

/// Key of a fact about a topic or a channel in the bucket.
pub fn key(fact: Fact, topic: &str, channel: Option<&str>) -> String {
    let prefix = fact.prefix();
    match channel {
        None => format!("{prefix}topic.{}", encode(topic)),
        Some(channel) => format!("{prefix}channel.{}.{}", encode(topic), encode(channel)),
    }
}

/// A key in the bucket: the fact, the topic, and the channel if it is about one.
pub type Key = (Fact, Arc<str>, Option<Arc<str>>);

/// Reads a key in the bucket; `None` if it is not one of ours.
pub fn parse_key(key: &str) -> Option<Key> {
    let fact = Fact::ALL.into_iter().rev().find(|fact| key.starts_with(fact.prefix()))?;
    let mut tokens = key.strip_prefix(fact.prefix())?.split('.');
    let parsed = match (tokens.next()?, tokens.next()?, tokens.next()) {
        ("topic", topic, None) => (fact, decode(topic).into(), None),
        ("channel", topic, Some(channel)) => (fact, decode(topic).into(), Some(decode(channel).into())),
        _ => return None,
    };
    tokens.next().is_none().then_some(parsed)
}

/// An id that follows from another one: the finalizer of splitmix64.
pub fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn encode(name: &str) -> String {
    name.replace('.', "=")
}

fn decode(name: &str) -> String {
    name.replace('=', ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_dots_of_their_own() {
        let names = Names::new("nuthatch", "n1");
        assert_eq!(names.stream("a.b"), "nuthatch-a=b");
        assert_eq!(names.subject("a.b"), "nuthatch.topic.a=b");
        assert_eq!(names.consumer("c.d"), "c=d");
        assert_eq!(names.consumer("tail.1#ephemeral"), "~n1~tail=1");
        assert_eq!(names.deferred_topic(&names.deferred_subject(Some("a.b"))).as_deref(), Some("a.b"));
        assert_eq!(names.deferred_topic("other.deferred.a"), None);
    }

    #[test]
    fn keys_are_found_again() {
        for fact in Fact::ALL {
            for (topic, channel) in [("a.b", None), ("a", Some("c.d")), ("settings", Some("topic"))] {
                let (found, its, of) = parse_key(&key(fact, topic, channel)).unwrap();
                assert_eq!((found, &*its, of.as_deref()), (fact, topic, channel));
            }
        }
        for odd in ["", "topic", "other.a", "channel.a", "topic.a.b", "channel.a.b.c", "seek.a", "settings."]
        {
            assert_eq!(parse_key(odd), None, "{odd}");
        }
    }

    #[test]
    fn prefixes() {
        assert!(is_valid_prefix("nuthatch") && is_valid_prefix("a_b-1"));
        for bad in ["", "a.b", "a b", "ä", &"x".repeat(33)] {
            assert!(!is_valid_prefix(bad), "{bad}");
        }
    }
}
