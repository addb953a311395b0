//! A pool on one shard: its checked configuration, its ring, which servers it has, its counters.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use config::checked;
use net::Instant;
use ring::{Node, Ring};
use telemetry::PoolStats;

use crate::keys::ServerKey;
use crate::server::Server;
use crate::server::health::State;
use crate::slab::Slab;

#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) config: Arc<checked::Pool>,
    pub(crate) stats: Arc<PoolStats>,
    ring: Ring,
    /// In the order of the ring's indices.
    pub(crate) servers: Vec<ServerKey>,
    /// Clients of this pool on all shards, for `client_connections`.
    pub(crate) clients: Arc<AtomicU32>,
    pub(crate) redis_limits: wire::redis::Limits,
    pub(crate) redis_limits_unauthenticated: wire::redis::Limits,
    /// When [`crate::Notice::ClientRefused`] was given last.
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
        let ring = Ring::build(config.distribution, config.hash, &[]).seeded(seed as u32);
        let redis_limits = wire::redis::Limits {
            request_bytes_max: config.request_bytes_max,
            ..wire::redis::Limits::default()
        };
        let redis_limits_unauthenticated = wire::redis::Limits::unauthenticated();
        Pool {
            config,
            stats,
            ring,
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

    /// The server of a key, None when all are ejected.
    #[inline]
    pub(crate) fn server_of_key(&mut self, key: &[u8]) -> Option<ServerKey> {
        let at = self.ring.server_of_key(ring::tagged(key, self.config.hash_tag))?;
        self.servers.get(at).copied()
    }

    /// Builds the ring again after a server has come, gone, was ejected or has returned.
    pub(crate) fn rebuild(&mut self, servers: &Slab<ServerKey, Server>) {
        let nodes: Vec<Node<'_>> = self.servers.iter().map(|key| node(&servers[*key])).collect();
        self.ring.rebuild(&nodes);
    }
}

fn node(server: &Server) -> Node<'_> {
    Node {
        identity: server.ring_name.as_bytes(),
        weight: server.weight,
        live: server.health.state == State::Up,
    }
}
