//! A node's view of its cluster: replies to `CLUSTER INFO` and `CLUSTER SLOTS`.
//!
//! ```text
//! CLUSTER SLOTS   *n ranges ▸ first, last, then the nodes, master first ▸ host, port, id, *2k metadata (hostname, ip)
//! ```
//! A range whose nodes cannot be read is left out, the rest is used. Counts and lengths are bounded: what is
//! above them is no cluster.

use super::report::{scanned, text};
use super::{Elements, Kind, Reply};

/// Most ranges of slots: each slot its own.
const RANGES_MAX: usize = 16_384;
/// Most nodes of a range; Redis advises against more than 1,000 in a cluster.
const NODES_MAX: usize = 1_000;

/// A range of slots and the nodes that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRange {
    /// Its first slot.
    pub first: u16,
    /// Its last slot, at least the first.
    pub last: u16,
    /// Its nodes, at least one: the master, then its replicas.
    pub nodes: Vec<Node>,
}

/// A node of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// Its host as redirects name it. Empty: the host that was asked. None: unknown.
    pub host: Option<String>,
    /// Its port for clients.
    pub port: u16,
    /// Its id; empty before Redis 4.
    pub id: String,
}

/// Facts of `CLUSTER INFO`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Info {
    /// The node believes that the cluster serves all that it should.
    pub is_ok: bool,
    /// The largest epoch the node has seen.
    pub epoch: u64,
}

/// Reads a reply to `CLUSTER INFO`. None if it is no such thing.
pub fn info(frame: &[u8]) -> Option<Info> {
    let reply = scanned(frame)?;
    let text = std::str::from_utf8(reply.body(frame)).ok()?;
    // A verbatim string begins with its format.
    let text = text.strip_prefix("txt:").unwrap_or(text);
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let state = value("cluster_state:")?;
    let epoch = value("cluster_current_epoch:").and_then(|epoch| epoch.trim().parse().ok());
    Some(Info { is_ok: state.trim() == "ok", epoch: epoch.unwrap_or(0) })
}

/// Reads a reply to `CLUSTER SLOTS`. None if it is no such thing.
pub fn slots(frame: &[u8]) -> Option<Vec<SlotRange>> {
    let reply = scanned(frame).filter(|reply| reply.kind() == Kind::Array)?;
    if reply.element_count()? > RANGES_MAX {
        return None;
    }
    Some(reply.elements(frame).filter_map(|(range, bytes)| slot_range(&range, bytes)).collect())
}

fn slot_range(reply: &Reply, frame: &[u8]) -> Option<SlotRange> {
    if reply.kind() != Kind::Array || reply.element_count()? > 2 + NODES_MAX {
        return None;
    }
    let mut elements = reply.elements(frame);
    let (first, last) = (number(&mut elements)?, number(&mut elements)?);
    let nodes: Vec<Node> = elements.map(|(reply, bytes)| node(&reply, bytes)).collect::<Option<_>>()?;
    (first <= last && last < 16_384 && !nodes.is_empty()).then_some(SlotRange { first, last, nodes })
}

fn node(reply: &Reply, frame: &[u8]) -> Option<Node> {
    if reply.kind() != Kind::Array {
        return None;
    }
    let mut elements = reply.elements(frame);
    let host = match elements.next()? {
        (reply, _) if reply.kind() == Kind::Null => Some(String::new()),
        (reply, bytes) => Some(text(&reply, bytes)?).filter(|host| host != "?"),
    };
    let port = number(&mut elements).filter(|port| *port > 0)?;
    let id = elements.next().and_then(|(reply, bytes)| text(&reply, bytes)).unwrap_or_default();
    Some(Node { host, port, id })
}

