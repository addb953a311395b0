//! Checkpoints: they let a restart replay from a position other than the beginning.
//!
//! A checkpoint never knows more than the log: the job flushes the log first, and replaces the old file only
//! when both are on the device. Everything it will flush is opened before anything is changed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Journal;
use super::flush_error::FlushError;
use super::sync::{SyncDone, SyncJob, failed, find_dir};
use crate::files::{Dir, Files, OpenMode, write_all};
use crate::format::checkpoint;
use crate::{CheckpointError, Durability, Position};

/// Flushes the log, then writes the checkpoint beside the old one and renames it over that.
#[derive(Debug)]
#[must_use = "run it on a thread that may block"]
pub struct CheckpointJob {
    log: SyncJob,
    files: Arc<dyn Files>,
    dir: PathBuf,
    dir_open: Option<Arc<dyn Dir>>,
    tag: u64,
    replay: Position,
    payload: Vec<u8>,
}

/// Result of a [`CheckpointJob`]; for [`Journal::checkpointed`].
#[derive(Debug)]
#[must_use = "give it back to the journal"]
pub struct CheckpointDone {
    log: SyncDone,
    replay: Position,
    result: Result<(), Failure>,
}

/// The reason a checkpoint did not come into force.
#[derive(Debug)]
enum Failure {
    /// It could not be attempted. The previous one is in force.
    Refused(FlushError),
    /// It could not be written. The previous one is in force.
    NotWritten(io::Error),
    /// It was renamed, but may not survive a loss of power.
    NotFlushed(FlushError),
}

impl CheckpointJob {
    /// Writes the checkpoint. Blocks for as long as the device takes.
    pub fn run(self) -> CheckpointDone {
        let CheckpointJob { log, files, dir, dir_open, tag, replay, payload } = self;
        let log = log.run();
        let result =
            if log.succeeded() { write(&*files, &dir, dir_open, tag, replay, &payload) } else { Ok(()) };
        CheckpointDone { log, replay, result }
    }
}

fn write(
    files: &dyn Files,
    dir: &Path,
    dir_open: Option<Arc<dyn Dir>>,
    tag: u64,
    replay: Position,
    payload: &[u8],
) -> Result<(), Failure> {
    let dir_open = find_dir(files, dir, dir_open.as_ref()).map_err(Failure::Refused)?;
    let temporary = dir.join(checkpoint::TEMPORARY_NAME);
    let header = checkpoint::header(tag, replay.0, payload);
    let file = files.open(&temporary, OpenMode::Create).map_err(Failure::NotWritten)?;
    write_all(&*file, &header, 0)
        .and_then(|()| write_all(&*file, payload, header.len() as u64))
        .and_then(|()| file.sync())
        .and_then(|()| files.rename(&temporary, &dir.join(checkpoint::NAME)))
        .inspect_err(|_| drop(files.remove(&temporary)))
        .map_err(Failure::NotWritten)?;
    dir_open.sync().map_err(|e| Failure::NotFlushed(failed(dir, &e)))
}

impl Journal {
    /// A job that makes `payload` the checkpoint: a restart returns it and replays from `replay_from`, which
    /// must be committed. One at a time.
    pub fn checkpoint(
        &mut self,
        replay_from: Position,
        payload: Vec<u8>,
    ) -> Result<CheckpointJob, CheckpointError> {
        let max = self.options.checkpoint_bytes_max;
        if self.options.durability == Durability::Memory {
            return Err(CheckpointError::NoFiles);
        }
        if payload.len() > max {
            return Err(CheckpointError::TooLarge { bytes: payload.len(), max });
        }
        if replay_from > self.end {
            return Err(CheckpointError::NotCommitted);
        }
        if let Some(poisoned) = &self.poisoned {
            return Err(CheckpointError::Poisoned(poisoned.clone()));
        }
        if self.checkpoint_under_way {
            return Err(CheckpointError::UnderWay);
        }
        self.checkpoint_under_way = true;
        Ok(CheckpointJob {
            log: self.flush_all(),
            files: Arc::clone(&self.files),
            dir: self.dir.clone(),
            dir_open: self.dir_open.clone(),
            tag: self.tag,
            replay: replay_from,
            payload,
        })
    }

    /// Takes the result of a checkpoint. On success [`Journal::release`] may delete segments before it. On
    /// failure the previous one stays in force; only a failed flush, of the log before it or of the directory
    /// after it, poisons the journal.
    pub fn checkpointed(&mut self, done: CheckpointDone) -> Result<(), CheckpointError> {
        self.checkpoint_under_way = false;
        self.absorb(done.log)?;
        match done.result {
            Ok(()) => {}
            Err(Failure::Refused(error)) => return Err(CheckpointError::Refused(self.why(error))),
            Err(Failure::NotWritten(e)) => return Err(CheckpointError::Io(e)),
            Err(Failure::NotFlushed(error)) => return Err(self.not_flushed(error).into()),
        }
        self.checkpoint_found = None;
        self.checkpoint = Some(done.replay);
        Ok(())
    }

    /// Position from which a restart replays after the durable checkpoint; `None` without one.
    pub fn checkpoint_position(&self) -> Option<Position> {
        self.checkpoint
    }
}
