//! The settings as fields, with go-nsq's defaults.
//!
//! Each field names its go-nsq option.

use std::net::SocketAddr;
use std::time::Duration;

use super::tls::TlsOptions;

/// The version that clients append to their own name in `user_agent`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Pauses after failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackoffStrategy {
    /// `backoff_multiplier` × 2ⁿ.
    #[default]
    Exponential,
    /// A random time up to that.
    FullJitter,
}

/// Settings. Create one with [`Config::new`], change fields or call [`Config::set`], and pass it to a
/// builder, which checks it.
///
/// ```
/// use nuthatch_client::Config;
///
/// let mut config = Config::new();
/// config.max_in_flight = 200;
/// config.set("lookupd_poll_interval", "15s").unwrap();
/// assert_eq!(config.set("max_attempts", "-1").unwrap_err().to_string(),
///     "failed to coerce option max_attempts (-1) - strconv.ParseUint: parsing \"-1\": invalid syntax");
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    /// `dial_timeout`: longest time for connecting.
    pub dial_timeout: Duration,
    /// `read_timeout`: a connection without input for this long, not even a heartbeat, is replaced.
    pub read_timeout: Duration,
    /// `write_timeout`: a connection that accepts no output for this long is replaced.
    pub write_timeout: Duration,
    /// `local_addr`: the address to connect from.
    pub local_addr: Option<SocketAddr>,
    /// `lookupd_poll_interval`: time between two polls of a lookupd.
    pub lookupd_poll_interval: Duration,
    /// `lookupd_poll_jitter`: random addition to the interval, as a share of 0 to 1 of it, so that consumers
    /// do not poll at the same time.
    pub lookupd_poll_jitter: f64,
    /// `lookupd_poll_timeout`: longest time for a lookupd's answer.
    pub lookupd_poll_timeout: Duration,
    /// `lookupd_authorization`: sends `auth_secret` to lookupds too (`Authorization: Bearer`).
    pub lookupd_authorization: bool,
    /// `max_requeue_delay`: longest delay of a failed message.
    pub max_requeue_delay: Duration,
    /// `default_requeue_delay`: delay of a failed message, multiplied by its attempts.
    pub default_requeue_delay: Duration,
    /// `backoff_strategy`: `exponential` or `full_jitter`.
    pub backoff_strategy: BackoffStrategy,
    /// `max_backoff_duration`: longest pause after failures; 0 for none.
    pub max_backoff_duration: Duration,
    /// `backoff_multiplier`: the first pause; each further failure doubles it.
    pub backoff_multiplier: Duration,
    /// `max_attempts`: a message delivered more often is given up (finished without being shown); 0 for no
    /// limit.
    pub max_attempts: u16,
    /// `low_rdy_idle_timeout`: with fewer messages allowed in flight than connections, a connection idle for
    /// this long passes its turn to another.
    pub low_rdy_idle_timeout: Duration,
    /// `low_rdy_timeout`: longest turn of a connection, idle or not.
    pub low_rdy_timeout: Duration,
    /// `rdy_redistribute_interval`: interval at which turns are checked.
    pub rdy_redistribute_interval: Duration,
    /// `client_id`: the client's name; by default the short host name.
    pub client_id: String,
    /// `hostname`: the client's host.
    pub hostname: String,
    /// `user_agent`: the client's software.
    pub user_agent: String,
    /// `heartbeat_interval`: interval of the server's heartbeats; none (a negative text) for never, which
    /// only producers may request.
    pub heartbeat_interval: Option<Duration>,
    /// `sample_rate`: percentage of messages to receive; 0 for all.
    pub sample_rate: u8,
    /// `tls_v1` and its companions.
    pub tls: TlsOptions,
    /// `deflate`: requests this compression.
    pub deflate: bool,
    /// `deflate_level`: 1 to 9.
    pub deflate_level: u32,
    /// `snappy`: requests this compression.
    pub snappy: bool,
    /// `output_buffer_size`: bytes that the server buffers before sending; −1 for none.
    pub output_buffer_size: i64,
    /// `output_buffer_timeout`: longest time that it buffers; none (a negative text) for no limit.
    pub output_buffer_timeout: Option<Duration>,
    /// `max_in_flight`: most unanswered messages, over all connections.
    pub max_in_flight: u32,
    /// `msg_timeout`: time after which the server redelivers an unanswered message; 0 for its own choice.
    pub msg_timeout: Duration,
    /// `auth_secret`: for servers that require AUTH.
    pub auth_secret: String,
    /// `max_frame_size` (ours): largest frame read, in bytes; a server that announces a larger one is
    /// disconnected.
    pub max_frame_size: usize,
    /// `max_pending_publishes` (ours): most unanswered publications of a producer; further ones wait.
    pub max_pending_publishes: usize,
    /// `publish_timeout` (ours): longest time for a publication, including the wait for its turn.
    pub publish_timeout: Duration,
    /// `max_reconnect_delay` (ours): longest pause between two attempts to reach an unavailable server; the
    /// first is 100 ms.
    pub max_reconnect_delay: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let hostname = config::nsqd::machine::hostname();
        let seconds = Duration::from_secs;
        Config {
            dial_timeout: seconds(1),
            read_timeout: seconds(60),
            write_timeout: seconds(1),
            local_addr: None,
            lookupd_poll_interval: seconds(60),
            lookupd_poll_jitter: 0.3,
            lookupd_poll_timeout: seconds(60),
            lookupd_authorization: true,
            max_requeue_delay: seconds(900),
            default_requeue_delay: seconds(90),
            backoff_strategy: BackoffStrategy::Exponential,
            max_backoff_duration: seconds(120),
            backoff_multiplier: seconds(1),
            max_attempts: 5,
            low_rdy_idle_timeout: seconds(10),
            low_rdy_timeout: seconds(30),
            rdy_redistribute_interval: seconds(5),
            client_id: hostname.split('.').next().unwrap_or_default().to_owned(),
            hostname,
            user_agent: format!("nuthatch-client/{VERSION}"),
            heartbeat_interval: Some(seconds(30)),
            sample_rate: 0,
            tls: TlsOptions::default(),
            deflate: false,
            deflate_level: 6,
            snappy: false,
            output_buffer_size: 16_384,
            output_buffer_timeout: Some(Duration::from_millis(250)),
            max_in_flight: 1,
            msg_timeout: Duration::ZERO,
            auth_secret: String::new(),
            max_frame_size: 64 << 20,
            max_pending_publishes: 1_024,
            publish_timeout: seconds(60),
            max_reconnect_delay: seconds(15),
        }
    }
}
