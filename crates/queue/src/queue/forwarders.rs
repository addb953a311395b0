//! Forwarders: what waits in a local topic for the engine, and the batch of it that is under way.

use std::sync::Arc;

use bytes::Bytes;
use engine::{Publication, mix};
use net::{ConnId, Instant};
use rustc_hash::FxHashMap;
use wire::nsq::MessageId;
use wire::nsq::frame::MESSAGE_HEADER_BYTES;

use crate::consumers::ConsumerKey;
use crate::delivery::Sink;
use crate::registry::TopicKey;
use crate::topic::ChannelKey;

/// Bytes of bodies after which a batch is full.
const BATCH_BYTES: usize = 4 << 20;

/// Forwarders, by the local topic that they empty.
#[derive(Debug, Default)]
pub(super) struct Forwarders {
    /// Bytes that may wait for the engine, per topic; 0 for no limit.
    pub bytes_max: u64,
    pub all: FxHashMap<TopicKey, Forwarder>,
    /// Those of topics that are being moved: one for each channel.
    pub movers: FxHashMap<(TopicKey, ChannelKey), Forwarder>,
    /// Batches under way, by their number.
    pub batches: FxHashMap<u64, (TopicKey, ChannelKey)>,
}

impl Forwarders {
    /// The forwarder of a channel.
    pub fn get_mut(&mut self, (key, channel): (TopicKey, ChannelKey)) -> Option<&mut Forwarder> {
        match self.all.get_mut(&key).filter(|forwarder| forwarder.channel == channel) {
            Some(forwarder) => Some(forwarder),
            None => self.movers.get_mut(&(key, channel)),
        }
    }
}

/// A forwarder.
#[derive(Debug)]
pub(super) struct Forwarder {
    /// The topic on the engine.
    pub target: Arc<str>,
    /// The only channel there that gets the messages; `None` for all.
    pub only: Option<Arc<str>>,
    pub channel: ChannelKey,
    pub consumer: ConsumerKey,
    /// Ids of the batch under way, as the local topic has them.
    pub departing: Vec<u64>,
    /// Publication time (wall, ns) of the oldest message of the batch under way, or of one that failed; 0
    /// without one.
    pub oldest: i64,
    /// Time before which it does not try again.
    pub not_before: Instant,
}

/// Messages of a batch.
#[derive(Default)]
pub(super) struct Batch {
    pub messages: Vec<Publication>,
    pub ids: Vec<u64>,
    /// Publication time (wall, ns) of the oldest; 0 without one.
    pub oldest: i64,
    pub bytes: usize,
    /// The only channel that gets them; `None` for all.
    pub only: Option<Arc<str>>,
    /// Bytes of the largest body that the engine takes; a larger message stays where it is.
    pub body_bytes_max: usize,
}

impl Sink for Batch {
    fn deliver(&mut self, _conn: ConnId, head: &[u8; MESSAGE_HEADER_BYTES], body: &[u8]) -> bool {
        if body.len() > self.body_bytes_max {
            return true;
        }
        let timestamp = head[8..16].try_into().map_or(0, u64::from_be_bytes);
        let id = head[18..].try_into().ok().and_then(|hex| MessageId::from_hex(&hex)).map_or(0, |id| id.0);
        self.ids.push(id);
        let published = i64::try_from(timestamp).unwrap_or(i64::MAX);
        self.oldest = if self.oldest == 0 { published } else { self.oldest.min(published) };
        self.bytes += body.len();
        let id = id_at_engine(id, timestamp);
        // Each channel gets a copy of its own.
        let id = self.only.as_deref().map_or(id, |channel| id_for(id, channel));
        let message = Publication::new(id, Bytes::copy_from_slice(body));
        self.messages.push(Publication { published, only: self.only.clone(), ..message });
        self.bytes < BATCH_BYTES
    }
}

/// The id under which a message is forwarded, however often: its own is unique on this node, and together
/// with the nanosecond of its publication on all.
pub(super) fn id_at_engine(id: u64, timestamp: u64) -> u64 {
    mix(id ^ mix(timestamp))
}

/// The id of a copy of a message that is for this channel, or from it.
pub(super) fn id_for(id: u64, channel: &str) -> u64 {
    channel.bytes().fold(mix(id), |id, byte| mix(id ^ u64::from(byte)))
}
