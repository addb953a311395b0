//! Everything the control thread serves while the process runs, and its shutdown.

mod by_hand;
mod data;
mod masters;
mod follow;
mod names;
mod ports;
mod step;
mod succession;
mod topologies;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use admin::actions::Actor;
use admin::events::Teller;
use admin::reload::Generations;
use admin::{Facts, Severity};
use config::checked::Config;
use config::nsqd::machine;
use config::show::ShownSection;
use http::login::FailureReport;
use proxy::Named;
use telemetry::Registry;
use telemetry::log::Log;
use telemetry::render::nutcracker::{Header, document};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use web::process::ApiSlot;

use data::{DataTasks, finish};
use ports::Ports;
use topologies::Topologies;

use crate::overrides::Overrides;
use crate::sentinels::Sentinels;
use crate::start::Running;
use crate::statsd_push::StatsdPush;
use crate::topology::Discoveries;
use crate::upgrade::departures::Departures;
use crate::version::VERSION;
use crate::{admin_port, malloc_trim, notices};

pub use step::Step;

/// The shards, and the tasks of the control thread.
pub struct Serving {
    running: Running,
    log: Log,
    ports: Ports,
    /// Number of pool listeners, which nutcracker's statistics count as connections.
    pool_listeners: Arc<AtomicU64>,
    /// Stops nsqadmin.
    stop: watch::Sender<bool>,
    nsqadmin: Option<JoinHandle<()>>,
    data: DataTasks,
    statsd: StatsdPush,
    /// The queue's HTTP API, for the admin port.
    queue_api: ApiSlot,
    departures: Option<Departures>,
    overrides: Overrides,
    sentinels: Sentinels,
    /// Masters and replicas that Sentinels have named, as the shards use them.
    named: Named,
    topologies: Box<Topologies>,
}

impl Serving {
    /// Serves everything. `service` is name and version in the statistics; `actor` carries out actions of the
    /// admin port. Needs a tokio runtime.
    pub fn begin(
        mut running: Running,
        service: (&'static str, &'static str),
        log: &Log,
        actor: Arc<dyn Actor>,
        sentinels: Sentinels,
    ) -> (Serving, Discoveries) {
        let pool_listeners = Arc::new(AtomicU64::new(running.listening.pools.len() as u64));
        let (registry, since, listeners) =
            (Arc::clone(&running.registry), running.since, Arc::clone(&pool_listeners));
        let document = move || {
            let listeners = listeners.load(Ordering::Relaxed);
            statistics(&registry, service, since.elapsed().as_secs(), listeners)
        };
        let queue_api = ApiSlot::default();
        running.users.desk().report_failures_to(failed_logins(running.teller.clone()));
        let mut ports = {
            let (watch, desk) = (Arc::clone(&running.watch), Arc::clone(running.users.desk()));
            let pages = admin_port::queue_pages(&watch, &desk, queue_api.clone(), log);
            let router = admin::router(Arc::clone(&watch), Some(actor), Some(desk), Some(pages));
            Ports::new(Arc::new(document), &running.admin_tls, watch, router)
        };
        ports.serve_stats(running.stats.take());
        ports.serve_admin(running.admin.take());
        tokio::spawn(running.descriptors.clone().follow());
        tokio::spawn(malloc_trim::run(Arc::clone(&running.registry), Arc::clone(&running.relief)));
        let (stop, stopping) = watch::channel(false);
        let nsqadmin = running.nsqadmin.take();
        let nsqadmin = nsqadmin.map(|admin| admin.spawn(log, &stopping, Arc::clone(running.users.desk())));
        let data = DataTasks::begin(std::mem::take(&mut running.data), log, &queue_api, &running.watch);
        let (topologies, discoveries) = Topologies::begin(&running);
        let mut serving = Serving {
            running,
            log: log.clone(),
            ports,
            pool_listeners,
            stop,
            nsqadmin,
            data,
            statsd: StatsdPush::default(),
            queue_api,
            departures: None,
            overrides: Overrides::default(),
            sentinels,
            named: Named::default(),
            topologies: Box::new(topologies),
        };
        serving.watch_masters();
        serving.push_statsd();
        (serving, discoveries)
    }

