//! A pool on one shard: its checked configuration, its servers, the placement of its keys, its counters.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use config::checked;
use net::Instant;
use net::tls::ClientConfig;
use telemetry::{KeyReports, PoolStats, SlowLog};

use crate::discovery::Discovery;
use crate::feeds::Feeds;
use crate::gate::Gate;
use crate::generation::{PoolPlan, PoolTls, has_replica_reads};
use crate::hedge_budget::Hedging;
use crate::hot_keys::KeyWatch;
use crate::ids::PoolId;
use crate::keys::ServerKey;
use crate::monitors::Monitors;
use crate::pause::Pause;
use crate::placement::{Placement, Slots};
use crate::pretended::Pretended;
use crate::scripts::Scripts;
use crate::server::Server;
use crate::slab::Slab;
use crate::topology::SlotMap;

/// The shard that has the embedded cache and the clients of its pools.
pub(crate) const LOCAL_SHARD: usize = 0;

#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) id: PoolId,
    pub(crate) config: Arc<checked::Pool>,
    pub(crate) gate: Arc<Gate>,
    /// TLS as planned.
    pub(crate) tls: PoolTls,
    /// TLS towards servers, with the sessions of this shard.
    pub(crate) server_tls: Option<Arc<ClientConfig>>,
    pub(crate) stats: Arc<PoolStats>,
    /// Slow log of all shards.
    pub(crate) slow_log: Arc<SlowLog>,
    /// Watch on its keys; None if it is off.
    pub(crate) key_watch: Option<Box<KeyWatch>>,
    /// Reports of that watch, of all shards.
    pub(crate) key_reports: Arc<KeyReports>,
    pub(crate) placement: Placement,
    /// Nodes of the cluster that it pretends to be.
    pub(crate) pretended: Option<Pretended>,
    /// Reads may go to replicas.
    pub(crate) reads_replicas: bool,
    /// Reads may be sent twice.
    pub(crate) hedging: Option<Hedging>,
    /// Channels and patterns that its clients are subscribed to.
    pub(crate) feeds: Feeds,
    /// Scripts that its clients have loaded or run.
    pub(crate) scripts: Scripts,
    /// Clients on this shard that are shown the requests of others.
    pub(crate) monitors: Monitors,
    /// The pause of its clients' requests, on all shards.
    pub(crate) pause: Arc<Pause>,
    /// In the order of the configuration.
    pub(crate) servers: Vec<ServerKey>,
    /// Replicas in a pool with Sentinels, in the order of the plan, each behind its master.
    pub(crate) replicas: Vec<(ServerKey, ServerKey)>,
    /// Former servers that still owe replies.
    pub(crate) leaving: Vec<ServerKey>,
    /// Clients of this pool on all shards, for `client_connections`.
    pub(crate) clients: Arc<AtomicU32>,
    /// The course of its discovery.
    pub(crate) discovery: Arc<Discovery>,
    /// Clients on this shard.
    pub(crate) clients_here: u32,
    /// The pool is in no generation any more: its clients have been sent the error.
    pub(crate) removed: bool,
    /// Number of times that connections to a remaining server were replaced: see [`Client::changeover`].
    ///
    /// [`Client::changeover`]: crate::client::Client::changeover
    pub(crate) changeover: u32,
    pub(crate) redis_limits: wire::redis::Limits,
    pub(crate) redis_limits_unauthenticated: wire::redis::Limits,
    /// Time of the last [`Doubt`](crate::Doubt).
    pub(crate) doubted: Option<Instant>,
    /// Time of the last [`crate::Notice::ClientRefused`].
    pub(crate) refusal_told: Option<Instant>,
    /// Time of the last [`crate::Notice::ClientTls`].
    pub(crate) tls_told: Option<Instant>,
}

