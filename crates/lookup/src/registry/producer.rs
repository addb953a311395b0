//! Producers: keys and identities.

use wire::nsq::lookup::Node;

/// Key of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProducerKey(pub(super) u32);

/// A node's identity and address; shared with answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    /// Remote address and port of its connection; nsqlookupd's id of a producer.
    pub remote: String,
    /// As sent in IDENTIFY.
    pub node: Node,
    /// True if it is known from a snapshot and has not registered again.
    pub stale: bool,
}
