//! Answers of lookupds: nodes of a topic, and topics.

use std::collections::BTreeSet;

use http::client::{Client, host_port};
use serde::Deserialize;

use super::{Answers, ask_all, escaped};

#[derive(Debug, Deserialize)]
struct Lookup {
    #[serde(default)]
    producers: Vec<Producer>,
}

#[derive(Debug, Deserialize)]
struct Producer {
    broadcast_address: String,
    http_port: u16,
}

#[derive(Debug, Deserialize)]
struct Topics {
    #[serde(default)]
    topics: Vec<String>,
}

/// HTTP addresses of the nodes that have `topic`, each once. A lookupd that does not know it counts as not
/// answering.
pub(crate) async fn nodes(client: &Client, lookupds: &[String], topic: &str) -> Answers<()> {
    let path = format!("/lookup?topic={}", escaped(topic));
    let found = ask_all::<Lookup>(client, lookupds, &path).await;
    let mut addresses = BTreeSet::new();
    for producer in found.answers.into_iter().flat_map(|(_, lookup)| lookup.producers) {
        addresses.insert(host_port(&producer.broadcast_address, producer.http_port));
    }
    let answers = addresses.into_iter().map(|address| (address, ())).collect();
    Answers { answers, warnings: found.warnings }
}

/// Topics known to any lookupd, in order.
pub(crate) async fn topics(client: &Client, lookupds: &[String]) -> (Vec<String>, Vec<String>) {
    let found = ask_all::<Topics>(client, lookupds, "/topics").await;
    let names: BTreeSet<String> = found.answers.into_iter().flat_map(|(_, known)| known.topics).collect();
    (names.into_iter().collect(), found.warnings)
}
