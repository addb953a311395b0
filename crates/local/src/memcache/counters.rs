//! Counters of memcached's commands beside what a store counts for both protocols, and facts about the pool.

/// Commands that found their key, and those that did not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct HitsMisses {
    pub(super) hits: u64,
    pub(super) misses: u64,
}

impl HitsMisses {
    pub(super) fn note(&mut self, found: bool) {
        *if found { &mut self.hits } else { &mut self.misses } += 1;
    }
}

/// memcached commands since the start, or since `stats reset`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CommandCounters {
    /// Attempts to store: `set`, `add`, `cas`, `ms` and the like.
    pub(super) stores: u64,
    pub(super) cas: HitsMisses,
    /// `cas` for an item that has changed since.
    pub(super) cas_badval: u64,
    pub(super) deletes: HitsMisses,
    pub(super) incr: HitsMisses,
    pub(super) decr: HitsMisses,
    /// `touch`, `gat`, and `mg` with a time.
    pub(super) touches: HitsMisses,
    pub(super) flushes: u64,
    /// `me`.
    pub(super) metas: u64,
    /// Values longer than memcached's largest item,
    pub(super) too_large: u64,
    /// and those for which the limit of this cache leaves no room.
    pub(super) no_memory: u64,
}

/// Figures of the pool in front of the cache, for memcached's `stats`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Clients connected now.
    pub connections: u64,
    /// Clients connected since the start.
    pub connections_total: u64,
    /// Clients refused since the start.
    pub connections_refused: u64,
    /// `client_connections`, if there is such a limit.
    pub connections_max: Option<u32>,
    /// Bytes of requests.
    pub bytes_read: u64,
    /// Bytes of replies.
    pub bytes_written: u64,
}
