//! Producers: the queues of the fleet, as the lookups know them, or as they describe themselves.

use std::collections::HashMap;

use http::client::host_port;
use http::query::escape_query;
use semver::Version;
use serde::{Deserialize, Serialize};

use super::{Fleet, Gathered, Kind, Outcome, sift};

/// Most producers shown and queried; a fleet has hundreds at most.
const PRODUCERS_MAX: usize = 10_000;

/// A queue, in the order of nsqadmin's fields.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Producer {
    /// `LOOKUP/REMOTE` for each registration; none if no lookup was asked.
    pub remote_addresses: Option<Vec<String>>,
    /// Address and port of its connection to a lookup.
    pub remote_address: String,
    /// Host name of its machine.
    pub hostname: String,
    /// Host name or address for clients.
    pub broadcast_address: String,
    /// Port of the protocol V2.
    pub tcp_port: i64,
    /// Port of the HTTP API.
    pub http_port: i64,
    /// Its version.
    pub version: String,
    /// Zone, if it has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub topology_zone: String,
    /// Region, if it has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub topology_region: String,
    /// Its topics, in order.
    pub topics: Option<Vec<ProducerTopic>>,
    /// True if another producer has a newer version.
    pub out_of_date: bool,
}

/// A topic of a producer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ProducerTopic {
    /// Its name.
    pub topic: String,
    /// Hidden from consumers for a while, so that it can be deleted.
    pub tombstoned: bool,
}

impl Producer {
    /// HTTP address, which nsqadmin calls the node.
    pub fn http_address(&self) -> String {
        host_port(&self.broadcast_address, self.http_port)
    }

    fn tcp_address(&self) -> String {
        host_port(&self.broadcast_address, self.tcp_port)
    }
}

/// A producer in a lookup's answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Node {
    remote_address: String,
    hostname: String,
    broadcast_address: String,
    tcp_port: i64,
    http_port: i64,
    version: String,
    topology_zone: String,
    topology_region: String,
    topics: Option<Vec<String>>,
    tombstones: Option<Vec<bool>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Nodes {
    producers: Option<Vec<Node>>,
}

