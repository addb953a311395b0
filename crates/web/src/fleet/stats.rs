//! Statistics of topics and channels: of each queue, and of all of them together.
//!
//! The fields are nsqd's as they come in and nsqadmin's as they go out, in its order. A missing list stays missing: what was not
//! asked for is `null`, and what is empty is `[]`.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use http::query::escape_query;
use serde::{Deserialize, Serialize};

use super::latency::Latency;
use super::producers::Producer;
use super::{Fleet, Kind, Outcome, sift};

/// A topic on a queue, or on all of them (`node` is `*`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TopicStats {
    /// HTTP address of the queue.
    #[serde(skip_deserializing)]
    pub node: String,
    /// Its machine.
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
    /// The same on each queue.
    #[serde(skip_deserializing)]
    pub nodes: Option<Vec<TopicStats>>,
    /// Its channels.
    pub channels: Option<Vec<ChannelStats>>,
    /// Channels get no messages.
    pub paused: bool,
    /// Time from publication to FIN.
    pub e2e_processing_latency: Option<Latency>,
}

/// A channel on a queue, or on all of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelStats {
    /// HTTP address of the queue.
    #[serde(skip_deserializing)]
    pub node: String,
    /// Its machine.
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
    /// Messages that are not due yet.
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
    /// The same on each queue.
    #[serde(skip_deserializing)]
    pub nodes: Option<Vec<ChannelStats>>,
    /// Its consumers.
    pub clients: Option<Vec<ClientStats>>,
    /// Consumers get no messages.
    pub paused: bool,
    /// Time from publication to FIN.
    pub e2e_processing_latency: Option<Latency>,
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
    /// Its machine.
    pub hostname: String,
    /// Its library.
    pub user_agent: String,
    /// Time of its connection, in seconds since 1970.
    pub connect_ts: i64,
    /// Age of its connection, nanoseconds.
    #[serde(skip_deserializing)]
    pub connected: i64,
    /// Messages in flight to it.
    pub in_flight_count: i64,
    /// Its RDY.
    pub ready_count: i64,
    /// Messages it finished.
    pub finish_count: i64,
    /// Messages it requeued.
    pub requeue_count: i64,
    /// Messages it got.
    pub message_count: i64,
    /// Share of the messages it wants, percent; 0: all.
    pub sample_rate: i64,
    /// It speaks deflate.
    pub deflate: bool,
    /// It speaks snappy.
    pub snappy: bool,
    /// An authorization server answered for it.
    pub authed: bool,
    /// Its identity for that server.
    pub auth_identity: String,
    /// Page about that identity.
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
    /// It speaks TLS.
    pub tls: bool,
    /// The cipher.
    pub tls_cipher_suite: String,
    /// The version.
    pub tls_version: String,
    /// The protocol negotiated over it.
    pub tls_negotiated_protocol: String,
    /// True if both sides named it.
    pub tls_negotiated_protocol_is_mutual: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &i64) -> bool {
    *count == 0
}

/// Topics of all queues, each as its queue reports it.
pub type Stats = Vec<TopicStats>;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    topics: Option<Vec<TopicStats>>,
}

impl Fleet {
    /// Statistics of these producers: of one topic, one channel, or everything.
    ///
    /// # Errors
    /// If none of them answers.
    pub async fn stats(
        &self,
        producers: Vec<Producer>,
        topic: Option<&str>,
        channel: Option<&str>,
        clients: bool,
    ) -> Outcome<Stats> {
        let mut path = String::from("/stats?format=json");
        for (name, value) in [("topic", topic), ("channel", channel)] {
            if let Some(value) = value {
                path += &format!("&{name}={}", escape_query(value));
            }
        }
        if !clients {
            path += "&include_clients=false";
        }
        let topic = topic.map(str::to_owned);
        let answers = self.upstreams.each(producers, |upstreams, producer| {
            let (path, topic) = (path.clone(), topic.clone());
            async move {
                let told: Told = upstreams.get(&producer.http_address(), &path).await?;
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                Ok(of_producer(&producer, told, topic.as_deref(), i64::try_from(now).unwrap_or(i64::MAX)))
            }
        });
        let stats = sift(Kind::Queue, answers.await)?;
        Ok(stats.map(|stats| {
            let mut stats: Stats = stats.into_iter().flatten().collect();
            stats.sort_by(|a, b| (&a.hostname, &a.node).cmp(&(&b.hostname, &b.node)));
            stats
        }))
    }
}

