//! State of a connection to a node: ASKING, MULTI, watched keys, READONLY, and a request that blocks.

use net::Instant;

use crate::resp::Node;

/// State of a connection to a node.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) asking: bool,
    pub(super) is_readonly: bool,
    /// Requests between MULTI and EXEC, and whether one was declined.
    pub(super) queued: Option<(Vec<Vec<Vec<u8>>>, bool)>,
    /// Watched keys, each with the number of its changes so far.
    pub(super) watched: Vec<(Vec<u8>, u64)>,
    /// A request that blocks: its key, and the time at which it ends.
    pub(super) blocked: Option<(Vec<u8>, Instant)>,
    /// The node closes the connection behind its last reply.
    pub(super) is_ending: bool,
}

/// The reply to ROLE.
pub(super) fn role(is_master: bool, is_linked: bool) -> Node {
    let text = |text: &str| Node::Bulk(text.as_bytes().to_vec());
    if is_master {
        return Node::Array(vec![text("master"), Node::Int(1), Node::Array(Vec::new())]);
    }
    let state = text(if is_linked { "connected" } else { "connect" });
    Node::Array(vec![text("slave"), text("127.0.0.1"), Node::Int(1), state, Node::Int(1)])
}

pub(super) fn loading() -> Node {
    Node::Error(b"LOADING Redis is loading the dataset in memory".to_vec())
}
