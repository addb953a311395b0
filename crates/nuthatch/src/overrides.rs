//! Overrides: manual changes by an operator while the process runs, separate from the file.
//!
//! | override | until |
//! |---|---|
//! | a server is ejected or drained | it is returned, or its own row in the file changes |
//! | a server has another weight | it is set back, or its own row in the file changes |
//! | the log has another level | the configured one is set, or `[log] level` in the file changes |
//!
//! They outlast every other reload. A restart or upgrade drops them.

pub mod command;

use std::collections::BTreeMap;

use access::Book;
use admin::actions::ServerChange;
use admin::reload::ServerByHand;
use config::checked::{Config, LogLevel, Pool, Server};
use proxy::{ByHand, Out, Settings};

/// Names of a pool and of one of its servers.
type Name = (String, String);

/// All overrides in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    servers: BTreeMap<Name, ByHand>,
    log_level: Option<LogLevel>,
}

impl Overrides {
    /// Settings of a configuration and its users, with these overrides applied.
    pub fn settings(&self, config: &Config, users: &Book) -> Settings {
        Settings { by_hand: self.servers.clone(), ..Settings::of(config, users.clone()) }
    }

    /// The overrides that outlast a reload.
    pub fn after_reload(&self, old: &Config, new: &Config) -> Overrides {
        let stays = |name: &Name| {
            let before = find(old, name);
            before.is_some() && before == find(new, name)
        };
        let servers = self.servers.iter().filter(|(name, _)| stays(name));
        Overrides {
            servers: servers.map(|(name, by_hand)| (name.clone(), *by_hand)).collect(),
            log_level: self.log_level.filter(|_| old.log.level == new.log.level),
        }
    }

    /// These overrides with a change of a server.
    ///
    /// # Errors
    /// There is no such server; the text lists the existing ones.
    pub fn with_server(
        &self,
        config: &Config,
        (pool, server): (&str, &str),
        change: ServerChange,
    ) -> Result<Overrides, String> {
        let configured = server_of(pool_of(config, pool)?, server)?;
        let mut overrides = self.clone();
        let name = (pool.to_owned(), server.to_owned());
        let by_hand = overrides.servers.entry(name.clone()).or_default();
        match change {
            ServerChange::Eject => by_hand.out = Some(Out::Ejected),
            ServerChange::Drain => by_hand.out = Some(Out::Drained),
            ServerChange::Return => by_hand.out = None,
            ServerChange::Weight(weight) => {
                by_hand.weight = weight.filter(|weight| *weight != configured.weight);
            }
        }
        if *by_hand == ByHand::default() {
            overrides.servers.remove(&name);
        }
        Ok(overrides)
    }

    /// These overrides with another log level.
    #[must_use]
    pub fn with_log_level(&self, config: &Config, level: LogLevel) -> Overrides {
        let log_level = Some(level).filter(|level| *level != config.log.level);
        Overrides { log_level, ..self.clone() }
    }

    /// The overrides missing from `after`, a line each.
    pub fn gone(&self, after: &Overrides, config: &Config) -> Vec<String> {
        let kept = after.lines(config);
        self.lines(config).into_iter().filter(|line| !kept.contains(line)).collect()
    }

    /// The overrides of servers.
    pub fn of_servers(&self, config: &Config) -> Vec<ServerByHand> {
        let mut found = Vec::new();
        for (name @ (pool, server), by_hand) in &self.servers {
            let mut add = |change: String, weight: Option<u32>| {
                let (pool, server, is_out) = (pool.clone(), server.clone(), weight.is_none());
                found.push(ServerByHand { pool, server, change, is_out, weight });
            };
            match by_hand.out {
                Some(Out::Ejected) => add("ejected".into(), None),
                Some(Out::Drained) => add("drained".into(), None),
                None => {}
            }
            if let Some(weight) = by_hand.weight {
                let configured = find(config, name).map_or(0, |server| server.weight);
                add(format!("weight {weight} instead of {configured}"), Some(weight));
            }
        }
        found
    }

    /// A line for each override.
    pub fn lines(&self, config: &Config) -> Vec<String> {
        let servers = self.of_servers(config).into_iter();
        let mut lines: Vec<String> = servers
            .map(|ServerByHand { pool, server, change, .. }| format!("pool {pool}: server {server} {change}"))
            .collect();
        let level = self.log_level.map(LogLevel::name);
        lines.extend(level.map(|level| format!("log level {level} instead of {}", config.log.level.name())));
        lines
    }

    /// Pools with an empty ring because all of their servers were taken out by hand.
    pub fn empty_pools<'a>(&self, config: &'a Config) -> Vec<&'a str> {
        let is_out = |pool: &Pool, server: &Server| {
            let name = (pool.name.clone(), server.identity.clone());
            self.servers.get(&name).is_some_and(|by_hand| by_hand.out.is_some())
        };
        let is_empty = |pool: &&Pool| pool.servers.iter().all(|server| is_out(pool, server));
        config.pools.iter().filter(is_empty).map(|pool| pool.name.as_str()).collect()
    }
}

/// The configuration of a server.
fn find<'a>(config: &'a Config, (pool, server): &Name) -> Option<&'a Server> {
    server_of(pool_of(config, pool).ok()?, server).ok()
}

fn pool_of<'a>(config: &'a Config, name: &str) -> Result<&'a Pool, String> {
    let known = || config.pools.iter().map(|pool| pool.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = config.pools.iter().find(|pool| pool.name == name);
    found.ok_or_else(|| format!("there is no pool {name:?}; the pools are: {}", known()))
}

fn server_of<'a>(pool: &'a Pool, name: &str) -> Result<&'a Server, String> {
    let known = || pool.servers.iter().map(|server| server.identity.as_str()).collect::<Vec<_>>().join(", ");
    let found = pool.servers.iter().find(|server| server.identity == name);
    found.ok_or_else(|| format!("pool {} has no server {name:?}; its servers are: {}", pool.name, known()))
}

#[cfg(test)]
mod tests;
