//! A scheduled failure: which operation of the model fails, when, and how.
//!
//! Faults are scheduled in advance, so that a seed alone replays a run.

/// The device failed.
const EIO: i32 = 5;
/// The process has no descriptor left.
pub(super) const EMFILE: i32 = 24;
/// The disk is full.
pub(super) const ENOSPC: i32 = 28;

/// An operation that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Opening or creating a file.
    Open,
    /// Opening or listing a directory.
    OpenDir,
    /// Making a directory.
    CreateDir,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Setting the length.
    Truncate,
    /// Flushing a file.
    Sync,
    /// Flushing a directory.
    SyncDir,
    /// Renaming.
    Rename,
    /// Removing a file.
    Remove,
}

impl Operation {
    /// True if the operation is read-only.
    pub(super) fn only_looks(self) -> bool {
        matches!(self, Operation::Read | Operation::Open | Operation::OpenDir)
    }
}

/// A scheduled failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The operation that fails.
    pub operation: Operation,
    /// Number of operations that succeed before.
    pub skip: u64,
    /// Number of operations that fail.
    pub times: u64,
    /// Error number of the failure.
    pub errno: i32,
    /// True if a failing write leaves a part of its bytes behind.
    pub torn: bool,
}

impl Fault {
    /// The next `operation` fails with EIO, once.
    pub fn eio(operation: Operation) -> Fault {
        Fault { operation, skip: 0, times: 1, errno: EIO, torn: false }
    }

    /// The next `operation` fails with EMFILE, once.
    pub fn no_descriptors(operation: Operation) -> Fault {
        Fault { errno: EMFILE, ..Fault::eio(operation) }
    }

    /// The next write fails with ENOSPC, once, after a part of it was written.
    pub fn disk_full() -> Fault {
        Fault { operation: Operation::Write, skip: 0, times: 1, errno: ENOSPC, torn: true }
    }
}
