//! Manual changes of the running process: servers of pools by a step of all shards, the log level at once.

use config::checked::LogLevel;

use admin::actions::ServerChange;

use super::Serving;
use crate::log_level::verbosity;
use crate::overrides::Overrides;
use crate::proxy_service::ProxyService;

impl Serving {
    /// Changes a server. Returns warnings for the operator.
    ///
    /// # Errors
    /// The reason nothing has changed.
    pub async fn change_server(
        &mut self,
        (pool, server): (&str, &str),
        change: ServerChange,
    ) -> Result<Vec<String>, String> {
        let config = &self.running.config;
        let overrides = self.overrides.with_server(config, (pool, server), change)?;
        let users = self.running.users.book();
        let settings = |overrides| self.settings(overrides, config, users);
        let (before, after) = (settings(&self.overrides), settings(&overrides));
        let Some(proxy) = self.running.services.get_mut::<ProxyService>() else {
            return Err("no pool is served".into());
        };
        let (standing, after) = (proxy.standing(), proxy.with_tls(after));
        let step = tokio::task::spawn_blocking(move || standing.prepare(after)).await;
        let step = step.map_err(|error| error.to_string())?.map_err(|fault| fault.native())?;
        let mut doubts = proxy.take(step, before).await?;
        if change == ServerChange::Return {
            proxy.restore(pool, server);
        }
        self.overrides = overrides;
        let empty = self.overrides.empty_pools(&self.running.config);
        let empty = empty.into_iter().filter(|empty| *empty == pool);
        doubts.extend(empty.map(|pool| {
            format!("pool {pool}: no server is left in the ring; requests get errors until one is returned")
        }));
        Ok(doubts)
    }

    /// Sets the log level.
    pub fn set_log_level(&mut self, level: LogLevel) {
        self.log.set_verbosity(verbosity(level));
        self.overrides = self.overrides.with_log_level(&self.running.config, level);
    }

    /// Keeps the overrides that outlast a reload. Returns a line for each that does not.
    pub(super) fn take_overrides(&mut self, after: Overrides) -> Vec<String> {
        let gone = self.overrides.gone(&after, &self.running.config);
        self.overrides = after;
        gone.into_iter().map(|line| format!("no longer by hand: {line}")).collect()
    }
}