/// The topics of a producer, with the fields that nsqd does not send.
fn of_producer(producer: &Producer, told: Told, topic: Option<&str>, now: i64) -> Stats {
    let node = producer.http_address();
    let mut topics = told.topics.unwrap_or_default();
    topics.retain(|told| topic.is_none_or(|topic| told.topic_name == topic));
    for topic in &mut topics {
        topic.node.clone_from(&node);
        topic.hostname.clone_from(&producer.hostname);
        topic.memory_depth = topic.depth.saturating_sub(topic.backend_depth);
        for channel in topic.channels.iter_mut().flatten() {
            channel.node.clone_from(&node);
            channel.hostname.clone_from(&producer.hostname);
            channel.topic_name.clone_from(&topic.topic_name);
            channel.memory_depth = channel.depth.saturating_sub(channel.backend_depth);
            let by_distance =
                [channel.zone_local_msg_count, channel.region_local_msg_count, channel.global_msg_count];
            channel.delivery_msg_count = by_distance.into_iter().fold(0, i64::saturating_add);
            for (sum, count) in [
                (&mut topic.delivery_msg_count, channel.delivery_msg_count),
                (&mut topic.zone_local_msg_count, channel.zone_local_msg_count),
                (&mut topic.region_local_msg_count, channel.region_local_msg_count),
                (&mut topic.global_msg_count, channel.global_msg_count),
            ] {
                *sum = sum.saturating_add(count);
            }
            for client in channel.clients.iter_mut().flatten() {
                client.node.clone_from(&node);
                client.node_topology_region.clone_from(&producer.topology_region);
                client.node_topology_zone.clone_from(&producer.topology_zone);
                client.connected = now.saturating_sub(client.connect_ts).saturating_mul(1_000_000_000);
            }
        }
    }
    topics
}

macro_rules! sum {
    ($all:ident, $one:ident, $($field:ident),+) => {
        $($all.$field = $all.$field.saturating_add($one.$field);)+
    };
}

/// A topic on all queues together.
pub fn topic_of(name: &str, stats: Stats) -> TopicStats {
    let mut all = TopicStats {
        topic_name: name.to_owned(),
        e2e_processing_latency: (!stats.is_empty()).then(|| Latency::of_all(name, "")),
        ..TopicStats::default()
    };
    for one in stats {
        all.node = "*".into();
        sum!(
            all,
            one,
            depth,
            memory_depth,
            backend_depth,
            message_count,
            delivery_msg_count,
            zone_local_msg_count,
            region_local_msg_count,
            global_msg_count
        );
        all.paused |= one.paused;
        if let (Some(all), Some(one)) = (&mut all.e2e_processing_latency, &one.e2e_processing_latency) {
            all.add(one);
        }
        for channel in one.channels.iter().flatten() {
            let channels = all.channels.get_or_insert_default();
            match channels.iter_mut().find(|known| known.channel_name == channel.channel_name) {
                Some(known) => known.join(channel),
                None => channels.push(channel.clone()),
            }
        }
        all.nodes.get_or_insert_default().push(one);
    }
    all
}

/// A channel on all queues together; `None` if none has it.
pub fn channel_of(topic: &str, name: &str, stats: Stats) -> Option<ChannelStats> {
    let channels = stats.into_iter().flat_map(|topic| topic.channels.unwrap_or_default());
    let mut channels = channels.filter(|channel| channel.channel_name == name).peekable();
    channels.peek()?;
    let mut all = ChannelStats {
        topic_name: topic.to_owned(),
        channel_name: name.to_owned(),
        e2e_processing_latency: Some(Latency::of_all(topic, name)),
        ..ChannelStats::default()
    };
    channels.for_each(|channel| all.add(channel));
    if let Some(clients) = &mut all.clients {
        clients
            .sort_by_cached_key(|client| (client.node.clone(), client.distance(), client.hostname.clone()));
    }
    Some(all)
}

/// Messages of each channel on each queue, by `TOPIC:CHANNEL:NODE`.
pub fn counts(stats: &Stats) -> BTreeMap<String, (&ChannelStats, i64)> {
    let mut counts = BTreeMap::new();
    for channel in stats.iter().flat_map(|topic| topic.channels.iter().flatten()) {
        let key = format!("{}:{}:{}", channel.topic_name, channel.channel_name, channel.node);
        let (_, count) = counts.entry(key).or_insert((channel, 0_i64));
        *count = count.saturating_add(channel.message_count);
    }
    counts
}

impl ChannelStats {
    /// Makes one queue's channel that of several.
    fn join(&mut self, other: &ChannelStats) {
        if self.nodes.is_none() {
            let first = self.clone();
            *self = ChannelStats {
                topic_name: first.topic_name.clone(),
                channel_name: first.channel_name.clone(),
                e2e_processing_latency: Some(Latency::of_all(&first.topic_name, &first.channel_name)),
                ..ChannelStats::default()
            };
            self.add(first);
        }
        self.add(other.clone());
    }

    fn add(&mut self, mut one: ChannelStats) {
        self.node = "*".into();
        sum!(
            self,
            one,
            depth,
            memory_depth,
            backend_depth,
            in_flight_count,
            deferred_count,
            requeue_count,
            timeout_count,
            message_count,
            delivery_msg_count,
            zone_local_msg_count,
            region_local_msg_count,
            global_msg_count,
            client_count
        );
        self.paused |= one.paused;
        if let (Some(all), Some(one)) = (&mut self.e2e_processing_latency, &one.e2e_processing_latency) {
            all.add(one);
        }
        if let Some(clients) = one.clients.as_mut().filter(|clients| !clients.is_empty()) {
            self.clients.get_or_insert_default().extend(clients.iter().cloned());
        }
        self.nodes.get_or_insert_default().push(one);
    }
}

impl ClientStats {
    /// Distance from its queue: 0 in the same zone, 1 in the same region, else 2.
    pub fn distance(&self) -> u8 {
        let region = self.topology_region == self.node_topology_region;
        match region && self.topology_zone == self.node_topology_zone {
            true => 0,
            false if region => 1,
            false => 2,
        }
    }
}

#[cfg(test)]
mod tests;
