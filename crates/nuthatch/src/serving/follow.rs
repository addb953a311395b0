//! The step of all shards to a topology that was discovered.

use telemetry::warn;

use super::Serving;
use crate::proxy_service::ProxyService;
use crate::topology::Found;

impl Serving {
    /// Makes the shards follow a topology that has changed.
    pub async fn take_topology(&mut self, found: Found) {
        let is_served = self.running.config.pools.iter().any(|pool| pool.name == found.pool);
        if !is_served {
            return;
        }
        let pool = found.pool.clone();
        self.topologies.keep(found);
        let settings = self.settings(&self.overrides, &self.running.config, self.running.users.book());
        let Some(proxy) = self.running.services.get_mut::<ProxyService>() else { return };
        if let Err(reason) = proxy.follow(settings).await {
            warn!(%pool, %reason, "cluster changed, and a shard does not follow");
        }
        self.running.registry.set_pools(proxy.generation.cells());
        self.topologies.watch_replicas(&self.running);
    }
}
