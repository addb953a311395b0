//! Topology of a pool: the source of its servers, and the way they share the keys.

use std::collections::BTreeMap;
use std::time::Duration;

use super::tls::TlsToServers;
use crate::quantity;
use crate::secret::Secret;

/// The way in which a pool finds its servers and places keys on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Topology {
    /// The configured servers; a hash ring places the keys.
    #[default]
    Ring,
    /// A Redis Cluster, which says itself which node has which slots. The configured servers are seeds.
    Cluster,
    /// Masters that Redis Sentinels name; a hash ring places the keys.
    Sentinel,
}

/// Nodes that reads go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadFrom {
    /// The master.
    #[default]
    Primary,
    /// A replica, and no other node.
    Replica,
    /// A replica while one may be read from, else the master.
    PreferReplica,
    /// Whichever of the replicas and the master is nearest.
    Nearest,
}

/// Settings of a discovered topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// Kind of topology.
    pub topology: Topology,
    /// Interval between questions about the topology while nothing is in doubt.
    pub refresh: Duration,
    /// Nodes that reads go to.
    pub read_from: ReadFrom,
    /// Zone of this process. Replicas in it are read from first.
    pub zone: Option<String>,
    /// Zones of nodes that do not name their own, or a wrong one, by host.
    pub zones: BTreeMap<String, String>,
    /// Age of a replica's data above which it is not read from; None for any age.
    pub replica_lag_max: Option<Duration>,
    /// Time without an answer after which a read is sent to another node as well; None for never.
    pub hedge_after: Option<HedgeAfter>,
    /// Sentinels; without an address in other topologies.
    pub sentinels: Sentinels,
}

/// Time after which a read is hedged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HedgeAfter {
    /// That of the slowest of twenty reads, as they have been lately.
    Percentile95,
    /// This.
    Time(Duration),
}

impl HedgeAfter {
    /// Its text in the native file.
    pub fn text(self) -> String {
        match self {
            HedgeAfter::Percentile95 => "p95".to_owned(),
            HedgeAfter::Time(time) => quantity::show_duration(time),
        }
    }

    /// The time that a text says: `p95`, or from 1 ms to 10 s.
    pub fn of(text: &str) -> Option<HedgeAfter> {
        if text == "p95" {
            return Some(HedgeAfter::Percentile95);
        }
        let time = quantity::duration(text).ok()?;
        let is_within = (Duration::from_millis(1)..=Duration::from_secs(10)).contains(&time);
        is_within.then_some(HedgeAfter::Time(time))
    }
}

/// Redis Sentinels that name the masters of a pool, and the way to log in to them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sentinels {
    /// Host and port of each; those that they name themselves are asked as well.
    pub addresses: Vec<(String, u16)>,
    /// User of their access lists.
    pub user: Option<String>,
    /// Their password.
    pub password: Option<Secret>,
    /// TLS towards them.
    pub tls: Option<TlsToServers>,
}

impl Topology {
    /// Every topology with its name.
    pub const ALL: [(Topology, &'static str); 3] =
        [(Topology::Ring, "ring"), (Topology::Cluster, "cluster"), (Topology::Sentinel, "sentinel")];

    /// Its name in the native file.
    pub fn name(self) -> &'static str {
        Topology::ALL.iter().find(|(own, _)| *own == self).map_or("", |(_, name)| name)
    }

    /// The topology of that name.
    pub fn of(name: &str) -> Option<Topology> {
        Topology::ALL.iter().find(|(_, own)| *own == name).map(|(value, _)| *value)
    }
}

impl ReadFrom {
    /// Every policy with its name.
    pub const ALL: [(ReadFrom, &'static str); 4] = [
        (ReadFrom::Primary, "primary"),
        (ReadFrom::Replica, "replica"),
        (ReadFrom::PreferReplica, "prefer_replica"),
        (ReadFrom::Nearest, "nearest"),
    ];

    /// Its name in the native file.
    pub fn name(self) -> &'static str {
        ReadFrom::ALL.iter().find(|(own, _)| *own == self).map_or("", |(_, name)| name)
    }

    /// The policy of that name.
    pub fn of(name: &str) -> Option<ReadFrom> {
        ReadFrom::ALL.iter().find(|(_, own)| *own == name).map(|(value, _)| *value)
    }
}
