//! From a checked configuration to running shards.
//!
//! Everything is bound before anything runs, so a bad address only stops the start. Services that cannot be
//! served yet are refused: a listener that does not answer is useless.

mod bound;

use std::sync::Arc;
use std::time::Instant;

use admin::events::{self, Events, Teller};
use admin::lookup::LookupReport;
use admin::queue::QueueReport;
use admin::source::{Source, Sources};
use admin::{Facts, Watch};
use config::checked::Config;
use config::endpoint::show_listen;
use net::Binder;
use proxy::{Doubt, Generation, Notice, Settings};
use telemetry::{Registry, warn};
use tokio::sync::{Notify, mpsc};

use bound::Bound;

use crate::admin_port::{AdminTls, Current, LookupView, QueueView};
use crate::control_port::ControlPort;
use crate::data_services::{Directory, OpenData, RunningData, State};
use crate::descriptors::Descriptors;
use crate::discovery::LookupHttp;
use crate::notices;
use crate::nsqadmin::Admin;
use crate::places::{Listening, Places};
use crate::proxy_service::{BoundProxy, Plan, PoolListener, ProxyService};
use crate::queue_service::{ControlJobs, DataPath, Http};
use crate::sentinels::{self, SentinelTls};
use crate::services::Services;
use crate::start_error::StartError;
use crate::systemd;
use crate::tls_files::{self, Loaded};
use crate::tls_prints::Prints;
use crate::upgrade::arrivals;
use crate::upgrade::predecessor::Predecessor;
use crate::users::ProcessUsers;
use crate::version::VERSION;

/// A running process: [`Running::stop`] stops it gracefully, dropping it stops it at once.
pub struct Running {
    /// The services.
    pub services: Services,
    /// The configuration.
    pub config: Arc<Config>,
    /// nsqadmin, bound but not yet served.
    pub nsqadmin: Option<Admin>,
    /// HTTP APIs and jobs of the queue and the lookup, not yet served.
    pub data: DataFront,
    /// Shards of the queue and the lookup, for the admin port.
    pub views: Views,
    /// Every counter.
    pub registry: Arc<Registry>,
    /// Notified when a client is closed to free memory.
    pub relief: Arc<Notify>,
    /// The statistics port, bound but not yet served.
    pub stats: Option<ControlPort>,
    /// The admin port, bound but not yet served.
    pub admin: Option<ControlPort>,
    /// TLS of the admin port for new connections; None: plain HTTP.
    pub admin_tls: AdminTls,
    /// TLS towards Sentinels.
    pub sentinel_tls: SentinelTls,
    /// The way of doubts about topologies from the shards; the control thread takes its end.
    pub doubts: (mpsc::Sender<Doubt>, Option<mpsc::Receiver<Doubt>>),
    /// Digests of the TLS files in use.
    pub tls_prints: Prints,
    /// Users defined outside of pools.
    pub users: ProcessUsers,
    /// State of the process, for the admin port.
    pub watch: Arc<Watch>,
    /// Shares of file descriptors; the control thread follows changes of the limit.
    pub descriptors: Descriptors,
    /// Listeners.
    pub listening: Places,
    /// Start time.
    pub since: Instant,
    /// Reports events to the admin port.
    pub teller: Teller,
}

/// HTTP APIs and jobs of the queue and the lookup, for the control thread.
#[derive(Default)]
pub struct DataFront {
    /// Jobs of the queue.
    pub jobs: Option<ControlJobs>,
    /// The queue's HTTP API, bound but not yet served.
    pub http: Option<Http>,
    /// The lookup's HTTP API, bound but not yet served.
    pub lookup_http: Option<LookupHttp>,
}

/// Shards that the admin port queries.
#[derive(Debug, Clone, Default)]
pub struct Views {
    /// The queue's.
    pub queue: Option<Current<queue::Mail>>,
    /// The lookup's.
    pub lookup: Option<Current<lookup::Mail>>,
}

/// Binds everything, then starts the shards; if one bind fails, nothing runs. Locks the queue's directory
/// here unless the caller already has. In an upgrade, takes over the predecessor's sockets and data.
///
/// # Errors
/// The fault; each face words it in its own way.
pub fn start(config: &Config, directory: Option<DataPath>) -> Result<Running, StartError> {
    let Some((mut predecessor, sockets)) = Predecessor::meet()? else {
        let directory = directory.map_or(Directory::Now, Directory::Taken);
        return Start::new(config.clone(), Binder::new(systemd::sockets()), directory)?.by_itself();
    };
    let started = Start::new(config.clone(), Binder::new(sockets), Directory::Later)
        .and_then(|start| start.in_place_of(&mut predecessor));
    match started {
        Ok(running) => {
            let shards =
                running.services.get::<ProxyService>().map(ProxyService::handles).unwrap_or_default();
            let clients = predecessor.serving().and_then(|channel| arrivals::begin(channel, shards));
            if let Err(reason) = clients {
                // The predecessor has just died: everything has been handed over except its clients.
                warn!(%reason, "clients of the replaced process cannot be received");
            }
            Ok(running)
        }
        Err(fault) => {
            predecessor.fail(&fault.native());
            Err(fault)
        }
    }
}

