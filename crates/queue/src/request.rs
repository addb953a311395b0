//! Requests of the control thread (the HTTP API) to the queue, and their answers.

use bytes::Bytes;
use wire::nsq::Limits;
use wire::nsq::http_mpub::{self, MpubFault};

use crate::error::QueueError;
use crate::inventory::Finding;
use crate::message::Position;
use crate::options::Configuration;
use crate::settings::{ChannelSettings, Durability, Storage, TopicSettings};
use crate::snapshot::Snapshot;
use crate::topic::{SeekTo, Sought};

/// A request of the control thread. Topic and channel names are valid.
#[derive(Debug, Clone)]
pub enum Request {
    /// Publish all messages or none; answered when they have the topic's durability.
    Publish {
        /// The topic, created if necessary.
        topic: String,
        /// The messages.
        batch: Batch,
        /// Milliseconds before they may be delivered.
        defer_ms: u64,
    },
    /// Create a topic, with this durability if given.
    CreateTopic(String, Option<Durability>),
    /// Create a topic that is kept there, with this durability if given.
    CreateTopicOn(String, Storage, Option<Durability>),
    /// Move a topic there; answered once its publishers and consumers use it there.
    MoveTopic(String, Storage),
    /// Delete a topic.
    DeleteTopic(String),
    /// Drop the messages waiting in a topic.
    EmptyTopic(String),
    /// Pause (true) or resume a topic.
    PauseTopic(String, bool),
    /// Create a channel (topic, channel); the topic must exist.
    CreateChannel(String, String),
    /// Delete a channel.
    DeleteChannel(String, String),
    /// Drop all messages of a channel.
    EmptyChannel(String, String),
    /// Pause (true) or resume a channel.
    PauseChannel(String, String, bool),
    /// Apply new settings.
    Configure(Box<Configuration>),
    /// Statistics.
    Stats {
        /// Only this topic.
        topic: Option<String>,
        /// Only this channel.
        channel: Option<String>,
        /// Include clients and producers.
        clients: bool,
    },
    /// Present conditions.
    Health,
    /// Damage that was found.
    Damage,
    /// Acknowledge all damage that was found.
    AcknowledgeDamage,
    /// The settings of a topic.
    TopicSettings(String),
    /// Change the settings of a topic.
    ConfigureTopic(String, TopicSettings),
    /// The settings of a channel.
    ChannelSettings(String, String),
    /// Change the settings of a channel.
    ConfigureChannel(String, String, ChannelSettings),
    /// Move a channel.
    Seek(String, String, SeekTo),
    /// Peek at messages without consuming them.
    Peek {
        /// The topic.
        topic: String,
        /// The channel; `None` for messages waiting in the topic itself.
        channel: Option<String>,
        /// The kind of messages.
        what: PeekAt,
        /// Limit on their number.
        count: usize,
    },
    /// Move dead letters of a channel back to it.
    Redrive {
        /// The topic.
        topic: String,
        /// The channel.
        channel: String,
        /// Limit on their number.
        count: usize,
        /// Only those that died in this time (wall, ns).
        died: Option<std::ops::Range<i64>>,
    },
}

impl Request {
    /// The topic that it is about, if it is about one.
    pub fn topic(&self) -> Option<&str> {
        match self {
            Request::CreateTopic(topic, _)
            | Request::CreateTopicOn(topic, ..)
            | Request::MoveTopic(topic, _)
            | Request::DeleteTopic(topic)
            | Request::EmptyTopic(topic)
            | Request::PauseTopic(topic, _)
            | Request::CreateChannel(topic, _)
            | Request::DeleteChannel(topic, _)
            | Request::EmptyChannel(topic, _)
            | Request::PauseChannel(topic, ..)
            | Request::TopicSettings(topic)
            | Request::ConfigureTopic(topic, _)
            | Request::ChannelSettings(topic, _)
            | Request::ConfigureChannel(topic, ..)
            | Request::Seek(topic, ..)
            | Request::Publish { topic, .. }
            | Request::Peek { topic, .. }
            | Request::Redrive { topic, .. } => Some(topic),
            Request::Configure(_)
            | Request::Stats { .. }
            | Request::Health
            | Request::Damage
            | Request::AcknowledgeDamage => None,
        }
    }
}

