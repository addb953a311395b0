//! Transition of a running process to another configuration.
//!
//! ```text
//! prepare: names resolved ▸ files read and opened ▸ ports bound ▸ listeners of pools bound ── a fault: nothing has changed
//! take:    shards of pools (each acknowledges) ▸ queue ▸ ports ▸ log ▸ what is shown
//! ```
//! Only the shards of pools can fail to take a step; they then keep their old
//! state, and nothing else has changed.

use std::io;
use std::path::Path;
use std::sync::Arc;

use access::Book;
use config::checked::Config;
use net::Binder;
use proxy::{Generation, Settings};
use telemetry::log::{Destination, Replacement};

use super::Serving;
use super::names;
use super::ports::PortStep;
use crate::discovery::Discovery;
use crate::log_level::{format, verbosity};
use crate::overrides::Overrides;
use crate::proxy_service::{self, BoundProxy, ProxyService, ProxyStep};
use crate::queue_service::{Live, Prepared as PreparedQueue};
use crate::start::listened;
use crate::start_error::{Place, StartError};
use crate::tls_files;
use crate::tls_prints;

/// A step ready to be taken. Dropping it leaves nothing behind.
pub struct Step {
    config: Config,
    log: Option<Replacement>,
    files: Files,
    bound: Bound,
    /// Overrides that outlast the step.
    overrides: Overrides,
}

/// Files that a configuration names, read for a step.
pub struct Files {
    tls: tls_files::Loaded,
    /// Users defined outside of pools.
    users: Book,
    /// Present if anything about the queue or its users changes.
    queue: Option<PreparedQueue>,
    /// Changes of file contents alone, a line each.
    pub renewed: Vec<String>,
}

/// Sockets bound for a step.
struct Bound {
    stats: PortStep,
    admin: PortStep,
    proxy: ProxyNext,
}

/// The cache side's part.
enum ProxyNext {
    /// No pools.
    Nothing,
    /// The first pools: shards start with them.
    Begin(BoundProxy, Arc<Generation>),
    /// Running shards move to the next generation.
    Step(ProxyStep),
}

impl Serving {
    /// Reads the TLS files that a configuration names. Contexts of unchanged files are reused.
    ///
    /// # Errors
    /// The faults, a line each.
    pub async fn read_files(&self, config: &Config) -> Result<Files, String> {
        let (old, new) = (Arc::clone(&self.running.config), config.clone());
        let before = self.running.tls_prints.clone();
        let users = self.running.users.next(config)?;
        let read = tokio::task::spawn_blocking(move || {
            let tls = tls_files::load(&new).map_err(tls_files::Faults)?;
            let prints = &tls.prints;
            let same =
                prints.same(&before, tls_prints::QUEUE) && old.queue == new.queue && old.users == new.users;
            let queue = new.queue.as_ref().filter(|_| !same);
            let queue = queue.map(|queue| Live::prepare(queue, users.clone())).transpose()?;
            let renewed = before.renewed(prints);
            Ok(Files { tls, users, queue, renewed })
        });
        let read: Result<Files, StartError> = read.await.map_err(|error| error.to_string())?;
        let mut files = read.map_err(|fault| fault.native())?;
        let prints = files.tls.prints.clone();
        let same = |owner: &str| prints.same(&self.running.tls_prints, owner);
        if same(tls_prints::QUEUE)
            && let (Some(queue), Some(live)) = (&mut files.queue, self.data.live())
        {
            live.keep_tls(queue);
        }
        if same(tls_prints::ADMIN) {
            files.tls.admin.clone_from(&self.running.admin_tls.borrow());
        }
        for (name, tls) in &mut files.tls.sentinels {
            if let Some(known) =
                self.running.sentinel_tls.get(name).filter(|_| same(&tls_prints::to_sentinels(name)))
            {
                tls.clone_from(known);
            }
        }
        let pools =
            self.running.services.get::<ProxyService>().into_iter().flat_map(|proxy| &proxy.generation.pools);
        for pool in pools {
            let name = &pool.config.name;
            let Some(tls) = files.tls.pools.get_mut(name) else { continue };
            if same(&tls_prints::to_clients(name)) {
                tls.clients.clone_from(&pool.tls.clients);
            }
            if same(&tls_prints::to_servers(name)) {
                tls.servers.clone_from(&pool.tls.servers);
            }
        }
        Ok(files)
    }

