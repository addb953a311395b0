//! nsqd's settings, checked: from its flags and file, or from `[queue]` of the native file.
//!
//! ```text
//! arguments ─▶ go_flags::parse ─┐
//! nsqd.cfg ──▶ file::read ──────┼─▶ resolve (flag > file > default) ─▶ check ─▶ Nsqd
//! [queue] ──▶ native ───────────┘
//! ```
//! Texts are nsqd's. What nsqd only finds out while it starts (a bad port, say) is a [`Refusal`] that comes after its
//! first two log lines; the face prints them first.

mod check;
pub mod file;
pub mod flags;
pub mod machine;
pub mod pem;

use std::path::PathBuf;
use std::time::Duration;

use journal::Durability;

use crate::go_flags::{self, Exit, GoValues};
use crate::listen::Listen;
use crate::log_level::LogLevel;
use crate::nsq_program::Program;

pub use crate::nsq_program::version_line;
pub use check::{check, go_listen};

/// Version of nsqd that clients and scripts are told.
pub const VERSION: &str = "1.3.0";

/// The message queue's settings. Durations are at least 0, sizes and counts fit their types.
#[derive(Debug, Clone, PartialEq)]
pub struct Nsqd {
    /// Every flag's value before it was checked, for `/config`.
    pub flags: GoValues,
    /// Least severe level that is logged (nsqd's face; the native face has `[log]`).
    pub log_level: LogLevel,
    /// Prefix of each log line (nsqd's face).
    pub log_prefix: String,
    /// Number of this node in its cluster, below 1024.
    pub node_id: u16,
    /// Address for clients of the V2 protocol.
    pub tcp: Listen,
    /// HTTP API. None: off.
    pub http: Option<Listen>,
    /// HTTP API over TLS; served only if [`Tls::cert`] is there. None: off.
    pub https: Option<Listen>,
    /// Name or address that is registered with nsqlookupd.
    pub broadcast_address: String,
    /// TCP port that is registered; 0: the one listened on.
    pub broadcast_tcp_port: u16,
    /// HTTP port that is registered; 0: the one listened on.
    pub broadcast_http_port: u16,
    /// nsqlookupds to register with, HOST:PORT.
    pub lookupd_tcp_addresses: Vec<String>,
    /// Authorization servers, HOST:PORT or URL. Empty: no authorization.
    pub auth_http_addresses: Vec<String>,
    /// HTTP method of the question.
    pub auth_http_request_method: AuthMethod,
    /// Limit on connecting to an authorization server or nsqlookupd.
    pub http_client_connect_timeout: Duration,
    /// Limit on their answer.
    pub http_client_request_timeout: Duration,
    /// Region of this node; may be empty.
    pub topology_region: String,
    /// Zone of this node; may be empty.
    pub topology_zone: String,
    /// Experiments that are on, by nsqd's names.
    pub experiments: Vec<String>,
    /// Directory of the messages.
    pub data_path: PathBuf,
    /// Condition for an OK to a publisher.
    pub durability: Durability,
    /// Channels that are not their topic's first begin with the oldest message that is kept.
    pub channels_from_beginning: bool,
    /// Memory for the tails of all journals together.
    pub journal_cache_bytes: usize,
    /// Longest delay of a deferred message.
    pub max_defer_timeout: Duration,
    /// Names of this node, and of pages, that browsers may use the HTTP API under.
    pub http_names: Vec<String>,
    /// Most deferred messages of a topic.
    pub max_deferred: u64,
    /// Most topics at once; 0: no limit.
    pub max_topics: u64,
    /// Most channels of all topics together; 0: no limit.
    pub max_channels: u64,
    /// Most channels of one topic; 0: no limit.
    pub max_channels_per_topic: u64,
    /// Most memory for topics and channels, and for buffers of clients; 0: no limit.
    pub max_memory_bytes: usize,
    /// Most clients at once; 0: no limit.
    pub max_connections: u32,
    /// Time a client may take to send the protocol magic.
    pub magic_timeout: Duration,
    /// Messages that a topic or channel keeps in memory.
    pub mem_queue_size: u64,
    /// Size past which a new file is begun.
    pub max_bytes_per_file: u64,
    /// Messages between synchronisations.
    pub sync_every: u64,
    /// Time between synchronisations.
    pub sync_timeout: Duration,
    /// Accepted, without effect.
    pub queue_scan_worker_pool_max: u32,
    /// Accepted, without effect.
    pub queue_scan_selection_count: u32,
    /// Default time until an unfinished message goes to another consumer.
    pub msg_timeout: Duration,
    /// Longest such time.
    pub max_msg_timeout: Duration,
    /// Most bytes of a message.
    pub max_msg_size: u64,
    /// Most bytes of a command's body.
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
    /// Most consumers of a channel; 0: no limit.
    pub max_channel_consumers: u32,
    /// statsd, if it is pushed to.
    pub statsd: Option<Statsd>,
    /// Quantiles of the end-to-end latency that are tracked, greatest first.
    pub e2e_percentiles: Vec<f64>,
    /// Window they cover.
    pub e2e_window: Duration,
    /// TLS. None: not offered.
    pub tls: Option<Tls>,
    /// Authorities for the certificates of clients and of authorization servers, PEM; some are in it. None: those
    /// that the system trusts.
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

impl Nsqd {
    /// The TCP port that others are told: the one listened on, unless another is set.
    pub fn told_tcp_port(&self, listened: u16) -> u16 {
        told(self.broadcast_tcp_port, listened)
    }

