//! Settings of a journal: durability, sizes, memory.
//!
//! None of these is written to disk: a log may be opened with other options than before.

/// Point a record must have reached to count as accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// Kept in bounded memory only; no file is touched. Lost when the process ends.
    Memory,
    /// Handed to the operating system by a write. Survives `kill -9`, not a loss of power.
    #[default]
    Os,
    /// Written, and flushed to the device by an fsync that several batches share. Survives a loss of power.
    Fsync,
}

impl Durability {
    /// All levels, from the weakest to the strongest.
    pub const ALL: [Durability; 3] = [Durability::Memory, Durability::Os, Durability::Fsync];

    /// Names of the levels in settings, in this order.
    pub const NAMES: [&str; 3] = [Durability::Memory.name(), Durability::Os.name(), Durability::Fsync.name()];

    /// Its name in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Durability::Memory => "memory",
            Durability::Os => "os",
            Durability::Fsync => "fsync",
        }
    }

    /// The durability of this name.
    pub fn named(name: &str) -> Option<Durability> {
        Durability::ALL.into_iter().find(|durability| durability.name() == name)
    }
}

/// Limits and sizes of one journal. All sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// See [`Durability`]. `Os` and `Fsync` can be swapped while the journal is open.
    pub durability: Durability,
    /// Size above which a segment is closed and a new one begun. A segment always takes at least one whole
    /// batch, so it may be larger by as much as one batch.
    pub segment_bytes: u64,
    /// Largest payload of one record; at most [`crate::PAYLOAD_BYTES_LIMIT`]. Records already in the log may
    /// be larger.
    pub record_bytes_max: usize,
    /// Most bytes that may be staged before a commit.
    pub batch_bytes_max: usize,
    /// Last committed bytes kept in memory, so that readers at the tail read no file. With
    /// [`Durability::Memory`] see [`Options::memory_bytes`] instead.
    pub cache_bytes: usize,
    /// Bytes read back from files that are cached for the next reader of the same place.
    pub read_cache_bytes: usize,
    /// Bytes per read from a file. A longer record is read whole.
    pub read_bytes: usize,
    /// With [`Durability::Memory`]: most bytes kept; a commit beyond that is refused.
    pub memory_bytes: usize,
    /// Largest checkpoint payload, written or read.
    pub checkpoint_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            durability: Durability::Os,
            segment_bytes: 64 << 20,
            record_bytes_max: 16 << 20,
            batch_bytes_max: 64 << 20,
            cache_bytes: 1 << 20,
            read_cache_bytes: 512 << 10,
            read_bytes: 256 << 10,
            memory_bytes: 64 << 20,
            checkpoint_bytes_max: 256 << 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (durability, name) in Durability::ALL.into_iter().zip(Durability::NAMES) {
            assert_eq!((durability.name(), Durability::named(name)), (name, Some(durability)));
        }
        assert_eq!(Durability::named("disk"), None);
    }
}
