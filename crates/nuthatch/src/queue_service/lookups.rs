//! The addresses of the nsqlookupds: read by the shard and by `/config`, changed by `/config`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::Sender;

use super::control_job::{ControlJob, Outward};

/// The nsqlookupds of the queue; can be changed while it runs.
#[derive(Clone)]
pub struct Lookups {
    addresses: Arc<Mutex<Vec<String>>>,
    any: Arc<AtomicBool>,
    jobs: Sender<ControlJob>,
}

impl Lookups {
    /// Starts with `addresses`; changes are announced through `jobs`.
    pub fn new(addresses: Vec<String>, jobs: Sender<ControlJob>) -> Lookups {
        let any = Arc::new(AtomicBool::new(!addresses.is_empty()));
        Lookups { addresses: Arc::new(Mutex::new(addresses)), any, jobs }
    }

    /// True if there are any. Never waits.
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// All addresses.
    pub fn get(&self) -> Vec<String> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the queue's identity towards authorization servers and
    /// lookups, after the jobs already queued.
    pub async fn configure(&self, outward: Outward) {
        let _ = self.jobs.send(ControlJob::Configure(Box::new(outward))).await;
    }

    /// Replaces the lookups: at once, or after the jobs already queued.
    pub fn set(&self, addresses: Vec<String>) {
        self.any.store(!addresses.is_empty(), Ordering::Relaxed);
        *self.addresses.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
        if self.jobs.try_send(ControlJob::Lookups).is_err() {
            let jobs = self.jobs.clone();
            tokio::spawn(async move { jobs.send(ControlJob::Lookups).await });
        }
    }
}
