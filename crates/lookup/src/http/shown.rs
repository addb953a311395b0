//! Answers as JSON, in nsqlookupd's order of fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::registry::{Found, Producer, Registered, Seen};

#[derive(Serialize)]
struct Node<'a> {
    remote_address: &'a str,
    hostname: &'a str,
    broadcast_address: &'a str,
    tcp_port: i64,
    http_port: i64,
    version: &'a str,
    topology_zone: &'a str,
    topology_region: &'a str,
    /// Extension of nsqlookupd's format: the producer is known from a snapshot.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stale: bool,
}

fn node(producer: &Producer) -> Node<'_> {
    let its = &producer.node;
    Node {
        remote_address: &producer.remote,
        hostname: &its.hostname,
        broadcast_address: &its.broadcast_address,
        tcp_port: its.tcp_port,
        http_port: its.http_port,
        version: &its.version,
        topology_zone: &its.topology_zone,
        topology_region: &its.topology_region,
        stale: producer.stale,
    }
}

fn names(names: &[Arc<str>]) -> Vec<&str> {
    names.iter().map(|name| &**name).collect()
}

/// `/lookup`.
pub(super) fn lookup(found: &Found) -> impl Serialize {
    #[derive(Serialize)]
    struct Lookup<'a> {
        channels: Vec<&'a str>,
        producers: Vec<Node<'a>>,
    }
    Lookup {
        channels: names(&found.channels),
        producers: found.producers.iter().map(|producer| node(producer)).collect(),
    }
}

/// `/topics`.
pub(super) fn topics(topics: &[Arc<str>]) -> impl Serialize {
    #[derive(Serialize)]
    struct Topics<'a> {
        topics: Vec<&'a str>,
    }
    Topics { topics: names(topics) }
}

/// `/channels`.
pub(super) fn channels(channels: &[Arc<str>]) -> impl Serialize {
    #[derive(Serialize)]
    struct Channels<'a> {
        channels: Vec<&'a str>,
    }
    Channels { channels: names(channels) }
}

/// `/nodes`: `tombstones` has the length of `topics`, as nsqadmin expects.
pub(super) fn nodes(nodes: &[Seen]) -> impl Serialize {
    #[derive(Serialize)]
    struct Active<'a> {
        #[serde(flatten)]
        node: Node<'a>,
        tombstones: Vec<bool>,
        topics: Vec<&'a str>,
    }
    #[derive(Serialize)]
    struct Nodes<'a> {
        producers: Vec<Active<'a>>,
    }
    fn active(seen: &Seen) -> Active<'_> {
        Active {
            node: node(&seen.producer),
            tombstones: seen.topics.iter().map(|(_, hidden)| *hidden).collect(),
            topics: seen.topics.iter().map(|(name, _)| &**name).collect(),
        }
    }
    Nodes { producers: nodes.iter().map(active).collect() }
}

/// `/debug`. A missing time is shown as Go's zero time in nanoseconds.
pub(super) fn registrations(all: &[(String, Vec<Registered>)]) -> impl Serialize {
    const NEVER: i64 = -6_795_364_578_871_345_152;
    #[derive(Serialize)]
    struct Row<'a> {
        broadcast_address: &'a str,
        hostname: &'a str,
        http_port: i64,
        id: &'a str,
        last_update: i64,
        tcp_port: i64,
        tombstoned: bool,
        tombstoned_at: i64,
        topology_region: &'a str,
        topology_zone: &'a str,
        version: &'a str,
    }
    fn row(registered: &Registered) -> Row<'_> {
        let its = &registered.producer.node;
        Row {
            broadcast_address: &its.broadcast_address,
            hostname: &its.hostname,
            http_port: its.http_port,
            id: &registered.producer.remote,
            last_update: registered.last_update,
            tcp_port: its.tcp_port,
            tombstoned: registered.tombstoned_at.is_some(),
            tombstoned_at: registered.tombstoned_at.unwrap_or(NEVER),
            topology_region: &its.topology_region,
            topology_zone: &its.topology_zone,
            version: &its.version,
        }
    }
    let shown = all.iter().map(|(name, list)| (name.as_str(), list.iter().map(row).collect()));
    shown.collect::<BTreeMap<&str, Vec<Row<'_>>>>()
}
