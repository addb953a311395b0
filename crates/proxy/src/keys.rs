//! One shard's keys of pools, servers and server connections; a stale key never finds a later owner of its
//! index.
//!
//! A key is an index in a [`Slab`](crate::slab::Slab) and the generation of the entry: once its owner is
//! removed it finds nothing. Each shard assigns its own keys, since each finishes draining at its own time: a
//! key never leaves its shard. Ids ([`crate::ids`]) mean the same on all shards.

/// Identifies a detour ([`crate::detours`]) until its request is answered.
pub(crate) type DetourId = u32;

/// Common part of all keys.
pub(crate) trait Key: Copy {
    /// Makes the key of the entry at `index` in this generation; both below the limits of the type.
    fn new(index: u32, generation: u32) -> Self;
    fn index(self) -> u32;
    fn generation(self) -> u32;
    /// Exclusive limit of indices.
    const INDEX_END: u32;
    /// Exclusive limit of generations, which then restart at 0.
    const GENERATION_END: u32;
}

/// Key of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PoolKey {
    index: u16,
    generation: u16,
}

/// Key of a server of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServerKey {
    index: u32,
    generation: u32,
}

/// Key of a connection to a server. It is valid as long as its server, whether or not a connection is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneKey {
    pub(crate) server: ServerKey,
    /// Number among the server's connections.
    pub(crate) number: u16,
}

impl Key for PoolKey {
    const INDEX_END: u32 = 1 << 16;
    const GENERATION_END: u32 = 1 << 16;

    fn new(index: u32, generation: u32) -> PoolKey {
        PoolKey { index: index as u16, generation: generation as u16 }
    }

    #[inline]
    fn index(self) -> u32 {
        self.index.into()
    }

    #[inline]
    fn generation(self) -> u32 {
        self.generation.into()
    }
}

impl Key for ServerKey {
    const INDEX_END: u32 = 1 << 20;
    const GENERATION_END: u32 = 1 << 24;

    fn new(index: u32, generation: u32) -> ServerKey {
        ServerKey { index, generation }
    }

    #[inline]
    fn index(self) -> u32 {
        self.index
    }

    #[inline]
    fn generation(self) -> u32 {
        self.generation
    }
}

impl LaneKey {
    /// The key in 60 bits: 24 of the server's generation, 20 of its index, 16 of the lane's number.
    pub(crate) fn pack(self) -> u64 {
        let ServerKey { index, generation } = self.server;
        u64::from(generation) << 36 | u64::from(index) << 16 | u64::from(self.number)
    }

    pub(crate) fn unpack(bits: u64) -> LaneKey {
        let (generation, index) = ((bits >> 36) as u32, (bits >> 16) as u32);
        let server = ServerKey {
            index: index & (ServerKey::INDEX_END - 1),
            generation: generation & (ServerKey::GENERATION_END - 1),
        };
        LaneKey { server, number: bits as u16 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_packing() {
        for (index, generation, number) in [(0, 0, 0), (1, 2, 3), ((1 << 20) - 1, (1 << 24) - 1, u16::MAX)] {
            let lane = LaneKey { server: ServerKey { index, generation }, number };
            assert!(lane.pack() < 1 << 60);
            assert_eq!(LaneKey::unpack(lane.pack() | 0xf << 60), lane);
        }
    }
}
