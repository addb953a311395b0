//! Errors of the journal: their causes and remedies.
//!
//! None of these is caused by a record's content: the journal does not interpret payloads.

use std::path::Path;
use std::{fmt, io};

use crate::Position;

/// The reason a record was not staged. The batch is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendError {
    /// The payload is larger than [`crate::Options::record_bytes_max`].
    TooLarge {
        /// Bytes of the payload.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The batch would grow past [`crate::Options::batch_bytes_max`]: commit first, then append again.
    BatchFull {
        /// The limit.
        max: usize,
    },
    /// Kind 0 marks unwritten space and is reserved.
    KindZero,
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendError::TooLarge { bytes, max } => write!(f, "record of {bytes} bytes is larger than {max}"),
            AppendError::BatchFull { max } => write!(f, "batch would be larger than {max} bytes"),
            AppendError::KindZero => f.write_str("record kind 0 is reserved"),
        }
    }
}

impl std::error::Error for AppendError {}

/// The reason a batch was refused. Nothing in it was accepted; its positions are void and will be used by the
/// next batch.
#[derive(Debug)]
pub enum WriteError {
    /// The file system or quota is full. Later commits succeed once there is room again.
    DiskFull(io::Error),
    /// Writing failed otherwise. Later commits are attempted and may succeed.
    Io(io::Error),
    /// Nothing is written for now: earlier writes cannot be flushed, or the files have been moved. Later
    /// commits are attempted. The text has the reason and the remedy.
    Refused(String),
    /// [`crate::Durability::Memory`] only: the limit is reached. Release something, then append again.
    MemoryFull {
        /// The limit, in bytes.
        max: usize,
    },
    /// See [`Poisoned`].
    Poisoned(Poisoned),
}

impl WriteError {
    /// True if the same batch may be accepted later without a restart.
    pub fn may_recover(&self) -> bool {
        !matches!(self, WriteError::Poisoned(_))
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::DiskFull(e) => write!(f, "disk is full: free space, then publish again ({e})"),
            WriteError::Io(e) => write!(f, "write failed: {}, then publish again ({e})", advice(e)),
            WriteError::Refused(why) => f.write_str(why),
            WriteError::MemoryFull { max } => write!(f, "memory limit of {max} bytes is reached"),
            WriteError::Poisoned(p) => p.fmt(f),
        }
    }
}

impl std::error::Error for WriteError {}

impl From<io::Error> for WriteError {
    fn from(e: io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => WriteError::DiskFull(e),
            _ => WriteError::Io(e),
        }
    }
}

/// Remedy for an operating-system error.
pub(crate) fn advice(error: &io::Error) -> &'static str {
    known_advice(error).unwrap_or("check the device")
}

fn known_advice(error: &io::Error) -> Option<&'static str> {
    Some(match (error.raw_os_error(), error.kind()) {
        (Some(EMFILE), _) => "no file descriptor is left, raise their limit or close connections",
        (Some(ENFILE), _) => "the system has no file descriptor left, close files of other programs",
        (_, io::ErrorKind::OutOfMemory) => "the system has no memory left, give it some",
        (_, io::ErrorKind::NotFound) => "the file is not there, put the directory back",
        (_, io::ErrorKind::PermissionDenied) => "give back the permission",
        (_, io::ErrorKind::ReadOnlyFilesystem) => "the file system has become read-only, check the device",
        _ => return None,
    })
}

/// The process has reached its limit of open files.
const EMFILE: i32 = 24;
/// The system has reached its limit of open files.
const ENFILE: i32 = 23;

/// The reason a flush made no progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncError {
    /// It could not be attempted, for want of a descriptor for instance. Written data is as safe as before;
    /// retry. The text has the reason and the remedy.
    Refused(String),
    /// It was attempted and failed.
    Poisoned(Poisoned),
}

impl fmt::Display for SyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SyncError::Refused(why) => f.write_str(why),
            SyncError::Poisoned(p) => p.fmt(f),
        }
    }
}

impl std::error::Error for SyncError {}

/// A flush to the device failed, so that it is unknown which of the written bytes the device has. No further
/// batch is accepted; committed records can still be read. Only a restart, which reads back the device's
/// contents, helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poisoned {
    /// The failed operation, for the log and for the health page.
    pub reason: String,
}

impl fmt::Display for Poisoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "journal takes no more writes: {}; check the device and restart", self.reason)
    }
}

impl std::error::Error for Poisoned {}

/// The reason a read failed. Damaged records are not an error: see [`crate::Block::damage`].
#[derive(Debug)]
pub enum ReadError {
    /// The file could not be read. The read may be retried.
    Io(io::Error),
    /// The segment was released while the read was under way.
    Gone {
        /// Start of the read.
        from: Position,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io(e) => write!(f, "read failed: {} ({e})", advice(e)),
            ReadError::Gone { from } => write!(f, "records at {from} were released"),
        }
    }
}

impl std::error::Error for ReadError {}

/// The reason a journal could not be opened. Damaged content is not an error: it is listed in
/// [`crate::Recovered`].
#[derive(Debug)]
pub struct OpenError {
    /// The operation, and its path.
    pub doing: String,
    /// The system's error.
    pub source: io::Error,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match known_advice(&self.source) {
            Some(advice) => write!(f, "{}: {advice} ({})", self.doing, self.source),
            None => write!(f, "{}: {}", self.doing, self.source),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Makes an error of opening, with the operation and path.
pub(crate) fn failed<'a>(doing: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> OpenError + 'a {
    move |source| OpenError { doing: format!("{doing} {}", path.display()), source }
}

/// The reason a checkpoint failed. The previous one stays in force.
#[derive(Debug)]
pub enum CheckpointError {
    /// The payload is larger than [`crate::Options::checkpoint_bytes_max`].
    TooLarge {
        /// Bytes of the payload.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The position is after the last committed record.
    NotCommitted,
    /// Another checkpoint is being written.
    UnderWay,
    /// The journal has no files ([`crate::Durability::Memory`]).
    NoFiles,
    /// Writing it failed. Retry.
    Io(io::Error),
    /// Flushing the log before it could not be attempted. Retry. The text has the reason and the remedy.
    Refused(String),
    /// Flushing the log before it, or the directory after it, failed. See [`Poisoned`].
    Poisoned(Poisoned),
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckpointError::TooLarge { bytes, max } => {
                write!(f, "checkpoint of {bytes} bytes is larger than {max}")
            }
            CheckpointError::NotCommitted => f.write_str("checkpoint position is not committed"),
            CheckpointError::UnderWay => f.write_str("a checkpoint is being written"),
            CheckpointError::NoFiles => f.write_str("a journal in memory has no checkpoints"),
            CheckpointError::Io(e) => write!(f, "checkpoint could not be written: {} ({e})", advice(e)),
            CheckpointError::Refused(why) => f.write_str(why),
            CheckpointError::Poisoned(p) => p.fmt(f),
        }
    }
}

impl std::error::Error for CheckpointError {}

impl From<SyncError> for CheckpointError {
    fn from(error: SyncError) -> CheckpointError {
        match error {
            SyncError::Refused(why) => CheckpointError::Refused(why),
            SyncError::Poisoned(poisoned) => CheckpointError::Poisoned(poisoned),
        }
    }
}
