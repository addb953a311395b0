//! Pools of the fleet's nuthatches: those with a queue show them in its HTTP API (`GET /pools`), and all of
//! them at their admin ports (`GET /api/pools`), where those are known. An nsqd has none, and a nuthatch
//! without pools says so.

use std::collections::BTreeMap;

use ui::pools::{PoolStatus, PoolsReport, Series};

use super::ask::TLS;
use super::request::is_missing;
use super::{Fleet, Gathered, Kind, Outcome, Producer, sift};

/// Path at a queue, and
const AT_QUEUE: &str = "/pools";
/// at an admin port.
const AT_ADMIN: &str = "/api/pools";
/// Most pools shown of a node, and most servers of a pool: a proxy has dozens.
const POOLS_MAX: usize = 1_000;
pub(super) const SERVERS_MAX: usize = 2_000;

/// The pools of a node.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NodePools {
    /// Its address: that of its HTTP API if it has a queue, else that of its admin port.
    pub node: String,
    /// Host name of its machine.
    pub hostname: String,
    /// Version of its program.
    pub version: String,
    /// Identity of the process.
    pub(super) process: String,
    /// Its admin port, if it is known.
    pub admin: Option<String>,
    /// It is reached through its queue as well.
    pub has_queue: bool,
    /// Its pools.
    pub pools: Vec<PoolStatus>,
    /// The last hour of their requests; older versions have none.
    pub series: Series,
}

impl NodePools {
    /// True if it has this server.
    pub fn has(&self, pool: &str, server: &str) -> bool {
        let mut pools = self.pools.iter().filter(|known| known.name == pool);
        pools.any(|pool| pool.servers.iter().any(|known| known.name == server))
    }
}

/// A process to be asked.
enum Node {
    Queue(Producer),
    Admin(String),
}

impl Fleet {
    /// The pools of these producers and of all admin ports, asked at once; queues without pools are left
    /// out.
    ///
    /// # Errors
    /// If nobody answers.
    pub async fn pools(&self, producers: Vec<Producer>) -> Outcome<Vec<NodePools>> {
        let admins = self.at.admins.iter().cloned().map(Node::Admin);
        let nodes: Vec<Node> = producers.into_iter().map(Node::Queue).chain(admins).collect();
        if nodes.is_empty() {
            return Ok(Gathered { value: Vec::new(), warnings: Vec::new() });
        }
        let answers = self.upstreams.each(nodes, |upstreams, node| async move {
            let (address, path) = match &node {
                Node::Queue(producer) => (producer.http_address(), AT_QUEUE),
                Node::Admin(address) => (address.clone(), AT_ADMIN),
            };
            match upstreams.get(&address, path).await {
                Ok(report) => Ok(Some((node, report))),
                Err(why) if is_missing(&why) => Ok(None),
                Err(why) => Err(format!("pools of {address}: {why}")),
            }
        });
        let Gathered { value, mut warnings } = sift(Kind::Queue, answers.await)?;
        let (nodes, cut) = merged(value.into_iter().flatten());
        warnings.extend(cut);
        Ok(Gathered { value: nodes, warnings })
    }
}

/// Nodes with their pools, each once, in the order of their addresses; and warnings about cut reports.
fn merged(reports: impl Iterator<Item = (Node, PoolsReport)>) -> (Vec<NodePools>, Vec<String>) {
    let mut warnings = Vec::new();
    let mut nodes: BTreeMap<String, NodePools> = BTreeMap::new();
    // Queues come first, so that the admin port of one is known as its own.
    for (node, report) in reports {
        let (address, admin) = match &node {
            Node::Queue(producer) => (producer.http_address(), None),
            Node::Admin(address) => (address.trim_start_matches(TLS).to_owned(), Some(address.clone())),
        };
        let same = |known: &&mut NodePools| !report.process.is_empty() && known.process == report.process;
        if let Some(known) = nodes.values_mut().find(same) {
            known.admin = known.admin.take().or(admin);
            continue;
        }
        // The admin port of a queue without pools: the queue itself is in the fleet.
        if admin.is_some() && report.has_queue && report.pools.is_empty() {
            continue;
        }
        let (PoolsReport { version, process, hostname, pools, series, .. }, warning) =
            bounded(&address, report);
        warnings.extend(warning);
        let hostname = match &node {
            Node::Queue(producer) => producer.hostname.clone(),
            Node::Admin(_) => hostname,
        };
        let has_queue = admin.is_none();
        nodes.entry(address.clone()).or_insert(NodePools {
            node: address,
            hostname,
            version,
            process,
            admin,
            has_queue,
            pools,
            series,
        });
    }
    (nodes.into_values().collect(), warnings)
}

