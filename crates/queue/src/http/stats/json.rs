//! The JSON document, in nsqd's order. Nulls are significant: `topics` if the requested topic does not exist,
//! `clients` and `producers` if they were not requested, `producers` also if there are none, `percentiles` if
//! none are measured.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use telemetry::nsq::in_json;

use super::super::publishers::Publisher;
use super::process::{health, memory_rows, not_shown};
use crate::settings::Storage;
use crate::snapshot::{self, ChannelStats, ClientStats, Snapshot, TopicStats};

/// The whole document.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    version: &'static str,
    health: String,
    /// Present conditions, one by one; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<Condition<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conditions_not_shown: Option<usize>,
    start_time: i64,
    topics: Option<Vec<Topic<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
    producers: Option<Vec<Client<'a>>>,
    /// Beyond nsqd.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    http_producers: Vec<HttpClient<'a>>,
}

/// A publisher over HTTP, in the form of a client.
#[derive(Serialize)]
struct HttpClient<'a> {
    client_id: &'a str,
    hostname: &'a str,
    remote_address: &'a str,
    user_agent: &'a str,
    /// Its first publication, in seconds since 1970.
    connect_ts: u64,
    pub_counts: [Published<'a>; 1],
}

impl<'a> Document<'a> {
    /// Adds publishers over HTTP.
    pub fn with_publishers(self, publishers: &'a [Publisher]) -> Document<'a> {
        Document { http_producers: publishers.iter().map(http_client).collect(), ..self }
    }
}

fn http_client(publisher: &Publisher) -> HttpClient<'_> {
    let Publisher { topic, sender, count, first, .. } = publisher;
    HttpClient {
        client_id: if sender.user.is_empty() { &sender.address } else { &sender.user },
        hostname: &sender.address,
        remote_address: &sender.address,
        user_agent: &sender.agent,
        connect_ts: *first,
        pub_counts: [Published { topic, count: *count }],
    }
}

/// A present condition; beyond nsqd.
#[derive(Serialize)]
struct Condition<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    topic: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    channel: &'a str,
    what: &'static str,
    why: &'a str,
    since: String,
}

/// A topic; `limits` adds figures that nsqd does not have.
struct Topic<'a> {
    topic: &'a TopicStats,
    limits: bool,
}

/// A channel; `limits` as in [`Topic`].
struct Channel<'a> {
    channel: &'a ChannelStats,
    limits: bool,
}

impl Serialize for Topic<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Topic { topic, limits } = *self;
        let channels: Vec<_> = topic.channels.iter().map(|channel| Channel { channel, limits }).collect();
        let row = topic.row();
        let figures = || row.figures();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("topic_name", &topic.name)?;
        map.serialize_entry("channels", &channels)?;
        in_json(figures(), false).try_for_each(|(key, value)| map.serialize_entry(key, &value))?;
        if let Some(replicas) = &topic.replicas {
            map.serialize_entry("storage", Storage::Engine.name())?;
            map.serialize_entry("replicas_in_sync", &replicas.in_sync)?;
            map.serialize_entry("leader", &replicas.leader)?;
        }
        map.serialize_entry("paused", &topic.paused)?;
        map.serialize_entry("e2e_processing_latency", &latency(&topic.latency))?;
        if limits {
            in_json(figures(), true).try_for_each(|(key, value)| map.serialize_entry(key, &value))?;
        }
        map.end()
    }
}

impl Serialize for Channel<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Channel { channel, limits } = *self;
        let clients: Option<Vec<_>> =
            channel.clients.as_ref().map(|list| list.iter().map(|one| client(one, limits)).collect());
        let row = channel.row();
        let figures = || row.figures();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("channel_name", &channel.name)?;
        in_json(figures(), false).try_for_each(|(key, value)| map.serialize_entry(key, &value))?;
        map.serialize_entry("clients", &clients)?;
        map.serialize_entry("paused", &channel.paused)?;
        map.serialize_entry("e2e_processing_latency", &latency(&channel.latency))?;
        if limits {
            in_json(figures(), true).try_for_each(|(key, value)| map.serialize_entry(key, &value))?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Client<'a> {
    client_id: &'a str,
    hostname: &'a str,
    version: &'static str,
    remote_address: &'a str,
    state: u8,
    ready_count: u64,
    in_flight_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_ms: Option<u64>,
    message_count: u64,
    finish_count: u64,
    requeue_count: u64,
    connect_ts: i64,
    sample_rate: u8,
    deflate: bool,
    snappy: bool,
    user_agent: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    authed: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    auth_identity: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    auth_identity_url: &'a str,
    topology_zone: &'a str,
    topology_region: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub_counts: Vec<Published<'a>>,
    tls: bool,
    tls_cipher_suite: &'a str,
    tls_version: &'a str,
    tls_negotiated_protocol: &'static str,
    tls_negotiated_protocol_is_mutual: bool,
}

