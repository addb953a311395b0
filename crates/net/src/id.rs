//! Connection and timer ids that cannot be mistaken for a successor's.

/// A connection of one shard. The generation makes stale ids harmless: every [`crate::Io`] call with one is a
/// no-op.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    /// Slot in the shard's slab; small, dense, reused.
    pub index: u32,
    /// Incremented for each new owner of the slot.
    pub generation: u32,
}

/// A set timer; cancelling one that has fired is a no-op.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerId(pub u64);
