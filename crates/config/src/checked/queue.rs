//! Settings of the queue, from `[queue]` or from nsqd's flags and file.
//!
//! Options that nsqd has as well go through its checks ([`crate::nsqd::check`]), whatever their source.

use std::path::PathBuf;
use std::time::Duration;

use crate::go_flags::GoValues;
use crate::listen::Listen;
use crate::secret::SecretUrl;

use super::topic::{Storage, TopicRule};

pub use journal::Durability;

/// The message queue's settings. Durations are at least 0, sizes and counts fit their types.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// The settings as nsqd flags, as written: `/config` shows these.
    pub nsqd_flags: GoValues,
    /// Number of this node in its cluster, below 1024.
    pub node_id: u16,
    /// Address for clients of the V2 protocol.
    pub tcp: Listen,
    /// HTTP API. None: off.
    pub http: Option<Listen>,
    /// HTTP API over TLS; only served with a [`Tls::cert`]. None: off.
    pub https: Option<Listen>,
    /// Name or address registered with nsqlookupd.
    pub broadcast_address: String,
    /// Registered TCP port; 0: the one listened on.
    pub broadcast_tcp_port: u16,
    /// Registered HTTP port; 0: the one listened on.
    pub broadcast_http_port: u16,
    /// nsqlookupds to register with, HOST:PORT.
    pub lookupd_tcp_addresses: Vec<String>,
    /// Authorization servers, HOST:PORT or URL. Empty: no authorization.
    pub auth_http_addresses: Vec<SecretUrl>,
    /// HTTP method of authorization requests.
    pub auth_http_request_method: AuthMethod,
    /// Time limit for connecting to an authorization server or nsqlookupd.
    pub http_client_connect_timeout: Duration,
    /// Time limit for their answer.
    pub http_client_request_timeout: Duration,
    /// Region of this node; may be empty.
    pub topology_region: String,
    /// Zone of this node; may be empty.
    pub topology_zone: String,
    /// Enabled experiments, by nsqd's names.
    pub experiments: Vec<String>,
    /// Directory of the messages.
    pub data_path: PathBuf,
    /// Condition for an OK to a publisher.
    pub durability: Durability,
    /// Storage of new topics, unless a rule says otherwise.
    pub storage: Storage,
    /// Rules for topics; the first that matches counts.
    pub topics: Vec<TopicRule>,
    /// Further channels of a topic start with the oldest message kept.
    pub channels_from_beginning: bool,
    /// Memory for the tails of all journals together, in bytes.
    pub journal_cache_bytes: usize,
    /// Longest delay of a deferred message.
    pub max_defer_timeout: Duration,
    /// Host names of this node, and of pages, under which browsers may use the HTTP API.
    pub http_names: Vec<String>,
    /// Limit on deferred messages of a topic.
    pub max_deferred: u64,
    /// Limit on topics; 0: no limit.
    pub max_topics: u64,
    /// Limit on channels of all topics together; 0: no limit.
    pub max_channels: u64,
    /// Limit on channels of one topic; 0: no limit.
    pub max_channels_per_topic: u64,
    /// Memory limit for topics and channels, and for buffers of clients, in bytes; 0: no limit.
    pub max_memory_bytes: usize,
    /// Limit on clients; 0: no limit.
    pub max_connections: u32,
    /// Time limit for a client to send the protocol magic.
    pub magic_timeout: Duration,
    /// Messages that a topic or channel keeps in memory.
    pub mem_queue_size: u64,
    /// Size above which a new file is started, in bytes.
    pub max_bytes_per_file: u64,
    /// Messages between fsyncs.
    pub sync_every: u64,
    /// Time between fsyncs.
    pub sync_timeout: Duration,
    /// Accepted, but has no effect.
    pub queue_scan_worker_pool_max: u32,
    /// Accepted, but has no effect.
    pub queue_scan_selection_count: u32,
    /// Default time until an unfinished message goes to another consumer.
    pub msg_timeout: Duration,
    /// Longest allowed time of that kind.
    pub max_msg_timeout: Duration,
    /// Size limit of a message, in bytes.
    pub max_msg_size: u64,
    /// Size limit of a command's body, in bytes.
    pub max_body_size: u64,
    /// Longest delay of a requeued message.
    pub max_req_timeout: Duration,
    /// Longest heartbeat interval of a client.
    pub max_heartbeat_interval: Duration,
    /// Largest RDY count of a client.
    pub max_rdy_count: u64,
    /// Largest output buffer of a client.
    pub max_output_buffer_size: u64,
    /// Longest time between flushes of a client.
    pub max_output_buffer_timeout: Duration,
    /// Shortest time between flushes of a client.
    pub min_output_buffer_timeout: Duration,
    /// Default time between flushes.
    pub output_buffer_timeout: Duration,
    /// Limit on consumers of a channel; 0: no limit.
    pub max_channel_consumers: u32,
    /// Push to statsd. None: off.
    pub statsd: Option<Statsd>,
    /// Tracked quantiles of the end-to-end latency, greatest first.
    pub e2e_percentiles: Vec<f64>,
    /// Window of these quantiles.
    pub e2e_window: Duration,
    /// TLS. None: not offered.
    pub tls: Option<Tls>,
    /// PEM file of authorities for the certificates of clients and of authorization servers, with
    /// at least one. None: the system's.
    pub tls_root_ca: Option<PathBuf>,
    /// Lowest version of TLS, towards clients and authorization servers.
    pub tls_min_version: TlsVersion,
    /// Clients may negotiate deflate.
    pub deflate: bool,
    /// Highest deflate level, 1 to 9.
    pub max_deflate_level: u8,
    /// Clients may negotiate snappy.
    pub snappy: bool,
}

