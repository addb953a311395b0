//! Clusters that pools have discovered: their nodes, and the course of the discovery.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::trouble::Severity;

/// Slots of a cluster.
const SLOTS: usize = 16_384;

/// The cluster of a pool, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cluster {
    /// Name of its pool.
    pub pool: String,
    /// Slots that have an owner.
    pub slots_served: usize,
    /// Epoch of the view that is believed.
    pub epoch: u64,
    /// Its nodes.
    pub nodes: Vec<ClusterNode>,
    /// Nodes and ranges of slots of that view that could not be used.
    pub left_out: usize,
    /// Time of the last view that was believed, in milliseconds since the Unix epoch.
    pub refreshed_ms: Option<u64>,
    /// Nodes asked for their views so far.
    pub questions: u64,
    /// Views refused because they were too large.
    pub views_refused: u64,
    /// The reason no view is believed now; none if one was the last time.
    pub fault: Option<String>,
    /// The last such reason,
    pub last_error: Option<String>,
    /// and its time, in milliseconds since the Unix epoch.
    pub last_error_ms: Option<u64>,
}

/// A node of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterNode {
    /// Its address, which is the name of its server in the pool.
    pub name: String,
    /// `master`, `replica` or, of a node that serves nothing, `idle`.
    pub role: &'static str,
    /// Slots that it has.
    pub slots: usize,
    /// Its master, if it is a replica.
    pub master: Option<String>,
    /// `online`, `loading` or `failed`, as its cluster says.
    pub health: &'static str,
}

impl Cluster {
    /// Its current fault, if any.
    pub(crate) fn fault(&self) -> Option<(Severity, String)> {
        match &self.fault {
            Some(fault) if self.nodes.is_empty() => {
                Some((Severity::Critical, format!("no slot of the cluster is known, requests wait: {fault}")))
            }
            Some(fault) => {
                Some((Severity::Warning, format!("no change of the cluster can be followed: {fault}")))
            }
            None if !self.nodes.is_empty() && self.slots_served < SLOTS => {
                let missing = SLOTS - self.slots_served;
                Some((Severity::Warning, format!("{missing} slots have no owner: their requests fail")))
            }
            None => None,
        }
    }
}

/// The clusters of all pools. A clone shares them.
#[derive(Debug, Clone, Default)]
pub struct ClusterList(Arc<Mutex<BTreeMap<String, Cluster>>>);

impl ClusterList {
    /// Replaces the cluster of its pool.
    pub fn set(&self, cluster: Cluster) {
        self.lock().insert(cluster.pool.clone(), cluster);
    }

    /// Keeps the clusters of these pools.
    pub fn retain(&self, is_known: impl Fn(&str) -> bool) {
        self.lock().retain(|pool, _| is_known(pool));
    }

    /// The clusters, by pool name.
    pub fn get(&self) -> Vec<Cluster> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Cluster>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults() {
        let cluster = |fault: Option<&str>, slots_served: usize, nodes: usize| {
            let node = ClusterNode {
                name: "a:1".into(),
                role: "master",
                slots: slots_served,
                master: None,
                health: "online",
            };
            let cluster = Cluster {
                pool: "p".into(),
                slots_served,
                epoch: 1,
                nodes: vec![node; nodes],
                left_out: 0,
                refreshed_ms: None,
                questions: 0,
                views_refused: 0,
                fault: fault.map(str::to_owned),
                last_error: None,
                last_error_ms: None,
            };
            cluster.fault().map(|(severity, _)| severity)
        };
        assert_eq!(cluster(None, SLOTS, 1), None);
        assert_eq!(cluster(None, SLOTS - 1, 1), Some(Severity::Warning));
        assert_eq!(cluster(None, 0, 0), None, "before the first answer");
        assert_eq!(cluster(Some("down"), SLOTS, 1), Some(Severity::Warning));
        assert_eq!(cluster(Some("down"), 0, 0), Some(Severity::Critical));
    }
}
