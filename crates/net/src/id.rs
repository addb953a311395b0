//! Names for connections and timers that cannot be mistaken for a successor's.

/// A connection of one shard. The generation makes an id of a closed connection harmless: every [`crate::Io`]
/// call with it is a no-op.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    /// Slot in the shard's slab; small, dense, reused.
    pub index: u32,
    /// Counts the slot's owners.
    pub generation: u32,
}

/// A timer that was set; cancelling one that has fired is a no-op.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerId(pub u64);
