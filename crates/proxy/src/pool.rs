//! A pool on one shard: its checked configuration, its ring, its servers, its counters.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use config::checked::{self, Target};
use net::Instant;
use ring::{Node, Ring, libmemcached_identity};
use telemetry::PoolStats;

use crate::health::{Policy, State};
use crate::server::Server;

#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) config: Arc<checked::Pool>,
    pub(crate) stats: Arc<PoolStats>,
    pub(crate) ring: Ring,
    /// What the ring hashes for each server.
    names: Vec<String>,
    pub(crate) servers: Vec<Server>,
    /// Clients of this pool on all shards, for `client_connections`.
    pub(crate) clients: Arc<AtomicU32>,
    pub(crate) redis_limits: wire::redis::Limits,
    pub(crate) redis_limits_unauthenticated: wire::redis::Limits,
    /// When [`crate::Notice::ClientRefused`] was given last.
    pub(crate) refusal_told: Option<Instant>,
}

impl Pool {
    pub(crate) fn new(
        config: Arc<checked::Pool>,
        stats: Arc<PoolStats>,
        clients: Arc<AtomicU32>,
        seed: u64,
    ) -> Pool {
        let servers: Vec<Server> = config
            .servers
            .iter()
            .enumerate()
            .map(|(n, server)| Server::new(&config, server, seed.wrapping_add(n as u64 * 0x9e37_79b9)))
            .collect();
        let names = ring_names(&config);
        let ring = Ring::build(config.distribution, config.hash, &nodes(&names, &config, &servers))
            .seeded(seed as u32);
        let redis_limits = wire::redis::Limits {
            request_bytes_max: config.request_bytes_max,
            ..wire::redis::Limits::default()
        };
        let redis_limits_unauthenticated = wire::redis::Limits::unauthenticated();
        Pool {
            config,
            stats,
            ring,
            names,
            servers,
            clients,
            redis_limits,
            redis_limits_unauthenticated,
            refusal_told: None,
        }
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            eject: self.config.auto_eject_hosts,
            failure_limit: self.config.server_failure_limit,
            retry_timeout: self.config.server_retry_timeout,
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
    pub(crate) fn server_of_key(&mut self, key: &[u8]) -> Option<u16> {
        self.ring.server_of_key(ring::tagged(key, self.config.hash_tag)).map(|n| n as u16)
    }

    /// True if the server is the embedded cache.
    pub(crate) fn is_local(&self, server: u16) -> bool {
        self.servers[server as usize].address.is_none()
    }

    /// Builds the ring again after a server was ejected or has returned.
    pub(crate) fn rebuild(&mut self) {
        self.ring.rebuild(&nodes(&self.names, &self.config, &self.servers));
    }
}

/// What the ring hashes for each server. libmemcached has a rule of its own and knows no names.
fn ring_names(config: &checked::Pool) -> Vec<String> {
    let name = |server: &checked::Server| match (&server.target, config.distribution.is_libmemcached()) {
        (Target::Tcp { host, port }, true) => libmemcached_identity(host, *port),
        (Target::Unix(path), true) => libmemcached_identity(&path.to_string_lossy(), 0),
        _ => server.identity.clone(),
    };
    config.servers.iter().map(name).collect()
}

fn nodes<'a>(names: &'a [String], config: &checked::Pool, servers: &[Server]) -> Vec<Node<'a>> {
    names
        .iter()
        .zip(config.servers.iter().zip(servers))
        .map(|(name, (c, s))| Node {
            identity: name.as_bytes(),
            weight: c.weight,
            live: s.health.state == State::Up,
        })
        .collect()
}