    /// Prepares everything for a configuration in which nothing needs a restart.
    ///
    /// # Errors
    /// The faults, a line each; nothing has changed.
    pub async fn prepare(&self, config: Config, files: Files) -> Result<Step, String> {
        let old = &self.running.config;
        names::resolve(old, &config).await?;
        let log =
            if old.log.file == config.log.file { None } else { Some(open_log(config.log.file.as_deref())?) };
        let standing = self.running.services.get::<ProxyService>().map(|proxy| proxy.standing());
        let overrides = self.overrides.after_reload(old, &config);
        let (old, new) = (Arc::clone(old), config.clone());
        let settings = self.settings(&overrides, &config, &files.users);
        let settings = Settings { tls: files.tls.pools.clone(), ..settings };
        let bound = tokio::task::spawn_blocking(move || {
            let prepare = || {
                let listen = |config: &Config| config.stats.as_ref().map(|stats| stats.listen.clone());
                let stats = PortStep::prepare(Place::Stats, listen(&old).as_ref(), listen(&new).as_ref())?;
                let listen = |config: &Config| config.admin.as_ref().map(|admin| admin.listen.clone());
                let admin = PortStep::prepare(Place::Admin, listen(&old).as_ref(), listen(&new).as_ref())?;
                // Last: a new unix socket may replace an existing one at the same path.
                let proxy = match standing {
                    Some(standing) => ProxyNext::Step(standing.prepare(settings)?),
                    None => begin(&new, settings)?,
                };
                Ok(Bound { stats, admin, proxy })
            };
            prepare().map_err(|fault: StartError| fault.native())
        });
        let bound = bound.await.map_err(|error| error.to_string())??;
        Ok(Step { config, log, files, bound, overrides })
    }

    /// Puts a step into force. Returns warnings for the operator.
    ///
    /// # Errors
    /// The reason nothing has changed.
    pub async fn take(&mut self, step: Step) -> Result<Vec<String>, String> {
        let Step { config, log, files, bound, overrides } = step;
        let old = Arc::clone(&self.running.config);
        let mut doubts = self.take_pools(&config, bound.proxy).await?;
        doubts.extend(self.take_overrides(overrides));
        self.running.users.apply(files.users);
        if let Some(queue) = files.queue
            && let Some(live) = self.data.live_mut()
            && !live.apply(queue).await
        {
            doubts.push("the queue has stopped".into());
        }
        if let (Some(lookup), Some(settings)) = (self.running.services.get::<Discovery>(), &config.lookup)
            && old.lookup.as_ref() != Some(settings)
        {
            lookup.configure(settings);
        }
        files.tls.warn();
        self.running.admin_tls.send_replace(files.tls.admin);
        self.running.watch.certificates().set(files.tls.certificates);
        self.running.tls_prints = files.tls.prints;
        self.running.sentinel_tls = files.tls.sentinels;
        let moved = [("statistics", bound.stats), ("admin", bound.admin)];
        for (what, step) in moved {
            match step.take() {
                Ok(None) => {}
                Ok(Some(port)) => self.serve_port(what, port),
                Err(error) => doubts.push(format!("{what}: its mode cannot be set: {error}")),
            }
        }
        if let Some(log) = log {
            self.log.redirect(log);
        }
        if old.log.format != config.log.format {
            self.log.set_format(format(config.log.format));
        }
        if old.log.level != config.log.level {
            self.log.set_verbosity(verbosity(config.log.level));
        }
        self.running.descriptors.set(&config);
        self.running.config = Arc::new(config);
        self.push_statsd();
        self.configure_sentinels();
        self.topologies.follow(&self.running);
        self.show_facts();
        Ok(doubts)
    }

    async fn take_pools(&mut self, config: &Config, next: ProxyNext) -> Result<Vec<String>, String> {
        let back = self.settings(&self.overrides, &self.running.config, self.running.users.book());
        let running = &mut self.running;
        let mut doubts = Vec::new();
        match next {
            ProxyNext::Nothing => return Ok(doubts),
            ProxyNext::Begin(bound, generation) => {
                let plan = running.proxy_plan(config, generation, 1);
                let proxy = bound.run(&plan).map_err(|fault| fault.native())?;
                running.services.add(proxy);
            }
            ProxyNext::Step(step) => {
                let Some(proxy) = running.services.get_mut::<ProxyService>() else { return Ok(doubts) };
                doubts = proxy.take(step, back).await?;
                if running.config.memory_budget_bytes != config.memory_budget_bytes {
                    proxy.set_memory_budget(config.memory_budget_bytes);
                }
                if running.config.coalesce != config.coalesce {
                    proxy.set_coalescing(config.coalesce);
                }
            }
        }
        if let Some(proxy) = running.services.get::<ProxyService>() {
            running.registry.set_pools(proxy.generation.cells());
            running.listening.pools = listened(proxy);
        }
        Ok(doubts)
    }

    fn serve_port(&mut self, what: &str, port: Option<crate::control_port::ControlPort>) {
        let listening = port.as_ref().map(|port| port.listening(what));
        if what == "admin" {
            self.running.listening.admin = listening;
            self.ports.serve_admin(port);
        } else {
            self.running.listening.stats = listening;
            self.ports.serve_stats(port);
        }
    }
}

/// Binds the first pools of a process, if any.
fn begin(config: &Config, settings: Settings) -> Result<ProxyNext, StartError> {
    if config.pools.is_empty() {
        return Ok(ProxyNext::Nothing);
    }
    let generation = Arc::new(Generation::first(config.threads, settings));
    let bound = proxy_service::bind(&generation, config.threads, &mut Binder::default())?;
    Ok(ProxyNext::Begin(bound, generation))
}

fn open_log(file: Option<&Path>) -> Result<Replacement, String> {
    let destination = file.map_or(Destination::Stderr, |path| Destination::File(path.to_owned()));
    Replacement::open(&destination).map_err(|error: io::Error| {
        let shown = file.unwrap_or(Path::new("standard error")).display();
        format!("[log] file: cannot log to {shown}: {error}")
    })
}