/// A start with everything bound.
struct Start {
    config: Config,
    generation: Arc<Generation>,
    descriptors: Descriptors,
    /// TLS of everything but pools, whose TLS is in the generation.
    tls: Loaded,
    users: ProcessUsers,
    bound: Bound,
}

impl Start {
    fn new(config: Config, mut binder: Binder, directory: Directory) -> Result<Start, StartError> {
        let descriptors = Descriptors::share_out(&config);
        let mut tls = tls_files::load(&config).map_err(tls_files::Faults)?;
        tls.warn();
        let users = ProcessUsers::new(&config).map_err(StartError::Other)?;
        let settings = Settings::of(&config, users.book().clone());
        let settings = Settings { tls: std::mem::take(&mut tls.pools), ..settings };
        let generation = Arc::new(Generation::first(config.threads, settings));
        let bound = Bound::new(&config, &generation, &descriptors, &mut binder, directory, &users)?;
        for address in binder.left() {
            warn!(%address, "inherited socket closed: no listener of the configuration has its address");
        }
        Ok(Start { config, generation, descriptors, tls, users, bound })
    }

    /// Starts everything. Pools do not wait for the journals.
    fn by_itself(self) -> Result<Running, StartError> {
        let Start { config, generation, descriptors, tls, users, bound } = self;
        let Bound { stats, admin, nsqadmin, proxy, data } = bound;
        let mut assembly = Assembly::new(config, descriptors, nsqadmin, tls);
        assembly.run_proxy(proxy, &generation, 1)?;
        let data = data.open(&assembly.config, &assembly.descriptors, State::default())?;
        assembly.run_data(data)?;
        Ok(assembly.finish(stats, admin, users))
    }

    /// Starts everything once the predecessor has released it.
    fn in_place_of(self, predecessor: &mut Predecessor) -> Result<Running, StartError> {
        let Start { config, generation, descriptors, tls, users, bound } = self;
        let Bound { stats, admin, nsqadmin, proxy, data } = bound;
        let state = predecessor.ready(config.pools.iter().map(proxy::described))?;
        let data = data.open(&config, &descriptors, state)?;
        let serve = predecessor.opened()?;
        let mut assembly = Assembly::new(config, descriptors, nsqadmin, tls);
        assembly.run_proxy(proxy, &generation, serve.client_number.max(1))?;
        assembly.run_data(data)?;
        Ok(assembly.finish(stats, admin, users))
    }
}

/// Parts already running while the rest starts.
struct Assembly {
    services: Services,
    config: Arc<Config>,
    descriptors: Descriptors,
    nsqadmin: Option<Admin>,
    tls: Loaded,
    registry: Arc<Registry>,
    relief: Arc<Notify>,
    teller: Teller,
    events: Events,
    data: DataFront,
    views: Views,
    listening: Places,
    doubts: (mpsc::Sender<Doubt>, mpsc::Receiver<Doubt>),
}

impl Assembly {
    fn new(config: Config, descriptors: Descriptors, nsqadmin: Option<Admin>, tls: Loaded) -> Assembly {
        let (teller, events) = events::connect();
        Assembly {
            services: Services::default(),
            registry: Arc::new(Registry::new(config.threads)),
            config: Arc::new(config),
            descriptors,
            nsqadmin,
            tls,
            relief: Arc::new(Notify::new()),
            teller,
            events,
            data: DataFront::default(),
            views: Views::default(),
            listening: Places::default(),
            doubts: sentinels::doubts(),
        }
    }

    /// Starts the shards of pools, if any.
    fn run_proxy(
        &mut self,
        bound: Option<BoundProxy>,
        generation: &Arc<Generation>,
        client_number: u64,
    ) -> Result<(), StartError> {
        let Some(bound) = bound else { return Ok(()) };
        let notify = notify(self.teller.clone(), &self.relief);
        let around = (&*self.registry, &self.descriptors, notify, self.doubts.0.clone());
        let proxy = bound.run(&plan(&self.config, Arc::clone(generation), client_number, around))?;
        self.registry.set_pools(generation.cells());
        self.listening.pools = listened(&proxy);
        self.services.add(proxy);
        Ok(())
    }

