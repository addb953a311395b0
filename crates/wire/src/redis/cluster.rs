//! A node's view of its cluster: replies to `CLUSTER INFO`, `CLUSTER SLOTS` and `CLUSTER SHARDS`.
//!
//! ```text
//! CLUSTER SLOTS    *n ranges ▸ first, last, then the nodes, master first ▸ host, port, id, *2k metadata (hostname, ip)
//! CLUSTER SHARDS   *n shards ▸ slots: first, last …; nodes ▸ id, port, tls-port, ip, endpoint, role, health   (Redis 7)
//! ```
//! Unreadable parts are left out and counted, the rest is used. Counts and lengths are bounded: a view
//! above the limits is refused as a whole, since a part of it would be another cluster.

mod shards;

use std::fmt;

use super::report::{scanned, text};
use super::{Elements, Kind, Reply};
pub use shards::shards;

/// Most ranges of slots: each slot its own.
const RANGES_MAX: usize = 16_384;
/// Most nodes of a range; Redis advises against more than 1,000 in a cluster.
const NODES_MAX: usize = 1_000;
/// Most nodes of all ranges together: eight for each slot.
const ENTRIES_MAX: usize = 8 * 16_384;

/// The slots of a cluster and its nodes, as one node sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlotView {
    /// Ranges of slots, each with its nodes.
    pub ranges: Vec<SlotRange>,
    /// Nodes that serve nothing now: masters without slots, replicas that have failed or are loading. Known
    /// from `CLUSTER SHARDS` only.
    pub idle: Vec<Node>,
    /// Ranges and nodes that could not be read.
    pub left_out: usize,
}

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
    /// Its health, as the node that was asked sees it.
    pub health: NodeHealth,
}

/// Health of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeHealth {
    /// It serves, as far as is known.
    #[default]
    Online,
    /// A replica that has no data yet.
    Loading,
    /// Most masters do not reach it.
    Failed,
}

/// The reason a reply is no view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadView {
    /// It is something else, an error for example.
    NoView,
    /// It does not say which of several masters has a shard's slots.
    Ambiguous,
    /// It has more of something than is read.
    TooLarge {
        /// Kind of element that there are too many of.
        what: &'static str,
        /// Most that are read.
        max: usize,
    },
}

impl BadView {
    const RANGES: BadView = BadView::TooLarge { what: "ranges of slots", max: RANGES_MAX };
    const NODES: BadView = BadView::TooLarge { what: "nodes in a range of slots", max: NODES_MAX };
    const ENTRIES: BadView =
        BadView::TooLarge { what: "nodes of all ranges of slots together", max: ENTRIES_MAX };
}

impl fmt::Display for BadView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadView::NoView => f.write_str("it does not answer as a node of a cluster"),
            BadView::Ambiguous => f.write_str("it names several masters of one shard"),
            BadView::TooLarge { what, max } => write!(f, "its view has more than {max} {what}"),
        }
    }
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

/// Reads a reply to `CLUSTER SLOTS`.
///
/// # Errors
/// It is no such thing, or too large.
pub fn slots(frame: &[u8]) -> Result<SlotView, BadView> {
    let reply = scanned(frame).filter(|reply| reply.kind() == Kind::Array).ok_or(BadView::NoView)?;
    if reply.element_count().is_none_or(|count| count > RANGES_MAX) {
        return Err(BadView::RANGES);
    }
    let (mut view, mut entries) = (SlotView::default(), 0);
    for (range, bytes) in reply.elements(frame) {
        match slot_range(&range, bytes, &mut view.left_out)? {
            Some(range) => {
                entries += range.nodes.len();
                view.ranges.push(range);
            }
            None => view.left_out += 1,
        }
        if entries > ENTRIES_MAX {
            return Err(BadView::ENTRIES);
        }
    }
    Ok(view)
}

/// A range of slots; None if its slots or its master cannot be read. Replicas that cannot are counted.
fn slot_range(reply: &Reply, frame: &[u8], left_out: &mut usize) -> Result<Option<SlotRange>, BadView> {
    if reply.element_count().is_some_and(|count| count > 2 + NODES_MAX) {
        return Err(BadView::NODES);
    }
    let mut elements = reply.elements(frame);
    let (Some(first), Some(last)) = (number(&mut elements), number(&mut elements)) else { return Ok(None) };
    let Some(master) = elements.next().and_then(|(reply, bytes)| node(&reply, bytes)) else {
        return Ok(None);
    };
    if reply.kind() != Kind::Array || first > last || last >= 16_384 {
        return Ok(None);
    }
    let mut nodes = vec![master];
    for (reply, bytes) in elements {
        match node(&reply, bytes) {
            Some(replica) => nodes.push(replica),
            None => *left_out += 1,
        }
    }
    Ok(Some(SlotRange { first, last, nodes }))
}