/// Messages, none of them empty, in the contiguous buffer they arrived in: memory does not grow with their
/// number.
#[derive(Debug, Clone)]
pub struct Batch {
    body: Bytes,
    layout: Layout,
    limits: Limits,
}

/// Format of the messages in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The body is one message.
    One,
    /// One message per line; empty lines are skipped.
    Lines,
    /// The layout of MPUB without its outer length.
    Binary,
}

impl Batch {
    /// Checks a body.
    pub fn new(body: Bytes, layout: Layout, limits: Limits) -> Result<Batch, MpubFault> {
        match layout {
            Layout::One if body.len() as u64 > limits.message_bytes_max => return Err(MpubFault::MsgTooBig),
            Layout::One => {}
            Layout::Lines => drop(http_mpub::text(&body, &limits)?),
            Layout::Binary => drop(http_mpub::binary(&body, &limits)?),
        }
        Ok(Batch { body, layout, limits })
    }

    /// The messages; possibly none.
    #[allow(clippy::iter_without_into_iter, reason = "only its shard goes through them")]
    pub fn iter(&self) -> Box<dyn Iterator<Item = &[u8]> + '_> {
        match self.layout {
            Layout::One => Box::new(std::iter::once(&self.body[..]).filter(|body| !body.is_empty())),
            Layout::Lines => Box::new(http_mpub::text(&self.body, &self.limits).into_iter().flatten()),
            Layout::Binary => Box::new(http_mpub::binary(&self.body, &self.limits).into_iter().flatten()),
        }
    }
}

/// The kind of messages to peek at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeekAt {
    /// Messages waiting for a consumer.
    Queued,
    /// Deferred messages.
    Deferred,
    /// Messages in flight.
    InFlight,
    /// Dead letters.
    Dead,
}

/// A message shown by a peek.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peeked {
    /// Its id, 16 hex digits.
    pub id: String,
    /// Publication time (wall, ns).
    pub timestamp: i64,
    /// Deliveries so far.
    pub attempts: u16,
    /// Due time or delivery timeout (wall, ns); 0 if neither applies.
    pub due: i64,
    /// Address of the consumer that holds it; empty if none does.
    pub consumer: String,
    /// History of a dead letter (JSON); empty for other messages.
    pub origin: String,
    /// Body as published.
    pub body: Bytes,
}

/// The answer to a [`Request`].
#[derive(Debug)]
pub enum Answer {
    /// The request succeeded.
    Done,
    /// The request failed.
    Refused(QueueError),
    /// To [`Request::Stats`].
    Stats(Box<Snapshot>),
    /// To [`Request::Health`]: the present conditions, if there are any.
    Health(Option<String>),
    /// To [`Request::Damage`].
    Damage(Vec<Finding>),
    /// To [`Request::TopicSettings`].
    TopicSettings(TopicSettings),
    /// To [`Request::ChannelSettings`].
    ChannelSettings(ChannelSettings),
    /// To [`Request::Peek`].
    Messages(Vec<Peeked>),
    /// To [`Request::Seek`].
    Sought(Sought),
    /// To [`Request::Redrive`]: messages moved back; to [`Request::AcknowledgeDamage`]: findings
    /// acknowledged.
    Count(u64),
}

/// Receiver of the answer. Called once, on the queue's thread: must not block.
pub struct Reply(pub Box<dyn FnOnce(Answer) + Send>);

impl Reply {
    /// Sends the answer.
    pub fn send(self, answer: Answer) {
        (self.0)(answer);
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reply")
    }
}

/// A peek under way, because some messages have to be read from files.
#[derive(Debug)]
pub struct PeekJob {
    /// The topic.
    pub topic: crate::registry::TopicKey,
    /// Messages by position, with the facts known so far.
    pub wanted: std::collections::VecDeque<(Position, Peeked)>,
    /// The channel whose view of the stream is shown; `None` for the whole stream.
    pub channel: Option<crate::topic::ChannelKey>,
    /// Position from which the stream is read after those; `None` if it is not read.
    pub cursor: Option<Position>,
    /// Messages found.
    pub found: Vec<Peeked>,
    /// Limit on their number.
    pub count: usize,
    /// Receiver of the answer.
    pub reply: Reply,
}
