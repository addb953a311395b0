//! Pools and servers as `/api/status` and the queue's `GET /pools` have them.
//!
//! Field names are part of both APIs: new ones are added, existing ones stay. What another version leaves out
//! has its default, so that nuthatches of several versions can be shown together.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Series;

/// The pools of a process, for the pages of a fleet.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PoolsReport {
    /// Version of the program.
    pub version: String,
    /// Identity of the process: host name and start. The same process may be reached at several addresses.
    pub process: String,
    /// Host name of its machine.
    pub hostname: String,
    /// It has a queue as well.
    pub has_queue: bool,
    /// Time of the report, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// Period of the rates and latencies.
    pub window_seconds: f64,
    /// The pools, in the order of the configuration.
    pub pools: Vec<PoolStatus>,
    /// The last hour of their requests, by minutes: of the first [`super::SPARKS_MAX`] pools.
    pub series: Series,
}

/// Kinds of errors that clients cause: worth a look in the daytime.
pub const CAUSED_BY_CLIENTS: [&str; 6] =
    ["client_err", "protocol_errors", "unsupported", "oversized", "cross_slot", "denied"];
/// Kinds of errors of a server that do not mean that it fails: ordinary error replies, the end of an idle
/// connection, and consequences of another error already reported.
pub const HARMLESS: [&str; 5] =
    ["error_replies", "server_eof", "late_replies", "stray_replies", "probes_failed"];

/// Errors by kind: only those that occurred.
pub type Errors = BTreeMap<Cow<'static, str>, ErrorCount>;

/// A pool.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// `redis` or `memcache`.
    pub protocol: Cow<'static, str>,
    /// `ring`, `cluster` or `sentinel`.
    pub topology: Cow<'static, str>,
    /// Rule that maps its keys to servers.
    pub placement: Placement,
    /// Availability.
    pub state: PoolState,
    /// Connected clients.
    pub clients: u64,
    /// Requests awaiting their reply.
    pub in_flight: u64,
    /// Bytes that its clients and server connections hold.
    pub memory_bytes: u64,
    /// Requests since the start.
    pub requests_total: u64,
    /// Recent request rate.
    pub requests_per_second: f64,
    /// Share of the keys read lately that were found, in percent; none if none was read.
    pub hit_percent: Option<f64>,
    /// Requests sent again lately because a node of the cluster said that another has their slot.
    pub redirects_per_second: f64,
    /// Reads sent to replicas lately.
    pub replica_reads_per_second: f64,
    /// Latency as clients see it.
    pub latency: Latency,
    /// Time that requests waited to be written to a server.
    pub queue_time: Latency,
    /// Time that servers took, by class of command.
    pub response_times: ByClass,
    /// Distribution of the recent latencies: upper limit in microseconds, and count.
    pub distribution: Vec<(u64, u64)>,
    /// Values in the order of the table of pools in `telemetry`.
    #[serde(skip)]
    pub values: Vec<u64>,
    /// Errors by kind.
    pub errors: Errors,
    /// Its servers, in index order.
    pub servers: Vec<ServerStatus>,
}

/// Latencies by class of command, `read`, `write` and `other`: only those that occurred lately.
pub type ByClass = BTreeMap<Cow<'static, str>, Latency>;

/// Availability of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolState {
    /// No server is ejected.
    #[default]
    Up,
    /// Some servers are ejected.
    Degraded,
    /// All servers are ejected, on every shard.
    Down,
}

/// A server of a pool.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerStatus {
    /// Its identity.
    pub name: String,
    /// Presence in the ring.
    pub state: ServerState,
    /// Number of shards that have ejected it.
    pub ejected_shards: u64,
    /// Time of its ejection; none if it is up.
    pub ejected_since_ms: Option<u64>,
    /// Open connections.
    pub connections: u64,
    /// Requests waiting to be sent.
    pub waiting: u64,
    /// Requests sent and awaiting their response.
    pub in_flight: u64,
    /// Requests since the start.
    pub requests_total: u64,
    /// Responses since the start.
    pub responses_total: u64,
    /// Bytes of these requests.
    pub request_bytes_total: u64,
    /// Bytes of these responses.
    pub response_bytes_total: u64,
    /// Ejections since the start.
    pub ejections_total: u64,
    /// Recent request rate.
    pub requests_per_second: f64,
    /// Share of the keys read lately that were found, in percent; none if none was read.
    pub hit_percent: Option<f64>,
    /// From a request's writing to the server to its reply.
    pub latency: Latency,
    /// From a request's acceptance to its writing to the server.
    pub queue_time: Latency,
    /// The latency by class of command.
    pub response_times: ByClass,
    /// Distribution of the recent latencies: upper limit in microseconds, and count.
    pub distribution: Vec<(u64, u64)>,
    /// Values in the order of the table of servers in `telemetry`.
    #[serde(skip)]
    pub values: Vec<u64>,
    /// Much slower than the others of its pool.
    pub slow: bool,
    /// Errors by kind.
    pub errors: Errors,
    /// Manual changes of this server, if any: `drained`, `weight 5 instead of 1`.
    pub by_hand: Option<String>,
    /// It was taken out of the ring by hand.
    pub out_by_hand: bool,
    /// Weight set by hand in place of the configured one.
    pub weight_by_hand: Option<u32>,
}

/// Presence of a server in the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerState {
    /// In the ring of every shard.
    #[default]
    Up,
    /// Out of the ring of at least one shard.
    Ejected,
}

/// Recent latencies, in microseconds, to two significant digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// Number of measured requests.
    pub count: u64,
    /// Median; none without requests.
    pub p50_us: Option<u64>,
    /// 90th percentile.
    pub p90_us: Option<u64>,
    /// 99th percentile.
    pub p99_us: Option<u64>,
    /// 99.9th percentile.
    pub p999_us: Option<u64>,
}

/// Number of errors of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorCount {
    /// Since the start.
    pub total: u64,
    /// Recent rate.
    pub per_second: f64,
}

/// Rule that maps keys to servers. Proxies of one fleet have the same, which
/// `nuthatch doctor --compare` checks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Placement {
    /// Hash of keys.
    pub hash: Cow<'static, str>,
    /// Distribution of hashes.
    pub distribution: Cow<'static, str>,
    /// The two characters that enclose the hashed part of a key; none if all of it is hashed.
    pub hash_tag: Option<String>,
    /// Servers in the order of the ring's indices.
    pub servers: Vec<Member>,
}

/// A server in a ring.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Member {
    /// Its identity.
    pub name: String,
    /// Bytes hashed for the ring: the identity, except with libmemcached's distributions.
    pub hashed_as: String,
    /// Address.
    pub address: String,
    /// Share of the keys, relative to the others.
    pub weight: u32,
}

impl Placement {
    /// The member of the ring that is this server.
    pub fn member(&self, server: &str) -> Option<&Member> {
        self.servers.iter().find(|member| member.name == server)
    }
}

/// Errors of all kinds now.
pub fn errors_per_second(errors: &Errors) -> f64 {
    errors.values().map(|error| error.per_second).sum()
}
