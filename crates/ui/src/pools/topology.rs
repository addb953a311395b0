//! Topologies as `/api/status` and a pool's page have them: a cluster that was discovered, masters that
//! Sentinels name, replicas that reads may go to.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::frame::Level;

/// Slots of a cluster.
pub(super) const SLOTS: usize = 16_384;

/// The cluster of a pool, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
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
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterNode {
    /// Its address, which is the name of its server in the pool.
    pub name: String,
    /// `master`, `replica` or, of a node that serves nothing, `idle`.
    pub role: Cow<'static, str>,
    /// Slots that it has.
    pub slots: usize,
    /// Their ranges: the first and the last of each.
    pub ranges: Vec<(u16, u16)>,
    /// Its master, if it is a replica.
    pub master: Option<String>,
    /// `online`, `loading` or `failed`, as its cluster says.
    pub health: Cow<'static, str>,
}

impl ClusterNode {
    /// True if it is the owner of a slot.
    pub fn has(&self, slot: u16) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&slot))
    }
}

impl Cluster {
    /// Its current fault, if any.
    pub fn fault(&self) -> Option<(Level, String)> {
        match &self.fault {
            Some(fault) if self.nodes.is_empty() => {
                Some((Level::Critical, format!("no slot of the cluster is known, requests wait: {fault}")))
            }
            Some(fault) => {
                Some((Level::Warning, format!("no change of the cluster can be followed: {fault}")))
            }
            None if !self.nodes.is_empty() && self.slots_served < SLOTS => {
                let missing = SLOTS - self.slots_served;
                Some((Level::Warning, format!("{missing} slots have no owner: their requests fail")))
            }
            None => None,
        }
    }
}

/// A master of a pool with Sentinels.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Master {
    /// Name of its pool.
    pub pool: String,
    /// Its name, which is that of its server in the pool.
    pub name: String,
    /// Its address; None until Sentinels agree on one.
    pub address: Option<String>,
    /// Time since which it has this address, in milliseconds since the Unix epoch.
    pub since_ms: Option<u64>,
    /// Times that it changed its address.
    pub changes: u64,
    /// Sentinels that answer,
    pub sentinels_answering: usize,
    /// and all that are asked.
    pub sentinels: usize,
    /// Replicas beyond the 256 that are read of a Sentinel's list: they get no reads.
    pub replicas_left_out: usize,
    /// Each that is asked, by address.
    pub asked: Vec<AskedSentinel>,
}

/// A Sentinel of a master.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AskedSentinel {
    /// Its address.
    pub address: String,
    /// It answers.
    pub answers: bool,
    /// Address that it names as that of the master; none if it knows no such master, or does not answer.
    pub names: Option<String>,
}

impl Master {
    /// Its current fault, if any.
    pub fn fault(&self) -> Option<(Level, String)> {
        let Master { name, sentinels, sentinels_answering: answering, .. } = self;
        let few = format!("{answering} of {sentinels} Sentinels answer");
        if self.address.is_none() {
            let text = format!("no address is known of master {name}, requests get errors: {few}");
            Some((Level::Critical, text))
        } else if *answering == 0 {
            Some((Level::Warning, format!("no failover of master {name} can be followed: {few}")))
        } else if answering < sentinels {
            Some((Level::Notice, few))
        } else {
            None
        }
    }
}

/// A replica of a pool that reads from replicas.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Replica {
    /// Name of its pool.
    pub pool: String,
    /// Its name, which is that of its server in the pool.
    pub name: String,
    /// Name of its master.
    pub master: String,
    /// Its zone, if one is known.
    pub zone: Option<String>,
    /// Mean of the round trips of questions to it.
    pub round_trip_us: Option<u64>,
    /// Greatest age of its data; none if it is not known.
    pub lag_ms: Option<u64>,
    /// The reason that it is not read from now; none if it is.
    pub not_read: Option<String>,
}

/// The topology of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Topology {
    /// The cluster, in a pool over one.
    pub cluster: Option<Cluster>,
    /// The masters, in a pool with Sentinels.
    pub masters: Vec<Master>,
    /// Its replicas, if reads go to them.
    pub replicas: Vec<Replica>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_a_cluster() {
        let cluster = |fault: Option<&str>, slots_served: usize, nodes: usize| {
            let nodes = vec![ClusterNode::default(); nodes];
            let cluster =
                Cluster { slots_served, nodes, fault: fault.map(str::to_owned), ..Cluster::default() };
            cluster.fault().map(|(level, _)| level)
        };
        assert_eq!(cluster(None, SLOTS, 1), None);
        assert_eq!(cluster(None, SLOTS - 1, 1), Some(Level::Warning));
        assert_eq!(cluster(None, 0, 0), None, "before the first answer");
        assert_eq!(cluster(Some("down"), SLOTS, 1), Some(Level::Warning));
        assert_eq!(cluster(Some("down"), 0, 0), Some(Level::Critical));
    }

    #[test]
    fn faults_of_a_master() {
        let fault = |address: Option<&str>, sentinels_answering| {
            let address = address.map(str::to_owned);
            let master = Master { address, sentinels_answering, sentinels: 3, ..Master::default() };
            master.fault().map(|(level, _)| level)
        };
        assert_eq!(fault(Some("a:1"), 3), None);
        assert_eq!(fault(Some("a:1"), 2), Some(Level::Notice));
        assert_eq!(fault(Some("a:1"), 0), Some(Level::Warning));
        assert_eq!(fault(None, 3), Some(Level::Critical));
    }
}
