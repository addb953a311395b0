//! Writing a batch.
//!
//! A batch is one write into one segment. If the write fails, the file is cut back to its previous length, so
//! that no process ever takes the refused records for accepted ones.

use std::sync::Arc;

use super::sync::find_dir;
use super::{Journal, Segment};
use crate::cache::Cache;
use crate::files::{File, OpenMode, write_all};
use crate::format::segment::{self, HEADER_BYTES};
use crate::{CommitSeq, Durability, WriteError};

/// Number of closed, unflushed segments whose files stay open, latest first.
const UNFLUSHED_OPEN_MAX: usize = 4;
/// Most bytes written to test whether a refused batch would be accepted now.
const TRIED_BYTES_MAX: usize = 64 << 10;

impl Journal {
    /// Writes the staged records with one write. On success they can be read, and [`Journal::accepted`] says
    /// when they may be acknowledged. On failure the batch is dropped and the log is unchanged. With nothing
    /// staged it returns the last committed batch.
    pub fn commit(&mut self) -> Result<CommitSeq, WriteError> {
        if self.batch.is_empty() {
            return Ok(self.committed);
        }
        let refused_bytes = self.batch.len();
        let written = match self.options.durability {
            Durability::Memory => self.room_in_memory(refused_bytes),
            Durability::Os | Durability::Fsync => self.write_batch(),
        };
        match written {
            Ok(()) => Ok(self.accept_batch()),
            Err(error) => {
                self.discard();
                self.counters.refused += 1;
                self.refusing = Some(error.to_string());
                self.refused_bytes = refused_bytes;
                Err(error)
            }
        }
    }

    /// After a refused batch, tests whether one as large could be written now, without having one. As many
    /// bytes are written after the end and cut off again; if a crash leaves some of them, the next start cuts
    /// them off. [`Journal::health`] shows the outcome.
    pub fn retry_write(&mut self) {
        if self.refusing.is_none() || !self.batch.is_empty() {
            return;
        }
        let tried = match self.options.durability {
            Durability::Memory => self.room_in_memory(self.refused_bytes),
            Durability::Os | Durability::Fsync => self.try_write(self.refused_bytes.min(TRIED_BYTES_MAX)),
        };
        self.refusing = tried.err().map(|error| error.to_string());
    }

    fn try_write(&mut self, bytes: usize) -> Result<(), WriteError> {
        let (file, offset) = self.place_to_write()?;
        let written = write_all(&*file, &vec![0; bytes], offset);
        let cut = file.truncate(offset);
        self.cut_pending = cut.is_err();
        Ok(written.and(cut)?)
    }

    fn room_in_memory(&self, bytes: usize) -> Result<(), WriteError> {
        let max = self.options.memory_bytes;
        let cost = self.cache.cost() + Cache::cost_of(bytes);
        if cost > max { Err(WriteError::MemoryFull { max }) } else { Ok(()) }
    }

    fn write_batch(&mut self) -> Result<(), WriteError> {
        let (file, offset) = self.place_to_write()?;
        if let Err(error) = write_all(&*file, &self.batch, offset) {
            self.cut_pending = file.truncate(offset).is_err();
            return Err(error.into());
        }
        let bytes = self.batch.len() as u64;
        self.segments.back_mut().expect("it was written to").bytes += bytes;
        self.at_risk += bytes;
        Ok(())
    }

    /// The file that the batch goes to, and the offset in it.
    fn place_to_write(&mut self) -> Result<(Arc<dyn File>, u64), WriteError> {
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
        let active = self.segments.back().expect("writable_segment made one");
        Ok((file, HEADER_BYTES + active.bytes))
    }

    /// Cuts off the remains of an earlier refused write, if that failed at the time.
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

    /// The file that the batch goes to: the active one, or a new one if that is full.
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
        // Directories that must be flushed are opened before they are changed.
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

    /// Closes the files of inactive segments, except for a few unflushed ones.
    fn close_old_files(&mut self) {
        let old = self.segments.len() - 1;
        for (i, segment) in self.segments.iter_mut().take(old).enumerate() {
            if segment.synced == segment.bytes || i + UNFLUSHED_OPEN_MAX < old {
                segment.file = None;
            }
        }
    }

    /// Descriptors held: files of segments, and the directory while names in it are not flushed.
    pub fn descriptors(&self) -> usize {
        let files = self.segments.iter().rev().take(UNFLUSHED_OPEN_MAX + 1).filter(|s| s.file.is_some());
        files.count() + usize::from(self.dir_open.is_some())
    }

    fn accept_batch(&mut self) -> CommitSeq {
        let bytes = self.batch.split().freeze();
        self.leave_short_rest(bytes.len());
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
