//! Requests of the HTTP API to the registry, and the answers. One piece of mail each.

use std::fmt;
use std::sync::Arc;

use crate::registry::{Found, ProducerKey, Registered, Seen};
use crate::snapshot::SavedNode;

/// A request. Names in those that change something are valid.
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
    /// Some nodes for a snapshot: those after this one.
    Saved(Option<ProducerKey>),
    /// Make a topic known.
    CreateTopic(String),
    /// Forget a topic and its channels.
    DeleteTopic(String),
    /// Make a channel and its topic known.
    CreateChannel(String, String),
    /// Forget a channel.
    DeleteChannel(String, String),
    /// Hide a node (`broadcast_address:http_port`) for this topic.
    Tombstone(String, String),
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// There is no such topic or channel.
    Unknown,
    /// A limit is reached; for people.
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
    /// To [`Request::Saved`]; after whom to go on, if there are more.
    Saved(Vec<SavedNode>, Option<ProducerKey>),
}

/// Numbers of nodes and names, for gauges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Connections, those that have not said who they are too.
    pub connections: usize,
    /// Nodes, active or not.
    pub producers: usize,
    /// Those of them that are known from a snapshot.
    pub stale: usize,
    /// Topics.
    pub topics: usize,
    /// Channels.
    pub channels: usize,
}

/// Called once, on the shard, with the answer. Must not block.
pub struct Reply(pub Box<dyn FnOnce(Answer) + Send>);

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}
