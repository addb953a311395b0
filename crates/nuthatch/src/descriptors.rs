//! File descriptors: the limit is raised as far as allowed, and divided into shares, so that
//! clients cannot starve everything else.
//!
//! | use | descriptors |
//! |---|---|
//! | log, event loops, threads, listeners | what they need |
//! | the statistics and the admin port | [`crate::control_port::CLIENTS_MAX`] clients each |
//! | server connections | as many as the pools may open; half of the limit at most |
//! | journals | an eighth of the limit, [`JOURNALS_MAX`] at most |
//! | each listener of an HTTP API of the queue or the lookup | an eighth of the limit, [`HTTP_MAX`] at most |
//! | clients of pools, of the queue and of the lookup | the rest; beyond it they are not accepted, and wait |
//!
//! The limit is checked every second: prlimit may change it from outside.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use config::checked::{Config, Protocol, Topology};
use net::{ClientPlaces, FileLimit};
use telemetry::{info, warn};

use crate::control_port;

/// Most journal descriptors; the least recently used are closed first.
const JOURNALS_MAX: usize = 4096;
/// Most connections of a listener of an HTTP API.
const HTTP_MAX: usize = 1024;
/// Descriptors open before the first request.
const BASE: usize = 48;
/// Descriptors of each thread with an event loop besides its listeners.
const PER_THREAD: usize = 6;
/// Descriptors of disk thread jobs, the data directory and its lock.
const QUEUE_BASE: usize = 24;
/// Client share below which a warning is logged.
const CLIENTS_FEW: usize = 256;
/// Nodes of a cluster to allow for, which is discovered later.
const NODES: usize = 32;
/// Interval between checks of the limit.
const LOOK: Duration = Duration::from_secs(1);

/// Descriptors the configuration asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Needs {
    base: usize,
    servers: usize,
    queue: bool,
    http_listeners: usize,
}

/// Shares of the descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Limit of the process.
    pub limit: usize,
    /// Clients of pools, of the queue and of the lookup.
    pub clients: usize,
    /// Server connections, within the limit.
    pub servers: usize,
    /// Journals.
    pub journals: usize,
    /// Connections of each listener of an HTTP API of the queue or the lookup.
    pub http: usize,
}

/// The shares of a running process.
#[derive(Debug, Clone)]
pub struct Descriptors {
    /// Needs of the configuration in force.
    needs: Arc<Mutex<Needs>>,
    /// The shares at the start.
    pub shares: Shares,
    /// Share of clients.
    pub places: ClientPlaces,
}

impl Descriptors {
    /// Raises the limit, divides it and logs the shares.
    pub fn share_out(config: &Config) -> Descriptors {
        let limit = FileLimit::raise().unwrap_or_else(|error| {
            warn!(%error, "the limit of file descriptors cannot be raised");
            FileLimit::current()
        });
        let needs = Needs::of(config);
        let shares = Shares::of(limit.soft, &needs);
        shares.tell(&needs);
        let places = ClientPlaces::new(shares.clients);
        Descriptors { needs: Arc::new(Mutex::new(needs)), shares, places }
    }

    /// Recomputes the shares for another configuration at the next check.
    pub fn set(&self, config: &Config) {
        *self.needs.lock().unwrap_or_else(PoisonError::into_inner) = Needs::of(config);
    }

    /// Follows changes of the limit and of the configuration forever.
    pub async fn follow(self) {
        let mut shares = self.shares;
        loop {
            tokio::time::sleep(LOOK).await;
            let needs = *self.needs.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Shares::of(FileLimit::current().soft, &needs);
            if now != shares {
                shares = now;
                self.places.set_max(now.clients);
                now.tell(&needs);
            }
        }
    }
}

impl Needs {
    fn of(config: &Config) -> Needs {
        let queue = config.queue.as_ref();
        let of_pools = if config.pools.is_empty() { 0 } else { config.threads };
        let lookups = usize::from(config.lookup.is_some());
        let threads = of_pools + usize::from(queue.is_some()) + lookups;
        let listens: usize = config.pools.iter().map(|pool| pool.listen.len()).sum();
        let control_ports = usize::from(config.stats.is_some()) + usize::from(config.admin.is_some());
        let base = BASE
            + PER_THREAD * threads
            + listens * config.threads
            + control_ports * control_port::CLIENTS_MAX
            + if queue.is_some() { QUEUE_BASE } else { 0 };
        // Each shard has its own connections: one set for RESP2, one for RESP3, and one more for probes.
        let servers = config.pools.iter().map(|pool| {
            let kinds = if pool.protocol == Protocol::Redis { 2 } else { 1 };
            let servers = match pool.discovery.topology {
                Topology::Cluster => pool.servers.len().max(NODES),
                Topology::Ring | Topology::Sentinel => pool.servers.len(),
            };
            servers * (kinds * pool.server_connections as usize + 1)
        });
        Needs {
            base,
            servers: servers.sum::<usize>() * config.threads,
            queue: queue.is_some(),
            http_listeners: lookups
                + usize::from(config.nsqadmin.is_some())
                + queue.map_or(0, |queue| {
                    usize::from(queue.http.is_some()) + usize::from(queue.https.is_some())
                }),
        }
    }
}

impl Shares {
    fn of(limit: u64, needs: &Needs) -> Shares {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let journals = if needs.queue { (limit / 8).min(JOURNALS_MAX) } else { 0 };
        let http = if needs.http_listeners > 0 { (limit / 8).clamp(1, HTTP_MAX) } else { 0 };
        let servers = needs.servers.min(limit / 2);
        let reserved = needs.base + servers + journals + needs.http_listeners * http;
        // A limit too low for all of that still leaves room for some clients.
        let clients = limit.saturating_sub(reserved).max(limit / 16);
        Shares { limit, clients, servers, journals, http }
    }

    fn tell(&self, needs: &Needs) {
        let Shares { limit, clients, servers, journals, http } = *self;
        info!(limit, clients, servers, journals, http, "file descriptors");
        if clients < CLIENTS_FEW || servers < needs.servers {
            let wanted = needs.servers;
            warn!(
                limit,
                clients,
                servers,
                wanted,
                "few file descriptors: raise their hard limit (ulimit -Hn, LimitNOFILE)"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: Needs = Needs { base: 200, servers: 100, queue: true, http_listeners: 1 };

    #[test]
    fn clients_get_what_the_rest_can_spare() {
        for (limit, clients, servers, journals, http) in [
            (u64::MAX, usize::MAX - 200 - 100 - 4096 - 1024, 100, 4096, 1024),
            (65_536, 65_536 - 200 - 100 - 4096 - 1024, 100, 4096, 1024),
            (1024, 1024 - 200 - 100 - 128 - 128, 100, 128, 128),
            (512, 512 - 200 - 100 - 64 - 64, 100, 64, 64),
            // A limit too low for all of it.
            (256, 16, 100, 32, 32),
            (64, 4, 32, 8, 8),
        ] {
            let shares = Shares::of(limit, &NEEDS);
            let limit = usize::try_from(limit).unwrap();
            assert_eq!(shares, Shares { limit, clients, servers, journals, http });
        }
    }

    #[test]
    fn what_is_not_configured_gets_nothing() {
        let shares = Shares::of(1000, &Needs { base: 50, ..Needs::default() });
        assert_eq!(shares, Shares { limit: 1000, clients: 950, servers: 0, journals: 0, http: 0 });
    }
}
