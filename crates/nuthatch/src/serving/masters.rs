//! Masters with another address: a step of all shards.

use access::Book;
use admin::Severity;
use config::checked::Config;
use proxy::{Named, Settings};
use telemetry::{error, info};
use wire::url::host_port;

use super::Serving;
use crate::overrides::Overrides;
use crate::proxy_service::ProxyService;

impl Serving {
    /// Settings of a configuration with these overrides, and with the masters and topologies in use.
    pub(super) fn settings(&self, overrides: &Overrides, config: &Config, users: &Book) -> Settings {
        let (named, topologies) = (self.named.clone(), self.topologies.maps());
        let standings = self.topologies.standings();
        Settings { named, topologies, standings, ..overrides.settings(config, users) }
    }

    /// Starts to watch Sentinels, and shows what they say.
    pub(super) fn watch_masters(&mut self) {
        self.configure_sentinels();
        let (mut status, watch) = (self.sentinels.status(), self.running.watch.clone());
        tokio::spawn(async move {
            while status.changed().await.is_ok() {
                let masters = status.borrow_and_update().clone();
                watch.masters().set_all(masters);
            }
        });
        if let Some(mut doubts) = self.running.doubts.1.take() {
            let (sentinels, scouts) = (self.sentinels.doubtful(), self.topologies.doubtful());
            tokio::spawn(async move {
                while let Some(doubt) = doubts.recv().await {
                    sentinels.doubt(&doubt);
                    scouts.doubt(&doubt);
                }
            });
        }
    }

    /// Watches the Sentinels of the configuration in force.
    pub(super) fn configure_sentinels(&mut self) {
        let running = &self.running;
        let generation = running.services.get::<ProxyService>().map(|proxy| &*proxy.generation);
        self.sentinels.configure(&running.config, generation, &running.sentinel_tls);
    }

    /// Makes the shards use the addresses that the Sentinels name now.
    pub async fn take_masters(&mut self) {
        let named = self.sentinels.named();
        if named == self.named {
            return;
        }
        let users = self.running.users.book();
        let settings = self.settings(&self.overrides, &self.running.config, users);
        let settings = Settings { named: named.clone(), ..settings };
        let Some(proxy) = self.running.services.get_mut::<ProxyService>() else { return };
        if let Err(reason) = proxy.follow(settings).await {
            error!(%reason, "masters have other addresses, and a shard has not taken them");
        }
        self.running.registry.set_pools(proxy.generation.cells());
        self.tell_masters(named);
        self.topologies.watch_replicas(&self.running);
    }

    /// Reports the masters that have another address to the log and the admin port.
    fn tell_masters(&mut self, named: Named) {
        let known = &self.named.masters;
        for ((pool, master), address) in &named.masters {
            let shown = |(host, port): &(String, u16)| host_port(host, port);
            let before = known.get(&(pool.clone(), master.clone())).filter(|known| *known != address);
            let (address, before) = match (before, known.contains_key(&(pool.clone(), master.clone()))) {
                (Some(before), _) => (shown(address), Some(shown(before))),
                (None, true) => continue,
                (None, false) => (shown(address), None),
            };
            let text = match &before {
                Some(before) => format!("the master was {before} and is {address} now"),
                None => format!("the master is {address}"),
            };
            info!(%pool, %master, "{text}");
            let severity = if before.is_some() { Severity::Warning } else { Severity::Notice };
            self.running.teller.tell(severity, format!("pool {pool}, server {master}"), text);
        }
        self.named = named;
    }
}
