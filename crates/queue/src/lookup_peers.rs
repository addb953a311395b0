//! Registration of the daemon's topics and channels with nsqlookupds, kept up to date at each of them.
//!
//! ```text
//! shard ─Notice─▶ LookupPeers::notice ▸ Registrations (a set) ─changed─▶ one task per nsqlookupd ▸ REGISTER, UNREGISTER, PING
//! ```
//! Runs on the control thread. Every peer has its own task, which sends the difference between what it has
//! registered and the current set: a slow or unreachable peer delays nothing, and a peer that comes back gets
//! everything. In nsqd one loop serves all peers, and an unreachable one delays the rest.
//!
//! Also asks the peers which channels a topic has elsewhere, so that a new topic starts with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use telemetry::warn;
use tokio::task::{AbortHandle, JoinSet};
use wire::nsq::lookup::Node;
use wire::nsq::{is_ephemeral, valid_name};

use crate::outside::Notice;
use ::http::client::{Client, host_port};
use ::http::query::escape_query;

mod link;
mod peer;
mod registrations;
mod timing;

use peer::{Peer, State};
use registrations::Registrations;

pub use peer::PeerStatus;
pub use timing::Timing;

/// All nsqlookupds that we register with. Dropping it ends their tasks; closing the connections withdraws all
/// registrations.
#[derive(Debug)]
pub struct LookupPeers {
    node: Arc<Node>,
    timing: Timing,
    response_bytes_max: usize,
    http: Client,
    registrations: Arc<Registrations>,
    peers: BTreeMap<String, (Arc<State>, AbortHandle)>,
}

impl LookupPeers {
    /// Starts without peers, to register as `node` (whose ports are the broadcast ports). Answers have at
    /// most `response_bytes_max` bytes.
    pub fn new(node: Node, timing: Timing, response_bytes_max: usize, http: Client) -> LookupPeers {
        let registrations = Arc::new(Registrations::default());
        LookupPeers {
            node: Arc::new(node),
            timing,
            response_bytes_max,
            http,
            registrations,
            peers: BTreeMap::new(),
        }
    }

    /// Makes these `host:port` addresses the peers: new ones are connected to, others left alone or dropped.
    /// Must be called within a tokio runtime.
    pub fn set_addresses(&mut self, addresses: &[String]) {
        self.peers.retain(|address, (_, task)| {
            let stays = addresses.contains(address);
            if !stays {
                task.abort();
            }
            stays
        });
        for address in addresses {
            if !self.peers.contains_key(address) {
                let entry = self.start(address);
                self.peers.insert(address.clone(), entry);
            }
        }
    }

    /// Changes the node and the client for lookups. True if the node has changed: all peers then register
    /// anew.
    pub fn set_node(&mut self, node: Node, response_bytes_max: usize, http: Client) -> bool {
        (self.response_bytes_max, self.http) = (response_bytes_max, http);
        if *self.node == node {
            return false;
        }
        self.node = Arc::new(node);
        let addresses = self.addresses();
        self.set_addresses(&[]);
        self.set_addresses(&addresses);
        true
    }

    fn start(&self, address: &str) -> (Arc<State>, AbortHandle) {
        let state = Arc::new(State::default());
        let peer = Peer {
            address: address.to_owned(),
            node: self.node.clone(),
            timing: self.timing,
            response_bytes_max: self.response_bytes_max,
            registrations: self.registrations.clone(),
            state: state.clone(),
        };
        (state, tokio::spawn(peer.run()).abort_handle())
    }

    /// The peers' addresses, in order.
    pub fn addresses(&self) -> Vec<String> {
        self.peers.keys().cloned().collect()
    }

    /// True if there are no peers.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// States of all peers, in order of their addresses.
    pub fn status(&self) -> Vec<PeerStatus> {
        self.peers.iter().map(|(address, (state, _))| state.status(address)).collect()
    }

    /// Applies a change to the set of topics and channels. Never waits.
    pub fn notice(&self, notice: &Notice) {
        match notice {
            Notice::TopicAdded(topic) => self.registrations.add(topic, None),
            Notice::TopicRemoved(topic) => self.registrations.remove(topic, None),
            Notice::ChannelAdded(topic, channel) => self.registrations.add(topic, Some(channel)),
            Notice::ChannelRemoved(topic, channel) => self.registrations.remove(topic, Some(channel)),
            Notice::All(topics) => self.registrations.replace(topics),
        }
    }

    /// `host:port` of the HTTP APIs of all peers that are connected.
    pub fn http_addresses(&self) -> Vec<String> {
        let nodes = self.peers.values().filter_map(|(state, _)| state.node());
        nodes.map(|node| host_port(&node.broadcast_address, node.http_port)).collect()
    }

    /// Channels of a topic known to the connected peers, without ephemeral ones. The future borrows nothing.
    /// Peers are asked concurrently; one that fails is skipped.
    pub fn channels(&self, topic: &str) -> impl Future<Output = Vec<String>> + Send + use<> {
        let path = format!("/channels?topic={}", escape_query(topic));
        let mut questions = JoinSet::new();
        let urls: Vec<_> =
            self.http_addresses().iter().map(|place| format!("http://{place}{path}")).collect();
        let http = self.http.clone();
        async move {
            for url in urls {
                let http = http.clone();
                questions.spawn(async move { ask_channels(&http, &url).await });
            }
            let mut channels: Vec<String> = questions.join_all().await.concat();
            channels.sort();
            channels.dedup();
            channels
        }
    }
}

impl Drop for LookupPeers {
    fn drop(&mut self) {
        for (_, task) in self.peers.values() {
            task.abort();
        }
    }
}

/// The answer to `/channels`; before 1.0 it was inside `data`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct ChannelList {
    channels: Option<Vec<String>>,
    data: Option<Box<ChannelList>>,
}

async fn ask_channels(http: &Client, url: &str) -> Vec<String> {
    let body = match http.get(url).await {
        Ok(body) => body,
        Err(error) => {
            warn!(url, %error, "lookupd cannot be queried for channels");
            return Vec::new();
        }
    };
    let list: ChannelList = match serde_json::from_slice(&body) {
        Ok(list) => list,
        Err(error) => {
            warn!(url, %error, "invalid response of lookupd to a query for channels");
            return Vec::new();
        }
    };
    let channels = list.channels.or_else(|| list.data.and_then(|inner| inner.channels)).unwrap_or_default();
    channels.into_iter().filter(|name| valid_name(name.as_bytes()).is_some() && !is_ephemeral(name)).collect()
}

#[cfg(test)]
mod tests;