fn node(reply: &Reply, frame: &[u8]) -> Option<Node> {
    if reply.kind() != Kind::Array {
        return None;
    }
    let mut elements = reply.elements(frame);
    let host = match elements.next()? {
        (reply, _) if reply.kind() == Kind::Null => String::new(),
        (reply, bytes) => text(&reply, bytes)?,
    };
    let port = number(&mut elements).filter(|port| *port > 0)?;
    let id = elements.next().and_then(|(reply, bytes)| text(&reply, bytes)).unwrap_or_default();
    let metadata = elements.next();
    let ip = || {
        let (reply, bytes) = metadata?;
        let mut words = reply.elements(bytes).map(|(reply, bytes)| text(&reply, bytes).unwrap_or_default());
        words.find(|word| word == "ip").and_then(|_| words.next())
    };
    Some(Node { host: known_host(host, ip), port, id, health: NodeHealth::Online })
}

/// The host of a node that names `host`. `?` stands for a name that was not announced: then its address.
fn known_host(host: String, ip: impl FnOnce() -> Option<String>) -> Option<String> {
    if host == "?" { ip().filter(|ip| !ip.is_empty() && ip != "?") } else { Some(host) }
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
        slots(reply.as_bytes()).ok()?.ranges.first().map(|range| range.nodes[0].clone())
    }

    #[test]
    fn hosts_as_servers_name_them() {
        let with_ip = "*2\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n";
        for (host, wanted) in [
            ("$9\r\n127.0.0.1\r\n", Some("127.0.0.1")),
            ("$3\r\n::1\r\n", Some("::1")),
            ("$6\r\nnode-1\r\n", Some("node-1")),
            ("$0\r\n\r\n", Some("")),
            ("$-1\r\n", Some("")),
            ("_\r\n", Some("")),
            ("$1\r\n?\r\n", None),
        ] {
            for metadata in ["*0\r\n", with_ip, "%1\r\n+hostname\r\n+x\r\n", "%0\r\n"] {
                let reply = format!("*1\r\n*3\r\n:0\r\n:16383\r\n{}", entry(host, metadata));
                // A name that was not announced: the address is used.
                let wanted = wanted.or((metadata == with_ip).then_some("127.0.0.1"));
                let (host, health) = (wanted.map(str::to_owned), NodeHealth::Online);
                assert_eq!(
                    only_node(&reply),
                    Some(Node { host, port: 37001, id: ID.into(), health }),
                    "{reply}"
                );
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
            let ranges = &found.ranges;
            assert_eq!((ranges.len(), ranges[0].first, ranges[0].last), (1, 10, 20), "{bad}");
            assert_eq!(found.left_out, 1, "{bad}");
        }
        // A replica that cannot be read takes nothing else with it.
        let replica = format!("*4\r\n:10\r\n:20\r\n{}*1\r\n+x\r\n", entry("$1\r\na\r\n", "*0\r\n"));
        let found = slots(format!("*1\r\n{replica}").as_bytes()).expect("an array");
        assert_eq!((found.ranges.len(), found.ranges[0].nodes.len(), found.left_out), (1, 1, 1));
        for no_view in
            ["-ERR This instance has cluster support disabled\r\n", ":1\r\n", "*1\r\n", "", "$-1\r\n"]
        {
            assert_eq!(slots(no_view.as_bytes()), Err(BadView::NoView));
            assert_eq!(info(no_view.as_bytes()), None);
        }
        let many = |n: usize| format!("*{n}\r\n{}", ":1\r\n".repeat(n));
        let none = SlotView { left_out: RANGES_MAX, ..SlotView::default() };
        assert_eq!(slots(many(RANGES_MAX).as_bytes()), Ok(none));
        assert_eq!(slots(many(RANGES_MAX + 1).as_bytes()), Err(BadView::RANGES));
        let of = |nodes: usize| {
            let nodes = entry("$1\r\na\r\n", "*0\r\n").repeat(nodes);
            format!("*1\r\n*{}\r\n:0\r\n:1\r\n{nodes}", 2 + nodes.matches(ID).count())
        };
        let nodes = slots(of(NODES_MAX).as_bytes()).map(|view| view.ranges[0].nodes.len());
        assert_eq!(nodes, Ok(NODES_MAX));
        assert_eq!(slots(of(NODES_MAX + 1).as_bytes()), Err(BadView::NODES));
        let range = &of(64)["*1\r\n".len()..];
        let ranges = |n: usize| slots(format!("*{n}\r\n{}", range.repeat(n)).as_bytes()).map(|_| ());
        assert_eq!(ranges(ENTRIES_MAX / 64), Ok(()));
        assert_eq!(ranges(ENTRIES_MAX / 64 + 1), Err(BadView::ENTRIES));
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
