//! Everything that the control thread serves while the process runs, and how it stops.

mod data;
mod succession;

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use admin::{Severity, Watch};
use config::checked::Config;
use config::nsqd::machine;
use telemetry::Registry;
use telemetry::log::Log;
use telemetry::render::nutcracker::{Header, document};
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};

use data::{DataTasks, finish};

use crate::start::Running;
use crate::upgrade::departures::Departures;
use crate::{malloc_trim, stats_port};

/// The shards, and the tasks of the control thread.
pub struct Serving {
    running: Running,
    log: Log,
    watch: Option<Arc<Watch>>,
    /// Tasks of the statistics and the admin port.
    ports: Vec<AbortHandle>,
    /// Tells nsqadmin to end.
    stop: watch::Sender<bool>,
    nsqadmin: Option<JoinHandle<()>>,
    data: DataTasks,
    departures: Option<Departures>,
}

impl Serving {
    /// Serves everything. `service` is name and version in the statistics. Needs a tokio runtime.
    pub fn begin(mut running: Running, service: (&'static str, &'static str), log: &Log) -> Serving {
        let mut ports = Vec::new();
        if let Some(port) = running.stats.take() {
            let registry = Arc::clone(&running.registry);
            let since = running.since;
            let listeners = running.pool_listeners as u64;
            let document = move || statistics(&registry, service, since.elapsed().as_secs(), listeners);
            ports.push(tokio::spawn(stats_port::serve(port, Arc::new(document))).abort_handle());
        }
        let watch = running.admin.as_ref().map(|admin| Arc::clone(&admin.watch));
        if let Some(admin) = running.admin.take() {
            ports.push(tokio::spawn(admin.serve()).abort_handle());
        }
        tokio::spawn(running.descriptors.clone().follow());
        tokio::spawn(malloc_trim::run(Arc::clone(&running.registry), Arc::clone(&running.relief)));
        let (stop, stopping) = watch::channel(false);
        let nsqadmin = running.nsqadmin.take().map(|admin| admin.spawn(log, &stopping));
        let data = DataTasks::begin(std::mem::take(&mut running.data), log);
        Serving { running, log: log.clone(), watch, ports, stop, nsqadmin, data, departures: None }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.running.config
    }

    /// Tells the admin port that an upgrade has come to nothing.
    pub fn upgrade_failed(&self, reason: &str) {
        let text = format!("upgrade failed: {reason}");
        self.running.teller.tell(Severity::Warning, "process".into(), text);
        if let Some(watch) = &self.watch {
            watch.upgrades().failed(reason);
        }
    }

    /// Stops gracefully: nothing more is accepted, what was accepted is answered, within the configured time.
    ///
    /// # Errors
    /// The system's: no thread can be started.
    pub async fn stop(self) -> io::Result<()> {
        let Serving { running, watch, stop, nsqadmin, mut data, .. } = self;
        let patience = running.config.stop_timeout / 2;
        if let Some(watch) = watch {
            watch.drain();
        }
        stop.send_replace(true);
        data.announce_end();
        // A change of nsqadmin goes on to its end; who asked for it gets to know, if that does not take too long.
        finish(nsqadmin, patience).await;
        data.end(patience).await;
        aside("stop", move || running.stop()).await
    }
}

/// Runs what takes its time on a thread of its own.
async fn aside<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    std::thread::Builder::new().name(name.into()).spawn(move || drop(done.send(work())))?;
    result.await.map_err(io::Error::other)
}

/// nutcracker's document. Its connection counts are of clients, servers and listeners together.
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