    /// Publishes these configuration generations, with the overrides in force.
    pub fn show(&self, generations: Generations) {
        let (overrides, config) = (&self.overrides, &self.running.config);
        let (by_hand, servers_by_hand) = (overrides.lines(config), overrides.of_servers(config));
        self.running.watch.set_generations(Generations { by_hand, servers_by_hand, ..generations });
    }

    /// Pushes the pools' statistics as configured.
    fn push_statsd(&mut self) {
        let Running { config, registry, .. } = &self.running;
        let settings = config.stats.as_ref().map(|stats| &stats.statsd);
        let settings = settings.filter(|statsd| !statsd.address.is_empty());
        self.statsd.set(settings, registry);
    }

    /// Publishes the settings in force.
    pub fn show_settings(&self, settings: Vec<ShownSection>) {
        self.running.watch.set_settings(settings);
    }

    fn show_facts(&self) {
        let Running { config, listening, since, .. } = &self.running;
        self.pool_listeners.store(listening.pools.len() as u64, Ordering::Relaxed);
        self.running.watch.set_facts(Facts::new(VERSION, config, listening.shown(), *since));
    }

    /// The configuration.
    pub fn config(&self) -> &Arc<Config> {
        &self.running.config
    }

    /// Reports an event of the process to the admin port.
    pub fn tell(&self, severity: Severity, text: String) {
        self.running.teller.tell(severity, "process".into(), text);
    }

    /// Reports a change by hand of a subject to the admin port.
    pub fn tell_of(&self, subject: &str, text: String) {
        self.running.teller.tell(Severity::Notice, subject.to_owned(), text);
    }

    /// Brings the events so far to their file; waits for the disk, but not for long.
    pub async fn flush_events(&self) {
        self.running.watch.flush_events().await;
    }

    /// Leaves the file of events to the successor.
    pub async fn leave_events(&self) {
        self.running.watch.leave_events().await;
    }

    /// Reports a failed upgrade to the admin port.
    pub fn upgrade_failed(&self, reason: &str) {
        self.tell(Severity::Warning, format!("upgrade failed: {reason}"));
        self.running.watch.upgrades().failed(reason);
    }

    /// Stops gracefully: accepts nothing more, and answers accepted requests within the configured time.
    ///
    /// # Errors
    /// No thread can be started.
    pub async fn stop(self) -> io::Result<()> {
        let Serving { running, stop, nsqadmin, mut data, mut ports, .. } = self;
        let patience = running.config.stop_timeout / 2;
        let watch = Arc::clone(&running.watch);
        watch.drain();
        // All at once: whoever comes now waits where systemd holds the socket, and is refused elsewhere.
        running.services.close_listeners();
        stop.send_replace(true);
        data.announce_end();
        // A change made through nsqadmin runs to completion; its client gets the
        // answer unless that takes too long.
        finish(nsqadmin, patience).await;
        data.end(patience).await;
        aside("stop", move || running.stop()).await?;
        // They have shown that this process is stopping until now.
        ports.end().await;
        watch.flush_events().await;
        Ok(())
    }
}

/// Reports failed logins over HTTP and to the queue to the admin port; pools report theirs as notices.
fn failed_logins(teller: Teller) -> FailureReport {
    Box::new(move |place, user, address| {
        let user = (!user.is_empty()).then_some(user);
        teller.tell(Severity::Warning, place.into(), notices::failed_login(user, Some(address)));
    })
}

/// Runs slow work on a thread of its own.
async fn aside<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    std::thread::Builder::new().name(name.into()).spawn(move || drop(done.send(work())))?;
    result.await.map_err(io::Error::other)
}

/// nutcracker's statistics document. Its connection counts add up clients, servers and listeners.
fn statistics(
    registry: &Registry,
    (service, version): (&str, &str),
    uptime_s: u64,
    listeners: u64,
) -> String {
    let pools = registry.pools();
    let sum = |pool: &str, server: &str| {
        let of_servers = |report: &telemetry::PoolReport| -> u64 {
            report.servers.iter().filter_map(|server_report| server_report.get(server)).sum()
        };
        pools.iter().map(|report| report.get(pool).unwrap_or(0) + of_servers(report)).sum::<u64>() + listeners
    };
    let header = Header {
        service: service.into(),
        source: machine::hostname(),
        version: version.into(),
        uptime_s,
        timestamp_s: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs(),
        total_connections: sum("client_accepts", "connects"),
        curr_connections: sum("client_connections", "server_connections"),
    };
    document(&header, &pools)
}
