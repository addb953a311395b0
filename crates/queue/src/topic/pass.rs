//! A pass that copies live messages forward, and its reads.

use journal::{Block, ReadJob};

use crate::message::Position;

/// Reads of messages to be copied forward.
#[derive(Debug)]
pub struct CopyJob {
    /// Messages to read from files first.
    pub jobs: Vec<ReadJob>,
    /// Messages that were in memory.
    pub blocks: Vec<Block>,
}

/// The messages that were read.
#[derive(Debug)]
pub struct Copied {
    /// One block per message, which comes first in it.
    pub blocks: Vec<Block>,
}

/// A pass.
#[derive(Debug)]
pub(super) struct Pass {
    /// Segments before this are to be freed.
    pub to: Position,
    /// Size of those segments in bytes.
    pub bytes: u64,
    /// Bytes available for the copies.
    pub room: u64,
    /// Messages yet to be copied, the oldest last.
    pub left: Vec<Position>,
    /// Messages per step; 0 while the sample is read.
    pub step: usize,
    pub copied: u64,
    pub moved: usize,
}

/// State for which a pass was found not worthwhile.
#[derive(Debug, Clone, Copy)]
pub(super) struct TooMuchAlive {
    pub bytes: u64,
    pub messages: usize,
}
