//! Usable configuration: every value in range, every name resolved to a meaning.
//!
//! Whatever its source (`nuthatch.toml`, `nutcracker.yml`, nsqd's flags and file, or defaults), this is what
//! the rest of the program sees. Values of these types need no further check.

mod engine;
mod nsqadmin;
mod queue;
mod tls;
mod topic;
mod topology;

use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;

pub use crate::listen::Listen;
pub use crate::log_level::LogLevel;
pub use engine::{Engine, EngineLogin};
pub use nsqadmin::{Graphite, HttpClient, Nsqadmin};
pub(crate) use queue::NEAR_FIRST;
pub use queue::{AuthMethod, ClientAuth, Durability, Queue, Statsd, Tls, TlsRequired, TlsVersion};
pub use tls::{ClientCertificate, PoolListen, TlsToClients, TlsToServers, WrittenListen};
pub use topic::{Storage, TopicRule};
pub use topology::{Discovery, HedgeAfter, ReadFrom, Sentinels, Topology};

/// The whole configuration of a process.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Number of shards: event loops, each on a thread of its own. At least 1.
    pub threads: usize,
    /// Limit on bytes in connection buffers and queued requests, over all
    /// shards. Above it clients are not read.
    pub memory_budget_bytes: usize,
    /// Time limit for a graceful stop, after which the rest is closed.
    pub stop_timeout: Duration,
    /// Time limit for each step of an upgrade in the new process.
    pub upgrade_timeout: Duration,
    /// Time for which the old process of an upgrade still serves clients that it could not hand over.
    pub drain_timeout: Duration,
    /// Reload when a file of the configuration changes.
    pub watch_config: bool,
    /// Time a cache shard may sleep before a poll while that saves CPU. Zero: never.
    pub coalesce: Duration,
    /// Log settings.
    pub log: Log,
    /// nutcracker's statistics port. None: not served.
    pub stats: Option<Stats>,
    /// Metrics and web interface. None: not served.
    pub admin: Option<Admin>,
    /// The embedded cache of the process, shared by all `local` servers.
    pub local: Local,
    /// Cache pools in nutcracker's order of names (length, then bytes).
    pub pools: Vec<Pool>,
    /// The message queue. None: off.
    pub queue: Option<Queue>,
    /// The engine that keeps topics of the queue. None: all topics are local.
    pub engine: Option<Engine>,
    /// Discovery. None: off.
    pub lookup: Option<Lookup>,
    /// nsqadmin. None: off.
    pub nsqadmin: Option<Nsqadmin>,
    /// Users in the order of their names, for [`access::Book::build`].
    pub users: Vec<User>,
}

/// A user.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// Its logins, rights and limits.
    pub spec: access::UserSpec,
    /// File that its password came from.
    pub password_file: Option<PathBuf>,
}

/// Discovery: what nsqlookupd does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// Address for nodes that register.
    pub tcp: Listen,
    /// Address for consumers' queries.
    pub http: Listen,
    /// Advertised name or address of this lookup.
    pub broadcast_address: String,
    /// Time after its last sign of life for which a node appears in answers.
    pub inactive_producer_timeout: Duration,
    /// Time for which a tombstone hides a node.
    pub tombstone_lifetime: Duration,
    /// Limit on connected nodes; 0: no limit.
    pub max_connections: u32,
    /// Limit on known topics and channels together.
    pub max_names: u64,
    /// Time limit for a node to send the protocol magic.
    pub magic_timeout: Duration,
    /// Host names of this lookup, and of pages, under which browsers may use the HTTP API.
    pub http_names: Vec<String>,
    /// File of the snapshot. None: no snapshot.
    pub snapshot: Option<PathBuf>,
    /// Time after a start for which answers may come from the snapshot.
    pub snapshot_lifetime: Duration,
}

/// Logging of the native face.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Least severe level that is written.
    pub level: LogLevel,
    /// Format of a line.
    pub format: LogFormat,
    /// Destination of lines. None: standard error.
    pub file: Option<PathBuf>,
}

/// Format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl LogFormat {
    /// Every format with its name.
    pub const ALL: [(LogFormat, &'static str); 2] = [(LogFormat::Text, "text"), (LogFormat::Json, "json")];

    /// Its name in the native file.
    pub fn name(self) -> &'static str {
        name_in(&LogFormat::ALL, self)
    }

    /// The format of that name.
    pub fn of(name: &str) -> Option<LogFormat> {
        named_in(&LogFormat::ALL, name)
    }
}

