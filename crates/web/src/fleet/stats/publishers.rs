//! Publishers, as queues tell of them: `producers` of `/stats` are those connected over TCP; nuthatches have
//! `http_producers` too.

use serde::Deserialize;

/// A client that has published to a topic.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Publisher {
    /// HTTP address of its queue.
    pub node: String,
    /// Its name.
    pub client_id: String,
    /// Host name of its machine.
    pub hostname: String,
    /// Address and port of its connection.
    pub remote_address: String,
    /// Client library.
    pub user_agent: String,
    /// Messages it has published to the topic.
    pub count: i64,
    /// Age of its connection, in seconds; over HTTP the time since its first publication.
    pub connected_seconds: i64,
    /// It publishes over HTTP.
    pub over_http: bool,
}

impl Publisher {
    /// Messages per second in that time.
    pub fn per_second(&self) -> f64 {
        self.count as f64 / self.connected_seconds.max(1) as f64
    }
}

/// A publisher as told by its queue.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ToldPublisher {
    client_id: String,
    hostname: String,
    remote_address: String,
    user_agent: String,
    connect_ts: i64,
    pub_counts: Option<Vec<PubCount>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PubCount {
    topic: String,
    count: i64,
}

impl ToldPublisher {
    /// It as a publisher of this topic on a queue; None if it is none.
    pub(super) fn of_topic(&self, topic: &str, node: &str, now: i64) -> Option<Publisher> {
        let published = self.pub_counts.iter().flatten().find(|published| published.topic == topic)?;
        Some(Publisher {
            node: node.to_owned(),
            client_id: self.client_id.clone(),
            hostname: self.hostname.clone(),
            remote_address: self.remote_address.clone(),
            user_agent: self.user_agent.clone(),
            count: published.count,
            connected_seconds: now.saturating_sub(self.connect_ts),
            over_http: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_of_a_topic() {
        let told = r#"[{"client_id":"a","remote_address":"1:2","connect_ts":90,"pub_counts":[{"topic":"t","count":50},{"topic":"u","count":1}]},
            {"client_id":"b","pub_counts":null}]"#;
        let told: Vec<ToldPublisher> = serde_json::from_str(told).expect("as nsqd writes it");
        let found: Vec<Publisher> = told.iter().filter_map(|told| told.of_topic("t", "n:1", 100)).collect();
        let [only] = &found[..] else { panic!("{found:?}") };
        assert_eq!((only.client_id.as_str(), only.count, only.per_second()), ("a", 50, 5.0));
        let young = Publisher { connected_seconds: -3, count: 2, ..Publisher::default() };
        assert_eq!(young.per_second(), 2.0, "clocks differ");
    }
}
