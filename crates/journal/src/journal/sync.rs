//! Flushing to the device, on another thread.
//!
//! One flush covers every batch committed before it was requested: batches that arrive meanwhile wait for the
//! next. The files are opened, checked to be in place, and flushed one after the other. Conditions that
//! prevent a flush (no descriptors, a moved directory) change nothing, and the flush is retried. A failed
//! flush poisons the journal, because the kernel may have dropped the pages it could not write.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Journal;
use super::flush_error::{FlushError, FlushRefused};
use crate::error::advice;
use crate::files::{Dir, File, Files, OpenMode};
use crate::format::segment::HEADER_BYTES;
use crate::{CommitSeq, Durability, SyncError};

/// Flushes everything committed when the job was created.
#[derive(Debug)]
#[must_use = "batches wait for it; run it on a thread that may block"]
pub struct SyncJob {
    files: Arc<dyn Files>,
    dir: PathBuf,
    /// The active segment, flushed or not, and all unflushed ones.
    targets: Vec<Target>,
    names: Option<Names>,
    up_to: CommitSeq,
}

#[derive(Debug)]
struct Target {
    start: u64,
    /// Committed bytes of records.
    bytes: u64,
    path: PathBuf,
    file: Option<Arc<dyn File>>,
    /// False if the file only needs to be checked for its place.
    dirty: bool,
}

/// Changes of names to be flushed.
#[derive(Debug)]
struct Names {
    /// Number of changes of names up to this state.
    state: u64,
    dir: Option<Arc<dyn Dir>>,
    /// True if the directory's own name must be flushed as well.
    own: bool,
    parent: Option<Arc<dyn Dir>>,
}

/// Result of a [`SyncJob`]; for [`Journal::synced`].
#[derive(Debug)]
#[must_use = "give it back to the journal"]
pub struct SyncDone {
    targets: Vec<(u64, u64)>,
    names: Option<u64>,
    up_to: CommitSeq,
    result: Result<Flushed, FlushError>,
}

/// Result of a flush.
#[derive(Debug)]
struct Flushed {
    /// Segments that are not in place: released meanwhile, or moved.
    missing: Vec<u64>,
}

impl SyncJob {
    /// Flushes. Blocks for as long as the device takes.
    pub fn run(self) -> SyncDone {
        let result = self.flush();
        let targets = self.targets.iter().map(|t| (t.start, t.bytes)).collect();
        SyncDone { targets, names: self.names.map(|names| names.state), up_to: self.up_to, result }
    }

    /// Uses one descriptor at a time besides those already open.
    fn flush(&self) -> Result<Flushed, FlushError> {
        let mut missing = Vec::new();
        for target in &self.targets {
            match target.find(&*self.files).map_err(|e| refused(&target.path, &e))? {
                Some(file) if target.dirty => file.sync().map_err(|e| failed(&target.path, &e))?,
                Some(_) => {}
                None => missing.push(target.start),
            }
        }
        if let Some(names) = &self.names {
            names.flush(&*self.files, &self.dir)?;
        }
        Ok(Flushed { missing })
    }
}

impl SyncDone {
    /// True if everything was flushed, and was in place.
    pub(super) fn succeeded(&self) -> bool {
        self.result.as_ref().is_ok_and(|flushed| flushed.missing.is_empty())
    }
}

