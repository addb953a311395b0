//! A producer by its key, and what is told of it.

use wire::nsq::lookup::Node;

/// A producer, for as long as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProducerKey(pub(super) u32);

/// A node's identity and address; shared with answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    /// Address and port that its connection comes from; the original's id of a producer.
    pub remote: String,
    /// As announced.
    pub node: Node,
    /// Known from a snapshot; it has not registered again.
    pub stale: bool,
}
