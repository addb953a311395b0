//! The addresses of the nsqlookupds: read by the shard and by `/config`, changed by `/config`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::Sender;

use super::control_job::{ControlJob, Outward};

/// The nsqlookupds that are registered with; can be changed while everything runs.
#[derive(Clone)]
pub struct Lookups {
    addresses: Arc<Mutex<Vec<String>>>,
    any: Arc<AtomicBool>,
    jobs: Sender<ControlJob>,
}

impl Lookups {
    /// These to begin with; who registers hears of others through `jobs`.
    pub fn new(addresses: Vec<String>, jobs: Sender<ControlJob>) -> Lookups {
        let any = Arc::new(AtomicBool::new(!addresses.is_empty()));
        Lookups { addresses: Arc::new(Mutex::new(addresses)), any, jobs }
    }

    /// True if there are any. Never waits.
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// All of them.
    pub fn get(&self) -> Vec<String> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Is this towards authorization servers and lookups from now on, after the jobs before have been done.
    pub async fn configure(&self, outward: Outward) {
        let _ = self.jobs.send(ControlJob::Configure(Box::new(outward))).await;
    }

    /// Registers with these from now on: at once, or when the jobs before have been done.
    pub fn set(&self, addresses: Vec<String>) {
        self.any.store(!addresses.is_empty(), Ordering::Relaxed);
        *self.addresses.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
        if self.jobs.try_send(ControlJob::Lookups).is_err() {
            let jobs = self.jobs.clone();
            tokio::spawn(async move { jobs.send(ControlJob::Lookups).await });
        }
    }
}