impl Target {
    /// The open file; `None` if its path names another one or nothing.
    fn find(&self, files: &dyn Files) -> io::Result<Option<Arc<dyn File>>> {
        if let Some(file) = &self.file {
            return Ok(file.is_at(&self.path)?.then(|| Arc::clone(file)));
        }
        match files.open(&self.path, OpenMode::Write) {
            Ok(file) => Ok((file.bytes()? >= HEADER_BYTES + self.bytes).then_some(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

impl Names {
    fn flush(&self, files: &dyn Files, dir: &Path) -> Result<(), FlushError> {
        let parent = dir.parent().filter(|_| self.own).map(|parent| (parent, &self.parent));
        for (path, open) in std::iter::once((dir, &self.dir)).chain(parent) {
            find_dir(files, path, open.as_ref())?.sync().map_err(|e| failed(path, &e))?;
        }
        Ok(())
    }
}

/// The directory at `path`, which must be the already open one, if there is one.
pub(super) fn find_dir(
    files: &dyn Files,
    path: &Path,
    open: Option<&Arc<dyn Dir>>,
) -> Result<Arc<dyn Dir>, FlushError> {
    let found = match open {
        Some(dir) => dir.is_at(path).map(|there| there.then(|| Arc::clone(dir))),
        None => files.open_dir(path).map(Some),
    };
    match found {
        Ok(Some(dir)) => Ok(dir),
        Ok(None) => Err(FlushError::Displaced),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(FlushError::Displaced),
        Err(e) => Err(refused(path, &e)),
    }
}

fn refused(path: &Path, error: &io::Error) -> FlushError {
    FlushError::Refused(format!(
        "cannot flush {}: {}; it is tried again ({error})",
        path.display(),
        advice(error)
    ))
}

pub(super) fn failed(path: &Path, error: &io::Error) -> FlushError {
    FlushError::Failed(format!("fsync of {} failed ({error})", path.display()))
}

impl Journal {
    /// The flush that is due, if anything is committed but not on the device and no other flush is under way.
    /// To be called after each turn with `Fsync`, and every few seconds with `Os`. After a refused flush it
    /// returns `None`; see [`Journal::retry_sync`].
    pub fn sync_job(&mut self) -> Option<SyncJob> {
        let clean = self.bytes_at_risk() == 0 && self.checkpoint_found.is_none();
        let nothing_due = self.durable == self.committed && clean;
        if self.sync_under_way || nothing_due || self.poisoned.is_some() || self.flush_refused.is_some() {
            return None;
        }
        if self.options.durability == Durability::Memory {
            self.durable = self.committed;
            return None;
        }
        self.sync_under_way = true;
        Some(self.flush_all())
    }

    /// A retry of a refused flush. To be called every second or so.
    pub fn retry_sync(&mut self) -> Option<SyncJob> {
        if self.sync_under_way || self.poisoned.is_some() || self.flush_refused.is_none() {
            return None;
        }
        self.sync_under_way = true;
        Some(self.flush_all())
    }

    /// True from a refused flush until one succeeds.
    pub fn is_flush_refused(&self) -> bool {
        self.flush_refused.is_some()
    }

    /// True if nothing is accepted before a restart.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.is_some()
    }

    /// A job that flushes everything committed so far.
    pub(super) fn flush_all(&self) -> SyncJob {
        let active = self.segments.len().wrapping_sub(1);
        let targets = self.segments.iter().enumerate().filter_map(|(i, segment)| {
            let dirty = segment.synced < segment.bytes;
            (dirty || i == active).then(|| Target {
                start: segment.start,
                bytes: segment.bytes,
                path: self.segment_path(segment.start),
                file: segment.file.clone(),
                dirty,
            })
        });
        let names = (self.names_flushed < self.names_changed).then(|| Names {
            state: self.names_changed,
            dir: self.dir_open.clone(),
            own: self.parent_changed,
            parent: self.parent_open.clone(),
        });
        SyncJob {
            files: Arc::clone(&self.files),
            dir: self.dir.clone(),
            targets: targets.collect(),
            names,
            up_to: self.committed,
        }
    }

    /// Takes the result of a flush. Returns the last batch on the device.
    ///
    /// # Errors
    /// The flush could not be attempted and must be retried ([`Journal::retry_sync`]); or it failed, and the
    /// journal accepts nothing more.
    pub fn synced(&mut self, done: SyncDone) -> Result<CommitSeq, SyncError> {
        self.sync_under_way = false;
        self.absorb(done)
    }

    pub(super) fn absorb(&mut self, done: SyncDone) -> Result<CommitSeq, SyncError> {
        if let Some(poisoned) = &self.poisoned {
            return Err(SyncError::Poisoned(poisoned.clone()));
        }
        let Flushed { missing } = done.result.map_err(|error| self.not_flushed(error))?;
        if missing.iter().any(|start| self.segment_at(*start).is_some()) {
            return Err(self.not_flushed(FlushError::Displaced));
        }
        if self.flush_refused.take().is_some() {
            self.refusing = None;
        }
        for (start, bytes) in done.targets {
            if let Some(i) = self.segment_at(start) {
                let segment = &mut self.segments[i];
                segment.synced = segment.synced.max(bytes);
            }
        }
        self.count_at_risk();
        if let Some(names) = done.names {
            self.names_flushed = self.names_flushed.max(names);
            self.parent_changed = false;
            self.checkpoint = self.checkpoint_found.take().or(self.checkpoint);
            self.close_dir();
        }
        self.counters.syncs += 1;
        self.durable = self.durable.max(done.up_to);
        Ok(self.durable)
    }

    /// Closes the directory, unless names in it have to be flushed.
    pub(super) fn close_dir(&mut self) {
        if self.names_flushed == self.names_changed {
            self.dir_open = None;
        }
    }

    fn segment_at(&self, start: u64) -> Option<usize> {
        self.segments.binary_search_by_key(&start, |segment| segment.start).ok()
    }

    /// Notes the reason of a flush without progress.
    pub(super) fn not_flushed(&mut self, error: FlushError) -> SyncError {
        if let FlushError::Failed(reason) = error {
            return SyncError::Poisoned(self.poison(reason));
        }
        let displaced = matches!(error, FlushError::Displaced);
        let why = self.why(error);
        self.flush_refused = Some(FlushRefused { why: why.clone(), displaced });
        SyncError::Refused(why)
    }

    /// Error text for a flush without progress.
    pub(super) fn why(&self, error: FlushError) -> String {
        match error {
            FlushError::Refused(why) | FlushError::Failed(why) => why,
            FlushError::Displaced => self.displaced(),
        }
    }

    /// Error text, with the remedy, for files that have been moved.
    pub(super) fn displaced(&self) -> String {
        format!(
            "files in {} were moved, removed or replaced while in use: put them back and writing goes on, or restart to go on \
             with what is there",
            self.dir.display()
        )
    }
}