/// The report within bounds, and what was left out of it.
fn bounded(node: &str, mut report: PoolsReport) -> (PoolsReport, Option<String>) {
    let mut cut = report.pools.len() > POOLS_MAX;
    report.pools.truncate(POOLS_MAX);
    for pool in &mut report.pools {
        cut |= pool.servers.len() > SERVERS_MAX;
        pool.servers.truncate(SERVERS_MAX);
        pool.placement.servers.truncate(SERVERS_MAX);
    }
    let warning = cut.then(|| {
        format!("pools of {node}: shown in part ({POOLS_MAX} pools, {SERVERS_MAX} servers of each, at most)")
    });
    (report, warning)
}

#[cfg(test)]
mod tests {
    use ui::pools::{PoolState, ServerStatus};

    use super::*;

    #[test]
    fn reports_of_other_versions_are_read() {
        let json = r#"{"version":"9.9.9","pools":[{"name":"a","state":"down","novelty":{"x":1},
            "errors":{"a_new_kind":{"total":3}},"servers":[{"name":"s"}]}]}"#;
        let report: PoolsReport = serde_json::from_str(json).unwrap();
        let pool = &report.pools[0];
        assert_eq!((pool.state, pool.errors["a_new_kind"].total), (PoolState::Down, 3));
        assert_eq!(pool.servers[0].name, "s");
    }

    #[test]
    fn a_process_is_listed_once() {
        let queue = |port| {
            Node::Queue(Producer {
                broadcast_address: "q".into(),
                http_port: port,
                hostname: "machine".into(),
                ..Producer::default()
            })
        };
        let report = |process: &str, has_queue, pools: usize| PoolsReport {
            process: process.into(),
            hostname: "box".into(),
            has_queue,
            pools: vec![PoolStatus::default(); pools],
            ..PoolsReport::default()
        };
        let (nodes, warnings) = merged(
            [
                (queue(4151), report("one", true, 2)),
                (queue(4152), report("", true, 1)),
                (Node::Admin("a:1".into()), report("one", true, 2)),
                (Node::Admin("https://b:2".into()), report("proxy", false, 0)),
                (Node::Admin("c:3".into()), report("queue without pools", true, 0)),
                (Node::Admin("d:4".into()), report("", true, 1)),
                (Node::Admin("e:5".into()), report("proxy", false, 0)),
            ]
            .into_iter(),
        );
        let shown: Vec<_> = nodes
            .iter()
            .map(|node| (&*node.node, &*node.hostname, node.admin.as_deref(), node.has_queue))
            .collect();
        assert_eq!(
            shown,
            [
                ("b:2", "box", Some("https://b:2"), false),
                ("d:4", "box", Some("d:4"), false),
                ("q:4151", "machine", Some("a:1"), true),
                ("q:4152", "machine", None, true),
            ]
        );
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn a_boundless_report_is_cut() {
        let pool =
            PoolStatus { servers: vec![ServerStatus::default(); SERVERS_MAX + 1], ..PoolStatus::default() };
        let report = PoolsReport { pools: vec![pool], ..PoolsReport::default() };
        let (cut, warning) = bounded("h:1", report.clone());
        assert_eq!(cut.pools[0].servers.len(), SERVERS_MAX);
        assert!(warning.unwrap().starts_with("pools of h:1: shown in part"));
        let whole = PoolsReport { pools: vec![PoolStatus::default(); POOLS_MAX], ..report };
        assert_eq!(bounded("h:1", whole).1, None);
    }
}
