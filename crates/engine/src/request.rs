//! Requests to an engine, and its completions.
//!
//! Every [`Request::Publish`], [`Request::Change`] and [`Request::Task`] is answered once, by its number.
//! Everything else is unnumbered: a lost acknowledgement brings a message back, a lost fetch ends by its own
//! timeout.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

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
    /// Wall time in nanoseconds when it was published; 0 for when the engine stores it.
    pub published: i64,
    /// The only channel it is meant for; `None` for all.
    pub only: Option<Arc<str>>,
    /// History of a dead letter (JSON); empty for other messages.
    pub origin: Bytes,
    /// Its body.
    pub body: Bytes,
}

impl Publication {
    /// A message for all channels, to be delivered now.
    pub fn new(id: u64, body: Bytes) -> Publication {
        Publication { id, due: 0, published: 0, only: None, origin: Bytes::new(), body }
    }
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Create it, unless it exists.
    Create,
    /// Delete it with all it holds.
    Delete,
    /// Drop its messages.
    Empty,
    /// Pause (true) or resume it.
    Pause(bool),
    /// Set its settings, a JSON object. The engine itself heeds those of [`Heeded`].
    Configure(Arc<str>),
    /// Make a topic local: from now on every node keeps what is published there itself. What the engine has
    /// of it stays until it was fetched.
    Leave,
    /// Take [`Change::Leave`] back.
    Enter,
}

/// Settings of a topic that the engine itself heeds; it keeps the others for the nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Heeded {
    /// Most bytes of a topic's messages; 0 for no limit.
    pub bytes_max: u64,
    /// Action at `bytes_max`.
    pub at_limit: AtLimit,
    /// Seconds for which finished messages are kept; 0 for not at all.
    pub retention_seconds: u64,
}

/// Action on publications when a topic is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AtLimit {
    /// They are refused.
    #[default]
    Reject,
    /// The oldest messages are dropped.
    DropOldest,
}

impl Heeded {
    /// Reads them from the settings of a topic; what cannot be read has its default.
    pub fn of(settings: &str) -> Heeded {
        serde_json::from_str(settings).unwrap_or_default()
    }
}

/// Work that the engine does by itself, and of which it tells the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Move a channel. All nodes drop what they hold of it.
    Seek(Place),
    /// Show messages without consuming them.
    Peek {
        /// The kind of messages.
        what: Shown,
        /// Most messages.
        count: usize,
    },
    /// Bring dead letters back to their channel, and to no other.
    Redrive {
        /// The topic of the letters.
        letters: Arc<str>,
        /// Most letters.
        count: usize,
        /// Only letters that died in this time (wall, ns).
        died: Option<Range<i64>>,
    },
    /// Delete a topic that has become local ([`Change::Leave`]), once nothing of it is left.
    Dissolve,
    /// Hand out dead letters, which are settled as any delivery.
    TakeLetters {
        /// Most letters.
        count: usize,
        /// Only letters that died in this time (wall, ns).
        died: Option<Range<i64>>,
    },
}

/// Target of moving a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// To the oldest kept message.
    Beginning,
    /// To the first message published at or after this wall time (ns).
    Time(i64),
    /// To the end.
    End,
}

/// The kind of messages to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Those that no node has got yet; without a channel, those that wait for a first one.
    Waiting,
    /// All that the topic keeps.
    Kept,
    /// Those of the topic whose due time has not come.
    Deferred,
}

/// Result of a [`Task`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskResult {
    /// Of [`Task::Seek`].
    Sought {
        /// Messages that the channel has yet to read.
        count: u64,
        /// False if kept messages may not reach back to the place.
        complete: bool,
        /// Publication time (wall, ns) of the oldest kept message; `None` if nothing is kept.
        oldest: Option<i64>,
    },
    /// Of [`Task::Peek`].
    Shown(Vec<Publication>),
    /// Of [`Task::Redrive`]: letters brought back; of [`Task::Dissolve`]: what is left at least, 0 if the
    /// topic is gone.
    Count(u64),
    /// Of [`Task::TakeLetters`]: none if there are no more.
    Letters(Vec<Arrival>),
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
    /// Do some work on a topic, or on one of its channels.
    Task {
        /// For the answer.
        number: u64,
        /// The topic.
        topic: Arc<str>,
        /// The channel, if the work is on one.
        channel: Option<Arc<str>>,
        /// The work.
        task: Task,
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
    /// The only channel it is meant for; `None` for all. Another channel finishes it undelivered.
    pub only: Option<Arc<str>>,
    /// History of a dead letter (JSON); empty for other messages.
    pub origin: Bytes,
    /// Its body.
    pub body: Bytes,
}

/// The reason a request failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineError {
    /// The reason, for operators and clients.
    pub text: String,
    /// The topic is at its limit of bytes.
    pub full: bool,
    /// Messages of a failed publication that the engine has all the same, by their index in it.
    pub stored: Vec<usize>,
}

impl EngineError {
    /// An error with this text.
    pub fn new(text: impl Into<String>) -> EngineError {
        EngineError { text: text.into(), ..EngineError::default() }
    }
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
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
    /// A task ended.
    Finished(u64, Result<TaskResult, EngineError>),
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
    /// A topic or channel that exists has these settings (JSON), whoever set them.
    Configured {
        /// The topic.
        topic: Arc<str>,
        /// The channel, if it is one.
        channel: Option<Arc<str>>,
        /// The settings.
        settings: Arc<str>,
    },
    /// A channel is being moved (true), whoever moves it, or has been (false): what nodes hold of it is void,
    /// and they fetch nothing until it has been.
    Seeking {
        /// The topic.
        topic: Arc<str>,
        /// The channel.
        channel: Arc<str>,
        /// True until it has been moved.
        active: bool,
    },
    /// A topic is local at every node (true), whoever made it so, or is no longer (false).
    Local {
        /// The topic.
        topic: Arc<str>,
        /// True while it is.
        active: bool,
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