#[derive(Serialize)]
struct Published<'a> {
    topic: &'a str,
    count: u64,
}

#[derive(Serialize)]
struct Latency {
    count: u64,
    percentiles: Option<Vec<Percentile>>,
}

#[derive(Serialize)]
struct Percentile {
    quantile: f64,
    value: u64,
}

struct Memory(crate::statsd::Memory);

impl Serialize for Memory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(memory_rows(&self.0))
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The document; `started` is in seconds since 1970. With `limits` it includes what was refused, dropped and
/// set aside.
pub(super) fn document<'a>(
    snapshot: &'a Snapshot,
    started: i64,
    memory: Option<&crate::statsd::Memory>,
    limits: bool,
) -> Document<'a> {
    let producers: Vec<Client<'_>> =
        snapshot.producers.iter().flatten().map(|one| client(one, false)).collect();
    Document {
        version: config::nsqd::VERSION,
        health: health(snapshot),
        conditions: snapshot.conditions.iter().map(condition).collect(),
        conditions_not_shown: not_shown(snapshot),
        start_time: started,
        topics: snapshot
            .topics
            .as_ref()
            .map(|topics| topics.iter().map(|topic| Topic { topic, limits }).collect()),
        memory: memory.copied().map(Memory),
        producers: Some(producers).filter(|producers| !producers.is_empty()),
        http_producers: Vec::new(),
    }
}

fn condition(condition: &snapshot::Condition) -> Condition<'_> {
    let snapshot::Condition { topic, channel, what, why, since } = condition;
    Condition { topic, channel, what, why, since: snapshot::utc(*since) }
}

/// A client; `limits` as in [`Topic`].
fn client(client: &ClientStats, limits: bool) -> Client<'_> {
    let (auth_identity, auth_identity_url) =
        client.authed.as_ref().map_or(("", ""), |(identity, url)| (identity, url));
    let (tls_cipher_suite, tls_version) =
        client.tls.as_ref().map_or(("", ""), |tls| (tls.tls_cipher_suite.as_str(), tls.tls_version.as_str()));
    Client {
        client_id: &client.identity.client_id,
        hostname: &client.identity.hostname,
        version: "V2",
        remote_address: &client.remote_address,
        state: client.state,
        ready_count: client.ready,
        in_flight_count: client.in_flight,
        held_ms: client.held_ms.filter(|_| limits),
        message_count: client.messages,
        finish_count: client.finished,
        requeue_count: client.requeued,
        connect_ts: client.connected_at,
        sample_rate: client.sample_rate,
        deflate: client.deflate,
        snappy: client.snappy,
        user_agent: &client.identity.user_agent,
        authed: client.authed.is_some(),
        auth_identity,
        auth_identity_url,
        topology_zone: &client.identity.topology_zone,
        topology_region: &client.identity.topology_region,
        pub_counts: client
            .published
            .iter()
            .map(|(topic, count)| Published { topic, count: *count })
            .collect(),
        tls: client.tls.is_some(),
        tls_cipher_suite,
        tls_version,
        tls_negotiated_protocol: "",
        // As in Go: true for every TLS connection.
        tls_negotiated_protocol_is_mutual: client.tls.is_some(),
    }
}

fn latency((count, quantiles): &(u64, Vec<(f64, u64)>)) -> Latency {
    let list: Vec<Percentile> =
        quantiles.iter().map(|(quantile, value)| Percentile { quantile: *quantile, value: *value }).collect();
    Latency { count: *count, percentiles: Some(list).filter(|list| !list.is_empty()) }
}
