//! Bookkeeping of the queue about a channel: its place in work lists, its timer, and reads under way for it.
//!
//! The channel itself only counts the bytes of what was read.

use net::Instant;

use crate::work_list::Mark;

/// Bookkeeping of the queue about a channel.
#[derive(Debug, Default)]
pub struct ChannelNotes {
    /// Set while it is in the list of channels that may have something to deliver.
    pub scheduled: Mark,
    /// Due time for which a timer is set.
    pub timer: Option<Instant>,
    /// Set while a block is read from a file for its next delivery, or that read waits for a retry.
    pub reading: bool,
    /// That block, once read.
    pub fetched: Option<journal::Block>,
    /// Set while a dead letter is read from a file, or waits for a retry.
    pub dead_letter_pending: bool,
    /// The block that holds that dead letter, once read.
    pub fetched_dead: Option<journal::Block>,
}

impl ChannelNotes {
    /// Bytes of the blocks that were read.
    pub(super) fn block_bytes(&self) -> usize {
        [&self.fetched, &self.fetched_dead].into_iter().flatten().map(journal::Block::bytes).sum()
    }
}
