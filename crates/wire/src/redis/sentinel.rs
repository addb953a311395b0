//! Replies of a Redis Sentinel about a master, and of a node about its role.
//!
//! ```text
//! SENTINEL GET-MASTER-ADDR-BY-NAME name   *2 host, port; *-1 for a name it does not know
//! SENTINEL MASTER name                    *2k field, value …
//! SENTINEL REPLICAS | SENTINELS name      *n of such
//! ROLE                                    * `master` | `slave` | `sentinel`, …
//! ```
//! A node that cannot be read is left out; so is one beyond [`NODES_MAX`], and those are counted. Lengths are
//! bounded.

use std::collections::BTreeMap;

use super::report::{self, scanned};
use super::{Kind, Reply};

/// Most replicas, or Sentinels, of one master that are read; the others are left out.
pub const NODES_MAX: usize = 256;
/// Most elements of a node: fields and values.
const FIELDS_MAX: usize = 256;

/// State of a master as a Sentinel sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MasterState {
    /// Epoch of its configuration.
    pub epoch: u64,
    /// The Sentinel does not reach it (`s_down`).
    pub suspects: bool,
    /// It and enough others do not (`o_down`).
    pub is_down: bool,
    /// The Sentinel carries out a failover of it.
    pub fails_over: bool,
}

/// A replica, or another Sentinel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentinelNode {
    /// Its id; empty if the Sentinel does not know it.
    pub id: String,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The Sentinel reaches it, and it is connected to its master as far as it is a replica.
    pub is_fit: bool,
}

/// The replicas of a master, or its other Sentinels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SentinelNodes {
    /// Those that could be read, of the first [`NODES_MAX`].
    pub nodes: Vec<SentinelNode>,
    /// Number of those behind them.
    pub left_out: usize,
}

/// Reads the address of a master. None for an unknown one.
pub fn address(frame: &[u8]) -> Option<(String, u16)> {
    let texts = texts(&scanned(frame)?, frame)?;
    let [host, port] = texts.as_slice() else { return None };
    let port = port.parse().ok().filter(|port| *port > 0)?;
    (!host.is_empty()).then(|| (host.clone(), port))
}

/// Reads the state of a master.
pub fn master(frame: &[u8]) -> Option<MasterState> {
    let fields = fields(&scanned(frame)?, frame)?;
    let has = |flag: &str| fields.get("flags").is_some_and(|flags| flags.split(',').any(|one| one == flag));
    Some(MasterState {
        epoch: fields.get("config-epoch")?.parse().ok()?,
        suspects: has("s_down"),
        is_down: has("o_down"),
        fails_over: has("failover_in_progress"),
    })
}

/// Reads the replicas of a master, or its other Sentinels.
pub fn nodes(frame: &[u8]) -> Option<SentinelNodes> {
    let reply = scanned(frame).filter(|reply| reply.kind() == Kind::Array)?;
    let left_out = reply.element_count()?.saturating_sub(NODES_MAX);
    let first = reply.elements(frame).take(NODES_MAX);
    Some(SentinelNodes { nodes: first.filter_map(|(node, bytes)| node_of(&node, bytes)).collect(), left_out })
}

fn node_of(reply: &Reply, frame: &[u8]) -> Option<SentinelNode> {
    let mut fields = fields(reply, frame)?;
    let port = fields.get("port")?.parse().ok().filter(|port| *port > 0)?;
    let host = fields.remove("ip").filter(|host| !host.is_empty())?;
    let is_down = |flag: &str| matches!(flag, "s_down" | "o_down" | "disconnected");
    let is_linked = fields.get("master-link-status").is_none_or(|status| status == "ok");
    let is_fit = is_linked && !fields.get("flags").is_some_and(|flags| flags.split(',').any(is_down));
    Some(SentinelNode { id: fields.remove("runid").unwrap_or_default(), host, port, is_fit })
}

/// Reads a text, such as the reply to `SENTINEL MYID`.
pub fn text(frame: &[u8]) -> Option<String> {
    report::text(&scanned(frame)?, frame)
}

/// True for the reply of a master to `ROLE`.
pub fn is_master(frame: &[u8]) -> bool {
    let Some(reply) = scanned(frame).filter(|reply| reply.kind() == Kind::Array) else { return false };
    reply.elements(frame).next().is_some_and(|(role, bytes)| role.body(bytes) == b"master")
}

