//! The progress of a topic's checkpoints.

use crate::message::Position;

/// State of checkpointing.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// End of the journal when the last checkpoint was begun.
    pub last: Position,
    pub last_bytes: u64,
    pub under_way: Option<Begun>,
    /// The last one was not taken.
    pub failed: bool,
    /// The lowest cursor of the checkpoint in force.
    pub floor: Option<Position>,
    /// Parts of the journal it needs: a start that misses any of that reports damage.
    pub needed: Position,
    /// Records before this, of which the checkpoint in force knows, have settled down: of what was taken
    /// under load most is in consumers' hands for a moment yet.
    pub settled: Option<Position>,
    /// One is wanted although little was written: to give back what was freed, or because what it knows has
    /// not settled.
    pub wanted: bool,
}

/// A checkpoint that is being written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    /// Lowest cursor.
    pub cursor: Position,
    /// Parts of the journal it needs.
    pub needed: Position,
    /// Little was written since the one before.
    pub quiet: bool,
    /// Start of the one before it.
    pub before: Position,
}
