//! Errors of requests to the queue.
//!
//! A TCP client gets the text after nsqd's code for its command; over HTTP each kind has its own status and
//! code.

use std::fmt;

use journal::{AppendError, Poisoned, SyncError, WriteError};

/// The reason a request failed. A failed request has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueError {
    /// There is no such topic.
    NoTopic,
    /// There is no such channel.
    NoChannel,
    /// The topic is full by its settings.
    TopicFull,
    /// The topic is at the daemon's limit of deferred messages.
    TooManyDeferred {
        /// The limit.
        max: u64,
    },
    /// The daemon is at its limit of topics.
    TooManyTopics {
        /// The limit.
        max: u64,
    },
    /// The daemon is at its limit of channels.
    TooManyChannels {
        /// The limit.
        max: u64,
    },
    /// The topic is at the limit of channels per topic.
    TooManyChannelsOfTopic {
        /// The limit.
        max: u64,
    },
    /// Topics and channels are at their memory limit.
    MemoryFull {
        /// Bytes that they take.
        held: usize,
        /// The limit.
        max: usize,
    },
    /// A topic cannot move between memory and files.
    DurabilityIsFixed {
        /// The topic.
        topic: String,
        /// True if it is in memory.
        in_memory: bool,
    },
    /// A channel to be read is in use.
    InUse {
        /// The topic.
        topic: String,
        /// The channel.
        channel: &'static str,
        /// Its user.
        by: UsedBy,
    },
    /// The daemon is stopping, or the topic is being deleted.
    Exiting,
    /// The engine refused it, or does not answer.
    Engine(String),
    /// A message is larger than the engine takes.
    TooLargeForEngine {
        /// Its bytes.
        size: usize,
        /// The most.
        max: usize,
    },
    /// There is no engine.
    NoEngine,
    /// A topic is kept elsewhere.
    StorageIsFixed {
        /// The topic.
        topic: String,
        /// True if it is on the engine.
        on_engine: bool,
    },
    /// The request is not possible for topics on the engine.
    NotOnEngine(&'static str),
    /// A journal refused it.
    Journal(JournalRefusal),
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
            QueueError::InUse { topic, channel, by } => {
                let by = match by {
                    UsedBy::Reader => "is being read: try again",
                    UsedBy::Consumers => "has consumers: disconnect them",
                };
                write!(f, "channel {channel} of topic {topic} {by}")
            }
            QueueError::Engine(why) => f.write_str(why),
            QueueError::TooLargeForEngine { size, max } => {
                write!(f, "message of {size} bytes is too large for the engine: {max} by its max_payload")
            }
            QueueError::NoEngine => f.write_str("there is no engine: add [engine] to the configuration"),
            QueueError::StorageIsFixed { topic, on_engine } => {
                let place = if *on_engine { "on the engine" } else { "local" };
                write!(f, "storage is fixed: topic {topic} is {place}")
            }
            QueueError::NotOnEngine(what) => write!(f, "{what} not available for topics on the engine"),
            QueueError::Journal(why) => why.fmt(f),
            QueueError::Exiting => f.write_str("exiting"),
        }
    }
}

impl std::error::Error for QueueError {}

impl From<JournalRefusal> for QueueError {
    fn from(why: JournalRefusal) -> QueueError {
        QueueError::Journal(why)
    }
}

/// User of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsedBy {
    /// The read of an earlier request, still in progress.
    Reader,
    /// Its own consumers.
    Consumers,
}

/// The reason a journal refused a write, or could not be opened, read or deleted. Texts say what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalRefusal {
    /// The disk is full.
    DiskFull(String),
    /// The device or the system refused a write or a flush.
    NotWritten(String),
    /// A record is too large, alone or together with staged ones.
    NotStaged(AppendError),
    /// A journal in memory is full.
    MemoryFull(String),
    /// It accepts nothing until a restart.
    Poisoned(Poisoned),
    /// Its files could not be opened or made; the text names the topic.
    NotOpened(String),
    /// Its files could not be deleted.
    NotDeleted(String),
    /// Its records could not be read.
    NotRead(String),
}

impl JournalRefusal {
    /// True if there is no room on the disk.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, JournalRefusal::DiskFull(_))
    }

    /// True if its text begins with the topic's name.
    pub fn names_topic(&self) -> bool {
        matches!(self, JournalRefusal::NotOpened(_))
    }
}

impl fmt::Display for JournalRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JournalRefusal::DiskFull(why)
            | JournalRefusal::NotWritten(why)
            | JournalRefusal::MemoryFull(why)
            | JournalRefusal::NotOpened(why) => f.write_str(why),
            JournalRefusal::NotStaged(why) => why.fmt(f),
            JournalRefusal::Poisoned(why) => why.fmt(f),
            JournalRefusal::NotDeleted(why) => write!(f, "journal cannot be deleted: {why}"),
            JournalRefusal::NotRead(why) => write!(f, "dead letters cannot be read: {why}"),
        }
    }
}

impl From<AppendError> for JournalRefusal {
    fn from(error: AppendError) -> JournalRefusal {
        JournalRefusal::NotStaged(error)
    }
}

impl From<WriteError> for JournalRefusal {
    fn from(error: WriteError) -> JournalRefusal {
        match error {
            WriteError::DiskFull(_) => JournalRefusal::DiskFull(error.to_string()),
            WriteError::Io(_) => JournalRefusal::NotWritten(error.to_string()),
            WriteError::Refused(why) => JournalRefusal::NotWritten(why),
            WriteError::MemoryFull { .. } => JournalRefusal::MemoryFull(error.to_string()),
            WriteError::Poisoned(poisoned) => JournalRefusal::Poisoned(poisoned),
        }
    }
}

impl From<SyncError> for JournalRefusal {
    fn from(error: SyncError) -> JournalRefusal {
        match error {
            SyncError::Refused(why) => JournalRefusal::NotWritten(why),
            SyncError::Poisoned(poisoned) => JournalRefusal::Poisoned(poisoned),
        }
    }
}