impl Pool {
    /// Makes a pool without servers.
    pub(crate) fn new(plan: &PoolPlan, shard: usize, seed: u64) -> Pool {
        Pool {
            id: plan.id,
            config: Arc::clone(&plan.config),
            gate: Arc::clone(&plan.gate),
            server_tls: plan.tls.servers.as_deref().map(net::tls::for_shard),
            tls: plan.tls.clone(),
            stats: plan.cells.shards.get(shard).cloned().unwrap_or_default(),
            slow_log: slow_log(plan),
            key_watch: None,
            key_reports: Arc::clone(&plan.cells.key_reports),
            placement: Placement::new(&plan.config, seed),
            pretended: Pretended::of(&plan.config),
            reads_replicas: has_replica_reads(&plan.config),
            hedging: Hedging::of(&plan.config),
            feeds: Feeds::default(),
            scripts: Scripts::default(),
            monitors: Monitors::default(),
            pause: Arc::clone(&plan.pause),
            servers: Vec::new(),
            replicas: Vec::new(),
            leaving: Vec::new(),
            clients: Arc::clone(&plan.clients),
            discovery: Arc::clone(&plan.discovery),
            clients_here: 0,
            removed: false,
            changeover: 0,
            redis_limits: redis_limits(&plan.config),
            redis_limits_unauthenticated: wire::redis::Limits::unauthenticated(),
            doubted: None,
            refusal_told: None,
            tls_told: None,
        }
    }

    /// Applies new settings. The caller rebuilds the placement once the servers have theirs.
    pub(crate) fn set_config(&mut self, plan: &PoolPlan, seed: u64) {
        let config = &plan.config;
        if !self.tls.is(&plan.tls) {
            self.server_tls = plan.tls.servers.as_deref().map(net::tls::for_shard);
            self.tls = plan.tls.clone();
        }
        if !Placement::is_the_same(&self.config, config) {
            self.placement = Placement::new(config, seed);
        }
        self.slow_log = slow_log(plan);
        self.key_reports = Arc::clone(&plan.cells.key_reports);
        self.redis_limits = redis_limits(config);
        self.pretended = Pretended::of(config);
        self.reads_replicas = has_replica_reads(config);
        if self.config.discovery.hedge_after != config.discovery.hedge_after {
            self.hedging = Hedging::of(config);
        }
        self.config = Arc::clone(config);
    }

    /// True if its placement follows this slot map.
    pub(crate) fn has_map(&self, map: Option<&Arc<SlotMap>>) -> bool {
        let own = self.placement.slots().and_then(Slots::map);
        own.map(Arc::as_ptr) == map.map(Arc::as_ptr)
    }

    /// Its servers, replicas and draining ones included.
    pub(crate) fn all_servers(&self) -> impl Iterator<Item = ServerKey> {
        self.planned().chain(self.leaving.iter().copied())
    }

    /// Its servers and replicas in the order of its plan.
    pub(crate) fn planned(&self) -> impl Iterator<Item = ServerKey> {
        self.servers.iter().copied().chain(self.replicas.iter().map(|(_, replica)| *replica))
    }

    /// The replicas of a master, in a pool with Sentinels.
    pub(crate) fn replicas_of(&self, master: ServerKey) -> impl Iterator<Item = ServerKey> + Clone {
        self.replicas.iter().filter(move |(of, _)| *of == master).map(|(_, replica)| *replica)
    }

    /// The watch on its keys, which begins with the first sample.
    pub(crate) fn watch_keys(&mut self, now: Instant, seed: u64) -> &mut KeyWatch {
        self.key_watch.get_or_insert_with(|| Box::new(KeyWatch::new(now, seed)))
    }

    /// Counts requests of clients, and their bytes.
    #[inline]
    pub(crate) fn count_requests(&self, requests: u64, bytes: u64) {
        self.stats.client_requests.add(requests);
        self.stats.client_request_bytes.add(bytes);
    }

    /// Counts a reply to a client, and its bytes.
    #[inline]
    pub(crate) fn count_reply(&self, len: usize) {
        self.stats.client_replies.inc();
        self.stats.client_reply_bytes.add(len as u64);
    }

    /// Rebuilds the placement after a server was added, removed, ejected or returned.
    pub(crate) fn rebuild(&mut self, servers: &Slab<ServerKey, Server>) {
        self.placement.rebuild(&self.servers, servers);
        self.feeds.moved = !self.feeds.is_empty();
    }
}

/// The slow log of a pool, with its length.
fn slow_log(plan: &PoolPlan) -> Arc<SlowLog> {
    let log = Arc::clone(&plan.cells.slow_log);
    log.set_len_max(plan.config.slowlog_len as usize);
    log
}

fn redis_limits(config: &checked::Pool) -> wire::redis::Limits {
    wire::redis::Limits { request_bytes_max: config.request_bytes_max, ..wire::redis::Limits::default() }
}