/// A queue's description of itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Info {
    version: String,
    broadcast_address: String,
    hostname: String,
    http_port: i64,
    tcp_port: i64,
    topology_zone: String,
    topology_region: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OwnStats {
    topics: Option<Vec<OwnTopic>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OwnTopic {
    topic_name: String,
}

impl Fleet {
    /// All producers.
    ///
    /// # Errors
    /// If no daemon answers.
    pub async fn producers(&self) -> Outcome<Vec<Producer>> {
        if !self.has_lookups() {
            if self.at.nsqds.is_empty() && !self.at.admins.is_empty() {
                return Ok(Gathered { value: Vec::new(), warnings: Vec::new() });
            }
            return self.themselves(self.at.nsqds.clone(), None).await;
        }
        let answers = self.upstreams.each(self.at.lookups.clone(), |upstreams, address| async move {
            let nodes: Nodes = upstreams.get(&address, "/nodes").await?;
            Ok((address, nodes.producers.unwrap_or_default()))
        });
        Ok(bounded(sift(Kind::Lookup, answers.await)?.map(of_lookups)))
    }

    /// The producers of a topic.
    ///
    /// # Errors
    /// If no lookup answers; one that does not know the topic counts as not answering.
    pub async fn topic_producers(&self, topic: &str) -> Outcome<Vec<Producer>> {
        if !self.has_lookups() {
            return self.themselves(self.at.nsqds.clone(), Some(topic)).await;
        }
        self.looked_up(topic).await
    }

    /// Producers of a topic, as the lookups know them.
    pub(super) async fn looked_up(&self, topic: &str) -> Outcome<Vec<Producer>> {
        let path = format!("/lookup?topic={}", escape_query(topic));
        let answers = self.upstreams.each(self.at.lookups.clone(), |upstreams, address| {
            let path = path.clone();
            async move {
                upstreams.get(&address, &path).await.map(|nodes: Nodes| nodes.producers.unwrap_or_default())
            }
        });
        Ok(bounded(sift(Kind::Lookup, answers.await)?.map(of_topic)))
    }

    /// Queues at these addresses, as they describe themselves; only those that have the topic, if one is
    /// given.
    pub(super) async fn themselves(
        &self,
        addresses: Vec<String>,
        topic: Option<&str>,
    ) -> Outcome<Vec<Producer>> {
        let answers = self.upstreams.each(addresses, |upstreams, address| {
            let topic = topic.map(str::to_owned);
            async move {
                let named = topic.as_deref().map(|topic| format!("&topic={}", escape_query(topic)));
                let stats = format!("/stats?format=json{}&include_clients=false", named.unwrap_or_default());
                let info: Info;
                let own: OwnStats;
                if let Some(topic) = &topic {
                    own = upstreams.get(&address, &stats).await?;
                    if !own.topics.iter().flatten().any(|known| known.topic_name == *topic) {
                        return Ok(None);
                    }
                    info = upstreams.get(&address, "/info").await?;
                } else {
                    info = upstreams.get(&address, "/info").await?;
                    own = upstreams.get(&address, &stats).await?;
                }
                Ok(Some(itself(&address, info, own)))
            }
        });
        let all = sift(Kind::Queue, answers.await)?;
        Ok(all.map(|found| {
            let mut found: Vec<Producer> = found.into_iter().flatten().collect();
            found.sort_by_key(|producer| (producer.hostname.clone(), producer.http_address()));
            found
        }))
    }
}

/// A queue as it describes itself; the requested address replaces one that it does not report.
fn itself(address: &str, info: Info, own: OwnStats) -> Producer {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let host = host.trim_matches(['[', ']']);
    let placed = !info.broadcast_address.is_empty();
    let or_host = |text: String| if text.is_empty() { host.to_owned() } else { text };
    let topic = |topic: OwnTopic| ProducerTopic { topic: topic.topic_name, tombstoned: false };
    let topics: Vec<_> = own.topics.unwrap_or_default().into_iter().map(topic).collect();
    Producer {
        hostname: or_host(info.hostname),
        broadcast_address: or_host(info.broadcast_address),
        tcp_port: info.tcp_port,
        http_port: if placed { info.http_port } else { port.parse().unwrap_or(0) },
        version: info.version,
        topology_zone: info.topology_zone,
        topology_region: info.topology_region,
        topics: Some(topics).filter(|topics| !topics.is_empty()),
        ..Producer::default()
    }
}

impl From<Node> for Producer {
    fn from(node: Node) -> Producer {
        let tombstones = node.tombstones.unwrap_or_default();
        let tombstoned = |at| tombstones.get(at).copied().unwrap_or(false);
        let topics = node.topics.unwrap_or_default().into_iter().enumerate();
        let mut topics: Vec<_> =
            topics.map(|(at, topic)| ProducerTopic { topic, tombstoned: tombstoned(at) }).collect();
        topics.sort();
        Producer {
            remote_address: node.remote_address,
            hostname: node.hostname,
            broadcast_address: node.broadcast_address,
            tcp_port: node.tcp_port,
            http_port: node.http_port,
            version: node.version,
            topology_zone: node.topology_zone,
            topology_region: node.topology_region,
            topics: Some(topics).filter(|topics| !topics.is_empty()),
            ..Producer::default()
        }
    }
}

/// Merges the answers of all lookups: each producer once, with all its registrations.
fn of_lookups(answers: Vec<(String, Vec<Node>)>) -> Vec<Producer> {
    let mut by_address: HashMap<String, usize> = HashMap::new();
    let mut all: Vec<Producer> = Vec::new();
    for (lookup, nodes) in answers {
        for node in nodes {
            let producer = Producer::from(node);
            let remote = if producer.remote_address.is_empty() { "N/A" } else { &producer.remote_address };
            let registration = format!("{lookup}/{remote}");
            let at = *by_address.entry(producer.tcp_address()).or_insert(all.len());
            if at == all.len() {
                all.push(producer);
            }
            if let Some(known) = all.get_mut(at) {
                known.remote_addresses.get_or_insert_default().push(registration);
            }
        }
    }
    mark_old(&mut all);
    all.sort_by_key(|producer| (producer.hostname.clone(), producer.http_address()));
    all
}

/// Merges the producers of a topic from all lookups, each once.
fn of_topic(answers: Vec<Vec<Node>>) -> Vec<Producer> {
    let mut all: Vec<Producer> = Vec::new();
    let mut known = std::collections::HashSet::new();
    for node in answers.into_iter().flatten() {
        let producer = Producer::from(node);
        if known.insert(producer.http_address()) {
            all.push(producer);
        }
    }
    all
}

/// Marks producers whose version is older than the newest one.
fn mark_old(producers: &mut [Producer]) {
    let version = |producer: &Producer| Version::parse(&producer.version).unwrap_or(Version::new(0, 0, 0));
    let Some(newest) = producers.iter().map(version).max_by(Version::cmp_precedence) else { return };
    for producer in producers {
        producer.out_of_date = version(producer).cmp_precedence(&newest).is_lt();
    }
}

fn bounded(mut all: Gathered<Vec<Producer>>) -> Gathered<Vec<Producer>> {
    let found = all.value.len();
    if found > PRODUCERS_MAX {
        all.value.truncate(PRODUCERS_MAX);
        all.warnings.push(format!("{found} producers are registered; the first {PRODUCERS_MAX} are shown"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(json: &str) -> Vec<Node> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_producer_of_two_lookups_stands_once() {
        let a = r#"{"remote_address":"1:9","hostname":"b","broadcast_address":"h1","tcp_port":1,"http_port":2,"version":"1.3.0",
            "topics":["u","t"],"tombstones":[true]}"#;
        let b = r#"{"hostname":"a","broadcast_address":"::1","tcp_port":1,"http_port":2,"version":"1.2.1","topics":[]}"#;
        let merged = of_lookups(vec![
            ("l1".into(), nodes(&format!("[{a}]"))),
            ("l2".into(), nodes(&format!("[{b},{a}]"))),
        ]);
        let shown = |at: usize| {
            let producer: &Producer = &merged[at];
            (producer.http_address(), producer.remote_addresses.clone().unwrap(), producer.out_of_date)
        };
        assert_eq!(merged.len(), 2);
        assert_eq!(shown(0), ("[::1]:2".into(), vec!["l2/N/A".into()], true));
        assert_eq!(shown(1), ("h1:2".into(), vec!["l1/1:9".into(), "l2/1:9".into()], false));
        let topics = merged[1].topics.clone().unwrap();
        assert_eq!(
            topics,
            [
                ProducerTopic { topic: "t".into(), tombstoned: false },
                ProducerTopic { topic: "u".into(), tombstoned: true }
            ],
            "too few tombstones are no crash"
        );
        assert_eq!(merged[0].topics, None);
    }

    #[test]
    fn versions_are_compared_as_versions() {
        for (versions, old) in [
            (&["1.3.0", "1.3.0"][..], &[false, false][..]),
            (&["1.10.0", "1.9.0"], &[false, true]),
            (&["1.3.0", "1.3.0-alpha"], &[false, true]),
            (&["1.3.0+x", "1.3.0"], &[false, false]),
            (&["junk", "0.1.0"], &[true, false]),
            (&["junk", ""], &[false, false]),
        ] {
            let mut producers: Vec<Producer> = versions
                .iter()
                .map(|version| Producer { version: (*version).into(), ..Producer::default() })
                .collect();
            mark_old(&mut producers);
            let got: Vec<bool> = producers.iter().map(|producer| producer.out_of_date).collect();
            assert_eq!(got, old, "{versions:?}");
        }
    }

    #[test]
    fn producers_of_a_topic_are_merged_by_their_http_address() {
        let json = |port: u16| format!(r#"[{{"broadcast_address":"h","http_port":{port}}}]"#);
        let merged = of_topic(vec![nodes(&json(1)), nodes(&json(1)), nodes(&json(2)), vec![]]);
        assert_eq!(merged.iter().map(Producer::http_address).collect::<Vec<_>>(), ["h:1", "h:2"]);
    }

    #[test]
    fn a_queue_that_does_not_say_where_it_is() {
        let old = itself("10.0.0.1:4151", Info::default(), OwnStats::default());
        assert_eq!((old.http_address(), old.hostname.as_str()), ("10.0.0.1:4151".into(), "10.0.0.1"));
        let info = Info { broadcast_address: "h".into(), http_port: 7, ..Info::default() };
        assert_eq!(itself("[::1]:4151", info, OwnStats::default()).http_address(), "h:7");
    }
}
