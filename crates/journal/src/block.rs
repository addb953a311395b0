//! A run of records in memory, shared and immutable.
//!
//! Iterating borrows: no record is copied and no counter is touched until [`Record::shared`] is called. A
//! shared payload keeps the memory of its whole neighbourhood (up to 256 KiB) alive, so hold positions, not
//! payloads, for long.

use std::fmt;

use bytes::Bytes;

use crate::Position;
use crate::format::record;

/// Consecutive records of the log.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    pub(crate) start: Position,
    pub(crate) bytes: Bytes,
    pub(crate) next: Position,
    pub(crate) damage: Option<Damage>,
}

impl Block {
    pub(crate) fn sound(start: Position, bytes: Bytes) -> Block {
        let next = start + bytes.len() as u64;
        Block { start, bytes, next, damage: None }
    }

    /// Start of the first record.
    pub fn start(&self) -> Position {
        self.start
    }

    /// Start of the next read: after the last record, or after damage.
    pub fn next(&self) -> Position {
        self.next
    }

    /// Bytes of records, headers included.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The skipped damage, if there is no readable record at [`Block::start`]. Such a block holds no records.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// The records, in order.
    pub fn records(&self) -> Records<'_> {
        Records { block: self, at: 0 }
    }

    /// The part from `position`, which must be the start of a record of this block.
    pub fn from(&self, position: Position) -> Option<Block> {
        let at = usize::try_from(position.0.checked_sub(self.start.0)?).ok()?;
        (at < self.bytes.len()).then(|| Block::sound(position, self.bytes.slice(at..)))
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("start", &self.start)
            .field("bytes", &self.bytes.len())
            .field("next", &self.next)
            .field("damage", &self.damage)
            .finish()
    }
}

/// Iterates over a [`Block`].
#[derive(Debug, Clone)]
pub struct Records<'a> {
    block: &'a Block,
    at: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    #[inline]
    fn next(&mut self) -> Option<Record<'a>> {
        let rest = &self.block.bytes[self.at..];
        let (kind, length) = record::open(rest)?;
        let position = self.block.start + self.at as u64;
        let payload = &rest[record::HEADER_BYTES..record::HEADER_BYTES + length];
        self.at += record::HEADER_BYTES + length;
        let next = self.block.start + self.at as u64;
        Some(Record { position, kind, payload, next, bytes: &self.block.bytes })
    }
}

/// One record.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// Its start.
    pub position: Position,
    /// Its kind, as given to [`crate::Journal::append`].
    pub kind: u8,
    /// Its payload.
    pub payload: &'a [u8],
    /// Start of the next record.
    pub next: Position,
    bytes: &'a Bytes,
}

impl Record<'_> {
    /// The payload without a copy, independent of the block. See the module's note on memory.
    pub fn shared(&self) -> Bytes {
        self.bytes.slice_ref(self.payload)
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record {{ at {}, kind {}, {} bytes }}", self.position, self.kind, self.payload.len())
    }
}

/// An item of the log.
#[derive(Debug, Clone, Copy)]
pub enum Entry<'a> {
    /// An intact record.
    Record(Record<'a>),
    /// An unreadable stretch.
    Damage(&'a Damage),
}

impl<'a> Entry<'a> {
    /// The record, if it is one.
    pub fn record(self) -> Option<Record<'a>> {
        match self {
            Entry::Record(record) => Some(record),
            Entry::Damage(_) => None,
        }
    }
}

/// An unreadable stretch of the log. Nothing in it is returned or reconstructed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// First lost position.
    pub from: Position,
    /// Start of the next intact record, or the end of the segment.
    pub to: Position,
    /// Kind of damage.
    pub reason: DamageReason,
    /// Kinds and numbers of the records that were in it, as far as their headers can still be read. A guess:
    /// damaged headers may say anything.
    pub kinds: Vec<(u8, u64)>,
}

impl Damage {
    /// A stretch about which nothing is known.
    pub(crate) fn unreadable(from: u64, to: u64, reason: DamageReason) -> Damage {
        Damage { from: Position(from), to: Position(to), reason, kinds: Vec::new() }
    }

    /// Lost bytes.
    pub fn bytes(&self) -> u64 {
        self.to - self.from
    }

    /// Number of records of this kind that it seems to have held.
    pub fn count(&self, kind: u8) -> u64 {
        self.kinds.iter().find(|(k, _)| *k == kind).map_or(0, |(_, count)| *count)
    }
}

/// Kind of damage found in place of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageReason {
    /// Bytes that are not the record written there.
    Checksum,
    /// The file ends before its successor begins.
    Missing,
    /// The segment's header was unreadable and has been rewritten. The records after it are readable.
    Header,
    /// The file holds no record of this journal; it was renamed to end in `.bad`.
    Foreign,
    /// The device failed to read it.
    Unreadable,
    /// The checkpoint file is unreadable; it was renamed to end in `.bad`.
    Checkpoint,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.reason {
            DamageReason::Checksum => "records fail their checksum",
            DamageReason::Missing => "records are missing",
            DamageReason::Header => return write!(f, "header of the segment at {} was damaged", self.from),
            DamageReason::Foreign => "segment holds no record of this journal",
            DamageReason::Unreadable => "device cannot read",
            DamageReason::Checkpoint => return f.write_str("checkpoint is damaged"),
        };
        write!(f, "{what} from {} to {}", self.from, self.to)
    }
}
