//! Positions in a log and numbers of batches.
//!
//! A [`Position`] counts bytes of records since the log was created, over all segments, without segment
//! headers. It therefore never moves, is never reused, and does not say which file holds it. A [`CommitSeq`]
//! counts batches since the log was opened; acknowledgements wait for it.

use std::fmt;
use std::ops::{Add, Sub};

/// Start of a record: its logical byte offset in the log. Positions grow with every record and survive
/// restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Position(pub u64);

impl Add<u64> for Position {
    type Output = Position;
    fn add(self, bytes: u64) -> Position {
        Position(self.0 + bytes)
    }
}

impl Sub for Position {
    type Output = u64;
    /// Bytes from `other` up to here; zero when `other` is later.
    fn sub(self, other: Position) -> u64 {
        self.0.saturating_sub(other.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a committed batch, counted from 1 since the journal was opened; 0 means "before the first".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct CommitSeq(pub u64);