/// nutcracker's statistics port: one JSON line per connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Address of its listener.
    pub listen: Listen,
    /// Accepted for compatibility with nutcracker (its `-i`): counters here are always current.
    pub interval: Duration,
    /// Push of the pools' statistics to statsd.
    pub statsd: PoolStatsd,
}

/// The push of the pools' statistics to statsd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolStatsd {
    /// UDP address, HOST:PORT; empty: off.
    pub address: String,
    /// Prefix of keys; `%s` stands for the machine's name.
    pub prefix: String,
    /// Time between pushes.
    pub interval: Duration,
    /// Size limit of a packet, in bytes.
    pub udp_packet_size: usize,
}

/// Metrics and web interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Address of its listener.
    pub listen: Listen,
    /// TLS towards browsers and scrapers.
    pub tls: Option<TlsToClients>,
    /// Names under which browsers may open the pages, besides addresses and the machine's own.
    pub http_names: Vec<String>,
    /// Topics and channels in the metrics.
    pub metrics: MetricsLimits,
    /// File that keeps events over restarts.
    pub events: Option<PathBuf>,
}

/// Most topics and channels with rows of their own in the metrics; those beyond are summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsLimits {
    /// Topics, by name.
    pub topics_max: usize,
    /// Channels, by topic and name.
    pub channels_max: usize,
}

impl Default for MetricsLimits {
    fn default() -> MetricsLimits {
        MetricsLimits { topics_max: 10_000, channels_max: 20_000 }
    }
}

/// One pool of cache servers behind one or more listeners.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Name, unique in the file.
    pub name: String,
    /// Listeners for clients.
    pub listen: Vec<PoolListen>,
    /// TLS of the listeners that use it; present if one does.
    pub tls: Option<TlsToClients>,
    /// TLS towards servers.
    pub server_tls: Option<TlsToServers>,
    /// Protocol of clients and servers.
    pub protocol: Protocol,
    /// Topology, and settings of its discovery.
    pub discovery: Discovery,
    /// It answers `CLUSTER` as if it were a Redis Cluster.
    pub pretend_cluster: bool,
    /// Host and port of the proxies of that cluster; none for this one alone, as it listens.
    pub pretend_cluster_peers: Vec<(String, u16)>,
    /// Key hash.
    pub hash: ring::Hash,
    /// The two bytes that enclose the hashed part of a key.
    pub hash_tag: Option<[u8; 2]>,
    /// Rule that maps a hash to a server.
    pub distribution: ring::Distribution,
    /// Time limit for a reply, including queueing and connecting. None: no limit.
    pub timeout: Option<Duration>,
    /// listen(2) backlog.
    pub backlog: u32,
    /// Limit on clients over all shards. None: only bounded by the process's file limit.
    pub client_connections: Option<u32>,
    /// Rate limit on the requests of all clients together.
    pub limit_requests: Option<access::Rate>,
    /// Password that clients must give, and that is sent to servers. Redis only.
    pub auth: Option<Secret>,
    /// Database selected on servers. Redis only.
    pub db: u32,
    /// Databases that clients may choose, from 0 on; 1 means that `db` alone is served.
    pub databases: u32,
    /// Connect to every server at start.
    pub preconnect: bool,
    /// Take a failing server out of the ring.
    pub auto_eject_hosts: bool,
    /// Connections to each server, per shard.
    pub server_connections: u32,
    /// Time after which an ejected server is probed.
    pub server_retry_timeout: Duration,
    /// Consecutive failures that eject a server.
    pub server_failure_limit: u32,
    /// TCP keepalive on client and server connections.
    pub keepalive: Option<Duration>,
    /// Action on an unsupported command.
    pub unsupported: Unsupported,
    /// Permissions for commands that are not served otherwise.
    pub allow: Vec<wire::redis::Permit>,
    /// Servers in index order: sorted as nutcracker sorts them (identity length, then bytes).
    pub servers: Vec<Server>,
    /// Size limit of a request, in bytes.
    pub request_bytes_max: usize,
    /// Limit on pending requests of a client; above it the client is not read.
    pub client_pipeline_max: u32,
    /// Unsent reply bytes of a client above which it is not read.
    pub client_output_soft_bytes: usize,
    /// Reply bytes held for a client above which it is closed.
    pub client_output_hard_bytes: usize,
    /// Limit on connections to a server that are for one client at a time, per shard.
    pub private_connections: u32,
    /// Time from which a request is kept in the slow log.
    pub slowlog_threshold: Option<Duration>,
    /// Most entries of the slow log.
    pub slowlog_len: u32,
    /// Watch hot keys and big replies.
    pub hot_keys: bool,
    /// Limit on requests queued or pending on a server, per shard; above it requests are refused.
    pub server_queue_max: u32,
}

