//! Counters of memcached's commands besides the store's own for both protocols, and figures of the pool.

/// Commands that found their key, and commands that did not.
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
    /// `cas` for an item changed in the meantime.
    pub(super) cas_badval: u64,
    pub(super) deletes: HitsMisses,
    pub(super) incr: HitsMisses,
    pub(super) decr: HitsMisses,
    /// `touch`, `gat`, and `mg` with a time.
    pub(super) touches: HitsMisses,
    pub(super) flushes: u64,
    /// `me`.
    pub(super) metas: u64,
    /// Values larger than memcached's largest item.
    pub(super) too_large: u64,
    /// Values without room under this cache's limit.
    pub(super) no_memory: u64,
}

/// Figures of the pool in front of the cache, for memcached's `stats`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Current client connections.
    pub connections: u64,
    /// Client connections since the start.
    pub connections_total: u64,
    /// Clients refused since the start.
    pub connections_refused: u64,
    /// `client_connections`, if set.
    pub connections_max: Option<u32>,
    /// Bytes of requests.
    pub bytes_read: u64,
    /// Bytes of replies.
    pub bytes_written: u64,
}
