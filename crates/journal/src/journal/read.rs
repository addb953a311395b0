//! Reading: from memory at once, from a file through a job.
//!
//! Looked up in this order: the tail cache, blocks recently read back for other readers, the segment's file.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::Journal;
use crate::block::DamageReason;
use crate::files::{Files, OpenMode};
use crate::scan::{Found, Resumed, SegmentReader};
use crate::{Block, Durability, Position, ReadError};

/// Result of [`Journal::read`].
#[derive(Debug)]
pub enum ReadOutcome {
    /// Records, from memory.
    Block(Block),
    /// The records must be read from a file.
    NeedsDisk(ReadJob),
    /// Nothing is committed after this position yet.
    AtEnd,
    /// The record was released. The oldest remaining one is at `first` (which may be the end).
    Gone {
        /// See [`Journal::first`].
        first: Position,
    },
}

/// Reads one block from a file.
#[derive(Debug)]
#[must_use = "run it on a thread that may block"]
pub struct ReadJob {
    files: Arc<dyn Files>,
    path: PathBuf,
    tag: u64,
    start: u64,
    end: u64,
    from: Position,
    want: usize,
    keep: bool,
}

/// Result of a [`ReadJob`]; for [`Journal::read_done`].
#[derive(Debug)]
#[must_use = "give it back to the journal"]
pub struct ReadDone {
    result: Result<Block, ReadError>,
    keep: bool,
}

impl ReadJob {
    /// Position it reads from.
    pub fn from(&self) -> Position {
        self.from
    }

    /// Reads and verifies. Blocks for as long as the device takes.
    pub fn run(self) -> ReadDone {
        let result = match self.read() {
            Ok(block) => Ok(block),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(ReadError::Gone { from: self.from }),
            Err(e) => Err(ReadError::Io(e)),
        };
        ReadDone { result, keep: self.keep }
    }

    fn read(&self) -> io::Result<Block> {
        let file = self.files.open(&self.path, OpenMode::Read)?;
        let reader = SegmentReader { file, tag: self.tag, start: self.start, end: self.end };
        let from = self.from.0;
        let (to, reason) = match reader.read(from, self.want)? {
            Found::Records(bytes) => return Ok(Block::sound(self.from, bytes)),
            Found::Missing => (self.end, DamageReason::Missing),
            Found::Damage => match reader.resume(from)? {
                Resumed::At(to) => (to, DamageReason::Checksum),
                Resumed::Nowhere | Resumed::Unknown => (self.end, DamageReason::Checksum),
            },
        };
        let next = Position(to);
        let damage = Some(reader.damage(from, to, reason));
        Ok(Block { start: self.from, bytes: bytes::Bytes::new(), next, damage })
    }
}

impl Journal {
    /// Some of the records from `from` on, at least one. `from` must be the start of a record
    /// ([`Block::next`], [`crate::Record::next`], or returned by [`Journal::append`]). A block may be empty
    /// if reading continues elsewhere, at its [`Block::next`].
    pub fn read(&mut self, from: Position) -> ReadOutcome {
        self.lookup(from, self.options.read_bytes, true)
    }

    /// [`Journal::read`] of the single record at `position`: reads little more than that from a file (about
    /// `bytes_expected`), and does not cache it for other readers.
    pub fn read_one(&mut self, position: Position, bytes_expected: usize) -> ReadOutcome {
        self.lookup(position, bytes_expected, false)
    }

    fn lookup(&mut self, from: Position, want: usize, keep: bool) -> ReadOutcome {
        if from >= self.end {
            return ReadOutcome::AtEnd;
        }
        if let Some(block) = self.cache.get(from) {
            return ReadOutcome::Block(block);
        }
        if self.options.durability == Durability::Memory || from < self.first() {
            return ReadOutcome::Gone { first: self.first() };
        }
        if let Some(block) = self.read_back.iter().rev().find_map(|block| block.from(from)) {
            return ReadOutcome::Block(block);
        }
        self.read_from_file(from, want, keep)
    }

    fn read_from_file(&mut self, from: Position, want: usize, keep: bool) -> ReadOutcome {
        let behind = self.segments.partition_point(|segment| segment.start <= from.0);
        let Some(segment) = behind.checked_sub(1).and_then(|i| self.segments.get(i)) else {
            return ReadOutcome::Gone { first: self.first() };
        };
        if from.0 >= segment.end() {
            // A hole that recovery has reported: continue with the next segment.
            let next = self.segments.get(behind).map_or(self.end, |segment| Position(segment.start));
            return ReadOutcome::Block(Block { start: from, bytes: bytes::Bytes::new(), next, damage: None });
        }
        self.counters.file_reads += 1;
        ReadOutcome::NeedsDisk(ReadJob {
            files: Arc::clone(&self.files),
            path: self.segment_path(segment.start),
            tag: self.tag,
            start: segment.start,
            end: segment.end(),
            from,
            want,
            keep,
        })
    }

    /// Takes the result of a read. Damage is counted and is no error: the block says where to continue.
    pub fn read_done(&mut self, done: ReadDone) -> Result<Block, ReadError> {
        let block = done.result.map_err(|error| match error {
            // Not released: the file has been moved.
            ReadError::Gone { from } if from >= self.first() => ReadError::Io(io::ErrorKind::NotFound.into()),
            other => other,
        })?;
        if let Some(damage) = &block.damage {
            self.count_damage(damage);
        }
        if done.keep && block.bytes() > 0 {
            self.read_back.push_back(block.clone());
            while self.read_back_bytes() > self.options.read_cache_bytes && self.read_back.len() > 1 {
                self.read_back.pop_front();
            }
        }
        Ok(block)
    }

    pub(super) fn read_back_bytes(&self) -> usize {
        self.read_back.iter().map(Block::bytes).sum()
    }
}
