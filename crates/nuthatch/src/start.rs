//! From a checked configuration to running shards.
//!
//! Everything is bound before anything runs, so that a bad address stops the start and nothing else. What cannot be
//! served yet is refused: a listener that does not answer helps nobody.

mod bound;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use admin::events::{self, Events, Teller};
use admin::source::Sources;
use admin::{Facts, Watch};
use config::checked::{Config, Listen, Pool, Protocol};
use config::endpoint::show_listen;
use net::Binder;
use proxy::{Generation, Notice, Settings};
use telemetry::{Registry, warn};
use tokio::sync::Notify;

use bound::Bound;

use crate::admin_port::{AdminPort, LookupView, QueueView};
use crate::control_port::ControlPort;
use crate::descriptors::Descriptors;
use crate::discovery::{BoundLookup, LookupHttp};
use crate::notices;
use crate::nsqadmin::Admin;
use crate::proxy_service::Plan;
use crate::queue_service::{ControlJobs, DataPath, Http};
use crate::service::Services;
use crate::start_error::StartError;
use crate::systemd;
use crate::version::VERSION;

/// All that runs: [`Running::stop`] stops it gracefully, dropping it at once.
pub struct Running {
    services: Services,
    /// nsqadmin, bound and not yet served.
    pub nsqadmin: Option<Admin>,
    /// Jobs of the queue; to be served on the control thread.
    pub jobs: Option<ControlJobs>,
    /// The queue's HTTP API, bound and not yet served.
    pub http: Option<Http>,
    /// The lookup's HTTP API, bound and not yet served.
    pub lookup_http: Option<LookupHttp>,
    /// Every counter.
    pub registry: Arc<Registry>,
    /// Notified when a client was closed for the memory it held.
    pub relief: Arc<Notify>,
    /// The statistics port, bound and not yet served.
    pub stats: Option<ControlPort>,
    /// The admin port, bound and not yet served.
    pub admin: Option<AdminPort>,
    /// Shares of file descriptors; to be followed on the control thread.
    pub descriptors: Option<Descriptors>,
    /// Listeners.
    pub listening: Vec<Listening>,
    /// Number of them that are listeners of pools, which nutcracker's statistics count as connections.
    pub pool_listeners: usize,
    /// Start time.
    pub since: Instant,
    stop_timeout: Duration,
}

/// A place that is listened on, for the operator.
pub struct Listening {
    /// Service at that address.
    pub what: String,
    /// The address as bound.
    pub address: String,
}

