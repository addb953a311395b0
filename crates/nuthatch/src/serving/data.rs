//! Tasks of the queue and the lookup: their HTTP APIs, the lookup's snapshot, jobs of the queue's shard.

use std::sync::Arc;
use std::time::Duration;

use admin::Watch;
use queue::http::Surroundings;
use telemetry::log::Log;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use web::process::ApiSlot;

use crate::admin_port::Around;
use crate::queue_service::{Live, ServingHttp};
use crate::start::DataFront;

/// Tasks of the queue and the lookup on the control thread.
pub(super) struct DataTasks {
    /// Stops the HTTP APIs.
    stop: watch::Sender<bool>,
    api: Option<ServingHttp>,
    snapshot: Option<JoinHandle<()>>,
    jobs: Option<JoinHandle<()>>,
}

impl DataTasks {
    /// Starts the tasks; the queue's API is put into `slot`, and shows the pools of `watch`. Needs a tokio
    /// runtime.
    pub(super) fn begin(front: DataFront, log: &Log, slot: &ApiSlot, watch: &Arc<Watch>) -> DataTasks {
        let DataFront { jobs, http, lookup_http } = front;
        let (stop, stopping) = watch::channel(false);
        DataTasks {
            api: http.map(|http| {
                let around = Arc::new(Around(Arc::clone(watch)));
                http.shown_in(slot.clone()).within(around).spawn(log, &stopping)
            }),
            snapshot: lookup_http.and_then(|http| {
                let around = Around(Arc::clone(watch));
                http.spawn(&stopping, Box::new(move |change| around.record(change)))
            }),
            jobs: jobs.map(|jobs| tokio::spawn(jobs.serve())),
            stop,
        }
    }

    /// The running queue.
    pub(super) fn live(&self) -> Option<&Live> {
        self.api.as_ref()?.live.as_ref()
    }

    /// The queue, to apply other settings to.
    pub(super) fn live_mut(&mut self) -> Option<&mut Live> {
        self.api.as_mut()?.live.as_mut()
    }

    /// Stops accepting.
    pub(super) fn announce_end(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until accepted requests are answered, at most twice `patience`. The shards run until then.
    pub(super) async fn end(&mut self, patience: Duration) {
        self.announce_end();
        // Pending HTTP requests need the queue, which runs until they are answered.
        if let Some(api) = self.api.take() {
            api.finish(patience).await;
        }
        finish(self.snapshot.take(), patience).await;
        // Lookups forget the queue before it stops, and a lookup of this process
        // closes no connection still in use.
        if let Some(jobs) = self.jobs.take() {
            jobs.abort();
        }
    }
}

/// Waits for a task, at most `patience`.
pub(super) async fn finish(task: Option<JoinHandle<()>>, patience: Duration) {
    if let Some(task) = task {
        let _ = tokio::time::timeout(patience, task).await;
    }
}
