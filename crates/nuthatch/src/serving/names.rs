//! Names of servers that a new configuration adds: one that cannot be resolved is a fault of it.
//!
//! Names already in the configuration in force are not resolved: they may fail at the moment, and
//! the reload may be what fixes that.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use config::checked::{Config, Target};
use tokio::net::lookup_host;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Most names resolved at the same time.
const AT_ONCE: usize = 16;
/// Time limit per name.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most faulty names that are reported.
const TOLD_MAX: usize = 20;

/// Resolves the names in `new` that `old` does not have.
///
/// # Errors
/// The names without an address, a line each.
pub(super) async fn resolve(old: &Config, new: &Config) -> Result<(), String> {
    let known: BTreeSet<&str> = hosts(old).map(|(_, host, _)| host).collect();
    let mut wanted: BTreeMap<&str, (&str, u16)> = BTreeMap::new();
    for (pool, host, port) in hosts(new).filter(|(_, host, _)| !known.contains(host)) {
        wanted.entry(host).or_insert((pool, port));
    }
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut asked = JoinSet::new();
    for (host, (pool, port)) in wanted {
        let (host, pool, places) = (host.to_owned(), pool.to_owned(), Arc::clone(&places));
        asked.spawn(async move {
            let _place = places.acquire().await;
            let found = timeout(PATIENCE, lookup_host((host.as_str(), port))).await;
            let reason = match found.map(|found| found.map(Iterator::count)) {
                Ok(Ok(0)) => "it has no address".to_owned(),
                Ok(Ok(_)) => return None,
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
            };
            Some(format!("pool {pool}: the server's name {host} cannot be resolved: {reason}"))
        });
    }
    let mut faults: Vec<String> = asked.join_all().await.into_iter().flatten().collect();
    if faults.is_empty() {
        return Ok(());
    }
    faults.sort_unstable();
    let more = faults.len().saturating_sub(TOLD_MAX);
    faults.truncate(TOLD_MAX);
    if more > 0 {
        faults.push(format!("and {more} more"));
    }
    Err(faults.join("\n"))
}

/// Pool, host and port of each server with a name.
fn hosts(config: &Config) -> impl Iterator<Item = (&str, &str, u16)> {
    let servers =
        config.pools.iter().flat_map(|pool| pool.servers.iter().map(|server| (&*pool.name, server)));
    servers.filter_map(|(pool, server)| match &server.target {
        Target::Tcp { host, port } if host.parse::<IpAddr>().is_err() => Some((pool, &**host, *port)),
        Target::Tcp { .. } | Target::Unix(_) | Target::Local | Target::Master => None,
    })
}
