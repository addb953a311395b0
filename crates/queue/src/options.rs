//! Options of the queue at its start. The defaults are nsqd's; the face fills in what its flags say.

use std::path::PathBuf;
use std::time::Duration;

use crate::consumers::Nearness;
use crate::settings::Durability;

/// Options of the queue.
#[derive(Debug, Clone)]
pub struct Options {
    /// Version that is told to clients (`version` of IDENTIFY and of `/info`).
    pub version: String,
    /// Directory of the journals.
    pub data_path: PathBuf,
    /// Condition for a publisher's OK, for topics that do not say otherwise.
    pub durability: Durability,
    /// Messages that an ephemeral channel or topic holds (`mem-queue-size`); of others, what `/stats` takes for memory.
    pub mem_queue_size: u64,
    /// Default of a delivery's timeout.
    pub msg_timeout: Duration,
    /// Longest timeout, TOUCH included.
    pub max_msg_timeout: Duration,
    /// Largest message.
    pub max_msg_size: u64,
    /// Largest body of a command.
    pub max_body_size: u64,
    /// Longest delay of REQ.
    pub max_req_timeout: Duration,
    /// Longest delay of DPUB; nsqd uses `max_req_timeout` for both.
    pub max_defer_timeout: Duration,
    /// Longest heartbeat interval that a client may ask for.
    pub max_heartbeat_interval: Duration,
    /// Heartbeat interval of a client that does not ask.
    pub heartbeat_interval: Duration,
    /// Largest RDY.
    pub max_rdy_count: u64,
    /// Largest output buffer that a client may ask for.
    pub max_output_buffer_size: u64,
    /// Longest output buffer timeout that a client may ask for.
    pub max_output_buffer_timeout: Duration,
    /// Shortest output buffer timeout that a client may ask for.
    pub min_output_buffer_timeout: Duration,
    /// Output buffer timeout of a client that does not ask.
    pub output_buffer_timeout: Duration,
    /// Consumers per channel; 0 for no limit.
    pub max_channel_consumers: u64,
    /// Connections at once; 0 for no limit.
    pub max_connections: usize,
    /// Time a client may take to send the protocol magic.
    pub magic_timeout: Duration,
    /// True if deflate may be negotiated.
    pub deflate: bool,
    /// Largest deflate level.
    pub max_deflate_level: u32,
    /// True if snappy may be negotiated.
    pub snappy: bool,
    /// Certificate and key for clients that ask for TLS.
    pub tls: Option<std::sync::Arc<rustls::ServerConfig>>,
    /// Clients must use TLS.
    pub tls_required: bool,
    /// Clients must send AUTH.
    pub auth_required: bool,
    /// Told to clients.
    pub topology_region: String,
    /// Told to clients.
    pub topology_zone: String,
    /// Consumers in the same zone come before those in the same region, and these before all others.
    pub prefer_near: bool,
    /// Percentiles of end-to-end latency, as shares (0 to 1]; empty for none.
    pub e2e_percentiles: Vec<f64>,
    /// Window of end-to-end latency.
    pub e2e_window: Duration,
    /// Bytes per journal segment.
    pub segment_bytes: u64,
    /// Memory for the tails of all journals together.
    pub cache_bytes: usize,
    /// Time FIN and REQ may stay unwritten when nothing is published: what a crash repeats.
    pub event_delay: Duration,
    /// Messages that may be deferred, per topic.
    pub max_deferred: u64,
    /// Topics at once; 0 for no limit. What is there at the start stays.
    pub max_topics: u64,
    /// Channels of all topics together; 0 for no limit. What is there at the start stays.
    pub max_channels: u64,
    /// Channels of one topic; 0 for no limit. What is there at the start stays.
    pub max_channels_per_topic: u64,
    /// Bytes that topics and channels may take (see [`crate::topic::Memory::state`]), and that buffers of connections may take; 0 for
    /// no limit. What is there at the start stays.
    pub max_memory: usize,
    /// Bytes that a topic's publications of one turn may take in its journal together; a publication beyond it is refused.
    pub batch_bytes: usize,
    /// Start of a channel that is created while others are there already: at the beginning of what is kept, instead of
    /// with what is published from then on.
    pub channels_from_beginning: bool,
    /// Bytes that a start reads again, all topics together, to count what is in them and to find what is damaged.
    pub recount_bytes: u64,
    /// Files and directories that journals keep open; those used longest ago are closed first.
    pub open_files_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            data_path: PathBuf::from("."),
            durability: Durability::Os,
            mem_queue_size: 10_000,
            msg_timeout: Duration::from_secs(60),
            max_msg_timeout: Duration::from_secs(15 * 60),
            max_msg_size: 1_048_576,
            max_body_size: 5_242_880,
            max_req_timeout: Duration::from_secs(3600),
            max_defer_timeout: Duration::from_secs(3600),
            max_heartbeat_interval: Duration::from_secs(60),
            heartbeat_interval: Duration::from_secs(30),
            max_rdy_count: 2500,
            max_output_buffer_size: 65_536,
            max_output_buffer_timeout: Duration::from_secs(30),
            min_output_buffer_timeout: Duration::from_millis(25),
            output_buffer_timeout: Duration::from_millis(250),
            max_channel_consumers: 0,
            max_connections: 0,
            magic_timeout: Duration::from_secs(30),
            deflate: true,
            max_deflate_level: 6,
            snappy: true,
            tls: None,
            tls_required: false,
            auth_required: false,
            topology_region: String::new(),
            topology_zone: String::new(),
            prefer_near: false,
            e2e_percentiles: Vec::new(),
            e2e_window: Duration::from_secs(600),
            segment_bytes: 16 << 20,
            cache_bytes: 24 << 20,
            event_delay: Duration::from_millis(25),
            max_deferred: 1_000_000,
            max_topics: 100_000,
            max_channels: 100_000,
            max_channels_per_topic: 10_000,
            max_memory: 1 << 30,
            batch_bytes: 64 << 20,
            channels_from_beginning: false,
            recount_bytes: 256 << 20,
            open_files_max: 256,
        }
    }
}

impl Options {
    /// The limits that the codec checks.
    pub fn wire_limits(&self) -> wire::nsq::Limits {
        wire::nsq::Limits {
            message_bytes_max: self.max_msg_size,
            body_bytes_max: self.max_body_size,
            ready_max: self.max_rdy_count,
            requeue_ms_max: millis(self.max_req_timeout),
            defer_ms_max: millis(self.max_defer_timeout),
        }
    }

    /// Nearness of a client in this region and zone, if that matters. A place without a name is nowhere.
    pub fn nearness(&self, region: &str, zone: &str) -> Nearness {
        let same = |ours: &str, theirs: &str| !ours.is_empty() && ours == theirs;
        match self.prefer_near {
            true if same(&self.topology_zone, zone) => Nearness::Zone,
            true if same(&self.topology_region, region) => Nearness::Region,
            _ => Nearness::Elsewhere,
        }
    }

    /// The options of a topic's journal.
    pub fn journal(&self, durability: Durability) -> journal::Options {
        let record_bytes_max =
            usize::try_from(self.max_msg_size).unwrap_or(usize::MAX).saturating_add(64 << 10);
        journal::Options {
            durability,
            segment_bytes: self.segment_bytes,
            record_bytes_max: record_bytes_max.max(16 << 20),
            batch_bytes_max: self.batch_bytes,
            ..journal::Options::default()
        }
    }
}

/// Whole milliseconds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