/// Binds everything, then starts the shards. Nothing runs if anything cannot be bound. The queue's directory is locked here
/// unless it was before.
///
/// # Errors
/// The fault, for each face to word.
pub fn start(config: &Config, directory: Option<DataPath>) -> Result<Running, StartError> {
    let mut binder = Binder::new(systemd::sockets());
    let descriptors = Descriptors::share_out(config);
    let generation = Arc::new(Generation::first(config.threads, Settings::of(config)));
    let bound = Bound::new(config, &generation, &descriptors, &mut binder, directory)?;
    for address in binder.left() {
        warn!(%address, "a socket that was handed over is closed: nothing of the configuration listens there");
    }
    drop(binder);
    let Bound { stats, admin, nsqadmin, proxy, lookup, queue, directory } = bound;
    let (teller, events) = events::connect();
    let registry = Arc::new(Registry::new(config.threads));
    let relief = Arc::new(Notify::new());
    let mut listening = Vec::new();
    let mut services = Services::default();
    if let Some(proxy) = proxy {
        let proxy = proxy.run(&Plan {
            generation: Arc::clone(&generation),
            threads: config.threads,
            shards: registry.shards().to_vec(),
            memory_budget: config.memory_budget_bytes,
            coalesce: config.coalesce,
            places: descriptors.places.clone(),
            notify: notify(teller, &relief),
        })?;
        registry.set_pools(generation.cells());
        listening.extend(listened(&config.pools, &proxy.bound));
        services.push(proxy);
    }
    let pool_listeners = listening.len();
    // Pools need not wait for the journals.
    let own_lookup = lookup.as_ref().and_then(BoundLookup::own_address);
    let queue = match (&config.queue, queue, directory) {
        (Some(settings), Some(queue), Some(directory)) => {
            Some(queue.open(settings, directory, &descriptors, own_lookup)?)
        }
        _ => None,
    };
    let mut sources = Sources::default();
    let mut lookup_http = None;
    let mut lookup_listening = Vec::new();
    if let (Some(settings), Some(lookup)) = (&config.lookup, lookup) {
        let (lookup, http) = lookup.run(settings, &descriptors)?;
        lookup_listening = lookup.listening.iter().map(named("lookup")).collect();
        sources.lookup = Some(Arc::new(LookupView { shard: lookup.shard() }));
        lookup_http = Some(http);
        services.push(lookup);
    }
    let (mut jobs, mut http) = (None, None);
    if let (Some(settings), Some(queue)) = (&config.queue, queue) {
        let mut queue = queue.run()?;
        let address = queue.bound.map_or_else(|| show_listen(&settings.tcp), |address| address.to_string());
        listening.push(Listening { what: "queue".into(), address });
        listening.extend(queue.http_listening.iter().map(named("queue")));
        (jobs, http) = (queue.jobs.take(), queue.http.take());
        sources.queue = Some(Arc::new(QueueView { shard: queue.shard() }));
        services.push(queue);
    }
    listening.append(&mut lookup_listening);
    if let Some(nsqadmin) = &nsqadmin {
        listening.push(Listening { what: "nsqadmin, HTTP".into(), address: nsqadmin.listening.clone() });
    }
    for (what, port) in [("statistics", &stats), ("admin", &admin)] {
        listening.extend(port.iter().map(|port| Listening { what: what.into(), address: port.address() }));
    }
    let stop_timeout = config.stop_timeout;
    let since = Instant::now();
    let admin = admin.map(|port| {
        let watch = watch(config, &registry, &listening, sources, events, since);
        AdminPort { port, watch: Arc::new(watch) }
    });
    Ok(Running {
        services,
        nsqadmin,
        jobs,
        http,
        lookup_http,
        registry,
        relief,
        stats,
        admin,
        descriptors: Some(descriptors),
        listening,
        pool_listeners,
        since,
        stop_timeout,
    })
}

/// Facts for the admin port.
fn watch(
    config: &Config,
    registry: &Arc<Registry>,
    listening: &[Listening],
    sources: Sources,
    events: Events,
    since: Instant,
) -> Watch {
    let shown = |at: &Listening| admin::Listening { what: at.what.clone(), address: at.address.clone() };
    let listening = listening.iter().map(shown).collect();
    let facts = Facts::new(VERSION, config, listening, since);
    Watch::new(facts, Arc::clone(registry), sources, events)
}

/// Tells the log and the admin port what the cache side has to say.
fn notify(teller: Teller, relief: &Arc<Notify>) -> Arc<dyn Fn(Notice) + Send + Sync> {
    let relief = Arc::clone(relief);
    Arc::new(move |notice| {
        notices::log(&notice);
        if matches!(notice, Notice::ClientOverflow { .. }) {
            relief.notify_one();
        }
        let (severity, subject, text) = notices::event(&notice);
        teller.tell(severity, subject, text);
    })
}

impl Running {
    /// Time a stop may take.
    pub fn stop_timeout(&self) -> Duration {
        self.stop_timeout
    }

    /// Stops gracefully: nothing more is accepted, what was accepted is answered, within the configured time.
    pub fn stop(self) {
        self.services.stop(self.stop_timeout);
    }
}

/// Shows a listener of `service` by its name.
fn named(service: &str) -> impl Fn(&(&'static str, String)) -> Listening {
    move |(name, address)| Listening { what: format!("{service}, {name}"), address: address.clone() }
}

fn listened(pools: &[Pool], bound: &[(usize, Option<SocketAddr>)]) -> Vec<Listening> {
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
