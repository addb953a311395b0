//! Requests to an engine, and its completions.
//!
//! Every [`Request::Publish`] and [`Request::Change`] is answered once, by its number. Everything else is
//! unnumbered: a lost acknowledgement brings a message back, a lost fetch ends by its own timeout.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

/// Time after which the engine gives an unanswered message to another consumer. Extended while a message is
/// held ([`Fate::Extend`]), so that it covers only nodes that are dead or cut off.
pub const ACK_WAIT: Duration = Duration::from_secs(30);

/// Time for which a publication is retried before it is refused: longer than an election of the engine.
pub const PUBLISH_TIMEOUT: Duration = Duration::from_secs(15);

/// Takes requests. Never blocks; the caller bounds what is outstanding.
pub trait Engine: Send {
    /// Hands a request over. Its completions follow by mail.
    fn submit(&mut self, request: Request);
}

/// A message to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Its id, by which the engine recognizes a repetition.
    pub id: u64,
    /// Wall time in nanoseconds before which it is not delivered; 0 for now.
    pub due: i64,
    /// Its body.
    pub body: Bytes,
}

/// The engine's name for one delivery, by which it is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handle(pub Bytes);

/// The fate of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The channel is done with the message.
    Finish,
    /// It is delivered again after this time, to any node.
    Return(Duration),
    /// It is still worked on: [`ACK_WAIT`] starts again.
    Extend,
}

/// A change to topics and channels, which all nodes see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Create it, unless it exists.
    Create,
    /// Delete it with all it holds.
    Delete,
    /// Drop its messages.
    Empty,
    /// Pause (true) or resume it.
    Pause(bool),
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Publish all messages; answered when the engine has every one, or the batch is given up.
    Publish {
        /// For the answer.
        number: u64,
        /// The topic, created if necessary.
        topic: Arc<str>,
        /// The messages.
        messages: Vec<Publication>,
    },
    /// Ask for up to `count` messages of a channel. Each arrives by [`Completion::Arrived`], or is counted in
    /// [`Completion::Unfilled`].
    Fetch {
        /// The topic.
        topic: Arc<str>,
        /// The channel.
        channel: Arc<str>,
        /// Most messages.
        count: u32,
    },
    /// End all fetches of a channel. Messages on their way are returned, or still arrive.
    StopFetching {
        /// The topic.
        topic: Arc<str>,
        /// The channel.
        channel: Arc<str>,
    },
    /// Settle deliveries.
    Settle(Vec<(Handle, Fate)>),
    /// Change a topic, or one of its channels.
    Change {
        /// For the answer.
        number: u64,
        /// The topic.
        topic: Arc<str>,
        /// The channel, if one is to be changed.
        channel: Option<Arc<str>>,
        /// The change.
        change: Change,
    },
}

/// A message that arrived for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its id.
    pub id: u64,
    /// Wall time in nanoseconds when it was published.
    pub timestamp: i64,
    /// Deliveries before this one.
    pub attempts: u16,
    /// Names this delivery.
    pub handle: Handle,
    /// Its body.
    pub body: Bytes,
}

/// The reason a request failed; the text is for operators and clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineError(pub String);

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The servers of the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Servers {
    /// The one that this process is connected to: name and address.
    pub connected: String,
    /// Its version.
    pub version: String,
    /// Bytes of the largest body that it takes.
    pub body_bytes_max: usize,
    /// Servers that keep what all topics share.
    pub shared: Replicas,
}

/// Servers that keep a part of the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replicas {
    /// Name of the one that decides; empty while there is none.
    pub leader: String,
    /// Their number.
    pub count: u32,
    /// Those that the leader hears of, itself among them.
    pub reachable: u32,
    /// Those that have everything, the leader among them.
    pub in_sync: u32,
}

/// A completion, or news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completion {
    /// A publication ended. After an error some of its messages may have been accepted; the same batch may be
    /// published again.
    Published(u64, Result<(), EngineError>),
    /// A change was made, or refused.
    Changed(u64, Result<(), EngineError>),
    /// Messages arrived for a channel.
    Arrived {
        /// The topic.
        topic: Arc<str>,
        /// The channel.
        channel: Arc<str>,
        /// The messages.
        messages: Vec<Arrival>,
    },
    /// Fetches of a channel ended without this many messages.
    Unfilled {
        /// The topic.
        topic: Arc<str>,
        /// The channel.
        channel: Arc<str>,
        /// Messages that do not come.
        count: u32,
    },
    /// A topic or channel exists, whoever created it, and is paused or not.
    Exists {
        /// The topic.
        topic: Arc<str>,
        /// The channel, if it is one.
        channel: Option<Arc<str>>,
        /// True while it is paused.
        paused: bool,
    },
    /// A topic or channel is gone, whoever deleted it.
    Gone {
        /// The topic.
        topic: Arc<str>,
        /// The channel, if it is one.
        channel: Option<Arc<str>>,
    },
    /// Messages of a channel at the engine that no node has got yet; told every few seconds.
    Backlog {
        /// The topic.
        topic: Arc<str>,
        /// The channel; `None` for messages that wait for a first one.
        channel: Option<Arc<str>>,
        /// Messages.
        waiting: u64,
    },
    /// The engine answers (`None`), or cannot be reached, and why.
    Trouble(Option<String>),
    /// The servers as they were a moment ago; told every few seconds while they answer.
    Servers(Servers),
    /// The servers of a topic; told now and then.
    Replicas {
        /// The topic.
        topic: Arc<str>,
        /// Servers that keep it.
        replicas: Replicas,
    },
}
