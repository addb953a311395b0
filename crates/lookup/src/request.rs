//! Requests of the HTTP API to the registry, and their answers, each sent as mail.

use std::fmt;
use std::sync::Arc;

use crate::registry::{Found, ProducerKey, Registered, Seen};
use crate::snapshot::SavedNode;

/// A request. Names are valid in requests that change something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Producers of this topic.
    Lookup(String),
    /// Names of topics.
    Topics,
    /// Names of a topic's channels.
    Channels(String),
    /// Active nodes.
    Nodes,
    /// Every registration.
    Registrations,
    /// Numbers of nodes and names.
    Counts,
    /// Number of changes.
    Changes,
    /// Some nodes for a snapshot, after this key.
    Saved(Option<ProducerKey>),
    /// Create a topic.
    CreateTopic(String),
    /// Delete a topic and its channels.
    DeleteTopic(String),
    /// Create a channel and its topic.
    CreateChannel(String, String),
    /// Delete a channel.
    DeleteChannel(String, String),
    /// Hide a node (`broadcast_address:http_port`) for this topic.
    Tombstone(String, String),
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The request succeeded.
    Done,
    /// The topic or channel does not exist.
    Unknown,
    /// A limit is reached; the text says which.
    Full(String),
    /// To [`Request::Lookup`].
    Found(Found),
    /// To [`Request::Topics`] and [`Request::Channels`].
    Names(Vec<Arc<str>>),
    /// To [`Request::Nodes`].
    Nodes(Vec<Seen>),
    /// To [`Request::Registrations`].
    Registrations(Vec<(String, Vec<Registered>)>),
    /// To [`Request::Counts`].
    Counts(Counts),
    /// To [`Request::Changes`].
    Changes(u64),
    /// To [`Request::Saved`]; with the key to continue from, if there are more.
    Saved(Vec<SavedNode>, Option<ProducerKey>),
}

/// Numbers of nodes and names, for gauges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Connections, including those before IDENTIFY.
    pub connections: usize,
    /// Nodes, active or not.
    pub producers: usize,
    /// Nodes known only from a snapshot.
    pub stale: usize,
    /// Topics.
    pub topics: usize,
    /// Channels.
    pub channels: usize,
}

/// Receiver of the answer. Called once, on the shard: must not block.
pub struct Reply(pub Box<dyn FnOnce(Answer) + Send>);

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}
