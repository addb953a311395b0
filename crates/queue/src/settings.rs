//! Settings per topic and per channel, changeable at run time, beyond NSQ.
//!
//! They are kept in the topic's journal as JSON. A missing setting has its default, which is always nsqd's
//! behaviour.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Condition for a publisher's OK.
pub use config::checked::Storage;
pub use journal::Durability;

/// Action on publications when a topic is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AtLimit {
    /// The publisher gets an error. Over HTTP the connection stays usable (over TCP nsqd's errors for PUB are
    /// fatal).
    #[default]
    Reject,
    /// The oldest messages are dropped, read or not.
    DropOldest,
}

/// Settings of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopicSettings {
    /// `None`: the daemon's default.
    #[serde(skip_serializing_if = "Option::is_none", with = "by_name")]
    pub durability: Option<Durability>,
    /// Most bytes in the journal; 0 for no limit.
    pub bytes_max: u64,
    /// Action at `bytes_max`.
    pub at_limit: AtLimit,
    /// Seconds after which a message is no longer delivered; 0 for never.
    pub ttl_seconds: u64,
    /// Seconds for which finished messages are kept for replay; 0 for not at all.
    pub retention_seconds: u64,
    /// Most bytes of finished messages kept for replay, if `retention_seconds` is set; 0 for no limit.
    pub retention_bytes: u64,
    /// Its messages are being moved to a topic of its name on the engine. Nobody sets it but a move.
    #[serde(skip_serializing_if = "is_false")]
    pub moving: bool,
    /// It came from the engine, and this node fetches what is left of it there. Nobody sets it but a move.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<Home>,
}

/// State of a topic that has left the engine, at the node that has what waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Home {
    /// Its channels are being created. Nobody has used it, and a start removes it.
    Preparing,
    /// It is used. Other nodes may not know yet that it is local.
    Announcing,
    /// Other nodes know, too.
    Settled,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

impl TopicSettings {
    /// True if the age of messages matters.
    pub fn limits_age(&self) -> bool {
        self.ttl_seconds > 0 || self.retention_seconds > 0
    }

    /// Time after which a message expires.
    pub fn ttl(&self) -> Option<Duration> {
        (self.ttl_seconds > 0).then(|| Duration::from_secs(self.ttl_seconds))
    }
}

/// Settings of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelSettings {
    /// Deliveries without FIN after which a message becomes a dead letter; 0 for no limit.
    pub max_attempts: u16,
    /// The topic for dead letters; if empty, `TOPIC.CHANNEL.dead` (shortened to fit a name).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub dead_letter_topic: String,
}

/// Serialization of a durability as its name.
mod by_name {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Durability;

    #[allow(clippy::trivially_copy_pass_by_ref, clippy::ref_option, reason = "serde calls it so")]
    pub fn serialize<S: Serializer>(value: &Option<Durability>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(Durability::name).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Durability>, D::Error> {
        let Some(name) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        match Durability::named(&name) {
            Some(durability) => Ok(Some(durability)),
            None => Err(D::Error::unknown_variant(&name, &Durability::NAMES)),
        }
    }
}
