//! Errors of requests to the queue.
//!
//! A TCP client is told the text, behind nsqd's code for its command; over HTTP each kind has a status and a code of its own.

use std::fmt;

/// The reason something was not done. Nothing of it remains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueError {
    /// There is no such topic.
    NoTopic,
    /// There is no such channel.
    NoChannel,
    /// The topic holds as much as its settings allow.
    TopicFull,
    /// The topic has as many deferred messages as the daemon allows.
    TooManyDeferred {
        /// The limit.
        max: u64,
    },
    /// The daemon has as many topics as it may.
    TooManyTopics {
        /// The limit.
        max: u64,
    },
    /// The daemon has as many channels as it may.
    TooManyChannels {
        /// The limit.
        max: u64,
    },
    /// The topic has as many channels as one may.
    TooManyChannelsOfTopic {
        /// The limit.
        max: u64,
    },
    /// Topics and channels take as much memory as they may.
    MemoryFull {
        /// Bytes that they take.
        held: usize,
        /// The limit.
        max: usize,
    },
    /// A topic is in memory or in files from its first message on.
    DurabilityIsFixed {
        /// The topic.
        topic: String,
        /// True if it is in memory.
        in_memory: bool,
    },
    /// Others use what is to be changed; the text says who, and what to do.
    InUse(String),
    /// The daemon stops, or the topic is going away.
    Exiting,
    /// The journal did not take it; the text says why.
    Journal(String),
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueueError::NoTopic => f.write_str("topic not found"),
            QueueError::NoChannel => f.write_str("channel not found"),
            QueueError::TopicFull => f.write_str("topic is full"),
            QueueError::TooManyDeferred { max } => write!(f, "too many deferred messages, {max} allowed"),
            QueueError::TooManyTopics { max } => write!(f, "too many topics, {max} allowed"),
            QueueError::TooManyChannels { max } => write!(f, "too many channels, {max} allowed"),
            QueueError::TooManyChannelsOfTopic { max } => {
                write!(f, "too many channels of one topic, {max} allowed")
            }
            QueueError::MemoryFull { held, max } => {
                write!(
                    f,
                    "memory is full: topics and channels take {held} bytes of {max}, consume or delete some"
                )
            }
            QueueError::DurabilityIsFixed { topic, in_memory } => {
                let place = if *in_memory { "memory" } else { "files" };
                write!(f, "durability is fixed: topic {topic} is in {place}")
            }
            QueueError::InUse(why) | QueueError::Journal(why) => f.write_str(why),
            QueueError::Exiting => f.write_str("exiting"),
        }
    }
}

impl std::error::Error for QueueError {}