impl Pool {
    /// Host and port of the first listener that clients can connect to as it is written; None if there are
    /// only unix sockets and listeners on all addresses.
    pub fn dialled(&self) -> Option<(String, u16)> {
        let is_wildcard = |host: &str| matches!(host, "" | "*" | "0.0.0.0" | "::");
        self.listen.iter().find_map(|listen| match &listen.address {
            Listen::Tcp { host, port } if *port > 0 && !is_wildcard(host) => Some((host.clone(), *port)),
            Listen::Tcp { .. } | Listen::Unix { .. } => None,
        })
    }

    /// The name of a server as hashed for the ring: its identity, except that libmemcached
    /// has its own rule and ignores names. A master that Sentinels name is hashed by its name alone.
    pub fn ring_name(&self, server: &Server) -> String {
        let by_address = self.distribution.is_libmemcached() && self.discovery.topology != Topology::Sentinel;
        match (&server.target, by_address) {
            (Target::Tcp { host, port }, true) => ring::libmemcached_identity(host, *port),
            (Target::Unix(path), true) => ring::libmemcached_identity(&path.to_string_lossy(), 0),
            _ => server.identity.clone(),
        }
    }
}

/// Protocol of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// RESP.
    Redis,
    /// memcached text and meta.
    Memcache,
}

impl Protocol {
    /// Every protocol with its name.
    pub const ALL: [(Protocol, &'static str); 2] =
        [(Protocol::Redis, "redis"), (Protocol::Memcache, "memcache")];

    /// Its name in the native file.
    pub fn name(self) -> &'static str {
        name_in(&Protocol::ALL, self)
    }

    /// The protocol of that name.
    pub fn of(name: &str) -> Option<Protocol> {
        named_in(&Protocol::ALL, name)
    }
}

/// Action on a command that cannot be proxied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsupported {
    /// An error in its slot; the connection stays.
    Error,
    /// The connection is closed (as nutcracker 0.5.0).
    Close,
}

impl Unsupported {
    /// Every action with its name.
    pub const ALL: [(Unsupported, &'static str); 2] =
        [(Unsupported::Error, "error"), (Unsupported::Close, "close")];

    /// Its name in the native file.
    pub fn name(self) -> &'static str {
        name_in(&Unsupported::ALL, self)
    }

    /// The action of that name.
    pub fn of(name: &str) -> Option<Unsupported> {
        named_in(&Unsupported::ALL, name)
    }
}

/// A server of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Name hashed for the ring and shown in stats (twemproxy facts §2: name, host:port, host, or `/path:`).
    pub identity: String,
    /// Its address.
    pub target: Target,
    /// Weight, at least 1.
    pub weight: u32,
    /// Password of this server if it differs from the pool's.
    pub password: Option<Secret>,
}

/// Address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Host and port.
    Tcp {
        /// Name or literal address, without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// Unix socket.
    Unix(PathBuf),
    /// The embedded cache of this process.
    Local,
    /// A master, called as its server is, whose address Sentinels say.
    Master,
}

/// The embedded cache's limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Limit on bytes of keys and values.
    pub bytes_max: usize,
}

/// The name of a value in a complete table of values.
fn name_in<T: Copy + PartialEq>(table: &[(T, &'static str)], value: T) -> &'static str {
    table.iter().find(|(own, _)| *own == value).map_or("", |(_, name)| *name)
}

/// The value of a name.
fn named_in<T: Copy>(table: &[(T, &'static str)], name: &str) -> Option<T> {
    table.iter().find(|(_, own)| *own == name).map(|(value, _)| *value)
}
