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

    /// Makes all shards serve a generation that differs in discovered topologies alone.
    ///
    /// # Errors
    /// A shard has not acknowledged it.
    pub async fn follow(&mut self, settings: Settings) -> Result<(), String> {
        let generation = Arc::new(self.generation.next(self.with_tls(settings)));
        self.generation = Arc::clone(&generation);
        self.tell(&generation, self.away(&[])).await
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use access::Book;
    use net::{Binder, ClientPlaces};
    use telemetry::ShardStats;

    use super::*;
    use crate::proxy_service::{Plan, bind};
    use crate::service::Service;

    fn settings(text: &str) -> Settings {
        Settings::of(&config::native::check(text, 2).config.expect("a configuration"), Book::default())
    }

    /// The cache side on two shards.
    fn start(text: &str) -> ProxyService {
        let generation = Arc::new(Generation::first(2, settings(text)));
        let bound = bind(&generation, 2, &mut Binder::default()).map_err(|fault| fault.native()).unwrap();
        let plan = Plan {
            generation,
            threads: 2,
            shards: (0..2).map(|_| Arc::new(ShardStats::default())).collect(),
            memory_budget: 1 << 30,
            coalesce: Duration::ZERO,
            places: ClientPlaces::new(100),
            client_number: 1,
            notify: Arc::new(|_| ()),
            doubts: crate::sentinels::doubts().0,
        };
        bound.run(&plan).map_err(|fault| fault.native()).unwrap()
    }

    fn port(listener: &PoolListener) -> SocketAddr {
        listener.shown().parse().expect("an address")
    }

    /// The first shard is stopping and refuses the listener; the second one has taken it by then.
    #[test]
    fn a_listener_that_a_shard_cannot_take_is_closed_on_all_of_them() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = silent.local_addr().unwrap();
        let old =
            format!("[pool.old]\nlisten = \"127.0.0.1:0\"\nservers = [\"{server}\"]\ntimeout = \"off\"\n");
        let mut service = start(&old);
        let old_at = port(&service.listeners[0]);
        // Clients fill the first shard first. This one waits for a reply, so that the shard cannot stop yet.
        let mut waiting = TcpStream::connect(old_at).unwrap();
        waiting.write_all(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n").unwrap();
        let (mut asked, _) = silent.accept().unwrap();
        let mut request = [0; 20];
        asked.read_exact(&mut request).unwrap();
        service.shards[0].0.stop(Duration::from_mins(1));

        let added = format!("{old}[pool.new]\nlisten = \"127.0.0.1:0\"\nservers = [\"{server}\"]\n");
        let step = service.standing().prepare(settings(&added)).map_err(|fault| fault.native()).unwrap();
        let new_at = port(step.listeners.all.iter().find(|listener| listener.what.contains("new")).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let taken = runtime.block_on(service.take(step, settings(&old)));
        assert_eq!(taken, Err("shard 0 cannot take a new listener: the shard is stopping".to_owned()));

        let pools = service.generation.pools.iter().map(|pool| &*pool.config.name);
        assert_eq!(pools.collect::<Vec<_>>(), ["old"]);
        assert_eq!(service.listeners.iter().map(port).collect::<Vec<_>>(), [old_at]);
        let end = Instant::now() + Duration::from_mins(1);
        while TcpStream::connect(new_at).is_ok() {
            assert!(Instant::now() < end, "the second shard still listens at {new_at}");
            std::thread::yield_now();
        }
        let client = TcpStream::connect(old_at).expect("the second shard listens there as before");
        asked.write_all(b"$-1\r\n").unwrap();
        drop(client);
        Box::new(service).stop(Duration::ZERO);
    }
}
