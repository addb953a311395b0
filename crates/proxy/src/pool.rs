//! A pool on one shard: its checked configuration, its ring, its servers, its counters.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use config::checked;
use ring::{Node, Ring};
use telemetry::PoolStats;

use crate::health::{Policy, State};
use crate::server::Server;

#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) config: Arc<checked::Pool>,
    pub(crate) stats: Arc<PoolStats>,
    pub(crate) ring: Ring,
    pub(crate) servers: Vec<Server>,
    /// Clients of this pool on all shards, for `client_connections`.
    pub(crate) clients: Arc<AtomicU32>,
    pub(crate) redis_limits: wire::redis::Limits,
    pub(crate) redis_limits_unauthenticated: wire::redis::Limits,
}

impl Pool {
    pub(crate) fn new(config: Arc<checked::Pool>, stats: Arc<PoolStats>, clients: Arc<AtomicU32>, seed: u64) -> Pool {
        let servers: Vec<Server> = config
            .servers
            .iter()
            .enumerate()
            .map(|(n, server)| Server::new(&config, server, seed.wrapping_add(n as u64 * 0x9e37_79b9)))
            .collect();
        let ring = Ring::build(config.distribution, config.hash, &nodes(&config, &servers)).seeded(seed as u32);
        let redis_limits =
            wire::redis::Limits { request_bytes_max: config.request_bytes_max, ..wire::redis::Limits::default() };
        let redis_limits_unauthenticated = wire::redis::Limits::unauthenticated();
        Pool { config, stats, ring, servers, clients, redis_limits, redis_limits_unauthenticated }
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            eject: self.config.auto_eject_hosts,
            failure_limit: self.config.server_failure_limit,
            retry_timeout: self.config.server_retry_timeout,
        }
    }

    /// The server of a key, None when all are ejected.
    #[inline]
    pub(crate) fn server_of_key(&mut self, key: &[u8]) -> Option<u16> {
        self.ring.server_of_key(ring::tagged(key, self.config.hash_tag)).map(|n| n as u16)
    }

    /// True if the server is the embedded cache.
    pub(crate) fn is_local(&self, server: u16) -> bool {
        self.servers[server as usize].address.is_none()
    }

    /// Builds the ring again after a server was ejected or has returned.
    pub(crate) fn rebuild(&mut self) {
        self.ring.rebuild(&nodes(&self.config, &self.servers));
    }
}

fn nodes<'a>(config: &'a checked::Pool, servers: &[Server]) -> Vec<Node<'a>> {
    config
        .servers
        .iter()
        .zip(servers)
        .map(|(c, s)| Node { identity: c.identity.as_bytes(), weight: c.weight, live: s.health.state == State::Up })
        .collect()
}
