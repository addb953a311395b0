//! Pools of the fleet's nuthatches, which their queues' HTTP API shows (`GET /pools`). An nsqd has none, and
//! a nuthatch without pools says so.

use ui::pools::{PoolStatus, PoolsReport};

use super::request::is_missing;
use super::{Fleet, Gathered, Kind, Outcome, Producer, sift};

/// Path of the request.
const PATH: &str = "/pools";
/// Most pools shown of a node, and most servers of a pool: a proxy has dozens.
const POOLS_MAX: usize = 1_000;
const SERVERS_MAX: usize = 2_000;

/// The pools of a node.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NodePools {
    /// Its HTTP address.
    pub node: String,
    /// Host name of its machine.
    pub hostname: String,
    /// Version of its program.
    pub version: String,
    /// Its pools.
    pub pools: Vec<PoolStatus>,
}

impl Fleet {
    /// The pools of these producers, all asked at once; those that have none are left out.
    ///
    /// # Errors
    /// If nobody answers.
    pub async fn pools(&self, producers: Vec<Producer>) -> Outcome<Vec<NodePools>> {
        if producers.is_empty() {
            return Ok(Gathered { value: Vec::new(), warnings: Vec::new() });
        }
        let answers = self.upstreams.each(producers, |upstreams, producer| async move {
            let node = producer.http_address();
            let report: PoolsReport = match upstreams.get(&node, PATH).await {
                Ok(report) => report,
                Err(why) if is_missing(&why) => return Ok((None, None)),
                Err(why) => return Err(format!("pools of {node}: {why}")),
            };
            let (report, warning) = bounded(&node, report);
            let PoolsReport { version, pools, .. } = report;
            Ok((Some(NodePools { node, hostname: producer.hostname, version, pools }), warning))
        });
        let Gathered { value, mut warnings } = sift(Kind::Queue, answers.await)?;
        let mut all = Vec::new();
        for (pools, warning) in value {
            all.extend(pools);
            warnings.extend(warning);
        }
        Ok(Gathered { value: all, warnings })
    }

    /// The pools of one node that is known to the fleet; None if it is not, or has none.
    ///
    /// # Errors
    /// If it does not answer, or nobody knows who is in the fleet.
    pub async fn pools_of(&self, node: &str) -> Outcome<Option<NodePools>> {
        let producers = self.producers().await?;
        let known = producers.value.into_iter().find(|producer| producer.http_address() == node);
        let Some(producer) = known else {
            return Ok(Gathered { value: None, warnings: producers.warnings });
        };
        let mut pools = self.pools(vec![producer]).await?;
        pools.warnings.splice(0..0, producers.warnings);
        Ok(Gathered { value: pools.value.pop(), warnings: pools.warnings })
    }
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
