//! Transition of all shards to another generation.
//!
//! ```text
//! prepare: listeners are bound ── a fault: nothing has changed
//! take:    mail: generation, new listeners ▸ each acknowledges ▸ mail: listeners to close ▸ each acknowledges
//! ```
//! If a shard cannot add a new listener (the system refuses to watch it), all shards
//! return to the previous generation.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use net::{BindError, bind, bind_beside};
use proxy::{Generation, ListenerChange, Mail, Receipt, Settings, Step};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::ProxyService;
use super::listeners::{Listeners, PoolListener, Wanted, plan};
use crate::start_error::StartError;

/// Time limit for closing a listener: that of the event loop, plus a margin.
const LEAVING: Duration = Duration::from_secs(10);
/// Time limit for a shard's acknowledgement, which takes one turn of its loop.
const PATIENCE: Duration = Duration::from_secs(10);

/// A step ready to be taken.
pub struct ProxyStep {
    generation: Arc<Generation>,
    listeners: Listeners,
}

/// State of a running cache side from which a step is prepared, on a thread that may block.
pub struct Standing {
    generation: Arc<Generation>,
    listeners: Vec<PoolListener>,
    leaving: Vec<PoolListener>,
    threads: usize,
}

impl Standing {
    /// Plans the next generation and binds its new listeners. Resolves names, which may block.
    ///
    /// # Errors
    /// The fault; each face words it in its own way. Nothing has changed.
    pub fn prepare(self, settings: Settings) -> Result<ProxyStep, StartError> {
        let generation = Arc::new(self.generation.next(settings));
        let listeners =
            plan((&self.listeners, &self.leaving), &generation, self.threads, &mut bind_for_step)?;
        Ok(ProxyStep { generation, listeners })
    }
}

/// Binds an address, which may overlap with one of this process.
fn bind_for_step(wanted: &Wanted<'_>) -> Result<Vec<net::Listener>, BindError> {
    let Wanted { address, backlog, shards, tag, is_ours } = *wanted;
    match bind(address, backlog, shards, tag) {
        Err(error) if is_ours && error.error().kind() == io::ErrorKind::AddrInUse => {
            bind_beside(address, backlog, shards, tag)
        }
        bound => bound,
    }
}

impl ProxyService {
    /// State from which a step is prepared.
    pub fn standing(&self) -> Standing {
        let leaving = self.leaving.iter().filter(|(since, _)| since.elapsed() < LEAVING);
        Standing {
            leaving: leaving.map(|(_, listener)| listener.clone()).collect(),
            generation: Arc::clone(&self.generation),
            listeners: self.listeners.clone(),
            threads: self.shards.len(),
        }
    }

    /// Makes all shards take a step. Returns warnings for the operator.
    ///
    /// # Errors
    /// The reason a shard could not take it; all are back in their old state, with the settings `back`.
    pub async fn take(&mut self, step: ProxyStep, back: Settings) -> Result<Vec<String>, String> {
        let ProxyStep { generation, mut listeners } = step;
        let come = listeners.come();
        if let Err(reason) = self.tell(&generation, come).await {
            let before = Arc::new(generation.next(self.with_tls(back)));
            let came = listeners.came(&self.listeners);
            let _ = self.tell(&before, self.away(&came)).await;
            self.generation = before;
            self.leave(&came);
            return Err(reason);
        }
        let go = listeners.go();
        let gone = if go.is_empty() { Ok(()) } else { self.tell(&generation, self.away(go)).await };
        self.leave(go);
        self.generation = generation;
        let (all, mut doubts) = listeners.finish();
        self.listeners = all;
        doubts.extend(gone.err());
        Ok(doubts)
    }

    /// Settings with the TLS of the generation in force.
    pub fn with_tls(&self, settings: Settings) -> Settings {
        let tls = self.generation.pools.iter().map(|pool| (pool.config.name.clone(), pool.tls.clone()));
        Settings { tls: tls.collect(), ..settings }
    }

    /// Makes all shards put a failed server back into the ring, without a probe.
    pub fn restore(&self, pool: &str, server: &str) {
        let pools = self.generation.pools.iter().filter(|plan| plan.config.name == pool);
        let servers = pools.flat_map(|plan| plan.config.servers.iter().zip(&plan.servers));
        for (_, plan) in servers.filter(|(row, _)| row.identity == server) {
            for (handle, _) in &self.shards {
                handle.send(Mail::Restore { server: plan.id });
            }
        }
    }

    /// Changes the memory budget of all shards.
    pub fn set_memory_budget(&self, bytes: usize) {
        self.budget.set(bytes);
    }

    /// Changes the shards' time limit for sleeping before a poll.
    pub fn set_coalescing(&self, sleep: Duration) {
        self.shards.iter().for_each(|(handle, _)| handle.set_coalescing(sleep));
    }

    /// Listeners to close, for each shard.
    fn away(&self, listeners: &[PoolListener]) -> Vec<Vec<ListenerChange>> {
        let go = || listeners.iter().map(|listener| ListenerChange::Unlisten(listener.id)).collect();
        self.shards.iter().map(|_| go()).collect()
    }

    /// Records listeners being closed, and drops those already closed.
    fn leave(&mut self, listeners: &[PoolListener]) {
        let now = Instant::now();
        self.leaving.retain(|(since, _)| now - *since < LEAVING);
        self.leaving.extend(listeners.iter().map(|listener| (now, listener.clone())));
    }

    /// Sends each shard a generation with its changes of listeners, and waits for all acknowledgements.
    async fn tell(
        &self,
        generation: &Arc<Generation>,
        changes: Vec<Vec<ListenerChange>>,
    ) -> Result<(), String> {
        let mut receipts = Vec::new();
        for ((handle, _), listeners) in self.shards.iter().zip(changes) {
            let (sender, receipt) = oneshot::channel();
            let acknowledge = Receipt(Box::new(move |done| drop(sender.send(done))));
            let step = Step { generation: Arc::clone(generation), listeners, receipt: acknowledge };
            handle.send(Mail::Generation(Box::new(step)));
            receipts.push(receipt);
        }
        let mut outcome = Ok(());
        for (shard, receipt) in receipts.into_iter().enumerate() {
            let done = match timeout(PATIENCE, receipt).await {
                Ok(Ok(Ok(()))) => continue,
                Ok(Ok(Err(error))) => format!("shard {shard} cannot take a new listener: {error}"),
                Ok(Err(_)) => format!("shard {shard} has stopped"),
                Err(_) => format!("shard {shard} has not acknowledged within {} s", PATIENCE.as_secs()),
            };
            outcome = outcome.and(Err(done));
        }
        outcome
    }
}