    /// Starts the shards of the queue and the lookup.
    fn run_data(&mut self, data: OpenData) -> Result<(), StartError> {
        let RunningData { lookup, queue } = data.run(&self.config, &self.descriptors)?;
        if let Some((lookup, http)) = lookup {
            self.listening.data.extend(lookup.listening.iter().map(named("lookup")));
            self.data.lookup_http = Some(http);
            self.views.lookup = Some(Current::new(lookup.shard()));
            self.services.add(lookup);
        }
        if let (Some(settings), Some(mut queue)) = (&self.config.queue, queue) {
            let tcp = queue.bound.map_or_else(|| show_listen(&settings.tcp), |address| address.to_string());
            self.listening.data.push(Listening { what: "queue".into(), address: tcp });
            self.listening.data.extend(queue.http_listening.iter().map(named("queue")));
            (self.data.jobs, self.data.http) = (queue.jobs.take(), queue.http.take());
            self.views.queue = Some(Current::new(queue.shard()));
            self.services.add(queue);
        }
        Ok(())
    }

    fn finish(
        mut self,
        stats: Option<ControlPort>,
        admin: Option<ControlPort>,
        users: ProcessUsers,
    ) -> Running {
        let nsqadmin = self.nsqadmin.as_ref().map(|nsqadmin| nsqadmin.listening.clone());
        let nsqadmin = nsqadmin.map(|address| Listening { what: "nsqadmin, HTTP".into(), address });
        self.listening.data.extend(nsqadmin);
        self.listening.stats = stats.as_ref().map(|port| port.listening("statistics"));
        self.listening.admin = admin.as_ref().map(|port| port.listening("admin"));
        let Assembly { config, registry, nsqadmin, tls, views, teller, listening, doubts, .. } = self;
        let since = Instant::now();
        let facts = Facts::new(VERSION, &config, listening.shown(), since);
        let events_file = config.admin.as_ref().and_then(|admin| admin.events.as_deref());
        let events = self.events.kept_in(events_file);
        let watch = Watch::new(facts, Arc::clone(&registry), sources(&views, &config), events);
        watch.certificates().set(tls.certificates);
        let admin_tls = AdminTls::new(tls.admin);
        Running {
            services: self.services,
            config,
            nsqadmin,
            data: self.data,
            views,
            registry,
            relief: self.relief,
            stats,
            admin,
            admin_tls,
            sentinel_tls: tls.sentinels,
            doubts: (doubts.0, Some(doubts.1)),
            tls_prints: tls.prints,
            users,
            watch: Arc::new(watch),
            descriptors: self.descriptors,
            listening,
            since,
            teller,
        }
    }
}

/// Queue and lookup sources for the admin port.
fn sources(views: &Views, config: &Config) -> Sources {
    let Views { queue, lookup } = views.clone();
    let data_path = config.queue.as_ref().map(|queue| queue.data_path.clone()).unwrap_or_default();
    let view = |shard| Arc::new(QueueView { shard, data_path }) as Arc<dyn Source<QueueReport>>;
    Sources {
        queue: queue.map(view),
        lookup: lookup.map(|shard| Arc::new(LookupView { shard }) as Arc<dyn Source<LookupReport>>),
    }
}

/// Takes notices of the cache side.
type TakesNotices = Arc<dyn Fn(Notice) + Send + Sync>;

/// Settings for shards that start with a generation.
fn plan(
    config: &Config,
    generation: Arc<Generation>,
    client_number: u64,
    (registry, descriptors, notify, doubts): (&Registry, &Descriptors, TakesNotices, mpsc::Sender<Doubt>),
) -> Plan {
    Plan {
        generation,
        threads: config.threads,
        shards: registry.shards().to_vec(),
        memory_budget: config.memory_budget_bytes,
        coalesce: config.coalesce,
        places: descriptors.places.clone(),
        client_number,
        notify,
        doubts,
    }
}

/// Reports notices of the cache side to the log and the admin port.
fn notify(teller: Teller, relief: &Arc<Notify>) -> TakesNotices {
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
    /// Settings for shards started while the process runs, with its first pools.
    pub fn proxy_plan(&self, config: &Config, generation: Arc<Generation>, client_number: u64) -> Plan {
        let notify = notify(self.teller.clone(), &self.relief);
        let doubts = self.doubts.0.clone();
        plan(config, generation, client_number, (&self.registry, &self.descriptors, notify, doubts))
    }

    /// Stops gracefully: accepts nothing more, and answers accepted requests within the configured time.
    pub fn stop(self) {
        self.services.stop(self.config.stop_timeout);
    }
}

/// Labels a listener of `service` with its name.
fn named(service: &str) -> impl Fn(&(&'static str, String)) -> Listening {
    move |(name, address)| Listening { what: format!("{service}, {name}"), address: address.clone() }
}

/// Listeners of pools.
pub fn listened(proxy: &ProxyService) -> Vec<Listening> {
    let shown =
        |listener: &PoolListener| Listening { what: listener.what.clone(), address: listener.shown() };
    proxy.listeners.iter().map(shown).collect()
}
