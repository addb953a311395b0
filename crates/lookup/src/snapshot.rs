//! The file from which the registry is restored after a restart, until nodes have registered again.
//!
//! The file is JSON: `version`, and for each node its identity and registrations. It is written whole and
//! then replaces the previous one, so there is always a complete one. An unreadable file counts as missing.

use serde::{Deserialize, Serialize};
use wire::nsq::lookup::Node;
use wire::nsq::valid_name;

/// Version of the file.
const VERSION: u32 = 1;

/// All nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    version: u32,
    /// Nodes that were connected.
    pub nodes: Vec<SavedNode>,
}

/// A node and its registrations.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SavedNode {
    /// Address and port of its connection.
    pub remote: String,
    broadcast_address: String,
    hostname: String,
    http_port: i64,
    tcp_port: i64,
    topology_region: String,
    topology_zone: String,
    version: String,
    /// Its topics.
    pub topics: Vec<SavedTopic>,
}

/// A topic of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SavedTopic {
    /// Name.
    pub name: String,
    /// Time of its tombstone, nanoseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tombstoned_at: Option<i64>,
    /// Names of its channels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
}

impl SavedNode {
    /// A node with these topics.
    pub fn new(remote: &str, node: &Node, topics: Vec<SavedTopic>) -> SavedNode {
        let Node {
            broadcast_address,
            hostname,
            http_port,
            tcp_port,
            topology_region,
            topology_zone,
            version,
        } = node.clone();
        SavedNode {
            remote: remote.to_owned(),
            broadcast_address,
            hostname,
            http_port,
            tcp_port,
            topology_region,
            topology_zone,
            version,
            topics,
        }
    }

    /// Its identity.
    pub fn node(&self) -> Node {
        let SavedNode { broadcast_address, hostname, topology_region, topology_zone, version, .. } =
            self.clone();
        Node {
            broadcast_address,
            hostname,
            http_port: self.http_port,
            tcp_port: self.tcp_port,
            topology_region,
            topology_zone,
            version,
        }
    }
}

impl Snapshot {
    /// A snapshot of these nodes.
    pub fn new(nodes: Vec<SavedNode>) -> Snapshot {
        Snapshot { version: VERSION, nodes }
    }

    /// Contents of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Serialization of these types cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Parses a file; invalid names are left out.
    ///
    /// # Errors
    /// Description of what is wrong with the file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Snapshot, String> {
        let mut snapshot: Snapshot = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if snapshot.version != VERSION {
            return Err(format!("it is of version {}, this program reads {VERSION}", snapshot.version));
        }
        for node in &mut snapshot.nodes {
            node.topics.retain(|topic| valid_name(topic.name.as_bytes()).is_some());
            for topic in &mut node.topics {
                topic.channels.retain(|channel| valid_name(channel.as_bytes()).is_some());
            }
        }
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let node =
            Node { broadcast_address: "h".into(), tcp_port: 1, version: "1.3.0".into(), ..Node::default() };
        let topics = vec![
            SavedTopic { name: "t".into(), tombstoned_at: Some(5), channels: vec!["c".into()] },
            SavedTopic { name: "u".into(), ..SavedTopic::default() },
        ];
        let snapshot = Snapshot::new(vec![SavedNode::new("1:2", &node, topics)]);
        let read = Snapshot::from_bytes(&snapshot.to_bytes()).unwrap();
        assert_eq!(read, snapshot);
        assert_eq!(read.nodes[0].node(), node);
    }

    #[test]
    fn files_that_are_none() {
        for bytes in
            ["", "junk", "[]", "{}", r#"{"version":2,"nodes":[]}"#, r#"{"version":1,"nodes":[{"remote":1}]}"#]
        {
            assert!(Snapshot::from_bytes(bytes.as_bytes()).is_err(), "{bytes}");
        }
        let mut names = SavedNode::new("", &Node::default(), vec![]);
        names.topics = ["b!d", "", "good"]
            .map(|name| SavedTopic { name: name.into(), ..SavedTopic::default() })
            .to_vec();
        names.topics[2].channels = vec!["<c>".into(), "c#ephemeral".into()];
        let read = Snapshot::from_bytes(&Snapshot::new(vec![names]).to_bytes()).unwrap();
        assert_eq!(read.nodes[0].topics.len(), 1);
        assert_eq!(read.nodes[0].topics[0].channels, ["c#ephemeral"]);
    }
}
