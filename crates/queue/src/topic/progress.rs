//! The progress of a topic's checkpoints.

use crate::message::Position;

/// State of checkpointing.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// End of the journal when the last checkpoint began.
    pub last: Position,
    pub last_bytes: u64,
    pub under_way: Option<Begun>,
    /// True if the last checkpoint failed.
    pub failed: bool,
    /// The lowest cursor of the checkpoint in force.
    pub floor: Option<Position>,
    /// Start of the journal that it needs: if any of that is missing, a start reports damage.
    pub needed: Position,
    /// Position before which the messages known to the checkpoint in force have settled; under load, most
    /// messages just taken are in flight for a moment.
    pub settled: Option<Position>,
    /// True if another checkpoint is wanted although little was written: to release freed segments, or
    /// because the state it recorded has not settled.
    pub wanted: bool,
}

/// A checkpoint being written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    /// Lowest cursor.
    pub cursor: Position,
    /// Start of the journal that it needs.
    pub needed: Position,
    /// True if little was written since the previous one.
    pub quiet: bool,
    /// Start of the previous one.
    pub before: Position,
}
