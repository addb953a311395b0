//! Requests of the control thread (the HTTP API) to the queue, and their answers.

use bytes::Bytes;
use wire::nsq::Limits;
use wire::nsq::http_mpub::{self, MpubFault};

use crate::error::QueueError;
use crate::inventory::Finding;
use crate::message::Position;
use crate::options::Configuration;
use crate::settings::{ChannelSettings, Durability, TopicSettings};
use crate::snapshot::Snapshot;
use crate::topic::{SeekTo, Sought};

/// A question or an order. Names are valid names.
#[derive(Debug, Clone)]
pub enum Request {
    /// Publish, all or none; the answer comes when the messages are as durable as the topic says.
    Publish {
        /// The topic; it is created if need be.
        topic: String,
        /// The messages.
        batch: Batch,
        /// Milliseconds until they may be delivered.
        defer_ms: u64,
    },
    /// Create a topic, as durable as this if it says so.
    CreateTopic(String, Option<Durability>),
    /// Delete a topic.
    DeleteTopic(String),
    /// Drop what waits in a topic.
    EmptyTopic(String),
    /// Pause (true) or resume a topic.
    PauseTopic(String, bool),
    /// Create a channel (topic, channel); the topic must be there.
    CreateChannel(String, String),
    /// Delete a channel.
    DeleteChannel(String, String),
    /// Drop what is in a channel.
    EmptyChannel(String, String),
    /// Pause (true) or resume a channel.
    PauseChannel(String, String, bool),
    /// Go on with other settings.
    Configure(Box<Configuration>),
    /// Statistics.
    Stats {
        /// Only this topic.
        topic: Option<String>,
        /// Only this channel.
        channel: Option<String>,
        /// With clients and producers.
        clients: bool,
    },
    /// State of the disk.
    Health,
    /// Damage that was found.
    Damage,
    /// Take note of all damage that was found.
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
    /// Look at messages without consuming them.
    Peek {
        /// The topic.
        topic: String,
        /// The channel; `None` for what waits in the topic itself.
        channel: Option<String>,
        /// The messages to look at.
        what: PeekAt,
        /// Limit on their number.
        count: usize,
    },
    /// Bring dead letters of a channel back to it.
    Redrive {
        /// The topic.
        topic: String,
        /// The channel.
        channel: String,
        /// Limit on their number.
        count: usize,
    },
}

/// Messages, none of them empty, that lie in one piece of memory as they came: however many they are, they
/// take no more.
#[derive(Debug, Clone)]
pub struct Batch {
    body: Bytes,
    layout: Layout,
    limits: Limits,
}

/// Format of the messages in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// It is one message.
    One,
    /// One on each line; empty lines are none.
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

    /// The messages. May be none.
    #[allow(clippy::iter_without_into_iter, reason = "only its shard goes through them")]
    pub fn iter(&self) -> Box<dyn Iterator<Item = &[u8]> + '_> {
        match self.layout {
            Layout::One => Box::new(std::iter::once(&self.body[..]).filter(|body| !body.is_empty())),
            Layout::Lines => Box::new(http_mpub::text(&self.body, &self.limits).into_iter().flatten()),
            Layout::Binary => Box::new(http_mpub::binary(&self.body, &self.limits).into_iter().flatten()),
        }
    }
}

/// The messages of a channel that are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeekAt {
    /// Those that wait for a consumer.
    Queued,
    /// Those that wait for their time.
    Deferred,
    /// Those in consumers' hands.
    InFlight,
    /// Those that were set aside.
    Dead,
}

/// A message that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peeked {
    /// Its id, 16 hex digits.
    pub id: String,
    /// Time of its publication (wall, ns).
    pub timestamp: i64,
    /// Deliveries so far.
    pub attempts: u16,
    /// Wall time (ns) before which it is not delivered, or when its delivery times out; 0 if neither.
    pub due: i64,
    /// Address of the consumer that has it; empty if nobody has.
    pub consumer: String,
    /// Of a dead letter, where it died and why (JSON); empty for others.
    pub origin: String,
    /// Body as published.
    pub body: Bytes,
}

/// The answer to an [`Request`].
#[derive(Debug)]
pub enum Answer {
    /// It was done.
    Done,
    /// It was not done.
    Refused(QueueError),
    /// To [`Request::Stats`].
    Stats(Box<Snapshot>),
    /// To [`Request::Health`]: what is wrong, if something is.
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
    /// To [`Request::Redrive`]: how many messages came back; to [`Request::AcknowledgeDamage`]: how many
    /// findings there were.
    Count(u64),
}

/// Receiver of the answer. Called once, on the queue's thread: it must not block.
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

/// A look at messages that is under way, because some have to be read from files.
#[derive(Debug)]
pub struct PeekJob {
    /// Topic and channel.
    pub topic: crate::registry::TopicKey,
    /// Messages by position, with what is known about them already.
    pub wanted: std::collections::VecDeque<(Position, Peeked)>,
    /// The channel whose view of the stream counts; `None` for the stream as it is.
    pub channel: Option<crate::topic::ChannelKey>,
    /// Position from which the stream is to be read after those; `None` if it is not.
    pub cursor: Option<Position>,
    /// Messages found.
    pub found: Vec<Peeked>,
    /// Limit on their number.
    pub count: usize,
    /// Receiver of the answer.
    pub reply: Reply,
}
