//! Everything that the control thread serves while the process runs, and how it stops.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use admin::Watch;
use config::nsqd::machine;
use telemetry::Registry;
use telemetry::log::Log;
use telemetry::render::nutcracker::{Header, document};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::queue_service::ServingHttp;
use crate::start::Running;
use crate::{malloc_trim, stats_port};

/// The shards, and the tasks of the control thread.
pub struct Serving {
    running: Running,
    watch: Option<Arc<Watch>>,
    /// Tells HTTP APIs to end.
    stop: watch::Sender<bool>,
    api: Option<ServingHttp>,
    snapshot: Option<JoinHandle<()>>,
    nsqadmin: Option<JoinHandle<()>>,
    jobs: Option<JoinHandle<()>>,
}

impl Serving {
    /// Serves everything. `service` is name and version in the statistics. Needs a tokio runtime.
    pub fn begin(mut running: Running, service: (&'static str, &'static str), log: &Log) -> Serving {
        if let Some(port) = running.stats.take() {
            let registry = Arc::clone(&running.registry);
            let since = running.since;
            let listeners = running.pool_listeners as u64;
            let document = move || statistics(&registry, service, since.elapsed().as_secs(), listeners);
            tokio::spawn(stats_port::serve(port, Arc::new(document)));
        }
        let watch = running.admin.as_ref().map(|admin| Arc::clone(&admin.watch));
        if let Some(admin) = running.admin.take() {
            tokio::spawn(admin.serve());
        }
        if let Some(descriptors) = running.descriptors.take() {
            tokio::spawn(descriptors.follow());
        }
        tokio::spawn(malloc_trim::run(Arc::clone(&running.registry), Arc::clone(&running.relief)));
        let (stop, stopping) = watch::channel(false);
        let api = running.http.take().map(|http| http.spawn(log, &stopping));
        let snapshot = running.lookup_http.take().and_then(|http| http.spawn(&stopping));
        let nsqadmin = running.nsqadmin.take().map(|admin| admin.spawn(log, &stopping));
        let jobs = running.jobs.take().map(|jobs| tokio::spawn(jobs.serve()));
        Serving { running, watch, stop, api, snapshot, nsqadmin, jobs }
    }

    /// Stops gracefully: nothing more is accepted, what was accepted is answered, within the configured time.
    ///
    /// # Errors
    /// The system's: no thread can be started.
    pub async fn stop(self) -> io::Result<()> {
        let Serving { running, watch, stop, api, snapshot, nsqadmin, jobs } = self;
        if let Some(watch) = watch {
            watch.drain();
        }
        stop.send_replace(true);
        // Requests under way are asked of the queue: it goes on until they have their answers.
        if let Some(api) = api {
            api.finish(running.stop_timeout() / 2).await;
        }
        // A change of nsqadmin goes on to its end; who asked for it gets to know, if that does not take too long.
        finish(nsqadmin, running.stop_timeout() / 2).await;
        finish(snapshot, running.stop_timeout() / 2).await;
        // Lookups forget the queue before it stops, and one of this process closes no connection that is missed.
        if let Some(jobs) = jobs {
            jobs.abort();
        }
        let (done, stopped) = oneshot::channel();
        std::thread::Builder::new().name("stop".into()).spawn(move || {
            running.stop();
            let _ = done.send(());
        })?;
        let _ = stopped.await;
        Ok(())
    }
}

async fn finish(task: Option<JoinHandle<()>>, patience: Duration) {
    if let Some(task) = task {
        let _ = tokio::time::timeout(patience, task).await;
    }
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
