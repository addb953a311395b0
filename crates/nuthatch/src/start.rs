//! From a checked configuration to running shards.
//!
//! Everything is bound before anything runs, so that a bad address stops the start and nothing else. What cannot be
//! served yet is refused: a listener that does not answer helps nobody.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use admin::events::{self, Events, Teller};
use admin::{Facts, Watch};
use config::checked::{Config, Listen, Pool, Protocol};
use config::endpoint::show_listen;
use net::ClientPlaces;
use proxy::Notice;
use telemetry::Registry;
use tokio::sync::Notify;

use crate::admin_port::{AdminPort, QueueView};
use crate::cache::{self, Cache, Plan};
use crate::control_port::ControlPort;
use crate::descriptors::Descriptors;
use crate::discovery::{self, Discovery};
use crate::messages::{self, DataPath, Http, Messages, Questions};
use crate::notices;
use crate::nsqadmin::{self, Admin};
use crate::start_error::{Place, StartError};
use crate::version::VERSION;

/// All that runs. Dropping it does not stop anything: see [`Running::stop`].
pub struct Running {
    cache: Option<Cache>,
    messages: Option<Messages>,
    /// The lookup, its HTTP API not yet served.
    pub discovery: Option<Discovery>,
    /// nsqadmin, bound and not yet served.
    pub nsqadmin: Option<Admin>,
    /// What the queue asks; to be served on the control thread.
    pub questions: Option<Questions>,
    /// The queue's HTTP API, bound and not yet served.
    pub http: Option<Http>,
    /// Every counter.
    pub registry: Arc<Registry>,
    /// Notified when a client was closed for the memory it held.
    pub relief: Arc<Notify>,
    /// The statistics port, bound and not yet served.
    pub stats: Option<ControlPort>,
    /// The admin port, bound and not yet served.
    pub admin: Option<AdminPort>,
    /// Who may have how many file descriptors; to be followed on the control thread.
    pub descriptors: Option<Descriptors>,
    /// What is listened on.
    pub listening: Vec<Listening>,
    /// How many of them are listeners of pools, which nutcracker's statistics count as connections.
    pub pool_listeners: usize,
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

/// Binds everything, then starts the shards. Nothing runs if anything cannot be bound. The queue's directory is locked here
/// unless it was before.
///
/// # Errors
/// What is wrong, for each face to say.
pub fn start(config: &Config, directory: Option<DataPath>) -> Result<Running, StartError> {
    let port = |place, listen: Option<&Listen>| {
        let bind = |listen: &Listen| {
            ControlPort::bind(listen).map_err(|error| StartError::Listen(place, listen.clone(), error))
        };
        listen.map(bind).transpose()
    };
    let stats = port(Place::Stats, config.stats.as_ref().map(|stats| &stats.listen))?;
    let admin = port(Place::Admin, config.admin.as_ref().map(|admin| &admin.listen))?;
    let descriptors = Descriptors::share_out(config);
    let http_max = descriptors.shares.http;
    let nsqadmin =
        config.nsqadmin.as_ref().map(|settings| nsqadmin::start(settings, http_max)).transpose()?;
    let (teller, events) = events::connect();
    let registry = Arc::new(Registry::new(config.threads));
    let relief = Arc::new(Notify::new());
    let mut listening = Vec::new();
    let cache = match config.pools.is_empty() {
        true => None,
        false => Some(caching(config, &registry, teller, &relief, &descriptors.places, &mut listening)?),
    };
    let pool_listeners = listening.len();
    let lookup = config.lookup.as_ref().map(|settings| discovery::start(settings, &descriptors));
    let discovery = match lookup.transpose() {
        Ok(discovery) => discovery,
        Err(reason) => {
            cache.into_iter().for_each(|cache| cache.stop(Duration::ZERO));
            return Err(reason);
        }
    };
    let queue = config.queue.as_ref().map(|settings| messages::start(settings, directory, &descriptors));
    let mut messages = match queue.transpose() {
        Ok(messages) => messages,
        Err(reason) => {
            cache.into_iter().for_each(|cache| cache.stop(Duration::ZERO));
            discovery.into_iter().for_each(|discovery| discovery.stop(Duration::ZERO));
            return Err(reason);
        }
    };
    if let Some((settings, running)) = config.queue.as_ref().zip(messages.as_ref()) {
        let address = running.bound.map_or_else(|| show_listen(&settings.tcp), |address| address.to_string());
        listening.push(Listening { what: "queue".into(), address });
        let api = running.http_listening.iter();
        listening.extend(
            api.map(|(name, address)| Listening { what: format!("queue, {name}"), address: address.clone() }),
        );
    }
    for (name, address) in discovery.iter().flat_map(|discovery| &discovery.listening) {
        listening.push(Listening { what: format!("lookup, {name}"), address: address.clone() });
    }
    if let Some(nsqadmin) = &nsqadmin {
        listening.push(Listening { what: "nsqadmin, HTTP".into(), address: nsqadmin.listening.clone() });
    }
    for (what, port) in [("statistics", &stats), ("admin", &admin)] {
        listening.extend(port.iter().map(|port| Listening { what: what.into(), address: port.address() }));
    }
    let questions = messages.as_mut().and_then(|messages| messages.questions.take());
    let http = messages.as_mut().and_then(|messages| messages.http.take());
    let stop_timeout = config.stop_timeout;
    let since = Instant::now();
    let admin = admin.map(|port| {
        let watch = watch(config, &registry, &listening, messages.as_ref(), events, since);
        AdminPort { port, watch: Arc::new(watch) }
    });
    Ok(Running {
        cache,
        messages,
        discovery,
        nsqadmin,
        questions,
        http,
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

/// What the admin port shows.
fn watch(
    config: &Config,
    registry: &Arc<Registry>,
    listening: &[Listening],
    messages: Option<&Messages>,
    events: Events,
    since: Instant,
) -> Watch {
    let shown = |at: &Listening| admin::Listening { what: at.what.clone(), address: at.address.clone() };
    let listening = listening.iter().map(shown).collect();
    let facts = Facts::new(VERSION, config, listening, since);
    let queue = messages.map(|messages| Arc::new(QueueView { shard: messages.shard() }) as _);
    Watch::new(facts, Arc::clone(registry), queue, events)
}

/// Starts the cache side. What it has to say is logged and told to the admin port.
fn caching(
    config: &Config,
    registry: &Registry,
    teller: Teller,
    relief: &Arc<Notify>,
    places: &ClientPlaces,
    listening: &mut Vec<Listening>,
) -> Result<Cache, StartError> {
    let pools: Vec<Arc<Pool>> = config.pools.iter().cloned().map(Arc::new).collect();
    let relief = Arc::clone(relief);
    let cache = cache::start(Plan {
        pools: pools.clone(),
        threads: config.threads,
        shards: registry.shards().to_vec(),
        memory_budget: config.memory_budget_bytes,
        local_bytes_max: config.local.bytes_max,
        coalesce: config.coalesce,
        places: places.clone(),
        notify: Arc::new(move |notice| {
            notices::log(&notice);
            if matches!(notice, Notice::ClientOverflow { .. }) {
                relief.notify_one();
            }
            let (severity, subject, text) = notices::event(&notice);
            teller.tell(severity, subject, text);
        }),
    })?;
    registry.set_pools(cache.stats.clone());
    listening.extend(listened(&pools, &cache.bound));
    Ok(cache)
}

impl Running {
    /// How long a stop may take.
    pub fn stop_timeout(&self) -> Duration {
        self.stop_timeout
    }

    /// Stops gracefully: nothing more is accepted, what was accepted is answered, within the configured time.
    pub fn stop(self) {
        // The queue first: its journals are what must not be cut short.
        if let Some(messages) = self.messages {
            messages.stop(self.stop_timeout);
        }
        if let Some(discovery) = self.discovery {
            discovery.stop(self.stop_timeout);
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
