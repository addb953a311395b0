//! Flushing to the device, on another thread.
//!
//! One flush covers every batch that was committed before it was asked for: batches that arrive meanwhile wait for the next.
//! A flush that fails poisons the journal, because after that the kernel may have dropped the pages it could not write.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::Journal;
use crate::files::{File, Files, OpenMode};
use crate::{CommitSeq, Durability, Poisoned};

/// Flushes what was committed when it was made.
#[derive(Debug)]
#[must_use = "batches wait for it; run it on a thread that may block"]
pub struct SyncJob {
    files: Arc<dyn Files>,
    dir: PathBuf,
    targets: Vec<Target>,
    /// Which state of the directory is flushed, if it is.
    names: Option<u64>,
    parent: bool,
    up_to: CommitSeq,
}

#[derive(Debug)]
struct Target {
    start: u64,
    bytes: u64,
    path: PathBuf,
    file: Option<Arc<dyn File>>,
}

/// What a [`SyncJob`] has done; for [`Journal::synced`].
#[derive(Debug)]
#[must_use = "give it back to the journal"]
pub struct SyncDone {
    targets: Vec<(u64, u64)>,
    names: Option<u64>,
    up_to: CommitSeq,
    result: Result<(), String>,
}

impl SyncJob {
    /// Flushes. Blocks for as long as the device takes.
    pub fn run(self) -> SyncDone {
        let result = self.flush();
        let targets = self.targets.iter().map(|t| (t.start, t.bytes)).collect();
        SyncDone { targets, names: self.names, up_to: self.up_to, result }
    }

    fn flush(&self) -> Result<(), String> {
        for target in &self.targets {
            target.flush(&*self.files).map_err(|e| said("fsync", &target.path, &e))?;
        }
        if self.names.is_some() {
            self.files.sync_dir(&self.dir).map_err(|e| said("fsync", &self.dir, &e))?;
        }
        if self.parent
            && let Some(parent) = self.dir.parent()
        {
            self.files.sync_dir(parent).map_err(|e| said("fsync", parent, &e))?;
        }
        Ok(())
    }
}

impl SyncDone {
    pub(super) fn succeeded(&self) -> bool {
        self.result.is_ok()
    }
}

impl Target {
    /// A segment that is no longer there was released, which takes a checkpoint, which flushed it.
    fn flush(&self, files: &dyn Files) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => match files.open(&self.path, OpenMode::Write) {
                Ok(file) => file,
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(e) => return Err(e),
            },
        };
        file.sync()
    }
}

fn said(what: &str, path: &std::path::Path, error: &io::Error) -> String {
    format!("{what} of {} failed ({error})", path.display())
}

impl Journal {
    /// The flush that is due, if something is committed but not on the device and no other flush is under way. To be
    /// asked for after each turn with `Fsync`, and every few seconds with `Os`.
    pub fn sync_job(&mut self) -> Option<SyncJob> {
        let clean = self.bytes_at_risk() == 0 && self.checkpoint_found.is_none();
        let nothing_due = self.durable == self.committed && clean;
        if self.sync_under_way || nothing_due || self.poisoned.is_some() {
            return None;
        }
        if self.options.durability == Durability::Memory {
            self.durable = self.committed;
            return None;
        }
        self.sync_under_way = true;
        Some(self.flush_all())
    }

    /// A job that flushes everything committed so far.
    pub(super) fn flush_all(&self) -> SyncJob {
        let dirty = self.segments.iter().filter(|segment| segment.synced < segment.bytes);
        let targets = dirty.map(|segment| Target {
            start: segment.start,
            bytes: segment.bytes,
            path: self.segment_path(segment.start),
            file: segment.file.clone(),
        });
        SyncJob {
            files: Arc::clone(&self.files),
            dir: self.dir.clone(),
            targets: targets.collect(),
            names: (self.names_flushed < self.names_changed).then_some(self.names_changed),
            parent: self.parent_changed,
            up_to: self.committed,
        }
    }

    /// Takes back a flush. Returns the last batch that is on the device; after a failure nothing is accepted any more.
    pub fn synced(&mut self, done: SyncDone) -> Result<CommitSeq, Poisoned> {
        self.sync_under_way = false;
        self.absorb(done)
    }

    pub(super) fn absorb(&mut self, done: SyncDone) -> Result<CommitSeq, Poisoned> {
        if let Err(reason) = done.result {
            return Err(self.poison(reason));
        }
        if let Some(poisoned) = &self.poisoned {
            return Err(poisoned.clone());
        }
        for (start, bytes) in done.targets {
            if let Ok(i) = self.segments.binary_search_by_key(&start, |segment| segment.start) {
                let segment = &mut self.segments[i];
                segment.synced = segment.synced.max(bytes);
            }
        }
        self.count_at_risk();
        if let Some(names) = done.names {
            self.names_flushed = self.names_flushed.max(names);
            self.parent_changed = false;
            self.checkpoint = self.checkpoint_found.take().or(self.checkpoint);
        }
        self.counters.syncs += 1;
        self.durable = self.durable.max(done.up_to);
        Ok(self.durable)
    }
}
