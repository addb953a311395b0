//! Starting and stopping the cache side: listeners, shards, the proxy on each.
//!
//! Every shard listens on every pool with a socket of its own; pools over the embedded cache are the exception, since
//! that cache lives on one shard.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::thread::JoinHandle;
use std::time::Duration;

use config::checked::{Listen, PoolListen, Protocol};
use net::{
    Binder, ClientPlaces, EventLoop, Handle, ListenAddress, ListenOptions, Listener, Resolver, ServerTls,
    Shard,
};
use proxy::{Budget, Generation, Mail, Notice, PoolPlan, Proxy, Setup, has_local};
use telemetry::ShardStats;

use crate::logins::Verifier;
use crate::service::Service;
use crate::start_error::{Place, StartError};

/// Settings the cache side is started with.
pub struct Plan {
    /// The generation that the shards start with.
    pub generation: Arc<Generation>,
    /// Shards, at least 1.
    pub threads: usize,
    /// The counters of each shard.
    pub shards: Vec<Arc<ShardStats>>,
    /// Most bytes held for requests and replies, over all shards.
    pub memory_budget: usize,
    /// Time a shard may sleep before a poll; zero: not at all.
    pub coalesce: Duration,
    /// Descriptors of clients, together with those of the queue's.
    pub places: ClientPlaces,
    /// Number of the first client (CLIENT ID).
    pub client_number: u64,
    /// Is told what an operator should know.
    pub notify: Arc<dyn Fn(Notice) + Send + Sync>,
}

/// A shard that runs.
type Running = (Handle<Mail>, JoinHandle<io::Result<()>>);

/// The running cache side.
pub struct ProxyService {
    shards: Vec<Running>,
    /// Number of the next client (CLIENT ID).
    pub client_numbers: Arc<AtomicU64>,
    /// Listeners of each pool: (pool index, address as bound; None for a unix socket).
    pub bound: Vec<(usize, Option<SocketAddr>)>,
}

/// The cache side with its listeners bound.
pub struct BoundProxy {
    per_shard: Vec<Vec<Listener>>,
    /// Listeners of each pool: (pool index, address as bound; None for a unix socket).
    bound: Vec<(usize, Option<SocketAddr>)>,
}

/// Binds every listener of a generation for so many shards.
///
/// # Errors
/// The fault, for each face to word.
pub fn bind(generation: &Generation, threads: usize, binder: &mut Binder) -> Result<BoundProxy, StartError> {
    let mut per_shard: Vec<Vec<Listener>> = (0..threads).map(|_| Vec::new()).collect();
    let mut bound = Vec::new();
    for (n, planned) in generation.pools.iter().enumerate() {
        let pool = &planned.config;
        // The embedded cache lives on one shard, without locks, and so do the clients of its pool.
        let count = if has_local(pool) { 1 } else { threads };
        for listen in &pool.listen {
            let listeners =
                binder.bind(&address(&listen.address), pool.backlog, count, planned.id.0).map_err(
                    |error| StartError::Listen(Place::Pool(pool.name.clone()), listen.address.clone(), error),
                )?;
            bound.push((n, listeners[0].local_address()));
            for (n, mut listener) in listeners.into_iter().enumerate() {
                listener.options = listen_options(planned, listen);
                per_shard[n % count].push(listener);
            }
        }
    }
    Ok(BoundProxy { per_shard, bound })
}

impl BoundProxy {
    /// Starts the shards.
    ///
    /// # Errors
    /// The system's.
    pub fn run(self, plan: &Plan) -> Result<ProxyService, StartError> {
        let BoundProxy { per_shard, bound } = self;
        let client_numbers = Arc::new(AtomicU64::new(plan.client_number));
        let shards = spawn(plan, per_shard, &client_numbers);
        let shards = shards.map_err(|e| format!("cannot start the shards: {e}"))?;
        Ok(ProxyService { shards, client_numbers, bound })
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
) -> io::Result<Vec<Running>> {
    let resolver = Resolver::start()?;
    let budget = Arc::new(Budget::new(plan.memory_budget, plan.threads));
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
        let verifier = verifier.clone();
        let setup = Setup {
            generation: Arc::clone(&plan.generation),
            budget: Arc::clone(&budget),
            stats: Arc::clone(&plan.shards[n]),
            seed: seed(n),
            notify: Box::new(move |notice| notify(notice)),
            shard: n,
            loads: Arc::clone(&loads),
            // A shard that has stopped takes no mail: a client on its way there is closed, as it would have been there.
            post: Box::new(move |to, mail| {
                others[to].send(mail);
            }),
            client_numbers: Arc::clone(client_numbers),
            verify: Box::new(move |login| verifier.verify(login)),
        };
        let thread = std::thread::Builder::new()
            .name(format!("shard-{n}"))
            .spawn(move || shard.run(|io: &mut EventLoop| Proxy::new(setup, io)).map(|_| ()))?;
        running.push((handles[n].clone(), thread));
    }
    Ok(running)
}

impl Service for ProxyService {
    /// Requests that were accepted are answered first.
    fn stop(self, deadline: Duration) {
        for (handle, _) in &self.shards {
            handle.stop(deadline);
        }
        for (_, thread) in self.shards {
            let _ = thread.join();
        }
    }
}

/// Options of a listener of a pool, as planned. A reload sends them to a listener that stays, in [`proxy::ListenerChange::Set`].
pub fn listen_options(planned: &PoolPlan, listen: &PoolListen) -> ListenOptions {
    ListenOptions {
        tag: planned.id.0,
        keepalive: planned.config.keepalive,
        tls: listen.tls.then(|| server_tls(planned)).flatten(),
    }
}

/// TLS of those listeners of a pool that have it.
fn server_tls(planned: &PoolPlan) -> Option<ServerTls> {
    let config = planned.tls.clients.clone()?;
    let plain_answer: &[u8] = match planned.config.protocol {
        Protocol::Redis => b"-ERR this port speaks TLS only\r\n",
        Protocol::Memcache => b"SERVER_ERROR this port speaks TLS only\r\n",
    };
    Some(ServerTls { config, plain_answer })
}

/// Address to listen on, for the event loop.
pub fn address(listen: &Listen) -> ListenAddress {
    match listen {
        Listen::Tcp { host, port } => ListenAddress::Tcp(host.clone(), *port),
        Listen::Unix { path, mode } => ListenAddress::Unix(path.clone(), *mode),
    }
}

fn seed(shard: usize) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.as_secs() ^ (u64::from(std::process::id()) << 32) ^ ((shard as u64) << 20)
}
