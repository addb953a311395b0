//! Statistics as JSON: nsqd's fields on input, nsqadmin's on output, in nsqadmin's order.
//!
//! A missing list stays missing: `null` if it was not requested, `[]` if it is empty. Fields that nsqd does
//! not send are filled in by [`super::Fleet::stats`].

use serde::{Deserialize, Serialize};

use super::Publisher;
use crate::fleet::Latency;

/// A topic on a queue, or on all of them (`node` is `*`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TopicStats {
    /// HTTP address of the queue.
    #[serde(skip_deserializing)]
    pub node: String,
    /// Host name of its machine.
    #[serde(skip_deserializing)]
    pub hostname: String,
    /// Name.
    pub topic_name: String,
    /// Messages that wait for a channel.
    pub depth: i64,
    /// Those of them in memory.
    #[serde(skip_deserializing)]
    pub memory_depth: i64,
    /// Those of them on disk.
    pub backend_depth: i64,
    /// Messages published.
    pub message_count: i64,
    /// Messages delivered, where queues count them by distance.
    #[serde(skip_deserializing)]
    pub delivery_msg_count: i64,
    /// Those delivered within the zone.
    #[serde(skip_serializing_if = "is_zero")]
    pub zone_local_msg_count: i64,
    /// Those delivered within the region.
    #[serde(skip_serializing_if = "is_zero")]
    pub region_local_msg_count: i64,
    /// Those delivered elsewhere.
    #[serde(skip_serializing_if = "is_zero")]
    pub global_msg_count: i64,
    /// Its statistics on each queue.
    #[serde(skip_deserializing)]
    pub nodes: Option<Vec<TopicStats>>,
    /// Its channels.
    pub channels: Option<Vec<ChannelStats>>,
    /// True if its channels get no messages.
    pub paused: bool,
    /// Time from publication to FIN.
    pub e2e_processing_latency: Option<Latency>,
    /// Messages refused because it was full; of nuthatches only, as what follows, and on pages only.
    #[serde(skip_serializing)]
    pub rejected_count: i64,
    /// Messages dropped because it was full.
    #[serde(skip_serializing)]
    pub dropped_count: i64,
    /// Bytes of its journal.
    #[serde(skip_serializing)]
    pub stored_bytes: i64,
    /// Most bytes of its journal; 0 for no limit of its own.
    #[serde(skip_serializing)]
    pub bytes_max: i64,
    /// Clients that publish to it over TCP, if clients were requested.
    #[serde(skip)]
    pub publishers: Vec<Publisher>,
}

/// A channel on a queue, or on all of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelStats {
    /// HTTP address of the queue.
    #[serde(skip_deserializing)]
    pub node: String,
    /// Host name of its machine.
    #[serde(skip_deserializing)]
    pub hostname: String,
    /// Its topic.
    #[serde(skip_deserializing)]
    pub topic_name: String,
    /// Name.
    pub channel_name: String,
    /// Messages that wait for a consumer.
    pub depth: i64,
    /// Those of them in memory.
    #[serde(skip_deserializing)]
    pub memory_depth: i64,
    /// Those of them on disk.
    pub backend_depth: i64,
    /// Messages in flight.
    pub in_flight_count: i64,
    /// Messages not yet due.
    pub deferred_count: i64,
    /// Messages requeued.
    pub requeue_count: i64,
    /// Messages that timed out.
    pub timeout_count: i64,
    /// Messages received.
    pub message_count: i64,
    /// Messages delivered, where queues count them by distance.
    #[serde(skip_deserializing, skip_serializing_if = "is_zero")]
    pub delivery_msg_count: i64,
    /// Those delivered within the zone.
    #[serde(skip_serializing_if = "is_zero")]
    pub zone_local_msg_count: i64,
    /// Those delivered within the region.
    #[serde(skip_serializing_if = "is_zero")]
    pub region_local_msg_count: i64,
    /// Those delivered elsewhere.
    #[serde(skip_serializing_if = "is_zero")]
    pub global_msg_count: i64,
    /// Consumers.
    pub client_count: i64,
    /// Its statistics on each queue.
    #[serde(skip_deserializing)]
    pub nodes: Option<Vec<ChannelStats>>,
    /// Its consumers.
    pub clients: Option<Vec<ClientStats>>,
    /// True if its consumers get no messages.
    pub paused: bool,
    /// Time from publication to FIN.
    pub e2e_processing_latency: Option<Latency>,
    /// Messages set aside after too many attempts; of nuthatches only, as what follows, and on pages only.
    #[serde(skip_serializing)]
    pub dead_count: i64,
    /// Messages dropped because they were too old.
    #[serde(skip_serializing)]
    pub expired_count: i64,
    /// Messages dropped because the topic was full.
    #[serde(skip_serializing)]
    pub dropped_count: i64,
    /// Messages that can no longer be read from the disk.
    #[serde(skip_serializing)]
    pub lost_count: i64,
}

/// A consumer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the fields are nsqadmin's")]
pub struct ClientStats {
    /// HTTP address of its queue.
    #[serde(skip_deserializing)]
    pub node: String,
    /// Address and port of its connection.
    pub remote_address: String,
    /// Its protocol.
    pub version: String,
    /// Its name.
    pub client_id: String,
    /// Host name of its machine.
    pub hostname: String,
    /// Client library.
    pub user_agent: String,
    /// Time of its connection, in seconds since 1970.
    pub connect_ts: i64,
    /// Age of its connection, nanoseconds.
    #[serde(skip_deserializing)]
    pub connected: i64,
    /// Messages in flight to it.
    pub in_flight_count: i64,
    /// Milliseconds that it has held the message whose timeout is next; of nuthatches and on pages only.
    #[serde(skip_serializing)]
    pub held_ms: Option<u64>,
    /// Its RDY.
    pub ready_count: i64,
    /// Messages finished by it.
    pub finish_count: i64,
    /// Messages requeued by it.
    pub requeue_count: i64,
    /// Messages delivered to it.
    pub message_count: i64,
    /// Share of the messages it receives, percent; 0: all.
    pub sample_rate: i64,
    /// True if it uses deflate.
    pub deflate: bool,
    /// True if it uses snappy.
    pub snappy: bool,
    /// True if an authorization server authenticated it.
    pub authed: bool,
    /// Identity given by that server.
    pub auth_identity: String,
    /// URL of a page about that identity.
    pub auth_identity_url: String,
    /// Region of its queue.
    #[serde(skip_deserializing, skip_serializing_if = "String::is_empty")]
    pub node_topology_region: String,
    /// Zone of its queue.
    #[serde(skip_deserializing, skip_serializing_if = "String::is_empty")]
    pub node_topology_zone: String,
    /// Its own region.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub topology_region: String,
    /// Its own zone.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub topology_zone: String,
    /// True if it uses TLS.
    pub tls: bool,
    /// TLS cipher suite.
    pub tls_cipher_suite: String,
    /// TLS version.
    pub tls_version: String,
    /// Protocol negotiated by TLS (ALPN).
    pub tls_negotiated_protocol: String,
    /// True if both sides proposed that protocol.
    pub tls_negotiated_protocol_is_mutual: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &i64) -> bool {
    *count == 0
}
