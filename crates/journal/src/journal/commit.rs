//! Writing a batch.
//!
//! A batch is one write into one segment. When the write fails the file is cut back to where it was, so that neither this
//! process nor a later one takes the refused records for accepted ones.

use std::sync::Arc;

use super::sync::find_dir;
use super::{Journal, Segment};
use crate::cache::Cache;
use crate::files::{File, OpenMode, write_all};
use crate::format::segment::{self, HEADER_BYTES};
use crate::{CommitSeq, Durability, WriteError};

/// Segments that are closed but not flushed keep their file open, the latest this many.
pub(super) const UNFLUSHED_OPEN_MAX: usize = 4;

impl Journal {
    /// Writes what is staged, with one write. On success the records can be read, and [`Journal::accepted`] tells when they count.
    /// On failure none of them does: the batch is dropped and the log is as it was. With nothing staged it
    /// returns the last committed batch.
    pub fn commit(&mut self) -> Result<CommitSeq, WriteError> {
        if self.batch.is_empty() {
            return Ok(self.committed);
        }
        let written = match self.options.durability {
            Durability::Memory => self.room_in_memory(),
            Durability::Os | Durability::Fsync => self.write_batch(),
        };
        match written {
            Ok(()) => Ok(self.accept_batch()),
            Err(error) => {
                self.discard();
                self.counters.refused += 1;
                self.refusing = Some(error.to_string());
                Err(error)
            }
        }
    }

    fn room_in_memory(&self) -> Result<(), WriteError> {
        let max = self.options.memory_bytes;
        let cost = self.cache.cost() + Cache::cost_of(self.batch.len());
        if cost > max { Err(WriteError::MemoryFull { max }) } else { Ok(()) }
    }

    fn write_batch(&mut self) -> Result<(), WriteError> {
        if let Some(poisoned) = &self.poisoned {
            return Err(WriteError::Poisoned(poisoned.clone()));
        }
        if let Some(refused) = &self.flush_refused
            && (refused.displaced || self.options.durability == Durability::Fsync)
        {
            return Err(WriteError::Refused(refused.why.clone()));
        }
        self.cut_refused()?;
        let file = self.writable_segment()?;
        let active = self.segments.back_mut().expect("writable_segment made one");
        let offset = HEADER_BYTES + active.bytes;
        if let Err(error) = write_all(&*file, &self.batch, offset) {
            self.cut_pending = file.truncate(offset).is_err();
            return Err(error.into());
        }
        active.bytes += self.batch.len() as u64;
        self.at_risk += self.batch.len() as u64;
        Ok(())
    }

    /// Cuts off what an earlier, refused write has left, if that was not possible then.
    fn cut_refused(&mut self) -> Result<(), WriteError> {
        if self.cut_pending
            && let Some(active) = self.segments.back()
            && let Some(file) = &active.file
        {
            file.truncate(HEADER_BYTES + active.bytes)?;
        }
        self.cut_pending = false;
        Ok(())
    }

    /// The file that the batch goes to: the active one, or a new one when that is full.
    fn writable_segment(&mut self) -> Result<Arc<dyn File>, WriteError> {
        let full = match self.segments.back() {
            None => true,
            Some(active) => {
                let after = active.bytes + self.batch.len() as u64;
                active.bytes > 0 && (self.seal || after > self.options.segment_bytes)
            }
        };
        if full || self.segments.back().is_some_and(|active| active.end() != self.end.0) {
            return self.begin_segment();
        }
        let active = self.segments.back_mut().expect("checked above");
        if let Some(file) = &active.file {
            return Ok(Arc::clone(file));
        }
        let file = self.files.open(&self.dir.join(segment::name(active.start)), OpenMode::Write)?;
        if file.bytes()? < HEADER_BYTES + active.bytes {
            return Err(WriteError::Refused(self.displaced()));
        }
        active.file = Some(Arc::clone(&file));
        Ok(file)
    }

    fn begin_segment(&mut self) -> Result<Arc<dyn File>, WriteError> {
        let start = self.end.0;
        // What is to be flushed is open before it is changed.
        let dir = find_dir(&*self.files, &self.dir, self.dir_open.as_ref());
        self.dir_open = Some(dir.map_err(|error| WriteError::Refused(self.why(error)))?);
        let path = self.segment_path(start);
        let file = self.files.open(&path, OpenMode::Create).inspect_err(|_| self.close_dir())?;
        self.names_changed += 1;
        if let Err(error) = write_all(&*file, &segment::header(self.tag, start), 0) {
            let _ = self.files.remove(&path);
            return Err(error.into());
        }
        self.segments.push_back(Segment { start, bytes: 0, synced: 0, file: Some(Arc::clone(&file)) });
        self.seal = false;
        self.close_old_files();
        Ok(file)
    }

    /// Closes the files of segments that are no longer written to, but for a few that are not flushed yet.
    fn close_old_files(&mut self) {
        let old = self.segments.len() - 1;
        for (i, segment) in self.segments.iter_mut().take(old).enumerate() {
            if segment.synced == segment.bytes || i + UNFLUSHED_OPEN_MAX < old {
                segment.file = None;
            }
        }
    }

    fn accept_batch(&mut self) -> CommitSeq {
        let bytes = self.batch.split().freeze();
        let start = self.end;
        self.end = start + bytes.len() as u64;
        self.batch_bytes_last = bytes.len();
        self.committed.0 += 1;
        self.counters.commits += 1;
        self.counters.records += std::mem::take(&mut self.batch_records);
        self.counters.bytes += bytes.len() as u64;
        self.refusing = None;
        self.cache.push(start, bytes);
        self.trim_cache();
        self.committed
    }
}
