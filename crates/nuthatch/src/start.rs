//! From a checked configuration to running shards.
//!
//! Everything is bound before anything runs, so that a bad address stops the start and nothing else. What cannot be
//! served yet is refused: a listener that does not answer helps nobody.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::checked::{Config, Listen, Pool, Protocol};
use config::endpoint::show_listen;
use proxy::Notice;
use telemetry::{Registry, error, info, warn};

use crate::cache::{self, Cache, Plan};
use crate::messages::{self, Http, Messages, Questions};
use crate::stats_port::StatsPort;

/// All that runs. Dropping it does not stop anything: see [`Running::stop`].
pub struct Running {
    cache: Option<Cache>,
    messages: Option<Messages>,
    /// What the queue asks; to be served on the control thread.
    pub questions: Option<Questions>,
    /// The queue's HTTP API, bound and not yet served.
    pub http: Option<Http>,
    /// Every counter.
    pub registry: Arc<Registry>,
    /// The statistics port, bound and not yet served.
    pub stats: Option<StatsPort>,
    /// What is listened on.
    pub listening: Vec<Listening>,
    /// When it was started.
    pub since: Instant,
    stop_timeout: Duration,
}

/// A place that is listened on, for the operator.
pub struct Listening {
    /// What is served there.
    pub what: String,
    /// The address as bound.
    pub address: String,
}

/// Binds everything, then starts the shards. Nothing runs if anything cannot be bound.
///
/// # Errors
/// What is wrong, for the operator.
pub fn start(config: &Config) -> Result<Running, String> {
    let stats = config.stats.as_ref().map(|stats| StatsPort::bind(&stats.listen)).transpose()?;
    let registry = Arc::new(Registry::new(config.threads));
    let mut listening = Vec::new();
    let cache = match config.pools.is_empty() {
        true => None,
        false => Some(caching(config, &registry, &mut listening)?),
    };
    let mut messages = match config.queue.as_ref().map(messages::start).transpose() {
        Ok(messages) => messages,
        Err(reason) => {
            cache.into_iter().for_each(|cache| cache.stop(Duration::ZERO));
            return Err(reason);
        }
    };
    if let Some((settings, running)) = config.queue.as_ref().zip(messages.as_ref()) {
        let address = running.bound.map_or_else(|| show_listen(&settings.tcp), |address| address.to_string());
        listening.push(Listening { what: "queue".into(), address });
        let api = running.http_listening.iter();
        listening.extend(api.map(|(name, address)| Listening {
            what: format!("queue, {name}"),
            address: address.clone(),
        }));
    }
    listening
        .extend(stats.iter().map(|stats| Listening { what: "statistics".into(), address: stats.address() }));
    let questions = messages.as_mut().and_then(|messages| messages.questions.take());
    let http = messages.as_mut().and_then(|messages| messages.http.take());
    let stop_timeout = config.stop_timeout;
    Ok(Running {
        cache,
        messages,
        questions,
        http,
        registry,
        stats,
        listening,
        since: Instant::now(),
        stop_timeout,
    })
}

/// Starts the cache side.
fn caching(config: &Config, registry: &Registry, listening: &mut Vec<Listening>) -> Result<Cache, String> {
    let pools: Vec<Arc<Pool>> = config.pools.iter().cloned().map(Arc::new).collect();
    let cache = cache::start(Plan {
        pools: pools.clone(),
        threads: config.threads,
        memory_budget: config.memory_budget_bytes,
        local_bytes_max: config.local.bytes_max,
        notify: Arc::new(log_notice),
    })?;
    registry.set_pools(cache.stats.clone());
    listening.extend(listened(&pools, &cache.bound));
    Ok(cache)
}

impl Running {
    /// Stops gracefully: nothing more is accepted, what was accepted is answered, within the configured time.
    pub fn stop(self) {
        // The queue first: its journals are what must not be cut short.
        if let Some(messages) = self.messages {
            messages.stop(self.stop_timeout);
        }
        if let Some(cache) = self.cache {
            cache.stop(self.stop_timeout);
        }
    }
}

fn listened(pools: &[Arc<Pool>], bound: &[(usize, Option<SocketAddr>)]) -> Vec<Listening> {
    let mut listens: Vec<std::slice::Iter<'_, Listen>> =
        pools.iter().map(|pool| pool.listen.iter()).collect();
    let mut listening = Vec::new();
    for (index, address) in bound {
        let (Some(pool), Some(listen)) =
            (pools.get(*index), listens.get_mut(*index).and_then(Iterator::next))
        else {
            continue;
        };
        let protocol = match pool.protocol {
            Protocol::Redis => "redis",
            Protocol::Memcache => "memcache",
        };
        let address = address.map_or_else(|| show_listen(listen), |address| address.to_string());
        listening.push(Listening { what: format!("{protocol} pool {}", pool.name), address });
    }
    listening
}

/// What the proxy has to say, as lines of the log.
fn log_notice(notice: Notice) {
    match notice {
        Notice::Ejected { pool, server, reason } => warn!(%pool, %server, %reason, "server ejected"),
        Notice::Returned { pool, server } => warn!(%pool, %server, "server is back in the ring"),
        Notice::ServerFailed { pool, server, reason } => warn!(%pool, %server, %reason, "server failed"),
        Notice::ServerWorks { pool, server } => info!(%pool, %server, "server works again"),
        Notice::HandshakeRefused { pool, server, answer } => {
            error!(%pool, %server, %answer, "server refuses our password or database");
        }
        Notice::ClientOverflow { pool, bytes } => {
            warn!(%pool, bytes, "client closed: it does not read its replies")
        }
        Notice::Starved { error } => error!(%error, "accepting paused: no file descriptor is left"),
    }
}