    /// The same of HTTP.
    pub fn told_http_port(&self, listened: u16) -> u16 {
        told(self.broadcast_http_port, listened)
    }
}

fn told(set: u16, listened: u16) -> u16 {
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

/// Pushing statistics to statsd.
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
    /// Most bytes of a packet.
    pub udp_packet_size: usize,
    /// Leave ephemeral topics and channels out.
    pub exclude_ephemeral: bool,
}

/// TLS towards clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Certificate, PEM; one is in it.
    pub cert: PathBuf,
    /// Private key, PEM; one is in it.
    pub key: PathBuf,
    /// Certificate policy for clients.
    pub client_auth: ClientAuth,
    /// Clients that must use TLS.
    pub required: TlsRequired,
}

/// Certificate policy for TLS clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// Nothing.
    None,
    /// Some certificate.
    Require,
    /// A certificate that an authority has signed.
    RequireVerify,
}

/// Clients that must use TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsRequired {
    /// Nobody.
    No,
    /// V2 and HTTP clients.
    Yes,
    /// V2 clients; plain HTTP stays allowed.
    ExceptHttp,
}

/// A TLS version by nsqd's name. Versions below 1.2 are accepted as settings and never offered.
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

/// The reason nsqd would not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// nsqd's words, to follow `failed to instantiate nsqd - `.
    pub text: String,
    /// The flag that is at fault.
    pub flag: &'static str,
    /// nsqd has logged its version and id when it finds this out; None if not, else that id.
    pub after_banner: Option<u16>,
}

/// Default of a flag as `-h` shows it, host name and node id included.
pub fn show_default(flag: &go_flags::FlagSpec) -> String {
    match flag.name {
        "broadcast-address" => machine::hostname(),
        "node-id" => machine::node_id(&machine::hostname()).to_string(),
        _ => flag.default.to_string(),
    }
}

/// nsqd and its flags.
pub const PROGRAM: Program = Program { name: "nsqd", flags: flags::FLAGS, show_default };

/// Reads a command line (without the program's name) and the file that it names.
///
/// # Errors
///
/// Text to print and exit status, for `-h`, `-version`, and any fault.
pub fn from_arguments(arguments: &[String]) -> Result<GoValues, Exit> {
    PROGRAM.from_arguments(arguments)
}

/// Checks the text of a file as if nsqd were started with it and nothing else.
///
/// # Errors
///
/// nsqd's reason.
pub fn check_text(text: &str) -> Result<Nsqd, String> {
    check(&resolve(GoValues::new(), read_text(text)?)).map_err(|refusal| refusal.text)
}

/// The flags that the text of a file sets.
///
/// # Errors
///
/// nsqd's reason.
pub fn read_text(text: &str) -> Result<GoValues, String> {
    file::parse(text, flags::FLAGS).map_err(|exit| exit.text().to_owned())
}

/// Flag before file before default; every flag has a value afterwards.
pub fn resolve(given: GoValues, file: GoValues) -> GoValues {
    PROGRAM.resolve(given, file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go_flags::GoValue;

    #[test]
    fn every_flag_has_a_valid_default() {
        let values = resolve(GoValues::new(), GoValues::new());
        let nsqd = check(&values).expect("nsqd starts without flags");
        assert_eq!(nsqd.tcp, Listen::Tcp { host: machine::any_address().into(), port: 4150 });
        assert_eq!(nsqd.https, None, "there is no certificate");
        assert_eq!(nsqd.msg_timeout, Duration::from_secs(60));
        assert!(nsqd.deflate && nsqd.snappy);
    }

    #[test]
    fn segments_are_smaller_than_nsqds_files_unless_the_native_file_says_so() {
        for (written, used) in [(None, 16 << 20), (Some(4_000_000), 4_000_000), (Some(1 << 30), 16 << 20)] {
            let given = written.map(|bytes| ("max-bytes-per-file", GoValue::Int(bytes)));
            let nsqd = check(&resolve(GoValues::from_iter(given), GoValues::new())).unwrap();
            assert_eq!(nsqd.max_bytes_per_file, used, "{written:?}");
        }
        let native = crate::native::check("[queue]\nmax_bytes_per_file = \"64MiB\"\n", 1).config.unwrap();
        assert_eq!(native.queue.unwrap().max_bytes_per_file, 64 << 20);
    }

    #[test]
    fn precedence() {
        let given = GoValues::from([("msg-timeout", GoValue::Duration(1)), ("snappy", GoValue::Bool(false))]);
        let file = GoValues::from([("msg-timeout", GoValue::Duration(2)), ("sync-every", GoValue::Int(7))]);
        let values = resolve(given, file);
        assert_eq!(values["msg-timeout"], GoValue::Duration(1));
        assert_eq!(values["sync-every"], GoValue::Int(7));
        assert_eq!(values["snappy"], GoValue::Bool(false));
        assert_eq!(values["mem-queue-size"], GoValue::Int(10_000));
    }
}