/// The one experiment of nsqd.
pub(crate) const NEAR_FIRST: &str = "topology-aware-consumption";

impl Queue {
    /// True if clients must send AUTH.
    pub fn auth_required(&self) -> bool {
        !self.auth_http_addresses.is_empty()
    }

    /// True if clients of the V2 protocol must use TLS.
    pub fn tls_required(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.required != TlsRequired::No)
    }

    /// True if consumers in the same zone come before those in the same region, and these before all others.
    pub fn prefers_near(&self) -> bool {
        self.experiments.iter().any(|name| name == NEAR_FIRST)
    }

    /// Storage of a new topic of this name. Ephemeral ones are always local.
    pub fn storage_of(&self, topic: &str) -> Storage {
        if wire::nsq::is_ephemeral(topic) {
            return Storage::Local;
        }
        self.rule_of(topic).and_then(|rule| rule.storage).unwrap_or(self.storage)
    }

    /// True if publications to a topic on the engine are accepted here first, and forwarded.
    pub fn accepts_locally(&self, topic: &str) -> bool {
        self.rule_of(topic).is_some_and(|rule| rule.accept_locally)
    }

    fn rule_of(&self, topic: &str) -> Option<&TopicRule> {
        self.topics.iter().find(|rule| rule.pattern.matches(topic.as_bytes()))
    }

    /// True if topics are created on the engine.
    pub fn uses_engine(&self) -> bool {
        self.storage == Storage::Engine
            || self.topics.iter().any(|rule| rule.storage == Some(Storage::Engine))
    }

    /// Advertised TCP port: the one listened on, unless another is set.
    pub fn advertised_tcp_port(&self, listened: u16) -> u16 {
        advertised(self.broadcast_tcp_port, listened)
    }

    /// Advertised HTTP port: the one listened on, unless another is set.
    pub fn advertised_http_port(&self, listened: u16) -> u16 {
        advertised(self.broadcast_http_port, listened)
    }
}

fn advertised(set: u16, listened: u16) -> u16 {
    if set > 0 { set } else { listened }
}

/// HTTP method for authorization servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// GET with a query string.
    Get,
    /// POST with a form.
    Post,
}

/// The push of statistics to statsd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statsd {
    /// UDP address, HOST:PORT.
    pub address: String,
    /// Prefix of keys; `%s` stands for the host.
    pub prefix: String,
    /// Time between pushes.
    pub interval: Duration,
    /// Send memory statistics.
    pub mem_stats: bool,
    /// Size limit of a packet, in bytes.
    pub udp_packet_size: usize,
    /// Omit ephemeral topics and channels.
    pub exclude_ephemeral: bool,
}

/// TLS towards clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// PEM file with a certificate.
    pub cert: PathBuf,
    /// PEM file with a private key.
    pub key: PathBuf,
    /// Certificate policy for clients.
    pub client_auth: ClientAuth,
    /// Clients that must use TLS.
    pub required: TlsRequired,
}

/// Certificate policy for TLS clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate.
    None,
    /// Any certificate.
    Require,
    /// A certificate signed by a trusted authority.
    RequireVerify,
}

/// Clients that must use TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsRequired {
    /// None.
    No,
    /// V2 and HTTP clients.
    Yes,
    /// V2 clients; plain HTTP stays allowed.
    ExceptHttp,
}

/// A TLS version by nsqd's name. Versions below 1.2 are accepted as settings but never offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// ssl3.0, and tls1.0 (nsqd's default).
    Tls10,
    /// tls1.1
    Tls11,
    /// tls1.2
    Tls12,
    /// tls1.3
    Tls13,
}
