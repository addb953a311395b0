//! Facts that only a new configuration changes, shown on the page beside the numbers.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use config::checked::{Config, MetricsLimits, Pool, Protocol, Server, Topology};
use config::endpoint;
use config::nsqd::machine;
use serde::Serialize;
pub use ui::pools::{Member, Placement};

/// Facts about the process and its configuration.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Version of the program.
    pub version: &'static str,
    /// Limit on memory for requests and replies over all shards, in bytes.
    pub memory_budget_bytes: u64,
    /// Shards that serve pools: a server is down entirely when all of them have ejected it.
    pub shards: u64,
    /// The pools.
    pub pools: Vec<PoolFacts>,
    /// Listeners.
    pub listening: Vec<Listening>,
    /// Name of the machine.
    pub hostname: String,
    /// Names under which browsers may open the pages, besides addresses and the machine's own.
    pub http_names: Vec<String>,
    /// Most topics and channels with rows of their own in the metrics.
    pub metrics: MetricsLimits,
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
    /// `ring`, `cluster` or `sentinel`.
    pub topology: &'static str,
    /// Rule that maps its keys to servers.
    pub placement: Placement,
}

/// The configured rule of a pool.
fn placement_of(pool: &Pool) -> Placement {
    let member = |server: &Server| Member {
        name: server.identity.clone(),
        hashed_as: pool.ring_name(server),
        address: endpoint::show_target(&server.target),
        weight: server.weight,
    };
    Placement {
        hash: pool.hash.name().into(),
        distribution: pool.distribution.name().into(),
        hash_tag: pool.hash_tag.map(|tag| String::from_utf8_lossy(&tag).into_owned()),
        servers: pool.servers.iter().map(member).collect(),
    }
}

/// A listening address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listening {
    /// Service at the address.
    pub what: String,
    /// The address as bound.
    pub address: String,
}

impl Facts {
    /// Facts from a configuration and its listeners. `started` is when the process began to serve.
    pub fn new(version: &'static str, config: &Config, listening: Vec<Listening>, started: Instant) -> Facts {
        let pool = |pool: &Pool| PoolFacts {
            name: pool.name.clone(),
            protocol: match pool.protocol {
                Protocol::Redis => "redis",
                Protocol::Memcache => "memcache",
            },
            topology: match pool.discovery.topology {
                Topology::Ring => "ring",
                Topology::Cluster => "cluster",
                Topology::Sentinel => "sentinel",
            },
            placement: placement_of(pool),
        };
        Facts {
            version,
            memory_budget_bytes: config.memory_budget_bytes as u64,
            shards: config.threads as u64,
            pools: config.pools.iter().map(pool).collect(),
            listening,
            hostname: machine::hostname(),
            http_names: config.admin.as_ref().map(|admin| admin.http_names.clone()).unwrap_or_default(),
            metrics: config.admin.as_ref().map(|admin| admin.metrics).unwrap_or_default(),
            started,
            started_ms: wall_ms().saturating_sub(millis(started.elapsed())),
        }
    }

    /// The facts of a pool.
    pub(crate) fn pool(&self, name: &str) -> Option<&PoolFacts> {
        self.pools.iter().find(|known| known.name == name)
    }
}

/// Now, in milliseconds since the Unix epoch.
pub fn wall_ms() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
