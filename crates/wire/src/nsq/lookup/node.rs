//! Identities of nodes: the JSON of IDENTIFY in both directions.
//!
//! An nsqd must name its broadcast address, both ports and its version; an nsqlookupd answers with the same
//! fields except for the topology.

use crate::nsq::go::{write, write_json_string};
use crate::nsq::json::{self, key_is, set_integer, set_string};

/// An nsqd or an nsqlookupd, as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Node {
    /// Address at which others reach it.
    pub broadcast_address: String,
    /// Its host's name.
    pub hostname: String,
    /// Port of its HTTP API. Any integer may be announced.
    pub http_port: i64,
    /// Port of its TCP protocol.
    pub tcp_port: i64,
    /// Topology region; nsqd only.
    pub topology_region: String,
    /// Topology zone; nsqd only.
    pub topology_zone: String,
    /// Its version.
    pub version: String,
}

impl Node {
    /// Parses the JSON of IDENTIFY, or of its answer. `None` if it is not an object or a known field has a
    /// wrong type.
    pub fn parse(body: &[u8]) -> Option<Node> {
        let mut node = Node::default();
        json::members(body, |key, value| match () {
            () if key_is(key, "broadcast_address") => set_string(&mut node.broadcast_address, value),
            () if key_is(key, "hostname") => set_string(&mut node.hostname, value),
            () if key_is(key, "http_port") => set_integer(&mut node.http_port, value),
            () if key_is(key, "tcp_port") => set_integer(&mut node.tcp_port, value),
            () if key_is(key, "topology_region") => set_string(&mut node.topology_region, value),
            () if key_is(key, "topology_zone") => set_string(&mut node.topology_zone, value),
            () if key_is(key, "version") => set_string(&mut node.version, value),
            () => Ok(()),
        })
        .ok()?;
        Some(node)
    }

    /// True if all fields required of a producer are present.
    pub fn complete(&self) -> bool {
        !self.broadcast_address.is_empty()
            && self.tcp_port != 0
            && self.http_port != 0
            && !self.version.is_empty()
    }

    /// Appends the JSON of an nsqd's IDENTIFY.
    pub fn write_request(&self, out: &mut Vec<u8>) {
        self.write_common(out);
        out.extend_from_slice(b",\"topology_region\":");
        write_json_string(out, &self.topology_region);
        out.extend_from_slice(b",\"topology_zone\":");
        write_json_string(out, &self.topology_zone);
        self.write_version(out);
    }

    /// Appends the JSON of an nsqlookupd's answer.
    pub fn write_answer(&self, out: &mut Vec<u8>) {
        self.write_common(out);
        self.write_version(out);
    }

    fn write_common(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"broadcast_address\":");
        write_json_string(out, &self.broadcast_address);
        out.extend_from_slice(b",\"hostname\":");
        write_json_string(out, &self.hostname);
        write(out, format_args!(",\"http_port\":{},\"tcp_port\":{}", self.http_port, self.tcp_port));
    }

    fn write_version(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"version\":");
        write_json_string(out, &self.version);
        out.push(b'}');
    }
}
