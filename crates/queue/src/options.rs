//! Options of a queue when it is opened: its settings, and options beyond them.

use std::sync::Arc;
use std::time::Duration;

use access::Book;
use wire::nsq::Limits;
use wire::nsq::identify::Terms;

use crate::consumers::Nearness;
use crate::settings::Durability;

pub use config::checked::Queue as Settings;

/// Options of the queue.
#[derive(Debug, Clone)]
pub struct QueueOptions {
    /// Settings as configured.
    pub settings: Settings,
    /// Certificate and key for clients that ask for TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// All users.
    pub users: Book,
    /// Heartbeat interval of a client that does not request one.
    pub heartbeat_interval: Duration,
    /// Time FIN and REQ may stay unwritten when nothing is published; a crash undoes that much.
    pub event_delay: Duration,
    /// Bytes that a topic's publications of one turn may take in its journal together; a publication beyond
    /// it is refused.
    pub batch_bytes: usize,
    /// Bytes that startup rereads, all topics together, to count messages and find damage.
    pub recount_bytes: u64,
    /// Files and directories that journals keep open; the least recently used are closed first.
    pub open_files_max: usize,
}

impl From<Settings> for QueueOptions {
    /// These settings without TLS, and defaults for everything else.
    fn from(settings: Settings) -> QueueOptions {
        QueueOptions {
            tls: None,
            users: Book::default(),
            heartbeat_interval: Duration::from_secs(30),
            event_delay: Duration::from_millis(25),
            batch_bytes: batch_bytes(settings.max_body_size),
            recount_bytes: 256 << 20,
            open_files_max: 256,
            settings,
        }
    }
}

impl Default for QueueOptions {
    fn default() -> QueueOptions {
        QueueOptions::from(Settings::default())
    }
}

/// Source of the rights of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// None: every client has all rights.
    Nobody,
    /// nsqd's authorization servers.
    Server,
    /// The users of the configuration.
    Users,
}

/// New settings of a running queue.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// Settings; the data path stays the one that the queue was opened with.
    pub settings: Settings,
    /// Certificate and key for clients that ask for TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// All users.
    pub users: Book,
}

impl QueueOptions {
    /// Applies new settings, except the data path.
    pub fn configure(&mut self, new: Configuration) {
        let data_path = std::mem::take(&mut self.settings.data_path);
        self.batch_bytes = batch_bytes(new.settings.max_body_size);
        self.settings = Settings { data_path, ..new.settings };
        self.tls = new.tls;
        self.users = new.users;
    }

    /// Source of the rights of TCP clients: the authorization servers if there are any, else the users, if
    /// one of them has rights to topics.
    pub fn authority(&self) -> Authority {
        match self.users.users().any(|user| user.uses_queue()) {
            _ if self.settings.auth_required() => Authority::Server,
            true => Authority::Users,
            false => Authority::Nobody,
        }
    }

    /// The limits that the codec checks.
    pub fn limits(&self) -> Limits {
        let settings = &self.settings;
        Limits {
            message_bytes_max: settings.max_msg_size,
            body_bytes_max: settings.max_body_size,
            ready_max: settings.max_rdy_count,
            requeue_ms_max: millis(settings.max_req_timeout),
            defer_ms_max: millis(settings.max_defer_timeout),
        }
    }

    /// The terms that IDENTIFY negotiates.
    pub fn terms(&self) -> Terms {
        let settings = &self.settings;
        Terms {
            version: config::nsqd::VERSION.to_owned(),
            ready_max: settings.max_rdy_count,
            heartbeat_ms: millis(self.heartbeat_interval),
            heartbeat_ms_max: millis(settings.max_heartbeat_interval),
            msg_timeout_ms: millis(settings.msg_timeout),
            msg_timeout_ms_max: millis(settings.max_msg_timeout),
            output_buffer_bytes: 16_384,
            output_buffer_bytes_max: settings.max_output_buffer_size,
            output_buffer_ms: millis(settings.output_buffer_timeout),
            output_buffer_ms_min: millis(settings.min_output_buffer_timeout),
            output_buffer_ms_max: millis(settings.max_output_buffer_timeout),
            tls: self.tls.is_some(),
            snappy: settings.snappy,
            deflate: settings.deflate,
            deflate_level_max: settings.max_deflate_level.into(),
            auth_required: self.authority() != Authority::Nobody,
            topology_region: settings.topology_region.clone(),
            topology_zone: settings.topology_zone.clone(),
        }
    }

    /// Nearness of a client in this region and zone, if topology matters. An empty name matches none.
    pub fn nearness(&self, region: &str, zone: &str) -> Nearness {
        let settings = &self.settings;
        let same = |ours: &str, theirs: &str| !ours.is_empty() && ours == theirs;
        match settings.prefers_near() {
            true if same(&settings.topology_zone, zone) => Nearness::Zone,
            true if same(&settings.topology_region, region) => Nearness::Region,
            _ => Nearness::Elsewhere,
        }
    }

    /// Durability of topics with files, without one of their own: they keep their files, whatever new topics
    /// get.
    pub fn durability_of_files(&self) -> Durability {
        match self.settings.durability {
            Durability::Memory => Durability::Os,
            other => other,
        }
    }

    /// The options of a topic's journal.
    pub fn journal(&self, durability: Durability) -> journal::Options {
        let message_bytes_max = usize::try_from(self.settings.max_msg_size).unwrap_or(usize::MAX);
        journal::Options {
            durability,
            segment_bytes: self.settings.max_bytes_per_file,
            record_bytes_max: message_bytes_max.saturating_add(64 << 10).max(16 << 20),
            batch_bytes_max: self.batch_bytes,
            ..journal::Options::default()
        }
    }
}

/// Room for the largest body, even if it is all small messages, twice their size in a journal.
fn batch_bytes(body_bytes_max: u64) -> usize {
    usize::try_from(body_bytes_max.saturating_mul(2)).unwrap_or(usize::MAX).max(64 << 20)
}

/// Converts to whole milliseconds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
