//! The fields of nsqd's `/stats` that the tools use.

use http::client::Client;
use serde::Deserialize;

use super::{Answers, ask_all, escaped};

/// A node's topics.
#[derive(Debug, Deserialize)]
pub(crate) struct Stats {
    #[serde(default)]
    pub topics: Vec<Topic>,
}

/// A topic of a node.
#[derive(Debug, Deserialize)]
pub(crate) struct Topic {
    pub topic_name: String,
    #[serde(default)]
    pub channels: Vec<Channel>,
}

/// A channel of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Channel {
    pub channel_name: String,
    pub depth: i64,
    pub backend_depth: i64,
    pub in_flight_count: i64,
    pub deferred_count: i64,
    pub message_count: i64,
    pub requeue_count: i64,
    pub timeout_count: i64,
    pub client_count: i64,
}

/// Each node's report on a channel of a topic; nodes without the channel have none.
pub(crate) async fn channel(
    http: &Client,
    nodes: &[String],
    topic: &str,
    channel: &str,
) -> Answers<Option<Channel>> {
    let path = format!(
        "/stats?format=json&topic={}&channel={}&include_clients=false&include_mem=false",
        escaped(topic),
        escaped(channel)
    );
    let Answers { answers, warnings } = ask_all::<Stats>(http, nodes, &path).await;
    let answers = answers.into_iter().map(|(node, stats)| (node, stats.channel(topic, channel))).collect();
    Answers { answers, warnings }
}

impl Stats {
    fn channel(self, topic: &str, channel: &str) -> Option<Channel> {
        let topic = self.topics.into_iter().find(|known| known.topic_name == topic)?;
        topic.channels.into_iter().find(|known| known.channel_name == channel)
    }
}

impl Channel {
    /// Adds the counts of another node.
    pub(crate) fn add(&mut self, other: &Channel) {
        self.depth += other.depth;
        self.backend_depth += other.backend_depth;
        self.in_flight_count += other.in_flight_count;
        self.deferred_count += other.deferred_count;
        self.message_count += other.message_count;
        self.requeue_count += other.requeue_count;
        self.timeout_count += other.timeout_count;
        self.client_count += other.client_count;
    }
}
