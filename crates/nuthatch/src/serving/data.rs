//! Tasks of the queue and the lookup: their HTTP APIs, the lookup's snapshot, jobs of the queue's shard.

use std::time::Duration;

use telemetry::log::Log;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::queue_service::{Live, ServingHttp};
use crate::start::DataFront;

/// See the top of this file.
pub(super) struct DataTasks {
    /// Tells HTTP APIs to end.
    stop: watch::Sender<bool>,
    api: Option<ServingHttp>,
    snapshot: Option<JoinHandle<()>>,
    jobs: Option<JoinHandle<()>>,
}

impl DataTasks {
    /// Needs a tokio runtime.
    pub(super) fn begin(front: DataFront, log: &Log) -> DataTasks {
        let DataFront { jobs, http, lookup_http } = front;
        let (stop, stopping) = watch::channel(false);
        DataTasks {
            api: http.map(|http| http.spawn(log, &stopping)),
            snapshot: lookup_http.and_then(|http| http.spawn(&stopping)),
            jobs: jobs.map(|jobs| tokio::spawn(jobs.serve())),
            stop,
        }
    }

    /// The queue, to be given other settings.
    pub(super) fn live(&mut self) -> Option<&mut Live> {
        self.api.as_mut()?.live.as_mut()
    }

    /// Nothing more is accepted.
    pub(super) fn announce_end(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until what was accepted is answered, twice as long as this at most. The shards go on until then.
    pub(super) async fn end(&mut self, patience: Duration) {
        self.announce_end();
        // Requests under way are asked of the queue: it goes on until they have their answers.
        if let Some(api) = self.api.take() {
            api.finish(patience).await;
        }
        finish(self.snapshot.take(), patience).await;
        // Lookups forget the queue before it stops, and one of this process closes no connection that is
        // missed.
        if let Some(jobs) = self.jobs.take() {
            jobs.abort();
        }
    }
}

/// Waits for a task, as long as that.
pub(super) async fn finish(task: Option<JoinHandle<()>>, patience: Duration) {
    if let Some(task) = task {
        let _ = tokio::time::timeout(patience, task).await;
    }
}
