//! Statistics of topics and channels: per queue, and over all queues.

mod merge;
mod publishers;
mod shapes;

use std::time::{SystemTime, UNIX_EPOCH};

use http::query::escape_query;
use serde::Deserialize;

pub use self::merge::{channel_of, counts, topic_of};
pub use self::publishers::Publisher;
use self::publishers::ToldPublisher;
pub use self::shapes::{ChannelStats, ClientStats, TopicStats};
use super::producers::Producer;
use super::{Fleet, Kind, Outcome, sift};

/// Topics of all queues, each as reported by its queue.
pub type Stats = Vec<TopicStats>;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    topics: Option<Vec<TopicStats>>,
    producers: Option<Vec<ToldPublisher>>,
    /// Beyond nsqd.
    http_producers: Option<Vec<ToldPublisher>>,
}

impl Fleet {
    /// Statistics of these producers: of one topic, one channel, or everything.
    ///
    /// # Errors
    /// If no producer answers.
    pub async fn stats(
        &self,
        producers: Vec<Producer>,
        topic: Option<&str>,
        channel: Option<&str>,
        clients: bool,
    ) -> Outcome<Stats> {
        let mut path = String::from("/stats?format=json&include_limits=true");
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
    let connected = told.producers.into_iter().flatten().map(|told| (told, false));
    let publishers: Vec<(ToldPublisher, bool)> =
        connected.chain(told.http_producers.into_iter().flatten().map(|told| (told, true))).collect();
    let mut topics = told.topics.unwrap_or_default();
    topics.retain(|told| topic.is_none_or(|topic| told.topic_name == topic));
    for topic in &mut topics {
        topic.node.clone_from(&node);
        topic.hostname.clone_from(&producer.hostname);
        let name = &topic.topic_name;
        let of_topic = |(told, over_http): &(ToldPublisher, bool)| {
            Some(Publisher { over_http: *over_http, ..told.of_topic(name, &node, now)? })
        };
        topic.publishers = publishers.iter().filter_map(of_topic).collect();
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

#[cfg(test)]
mod tests;