fn number(elements: &mut Elements<'_>) -> Option<u16> {
    u16::try_from(elements.next()?.0.integer()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::report::TEXT_MAX;

    const ID: &str = "09dbe9720cda62f7865eabc5fd8857c5d2678366";

    fn entry(host: &str, metadata: &str) -> String {
        format!("*4\r\n{host}:37001\r\n$40\r\n{ID}\r\n{metadata}")
    }

    fn only_node(reply: &str) -> Option<Node> {
        slots(reply.as_bytes())?.first().map(|range| range.nodes[0].clone())
    }

    #[test]
    fn hosts_as_servers_name_them() {
        for (host, wanted) in [
            ("$9\r\n127.0.0.1\r\n", Some("127.0.0.1")),
            ("$3\r\n::1\r\n", Some("::1")),
            ("$6\r\nnode-1\r\n", Some("node-1")),
            ("$0\r\n\r\n", Some("")),
            ("$-1\r\n", Some("")),
            ("_\r\n", Some("")),
            ("$1\r\n?\r\n", None),
        ] {
            for metadata in ["*0\r\n", "*2\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n", "%0\r\n"] {
                let reply = format!("*1\r\n*3\r\n:0\r\n:16383\r\n{}", entry(host, metadata));
                let wanted = Node { host: wanted.map(str::to_owned), port: 37001, id: ID.into() };
                assert_eq!(only_node(&reply), Some(wanted), "{reply}");
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let good = format!("*3\r\n:10\r\n:20\r\n{}", entry("$1\r\na\r\n", "*0\r\n"));
        let bad = [
            "*2\r\n:0\r\n:1\r\n".to_owned(),
            "*3\r\n:1\r\n:0\r\n*2\r\n+a\r\n:1\r\n".into(),
            "*3\r\n:0\r\n:16384\r\n*2\r\n+a\r\n:1\r\n".into(),
            "*3\r\n:-1\r\n:1\r\n*2\r\n+a\r\n:1\r\n".into(),
            "*3\r\n:0\r\n:1\r\n*2\r\n+a\r\n:0\r\n".into(),
            "*3\r\n:0\r\n:1\r\n*2\r\n+a\r\n:65536\r\n".into(),
            "*3\r\n:0\r\n:1\r\n+a\r\n".into(),
            format!("*3\r\n:0\r\n:1\r\n*2\r\n+{}\r\n:1\r\n", "a".repeat(TEXT_MAX + 1)),
            "*3\r\n:0\r\n:1\r\n*2\r\n$3\r\na\nb\r\n:1\r\n".into(),
            ":1\r\n".into(),
        ];
        for bad in bad {
            let found = slots(format!("*2\r\n{bad}{good}").as_bytes()).expect("an array");
            assert_eq!((found.len(), found[0].first, found[0].last), (1, 10, 20), "{bad}");
        }
        for no_view in
            ["-ERR This instance has cluster support disabled\r\n", ":1\r\n", "*1\r\n", "", "$-1\r\n"]
        {
            assert_eq!(slots(no_view.as_bytes()), None);
            assert_eq!(info(no_view.as_bytes()), None);
        }
        let many = |n: usize| format!("*{n}\r\n{}", ":1\r\n".repeat(n));
        assert_eq!(slots(many(RANGES_MAX).as_bytes()), Some(Vec::new()));
        assert_eq!(slots(many(RANGES_MAX + 1).as_bytes()), None);
        // Redis before 4 gives no id.
        assert_eq!(
            only_node("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n+a\r\n:1\r\n").map(|node| node.id),
            Some(String::new())
        );
    }

    #[test]
    fn facts_of_cluster_info() {
        let text = "cluster_enabled:1\r\ncluster_state:ok\r\ncluster_current_epoch:6\r\n";
        let bulk = format!("${}\r\n{text}\r\n", text.len());
        let verbatim = format!("={}\r\ntxt:{text}\r\n", text.len() + 4);
        let ok = Some(Info { is_ok: true, epoch: 6 });
        assert_eq!((info(bulk.as_bytes()), info(verbatim.as_bytes())), (ok, ok));
        let down = bulk.replace("state:ok", "state:no");
        assert_eq!(info(down.as_bytes()), Some(Info { is_ok: false, epoch: 6 }));
    }
}
