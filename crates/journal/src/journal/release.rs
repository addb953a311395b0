//! Cleaning: deleting whole segments from the front of the log.
//!
//! The owner says which records it no longer needs. A segment is deleted only when it also lies before the
//! last durable checkpoint, since a restart replays from there. To free a segment pinned by a few live
//! records, append those again and release it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Journal, Segment};
use crate::files::Files;
use crate::format::segment;
use crate::{Durability, Position};

/// One segment, as [`Journal::segments`] lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Position of its first record.
    pub start: Position,
    /// Its end.
    pub end: Position,
    /// Bytes of records in it.
    pub bytes: u64,
    /// True for the active one, which is never deleted.
    pub active: bool,
}

/// Deletes released segments, oldest first.
#[derive(Debug)]
#[must_use = "run it on a thread that may block"]
pub struct RemoveJob {
    files: Arc<dyn Files>,
    dir: PathBuf,
    segments: Vec<Segment>,
}

/// Result of a [`RemoveJob`]; for [`Journal::removed`].
#[derive(Debug)]
#[must_use = "give it back to the journal"]
pub struct RemoveDone {
    left: Vec<Segment>,
    error: Option<io::Error>,
}

impl RemoveJob {
    /// Deletes the files. Stops at the first failure, so that the log never has a hole.
    pub fn run(self) -> RemoveDone {
        let mut segments = self.segments.into_iter();
        while let Some(next) = segments.next() {
            match self.files.remove(&self.dir.join(segment::name(next.start))) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => {
                    let left = std::iter::once(next).chain(segments).collect();
                    return RemoveDone { left, error: Some(e) };
                }
            }
        }
        RemoveDone { left: Vec::new(), error: None }
    }
}

impl Journal {
    /// The segments, oldest first.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = SegmentInfo> + ExactSizeIterator + '_ {
        let last = self.segments.len().wrapping_sub(1);
        self.segments.iter().enumerate().map(move |(i, segment)| SegmentInfo {
            start: Position(segment.start),
            end: Position(segment.end()),
            bytes: segment.bytes,
            active: i == last,
        })
    }

    /// Bytes of records in all segments; for a journal in memory, the bytes it holds.
    pub fn stored_bytes(&self) -> u64 {
        match self.options.durability {
            Durability::Memory => self.cache.cost() as u64,
            _ => self.segments.iter().map(|segment| segment.bytes).sum(),
        }
    }

    /// Makes the next batch begin a new segment, so that the active one can be released.
    pub fn seal(&mut self) {
        self.seal = true;
    }

    /// Declares that no record before `before` is needed. Segments entirely before it, and before the last
    /// durable checkpoint, leave the log at once; the job deletes their files. In memory the records are
    /// simply dropped.
    pub fn release(&mut self, before: Position) -> Option<RemoveJob> {
        if self.options.durability == Durability::Memory {
            self.cache.drop_before(before);
            return None;
        }
        let before = before.min(self.checkpoint?);
        let mut segments = Vec::new();
        while self.segments.len() > 1 && self.segments[0].end() <= before.0 {
            segments.extend(self.segments.pop_front());
        }
        if segments.is_empty() {
            return None;
        }
        Some(RemoveJob { files: Arc::clone(&self.files), dir: self.dir.clone(), segments })
    }

    /// Takes the result of a deletion. Segments that could not be deleted are part of the log again: release
    /// them later.
    pub fn removed(&mut self, done: RemoveDone) -> io::Result<()> {
        for segment in done.left.into_iter().rev() {
            self.segments.push_front(segment);
        }
        done.error.map_or(Ok(()), Err)
    }

    /// Deletes the journal's directory. It is first renamed to its name with [`DELETED_SUFFIX`], so that a
    /// new journal can take the name at once and the next start recognizes a half-done deletion. Outstanding
    /// jobs may fail afterwards. On success the journal must be dropped.
    ///
    /// # Errors
    /// The directory could not be renamed: nothing was deleted.
    pub fn delete(&self) -> io::Result<Option<DeleteJob>> {
        if self.options.durability == Durability::Memory {
            return Ok(None);
        }
        let mut name = self.dir.clone().into_os_string();
        name.push(format!(".{:016x}{DELETED_SUFFIX}", self.tag));
        let renamed = PathBuf::from(name);
        match self.files.rename(&self.dir, &renamed) {
            Ok(()) => Ok(Some(DeleteJob::new(Arc::clone(&self.files), renamed))),
            // Already gone, if its parent directory is still in place.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.dir.parent().map_or(Ok(()), |parent| self.files.open_dir(parent).map(drop))?;
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}

/// Suffix of the directory of a journal that is being deleted.
pub const DELETED_SUFFIX: &str = ".deleted";

/// Deletes a directory of files, such as a leftover one with [`DELETED_SUFFIX`].
#[derive(Debug)]
#[must_use = "run it on a thread that may block"]
pub struct DeleteJob {
    files: Arc<dyn Files>,
    dir: PathBuf,
}

impl DeleteJob {
    /// A job for the directory `dir`.
    pub fn new(files: Arc<dyn Files>, dir: PathBuf) -> DeleteJob {
        DeleteJob { files, dir }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Deletes the directory and the files in it. May be repeated if it fails.
    pub fn run(&self) -> io::Result<()> {
        if let Some(parent) = self.dir.parent() {
            self.files.sync_dir(parent)?;
        }
        let gone = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
        let entries = match self.files.list(&self.dir) {
            // Deleted by another process.
            Err(e) if gone(&e) => return Ok(()),
            listed => listed?,
        };
        for entry in entries {
            self.files
                .remove(&self.dir.join(entry.name))
                .or_else(|e| if gone(&e) { Ok(()) } else { Err(e) })?;
        }
        self.files.remove_dir(&self.dir)
    }
}