fn fields(reply: &Reply, frame: &[u8]) -> Option<BTreeMap<String, String>> {
    let texts = texts(reply, frame)?;
    Some(texts.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
}

/// The elements of an array; those that are no short text are empty.
fn texts(reply: &Reply, frame: &[u8]) -> Option<Vec<String>> {
    if reply.kind() != Kind::Array || reply.element_count()? > FIELDS_MAX {
        return None;
    }
    Some(
        reply.elements(frame).map(|(reply, bytes)| report::text(&reply, bytes).unwrap_or_default()).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulks(texts: &[&str]) -> String {
        let bulks: String = texts.iter().map(|text| format!("${}\r\n{text}\r\n", text.len())).collect();
        format!("*{}\r\n{bulks}", texts.len())
    }

    #[test]
    fn addresses() {
        let found = Some(("10.0.0.1".to_owned(), 6379));
        assert_eq!(address(bulks(&["10.0.0.1", "6379"]).as_bytes()), found);
        for frame in [
            "*-1\r\n",
            "_\r\n",
            "-ERR x\r\n",
            "*0\r\n",
            "*2\r\n:1\r\n:2\r\n",
            "*2\r\n*0\r\n*0\r\n",
            &bulks(&["", "1"]),
            &bulks(&["a", "0"]),
            &bulks(&["a", "65536"]),
            &bulks(&["a b", "1"]),
            &bulks(&["a", "1", "2"]),
            "*2\r\n$1\r\n",
        ] {
            assert_eq!(address(frame.as_bytes()), None, "{frame:?}");
        }
    }

    #[test]
    fn states_of_masters() {
        let frame = |flags: &str| bulks(&["name", "m", "flags", flags, "config-epoch", "7"]);
        let state = MasterState { epoch: 7, ..MasterState::default() };
        for (flags, wanted) in [
            ("master", state),
            ("s_down,master", MasterState { suspects: true, ..state }),
            ("s_down,o_down,master", MasterState { suspects: true, is_down: true, ..state }),
            ("master,failover_in_progress", MasterState { fails_over: true, ..state }),
        ] {
            assert_eq!(master(frame(flags).as_bytes()), Some(wanted), "{flags}");
        }
        assert_eq!(master(b"-ERR No such master with that name\r\n"), None);
        assert_eq!(master(bulks(&["flags", "master"]).as_bytes()), None, "no epoch");
    }

    #[test]
    fn nodes_that_can_be_read() {
        let good = bulks(&["name", "x", "ip", "10.0.0.2", "port", "6380", "runid", "abc"]);
        let bad = [bulks(&["ip", "10.0.0.3"]), bulks(&["ip", "", "port", "1"]), ":1\r\n".to_owned()];
        let frame = format!("*4\r\n{good}{}", bad.concat());
        let wanted = SentinelNode { id: "abc".into(), host: "10.0.0.2".into(), port: 6380, is_fit: true };
        let read = |frame: &str| nodes(frame.as_bytes());
        assert_eq!(read(&frame), Some(SentinelNodes { nodes: vec![wanted], left_out: 0 }));
        assert_eq!(read("*0\r\n"), Some(SentinelNodes::default()));
        assert_eq!(read("-ERR x\r\n"), None);
    }

    /// A longer list was read as no list at all.
    #[test]
    fn nodes_beyond_the_limit_are_left_out_and_counted() {
        for (count, read, left_out) in [(NODES_MAX, NODES_MAX, 0), (NODES_MAX + 3, NODES_MAX, 3)] {
            let each: String = (1..=count).map(|n| bulks(&["ip", "h", "port", &n.to_string()])).collect();
            let found = nodes(format!("*{count}\r\n{each}").as_bytes()).expect("nodes");
            assert_eq!((found.nodes.len(), found.left_out), (read, left_out));
        }
    }

    #[test]
    fn replicas_that_may_be_read_from() {
        let is_fit = |flags: &str, link: &str| {
            let node = bulks(&["ip", "h", "port", "1", "flags", flags, "master-link-status", link]);
            nodes(format!("*1\r\n{node}").as_bytes()).expect("nodes").nodes[0].is_fit
        };
        assert!(is_fit("slave", "ok"));
        assert!(!is_fit("slave", "err"));
        for flags in ["s_down,slave", "slave,disconnected", "o_down,slave"] {
            assert!(!is_fit(flags, "ok"), "{flags}");
        }
    }

    #[test]
    fn roles() {
        for (frame, wanted) in [
            ("*3\r\n$6\r\nmaster\r\n:14\r\n*0\r\n", true),
            ("*5\r\n$5\r\nslave\r\n$1\r\nh\r\n:7\r\n$9\r\nconnected\r\n:14\r\n", false),
            ("*2\r\n$8\r\nsentinel\r\n*1\r\n$6\r\nmaster\r\n", false),
            ("$6\r\nmaster\r\n", false),
            ("+master\r\n", false),
            ("*0\r\n", false),
            ("-LOADING x\r\n", false),
        ] {
            assert_eq!(is_master(frame.as_bytes()), wanted, "{frame:?}");
        }
    }
}
