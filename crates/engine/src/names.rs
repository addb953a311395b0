//! Names of topics and channels in `JetStream`.
//!
//! | what | name |
//! |---|---|
//! | stream of a topic | `PREFIX-TOPIC`, with the subject `PREFIX.topic.TOPIC` |
//! | consumer of a channel | `CHANNEL`; of an ephemeral one `~NODE~CHANNEL` |
//! | consumer that keeps messages before the first channel | `~hold` |
//! | stream of deferred messages | `PREFIX~deferred`, with the subjects `PREFIX.deferred.TOPIC` |
//! | bucket of what exists and is paused | `PREFIX`, with the keys `topic.TOPIC` and `channel.TOPIC.CHANNEL` |
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

    /// Stream of deferred messages.
    pub fn deferred_stream(&self) -> String {
        format!("{}~deferred", self.prefix)
    }

    /// Subject of a topic's deferred messages; of all topics', if none is given.
    pub fn deferred_subject(&self, topic: Option<&str>) -> String {
        format!("{}.deferred.{}", self.prefix, topic.map_or_else(|| "*".to_owned(), encode))
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

/// Key of a topic or a channel in the bucket.
pub fn key(topic: &str, channel: Option<&str>) -> String {
    match channel {
        None => format!("topic.{}", encode(topic)),
        Some(channel) => format!("channel.{}.{}", encode(topic), encode(channel)),
    }
}

/// Topic and channel of a key in the bucket; `None` if it is not one of ours.
pub fn parse_key(key: &str) -> Option<(Arc<str>, Option<Arc<str>>)> {
    let mut tokens = key.split('.');
    let parsed = match (tokens.next()?, tokens.next()?, tokens.next()) {
        ("topic", topic, None) => (decode(topic).into(), None),
        ("channel", topic, Some(channel)) => (decode(topic).into(), Some(decode(channel).into())),
        _ => return None,
    };
    tokens.next().is_none().then_some(parsed)
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
        for (topic, channel) in [("a.b", None), ("a", Some("c.d"))] {
            let (found, its) = parse_key(&key(topic, channel)).unwrap();
            assert_eq!((&*found, its.as_deref()), (topic, channel));
        }
        for odd in ["", "topic", "other.a", "channel.a", "topic.a.b", "channel.a.b.c"] {
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
