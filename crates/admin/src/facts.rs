//! Facts that change with the configuration only, and that the page shows beside the numbers.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use config::checked::{Config, Protocol};
use serde::Serialize;

/// See the top of this file.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Version of the program.
    pub version: &'static str,
    /// Most bytes for requests and replies over all shards.
    pub memory_budget_bytes: u64,
    /// Shards that serve pools: a server is out altogether when all of them have ejected it.
    pub shards: u64,
    /// The pools.
    pub pools: Vec<PoolFacts>,
    /// Listeners.
    pub listening: Vec<Listening>,
    /// Start time of the process.
    pub started: Instant,
    /// Start on the wall clock, in milliseconds since the Unix epoch.
    pub started_ms: u64,
}

/// Facts about a pool from its configuration.
#[derive(Debug, Clone)]
pub struct PoolFacts {
    /// Its name.
    pub name: String,
    /// `redis` or `memcache`.
    pub protocol: &'static str,
}

/// A place that is listened on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listening {
    /// Service at that address.
    pub what: String,
    /// The address as bound.
    pub address: String,
}

impl Facts {
    /// Facts of a configuration and its listeners. `started` is when the process began to serve.
    pub fn new(version: &'static str, config: &Config, listening: Vec<Listening>, started: Instant) -> Facts {
        let pool = |pool: &config::checked::Pool| PoolFacts {
            name: pool.name.clone(),
            protocol: match pool.protocol {
                Protocol::Redis => "redis",
                Protocol::Memcache => "memcache",
            },
        };
        Facts {
            version,
            memory_budget_bytes: config.memory_budget_bytes as u64,
            shards: config.threads as u64,
            pools: config.pools.iter().map(pool).collect(),
            listening,
            started,
            started_ms: wall_ms().saturating_sub(millis(started.elapsed())),
        }
    }

    /// The protocol of a pool; empty if there is no such pool.
    pub(crate) fn protocol(&self, pool: &str) -> &'static str {
        self.pools.iter().find(|known| known.name == pool).map_or("", |known| known.protocol)
    }
}

/// Now, in milliseconds since the Unix epoch.
pub(crate) fn wall_ms() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
