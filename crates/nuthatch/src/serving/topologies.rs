//! Discovered topologies: what scouts found, in every generation that is planned.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::checked::Topology;
use proxy::SlotMap;

use crate::doubtful::Doubtful;
use crate::start::Running;
use crate::topology::{Discoveries, Found, Scouts};

/// The topologies of pools, and their scouts.
pub(super) struct Topologies {
    maps: BTreeMap<String, Arc<SlotMap>>,
    scouts: Scouts,
}

impl Topologies {
    /// Starts the scouts. Needs a tokio runtime.
    pub(super) fn begin(running: &Running) -> (Topologies, Discoveries) {
        let (scouts, discoveries) = Scouts::begin();
        let mut topologies = Topologies { maps: BTreeMap::new(), scouts };
        topologies.follow(running);
        (topologies, discoveries)
    }

    /// Slot maps, by pool name.
    pub(super) fn maps(&self) -> BTreeMap<String, Arc<SlotMap>> {
        self.maps.clone()
    }

    /// Takes doubts to the scouts.
    pub(super) fn doubtful(&self) -> Doubtful {
        self.scouts.doubtful()
    }

    /// Keeps what a scout found.
    pub(super) fn keep(&mut self, found: Found) {
        self.maps.insert(found.pool, found.map);
    }

    /// Adapts the scouts to the configuration in force.
    pub(super) fn follow(&mut self, running: &Running) {
        let is_cluster = |name: &String| {
            let mut pools = running.config.pools.iter();
            pools.any(|pool| pool.name == *name && pool.discovery.topology == Topology::Cluster)
        };
        self.maps.retain(|name, _| is_cluster(name));
        let plans = running.services.proxy.iter().flat_map(|proxy| &proxy.generation.pools);
        let tls: BTreeMap<&str, _> =
            plans.map(|plan| (plan.config.name.as_str(), plan.tls.servers.clone())).collect();
        self.scouts.set(&running.config, |pool| tls.get(pool).cloned().flatten());
    }
}
