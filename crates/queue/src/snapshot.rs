//! Statistics of the queue, as a copy that other threads may keep.
//!
//! All values are from one turn of the loop. Values that nsqd has, too, are counted as its `/stats` does.

use engine::{Replicas, Servers};
use telemetry::{ChannelReport, TopicReport};

/// Everything `/stats` shows.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Summary of the present conditions, if there are any.
    pub health: Option<String>,
    /// Damage found and not acknowledged.
    pub damage: Option<String>,
    /// Present conditions, worst first; truncated if there are many.
    pub conditions: Vec<Condition>,
    /// Number of conditions.
    pub condition_count: usize,
    /// Start time of the daemon (wall, ns).
    pub started: i64,
    /// Now (wall, ns).
    pub now: i64,
    /// Topics, sorted by name; `None` if the requested topic does not exist.
    pub topics: Option<Vec<TopicStats>>,
    /// Connections that have published over TCP; `None` if clients were not requested.
    pub producers: Option<Vec<ClientStats>>,
    /// Connections.
    pub connections: usize,
    /// Failed logins of users over TCP.
    pub login_failures: u64,
    /// Memory of topics and channels, charged to `max_memory`.
    pub memory_bytes: usize,
    /// Limit on it; 0 for none.
    pub memory_bytes_max: usize,
    /// The engine, if there is one.
    pub engine: Option<EngineStats>,
}

/// The engine, as last told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// The reason it cannot be used, and since when (wall, ns).
    pub fault: Option<(String, i64)>,
    /// Its servers.
    pub servers: Servers,
    /// Topics on it.
    pub topics: u64,
    /// Those of them whose messages not all of their servers have.
    pub topics_degraded: u64,
    /// Messages that wait here to be forwarded.
    pub forward_messages: u64,
    /// Publication time (wall, ns) of the oldest of the next ones; 0 if none is known.
    pub forward_oldest: i64,
    /// Bytes of publications that it has not acknowledged.
    pub unacknowledged_bytes: u64,
}

/// A present condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The topic; empty if the condition is not of a topic.
    pub topic: String,
    /// The channel; empty if the condition is not of a channel.
    pub channel: String,
    /// The problem, as worded in the log.
    pub what: &'static str,
    /// The reason, and the remedy.
    pub why: String,
    /// Begin (wall, ns).
    pub since: i64,
}

/// A wall time (ns) as RFC 3339, to the second.
pub(crate) fn utc(wall: i64) -> String {
    jiff::Timestamp::from_second(wall.div_euclid(1_000_000_000)).unwrap_or_default().to_string()
}

/// A topic.
#[derive(Debug, Clone, Default)]
pub struct TopicStats {
    /// Its name.
    pub name: String,
    /// Its channels, sorted by name.
    pub channels: Vec<ChannelStats>,
    /// Messages waiting in the topic itself.
    pub depth: u64,
    /// Messages of `depth` that nsqd would have on disk.
    pub backend_depth: u64,
    /// Messages published.
    pub messages: u64,
    /// Bytes published.
    pub bytes: u64,
    /// True if it is paused.
    pub paused: bool,
    /// Number of samples and quantiles (share, ns) of end-to-end latency.
    pub latency: (u64, Vec<(f64, u64)>),
    /// Bytes in its journal.
    pub stored_bytes: u64,
    /// Most bytes in its journal; 0 for no limit.
    pub bytes_max: u64,
    /// Messages refused because the topic was full.
    pub rejected: u64,
    /// Messages dropped because the topic was full.
    pub dropped: u64,
    /// Servers of the engine that keep it, if it is on the engine.
    pub replicas: Option<Replicas>,
    /// Unwritten events: what a crash would repeat.
    pub unwritten_events: u64,
}

/// A channel.
#[derive(Debug, Clone, Default)]
pub struct ChannelStats {
    /// Its name.
    pub name: String,
    /// Messages waiting for a consumer.
    pub depth: u64,
    /// Messages of `depth` that nsqd would have on disk.
    pub backend_depth: u64,
    /// Messages in flight.
    pub in_flight: u64,
    /// Deferred messages.
    pub deferred: u64,
    /// See [`crate::channel::Counters`].
    pub counters: crate::channel::Counters,
    /// Number of consumers.
    pub client_count: u64,
    /// Consumers; `None` if they were not requested.
    pub clients: Option<Vec<ClientStats>>,
    /// True if it is paused.
    pub paused: bool,
    /// Number of samples and quantiles (share, ns) of end-to-end latency.
    pub latency: (u64, Vec<(f64, u64)>),
}

/// A connection.
#[derive(Debug, Clone, Default)]
pub struct ClientStats {
    /// See [`crate::connection::Identity`].
    pub identity: crate::connection::Identity,
    /// Address and port.
    pub remote_address: String,
    /// Number of its state in NSQ V2.
    pub state: u8,
    /// Its RDY.
    pub ready: u64,
    /// Messages in flight to it.
    pub in_flight: u64,
    /// Milliseconds that it has held the message whose timeout is next; `None` without one.
    pub held_ms: Option<u64>,
    /// Messages sent to it.
    pub messages: u64,
    /// Messages it finished.
    pub finished: u64,
    /// Messages it requeued.
    pub requeued: u64,
    /// Time it connected (wall, s).
    pub connected_at: i64,
    /// Its sample rate.
    pub sample_rate: u8,
    /// True if deflate is active.
    pub deflate: bool,
    /// True if snappy is active.
    pub snappy: bool,
    /// Its TLS.
    pub tls: Option<net::LayerInfo>,
    /// Identity and its URL, if it sent AUTH.
    pub authed: Option<(String, String)>,
    /// Messages published, by topic.
    pub published: Vec<(String, u64)>,
}

impl TopicStats {
    /// The topic's row in `/metrics` and on the page, with those of its channels.
    pub fn report(&self) -> TopicReport {
        TopicReport { channels: self.channels.iter().map(ChannelStats::row).collect(), ..self.row() }
    }

    /// The topic's row alone.
    pub(crate) fn row(&self) -> TopicReport {
        TopicReport {
            name: self.name.clone(),
            depth: self.depth,
            backend_depth: self.backend_depth,
            messages: self.messages,
            bytes: self.bytes,
            rejected: self.rejected,
            dropped: self.dropped,
            stored_bytes: self.stored_bytes,
            bytes_max: self.bytes_max,
            paused: u64::from(self.paused),
            replicas: self.replicas.as_ref().map_or(0, |replicas| replicas.count.into()),
            replicas_in_sync: self.replicas.as_ref().map_or(0, |replicas| replicas.in_sync.into()),
            channels: Vec::new(),
        }
    }
}

impl ChannelStats {
    /// The channel's row.
    pub(crate) fn row(&self) -> ChannelReport {
        let counters = &self.counters;
        let near = counters.delivered_in_zone + counters.delivered_in_region;
        ChannelReport {
            name: self.name.clone(),
            depth: self.depth,
            backend_depth: self.backend_depth,
            in_flight: self.in_flight,
            deferred: self.deferred,
            messages: counters.messages,
            zone_local: counters.delivered_in_zone,
            region_local: counters.delivered_in_region,
            elsewhere: counters.delivered - near,
            requeued: counters.requeued,
            timed_out: counters.timed_out,
            consumers: self.client_count,
            dead: counters.dead,
            expired: counters.expired,
            dropped: counters.dropped,
            lost: counters.lost,
            finished: counters.finished,
            paused: u64::from(self.paused),
        }
    }
}
