//! Discovered topologies: what scouts found, in every generation that is planned.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::checked::{ReadFrom, Topology};
use proxy::{SlotMap, Standing};

use crate::doubtful::Doubtful;
use crate::proxy_service::ProxyService;
use crate::replicas::Replicas;
use crate::start::Running;
use crate::topology::{Discoveries, Found, News, Scouts};

/// The topologies of pools, and their scouts.
pub(super) struct Topologies {
    maps: BTreeMap<String, Arc<SlotMap>>,
    standings: BTreeMap<String, BTreeMap<String, Standing>>,
    scouts: Scouts,
    replicas: Replicas,
}

impl Topologies {
    /// Starts the scouts. Needs a tokio runtime.
    pub(super) fn begin(running: &Running) -> (Topologies, Discoveries) {
        let (scouts, discoveries) = Scouts::begin(running.watch.clusters().clone());
        let replicas = Replicas::new(scouts.reports(), running.watch.replicas().clone());
        let (maps, standings) = (BTreeMap::new(), BTreeMap::new());
        let mut topologies = Topologies { maps, standings, scouts, replicas };
        topologies.follow(running);
        (topologies, discoveries)
    }

    /// Slot maps, by pool name.
    pub(super) fn maps(&self) -> BTreeMap<String, Arc<SlotMap>> {
        self.maps.clone()
    }

    /// Standings of servers for reads, by pool and server name.
    pub(super) fn standings(&self) -> BTreeMap<String, BTreeMap<String, Standing>> {
        self.standings.clone()
    }

    /// Takes doubts to the scouts.
    pub(super) fn doubtful(&self) -> Doubtful {
        self.scouts.doubtful()
    }

    /// Keeps what was found.
    pub(super) fn keep(&mut self, found: Found) {
        match found.news {
            News::Map(map) => drop(self.maps.insert(found.pool, map)),
            News::Standings(standings) => drop(self.standings.insert(found.pool, standings)),
        }
    }

    /// Watches the nodes that the shards serve now, where reads may go to replicas.
    pub(super) fn watch_replicas(&mut self, running: &Running) {
        let plans = running.services.get::<ProxyService>().map_or(&[][..], |proxy| &proxy.generation.pools);
        self.replicas.follow(plans);
    }

    /// Adapts the scouts to the configuration in force.
    pub(super) fn follow(&mut self, running: &Running) {
        let is_cluster = |name: &String| {
            let mut pools = running.config.pools.iter();
            pools.any(|pool| pool.name == *name && pool.discovery.topology == Topology::Cluster)
        };
        self.maps.retain(|name, _| is_cluster(name));
        let reads_replicas = |name: &String| {
            let mut pools = running.config.pools.iter();
            pools.any(|pool| pool.name == *name && pool.discovery.read_from != ReadFrom::Primary)
        };
        self.standings.retain(|name, _| reads_replicas(name));
        let plans = running.services.get::<ProxyService>().map_or(&[][..], |proxy| &proxy.generation.pools);
        self.scouts.set(&running.config, plans);
        self.watch_replicas(running);
    }
}
