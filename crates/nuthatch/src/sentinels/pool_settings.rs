//! Settings of a pool's watch: it is begun anew when they change.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::checked::Pool;
use net::tls::ClientConfig;
use proxy::Generation;

use crate::redis_client::Login;

/// TLS towards Sentinels, by pool name.
pub type SentinelTls = BTreeMap<String, Arc<ClientConfig>>;

/// Settings of a pool's watch.
#[derive(Clone, PartialEq)]
pub(super) struct PoolSettings {
    pub(super) pool: Arc<Pool>,
    /// Login of the Sentinels,
    pub(super) sentinels: Login,
    /// and of the servers.
    pub(super) servers: Login,
}

impl PoolSettings {
    /// The settings of a pool's watch.
    pub(super) fn new(pool: &Pool, generation: Option<&Generation>, tls: &SentinelTls) -> PoolSettings {
        let mut plans = generation.iter().flat_map(|generation| &generation.pools);
        let plan = plans.find(|plan| plan.config.name == pool.name);
        PoolSettings {
            pool: Arc::new(pool.clone()),
            sentinels: Login::of_sentinels(pool, tls.get(&pool.name).cloned()),
            servers: Login::of_servers(pool, plan.and_then(|plan| plan.tls.servers.clone())),
        }
    }
}
