//! What can go wrong, whose fault it is, and what may be done about it.
//!
//! None of these is ever raised by a record's content: the journal does not look inside a payload.

use std::{fmt, io};

use crate::Position;

/// Why a record was not staged. The batch is as it was.
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
    /// Kind 0 marks unwritten space and is not for use.
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

/// Why a batch was refused. Nothing in it was accepted, its positions are void and will be used by the next batch.
#[derive(Debug)]
pub enum WriteError {
    /// The file system (or the quota) is full. Later commits succeed once there is room again.
    DiskFull(io::Error),
    /// Writing failed otherwise. Later commits are tried; they may succeed.
    Io(io::Error),
    /// [`crate::Durability::Memory`] only: the limit is reached. Release something, then append again.
    MemoryFull {
        /// The limit, in bytes.
        max: usize,
    },
    /// See [`Poisoned`].
    Poisoned(Poisoned),
}

impl WriteError {
    /// Whether the same batch may be accepted later without a restart.
    pub fn may_recover(&self) -> bool {
        !matches!(self, WriteError::Poisoned(_))
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::DiskFull(e) => write!(f, "disk is full: free space, then publish again ({e})"),
            WriteError::Io(e) => write!(f, "write failed: check the device, then publish again ({e})"),
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

/// A flush to the device failed, so that nobody can know which of the written bytes the device has. No further batch is
/// accepted; what was committed can still be read. Only a restart (which reads back what is really there) helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poisoned {
    /// What failed, for the log and for the health page.
    pub reason: String,
}

impl fmt::Display for Poisoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "journal takes no more writes: {}; check the device and restart", self.reason)
    }
}

impl std::error::Error for Poisoned {}

/// Why a read gave nothing. Damaged records are not an error: see [`crate::Block::damage`].
#[derive(Debug)]
pub enum ReadError {
    /// The file could not be read. The same read may be tried again.
    Io(io::Error),
    /// The segment was released while the read was under way.
    Gone {
        /// Where the read was to begin.
        from: Position,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io(e) => write!(f, "read failed ({e})"),
            ReadError::Gone { from } => write!(f, "records at {from} were released"),
        }
    }
}

impl std::error::Error for ReadError {}

/// Why a journal could not be opened. Damaged content is not an error: it is listed in [`crate::Recovered`].
#[derive(Debug)]
pub struct OpenError {
    /// What was being done, and to which path.
    pub doing: String,
    /// What the system said.
    pub source: io::Error,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.source)
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Why a checkpoint was not taken. The previous one stays in force.
#[derive(Debug)]
pub enum CheckpointError {
    /// The payload is larger than [`crate::Options::checkpoint_bytes_max`].
    TooLarge {
        /// Bytes of the payload.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The position lies behind what is committed.
    NotCommitted,
    /// Another checkpoint is being written.
    UnderWay,
    /// The journal has no files ([`crate::Durability::Memory`]).
    NoFiles,
    /// Writing it failed.
    Io(io::Error),
    /// Flushing the log failed before it was written. See [`Poisoned`].
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
            CheckpointError::Io(e) => write!(f, "checkpoint could not be written ({e})"),
            CheckpointError::Poisoned(p) => p.fmt(f),
        }
    }
}

impl std::error::Error for CheckpointError {}
