//! Start and stop of the cache side: listeners, shards, the proxy on each.
//!
//! Every shard listens on every pool with a socket of its own, except for pools over the embedded cache,
//! which lives on one shard. [`step`] changes it while it runs.

mod listeners;
mod step;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use net::{Binder, ClientPlaces, EventLoop, Handle, Listener, Resolver, Shard};
use proxy::{Budget, Doubt, Generation, Mail, Notice, Proxy, Setup};
use telemetry::ShardStats;
use tokio::sync::mpsc;

use crate::logins::Verifier;
use crate::service::Service;
use crate::start_error::StartError;
pub use listeners::{PoolListener, address};
pub use step::ProxyStep;

/// Start settings of the cache side.
pub struct Plan {
    /// The first generation of the shards.
    pub generation: Arc<Generation>,
    /// Number of shards, at least 1.
    pub threads: usize,
    /// The counters of each shard.
    pub shards: Vec<Arc<ShardStats>>,
    /// Limit on memory held for requests and replies, in bytes, over all shards.
    pub memory_budget: usize,
    /// Time a shard may sleep before a poll; zero: not at all.
    pub coalesce: Duration,
    /// Descriptors for clients, shared with the queue.
    pub places: ClientPlaces,
    /// Number of the first client (CLIENT ID).
    pub client_number: u64,
    /// Receives notices for the operator.
    pub notify: Arc<dyn Fn(Notice) + Send + Sync>,
    /// Takes doubts about topologies; one too many is dropped.
    pub doubts: mpsc::Sender<Doubt>,
}

/// A running shard.
type Running = (Handle<Mail>, JoinHandle<io::Result<()>>);

/// The running cache side.
pub struct ProxyService {
    shards: Vec<Running>,
    /// Number of the next client (CLIENT ID).
    pub client_numbers: Arc<AtomicU64>,
    /// Listeners, in the order of the pools.
    pub listeners: Vec<PoolListener>,
    /// Listeners removed by the last steps, and when: shards accept waiting clients before they close them.
    leaving: Vec<(Instant, PoolListener)>,
    /// The generation that the shards serve.
    pub generation: Arc<Generation>,
    budget: Arc<Budget>,
}

/// The cache side with its listeners bound.
pub struct BoundProxy {
    per_shard: Vec<Vec<Listener>>,
    listeners: Vec<PoolListener>,
}

/// Binds every listener of a generation, for `threads` shards.
///
/// # Errors
/// The fault; each face words it in its own way.
pub fn bind(generation: &Generation, threads: usize, binder: &mut Binder) -> Result<BoundProxy, StartError> {
    let planned = listeners::plan((&[], &[]), generation, threads, &mut |wanted| {
        binder.bind(wanted.address, wanted.backlog, wanted.shards, wanted.tag)
    })?;
    let (per_shard, listeners) = planned.begin();
    Ok(BoundProxy { per_shard, listeners })
}

impl BoundProxy {
    /// Starts the shards.
    ///
    /// # Errors
    /// The system's error.
    pub fn run(self, plan: &Plan) -> Result<ProxyService, StartError> {
        let BoundProxy { per_shard, listeners } = self;
        let client_numbers = Arc::new(AtomicU64::new(plan.client_number));
        let budget = Arc::new(Budget::new(plan.memory_budget, plan.threads));
        let shards = spawn(plan, per_shard, &client_numbers, &budget);
        let shards = shards.map_err(|e| format!("cannot start the shards: {e}"))?;
        let generation = Arc::clone(&plan.generation);
        Ok(ProxyService { shards, client_numbers, listeners, leaving: Vec::new(), generation, budget })
    }
}

impl ProxyService {
    /// The shards, for mail.
    pub fn handles(&self) -> Vec<Handle<Mail>> {
        self.shards.iter().map(|(handle, _)| handle.clone()).collect()
    }
}

fn spawn(
    plan: &Plan,
    per_shard: Vec<Vec<Listener>>,
    client_numbers: &Arc<AtomicU64>,
    budget: &Arc<Budget>,
) -> io::Result<Vec<Running>> {
    let resolver = Resolver::start()?;
    let shards: Vec<Shard<Mail>> = per_shard
        .into_iter()
        .map(|listeners| {
            let shard = Shard::new(listeners, resolver.clone())?;
            Ok(shard.coalescing(plan.coalesce).limiting(plan.places.clone()))
        })
        .collect::<io::Result<_>>()?;
    let handles: Vec<Handle<Mail>> = shards.iter().map(Shard::handle).collect();
    let loads: Arc<[AtomicU32]> = (0..shards.len()).map(|_| AtomicU32::new(0)).collect();
    let verifier = Verifier::start(handles.clone())?;
    let mut running = Vec::new();
    for (n, shard) in shards.into_iter().enumerate() {
        let others = handles.clone();
        let notify = Arc::clone(&plan.notify);
        let (verifier, doubts) = (verifier.clone(), plan.doubts.clone());
        let setup = Setup {
            generation: Arc::clone(&plan.generation),
            budget: Arc::clone(budget),
            stats: Arc::clone(&plan.shards[n]),
            seed: seed(n),
            notify: Box::new(move |notice| notify(notice)),
            shard: n,
            loads: Arc::clone(&loads),
            // A stopped shard takes no mail: a client on its way there is
            // closed, as it would have been there.
            post: Box::new(move |to, mail| {
                others[to].send(mail);
            }),
            client_numbers: Arc::clone(client_numbers),
            verify: Box::new(move |login| verifier.verify(login)),
            doubt: Box::new(move |doubt| drop(doubts.try_send(doubt))),
        };
        let thread = std::thread::Builder::new()
            .name(format!("shard-{n}"))
            .spawn(move || shard.run(|io: &mut EventLoop| Proxy::new(setup, io)).map(|_| ()))?;
        running.push((handles[n].clone(), thread));
    }
    Ok(running)
}

impl Service for ProxyService {
    fn close_listeners(&self) {
        self.shards.iter().for_each(|(handle, _)| handle.close_listeners());
    }

    /// Answers accepted requests first.
    fn stop(self: Box<Self>, deadline: Duration) {
        for (handle, _) in &self.shards {
            handle.stop(deadline);
        }
        for (_, thread) in self.shards {
            let _ = thread.join();
        }
    }
}

fn seed(shard: usize) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.as_secs() ^ (u64::from(std::process::id()) << 32) ^ ((shard as u64) << 20)
}
