//! Cleaning: giving back whole segments from the front of the log.
//!
//! The owner says what it no longer needs. A segment is deleted only when it also lies before the last
//! durable checkpoint, since a restart replays from there. To free a segment that a few live records pin,
//! append those again and release it.

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
    /// True for the one that is being written to, which is never deleted.
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
    /// Deletes. It stops at the first failure, so that the log never has a hole.
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

    /// Bytes of records in all segments; of a journal in memory, what it holds.
    pub fn stored_bytes(&self) -> u64 {
        match self.options.durability {
            Durability::Memory => self.cache.cost() as u64,
            _ => self.segments.iter().map(|segment| segment.bytes).sum(),
        }
    }

    /// Makes the next batch begin a new segment, so that the one in use can be released.
    pub fn seal(&mut self) {
        self.seal = true;
    }

    /// Says that no record before `before` is needed. Segments that lie wholly before it, and before the last
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

    /// Takes back a deletion. Segments that could not be deleted are part of the log again: release them
    /// later.
    pub fn removed(&mut self, done: RemoveDone) -> io::Result<()> {
        for segment in done.left.into_iter().rev() {
            self.segments.push_front(segment);
        }
        done.error.map_or(Ok(()), Err)
    }

    /// Deletes the journal's directory. It is renamed first, to its name with [`DELETED_SUFFIX`], so that a
    /// new journal can take the name at once and a half-done deletion is known at the next start. Jobs that
    /// are still out may fail afterwards. On success the journal is to be dropped.
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
            // Gone already, if that is where it would be.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.dir.parent().map_or(Ok(()), |parent| self.files.open_dir(parent).map(drop))?;
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}

/// Ends the name of a journal's directory that is being deleted.
pub const DELETED_SUFFIX: &str = ".deleted";

/// Deletes a directory of files, such as one that was left over with [`DELETED_SUFFIX`].
#[derive(Debug)]
#[must_use = "run it on a thread that may block"]
pub struct DeleteJob {
    files: Arc<dyn Files>,
    dir: PathBuf,
}

impl DeleteJob {
    /// For the directory `dir`.
    pub fn new(files: Arc<dyn Files>, dir: PathBuf) -> DeleteJob {
        DeleteJob { files, dir }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Deletes the directory and the files in it. To be repeated if it fails.
    pub fn run(&self) -> io::Result<()> {
        if let Some(parent) = self.dir.parent() {
            self.files.sync_dir(parent)?;
        }
        let gone = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
        let entries = match self.files.list(&self.dir) {
            // Somebody else has deleted it.
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
