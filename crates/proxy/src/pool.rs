//! A pool on one shard: its checked configuration, its servers and where keys live on them, its counters.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use config::checked;
use net::Instant;
use telemetry::PoolStats;

use crate::keys::ServerKey;
use crate::placement::Placement;
use crate::server::Server;
use crate::slab::Slab;

#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) config: Arc<checked::Pool>,
    pub(crate) stats: Arc<PoolStats>,
    pub(crate) placement: Placement,
    /// In the order of the configuration.
    pub(crate) servers: Vec<ServerKey>,
    /// Clients of this pool on all shards, for `client_connections`.
    pub(crate) clients: Arc<AtomicU32>,
    pub(crate) redis_limits: wire::redis::Limits,
    pub(crate) redis_limits_unauthenticated: wire::redis::Limits,
    /// Time [`crate::Notice::ClientRefused`] was given last.
    pub(crate) refusal_told: Option<Instant>,
}

impl Pool {
    /// A pool without servers.
    pub(crate) fn new(
        config: Arc<checked::Pool>,
        stats: Arc<PoolStats>,
        clients: Arc<AtomicU32>,
        seed: u64,
    ) -> Pool {
        let placement = Placement::new(&config, seed);
        let redis_limits = wire::redis::Limits {
            request_bytes_max: config.request_bytes_max,
            ..wire::redis::Limits::default()
        };
        let redis_limits_unauthenticated = wire::redis::Limits::unauthenticated();
        Pool {
            config,
            stats,
            placement,
            servers: Vec::new(),
            clients,
            redis_limits,
            redis_limits_unauthenticated,
            refusal_told: None,
        }
    }

    /// Counts a reply that a client is given, and its bytes.
    #[inline]
    pub(crate) fn count_reply(&self, len: usize) {
        self.stats.client_replies.inc();
        self.stats.client_reply_bytes.add(len as u64);
    }

    /// Places the keys anew, after a server has come, gone, was ejected or has returned.
    pub(crate) fn rebuild(&mut self, servers: &Slab<ServerKey, Server>) {
        self.placement.rebuild(&self.servers, servers);
    }
}
