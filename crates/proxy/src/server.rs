//! A server of a pool on one shard: its address, its connections, its health. The third leg of a request's
//! path, between the way in (`request`) and the way out (`response`).
//!
//! ```text
//! room ▸ forward ▸ open, handshake ▸ line (kept, pending) ─▶ socket
//!                        │ loss ▸ resent, or failed
//!                        │ deadline ▸ failed; its late reply is discarded            health ▸ ejected ▸ probe ▸ back
//! receive ◀───────────── scan │ large: streamed to the client ◀─ socket
//! ```
//! Functions that need only a server are methods of [`Server`]; those that also touch clients or other
//! servers are methods of [`Proxy`](crate::proxy::Proxy), in the same file.

pub(crate) mod connection;
pub(crate) mod pending;
pub(crate) mod private;
pub(crate) mod privates;
pub(crate) mod source;
pub(crate) mod kept;
pub(crate) mod command;
mod handshake;
pub(crate) mod readonly;
pub(crate) mod room;
pub(crate) mod scan;
pub(crate) mod passage;
mod large;
mod unwritten;
pub(crate) mod hits;
pub(crate) mod tally;
mod written;
pub(crate) mod notable;
mod arguments;
mod slow;
mod watched;
mod deadline;
pub(crate) mod silence;
mod loss;
pub(crate) mod health;
mod backoff;
mod probe;
mod change;
pub(crate) mod drain;

use std::collections::{HashSet, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use config::Secret;
use config::checked::{self, Target, Topology};
use net::tls::{ClientConfig, ServerName};
use net::{Address, ClientTls, Instant, SocketOptions, TimerId};
use telemetry::{PoolStats, ServerStats};

use crate::client::Client;
use crate::fail::Failure;
use crate::feeds::Asked;
use crate::generation::{self, ByHand, ServerPlan};
use crate::hedge_budget::Hedging;
use crate::ids::ServerId;
use crate::keys::{LaneKey, PoolKey, ServerKey};
use crate::replica_watch::Standing;
use crate::scripts::Sha;
use crate::server::backoff::Backoff;
use crate::server::connection::ServerConn;
use crate::server::drain::Drain;
use crate::server::health::{Health, Policy, State};
use crate::server::kept::Resend;
use crate::server::notable::Notable;
use crate::server::privates::Privates;

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) id: ServerId,
    pub(crate) key: ServerKey,
    pub(crate) pool: PoolKey,
    /// Its pool's settings and counters.
    pub(crate) config: Arc<checked::Pool>,
    pub(crate) pool_stats: Arc<PoolStats>,
    pub(crate) stats: Arc<ServerStats>,
    /// Its name, or else its address: hashed by the ring and shown in statistics and logs.
    pub(crate) identity: String,
    /// Name that the ring hashes: the identity, except that libmemcached has its own rule and no names.
    pub(crate) ring_name: String,
    /// Configured weight.
    weight: u32,
    pub(crate) by_hand: ByHand,
    pub(crate) standing: Standing,
    /// The master that takes what it does not answer, if it is a replica of a pool with Sentinels.
    pub(crate) master: Option<ServerKey>,
    /// Time after which reads are hedged ([`crate::hedging`]).
    pub(crate) hedge_wait: Option<Duration>,
    /// Address to connect to; None for the embedded cache, and for a master that no Sentinel has named yet.
    pub(crate) address: Option<Address>,
    is_local: bool,
    pub(crate) options: SocketOptions,
    /// Requests to it that may be resent.
    pub(crate) resend: Resend,
    /// Replies that are looked at.
    pub(crate) notable: Notable,
    /// Password of its handshake; None if it gets none.
    pub(crate) password: Option<Secret>,
    /// `server_connections` for RESP2 and memcached, as many for RESP3, both for each database; one for
    /// probes, one for subscriptions, then private ones.
    pub(crate) conns: Vec<ServerConn>,
    /// `server_connections`.
    shared: u16,
    /// `databases`.
    databases: u16,
    /// Scripts that it was given since a connection to it was lost.
    pub(crate) scripts: HashSet<Sha>,
    pub(crate) privates: Privates,
    /// Requests on the subscription connection that are not acknowledged, in order.
    pub(crate) asked: VecDeque<Asked>,
    pub(crate) health: Health,
    /// Backoff for attempts to speak RESP3 with it.
    pub(crate) resp3: Backoff,
    /// Backoff for attempts to use a database other than the pool's own.
    pub(crate) other_databases: Backoff,
    /// Timer of an ejected server's next probe, or of the deadline of one. There is never more than one.
    pub(crate) probe_timer: Option<TimerId>,
    /// A failure was reported and the server has not worked since.
    pub(crate) failing: bool,
    /// A refused handshake was reported and none has been accepted since.
    pub(crate) refuses: bool,
    /// The drain of its connections, while there is one.
    pub(crate) drain: Option<Drain>,
}

/// The parts of its pool that a server uses: key, settings, counters, TLS towards servers.
type OfPool<'a> = (PoolKey, &'a Arc<checked::Pool>, &'a Arc<PoolStats>, Option<&'a Arc<ClientConfig>>);

impl Server {
    /// Makes a server of this pool.
    pub(crate) fn new(
        key: ServerKey,
        (pool, config, pool_stats, tls): OfPool<'_>,
        (plan, server): (ServerPlan, &checked::Server),
        stats: Arc<ServerStats>,
        seed: u64,
    ) -> Server {
        let is_local = server.target == Target::Local;
        let lanes = 2 * config.server_connections as usize * config.databases as usize + 2;
        Server {
            id: plan.id,
            key,
            pool,
            config: Arc::clone(config),
            pool_stats: Arc::clone(pool_stats),
            stats,
            identity: server.identity.clone(),
            ring_name: config.ring_name(server),
            weight: server.weight,
            by_hand: plan.by_hand,
            standing: plan.standing,
            master: None,
            hedge_wait: Hedging::of(config).map(|hedging| hedging.wait()),
            resend: if is_local { Resend::Nothing } else { Resend::of(config) },
            address: address_of(server),
            is_local,
            notable: Notable::of(config),
            options: socket_options(config, server, tls),
            password: generation::password(config, server).cloned(),
            shared: config.server_connections as u16,
            databases: config.databases as u16,
            scripts: HashSet::new(),
            privates: Privates::default(),
            asked: VecDeque::new(),
            conns: (0..lanes).map(|_| ServerConn::default()).collect(),
            health: Health::new(seed),
            resp3: Backoff::new(seed),
            other_databases: Backoff::new(seed),
            probe_timer: None,
            failing: false,
            refuses: false,
            drain: None,
        }
    }

    /// The effective weight.
    pub(crate) fn weight(&self) -> u32 {
        self.by_hand.weight.unwrap_or(self.weight)
    }

    /// True if it may hold keys: it is neither ejected nor taken out by hand.
    #[inline]
    pub(crate) fn is_in_ring(&self) -> bool {
        self.health.state == State::Up && self.by_hand.out.is_none()
    }

    /// True for the embedded cache.
    #[inline]
    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    /// True if Sentinels say its address, and it has to show that it is a master.
    #[inline]
    pub(crate) fn is_named_by_sentinels(&self) -> bool {
        self.config.discovery.topology == Topology::Sentinel && self.master.is_none()
    }

    /// Makes it a replica of this master, or none.
    pub(crate) fn set_master(&mut self, master: Option<ServerKey>) {
        self.master = master;
        if self.address.is_some() {
            self.resend = self.resends();
        }
    }

    /// Requests to it that may be resent.
    fn resends(&self) -> Resend {
        if self.master.is_some() { Resend::Reads } else { Resend::of(&self.config) }
    }

    /// The connection to its master for requests of one of its own, if it is a replica of a pool with
    /// Sentinels.
    pub(crate) fn fallback(&self, lane: u16) -> Option<LaneKey> {
        let server = self.master.filter(|_| lane < self.probe_lane())?;
        Some(LaneKey { server, number: lane })
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            eject: self.config.auto_eject_hosts,
            failure_limit: self.config.server_failure_limit,
            retry_timeout: self.config.server_retry_timeout,
        }
    }

    /// True if a connection is open, or being opened.
    #[inline]
    pub(crate) fn is_open(&self, lane: u16) -> bool {
        self.conns[lane as usize].conn.is_some()
    }

    pub(crate) fn has_open_connection(&self) -> bool {
        self.conns.iter().any(|conn| conn.conn.is_some())
    }

    /// The names of its pool and of itself, for notices.
    pub(crate) fn names(&self) -> (String, String) {
        (self.config.name.clone(), self.identity.clone())
    }

    #[inline]
    pub(crate) fn lane_key(&self, number: u16) -> LaneKey {
        LaneKey { server: self.key, number }
    }

    /// Its connections, open or not.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = (LaneKey, &ServerConn)> {
        (0..).zip(&self.conns).map(|(number, conn)| (self.lane_key(number), conn))
    }

    /// Resets its gauges when nothing of it is left on this shard.
    pub(crate) fn clear_gauges(&self) {
        let ServerStats { in_queue, in_queue_bytes, out_queue, out_queue_bytes, ejected, .. } = &*self.stats;
        for gauge in [in_queue, in_queue_bytes, out_queue, out_queue_bytes, ejected] {
            gauge.set(0);
        }
    }

    /// The connection for a client: always the same one, so that the client reads its own writes.
    #[inline]
    pub(crate) fn lane_of(&self, client: &Client) -> LaneKey {
        let each = u32::from(self.shared);
        let spread = if each == 1 { 0 } else { client.id.index % each };
        let of_version = (spread + if client.session.resp3 { each } else { 0 }) as u16;
        self.lane_key(self.first_of_database(client.session.db) + of_version)
    }

    /// First shared lane of the database that a client has chosen, or else of the pool's own.
    #[inline]
    pub(crate) fn first_of_database(&self, chosen: Option<u16>) -> u16 {
        if self.databases == 1 {
            return 0;
        }
        chosen.unwrap_or(self.config.db as u16).min(self.databases - 1) * 2 * self.shared
    }

    /// Database that is selected on a lane.
    pub(crate) fn database_of(&self, lane: u16) -> u32 {
        match self.private(lane) {
            Some(private) => private.db,
            None if self.databases > 1 && lane < self.probe_lane() => u32::from(lane / (2 * self.shared)),
            None => self.config.db,
        }
    }

    /// True if a connection failed because the server has not the database that its clients have chosen: for
    /// others it works.
    pub(crate) fn is_without_database(&self, lane: u16, failure: Failure) -> bool {
        failure == Failure::Database && self.database_of(lane) != self.config.db
    }

    /// Ok if a connection may be opened on this lane now; otherwise the reason the last attempt failed.
    pub(crate) fn may_connect(&self, lane: u16, now: Instant) -> Result<(), Failure> {
        if self.address.is_none() {
            return Err(Failure::Unnamed);
        }
        self.health.may_connect(now)?;
        if self.database_of(lane) != self.config.db {
            self.other_databases.may_try(now)?;
        }
        if self.speaks_resp3(lane) { self.resp3.may_try(now) } else { Ok(()) }
    }

    /// The connection for probes.
    pub(crate) fn probe_lane(&self) -> u16 {
        2 * self.shared * self.databases
    }

    /// True for a lane whose connection speaks RESP3.
    pub(crate) fn speaks_resp3(&self, lane: u16) -> bool {
        if lane < self.probe_lane() {
            return lane / self.shared % 2 == 1;
        }
        lane == self.subscription_lane() || self.private_speaks_resp3(lane)
    }
}

fn address_of(server: &checked::Server) -> Option<Address> {
    match &server.target {
        Target::Tcp { host, port } => Some(Address::Tcp { host: host.clone(), port: *port }),
        Target::Unix(path) => Some(Address::Unix(path.clone())),
        Target::Local | Target::Master => None,
    }
}

fn socket_options(
    config: &checked::Pool,
    server: &checked::Server,
    tls: Option<&Arc<ClientConfig>>,
) -> SocketOptions {
    let mut options = SocketOptions { keepalive: config.keepalive, ..SocketOptions::default() };
    if let Some(timeout) = config.timeout {
        options.connect_timeout = options.connect_timeout.min(timeout);
    }
    options.tls =
        tls.map(|tls| ClientTls { config: Arc::clone(tls), server_name: server_name(config, server) });
    options
}

/// Name that a server's certificate must have. A name that no certificate can have makes every handshake
/// fail.
fn server_name(config: &checked::Pool, server: &checked::Server) -> ServerName<'static> {
    let named = config.server_tls.as_ref().and_then(|tls| tls.server_name.as_deref());
    let host = match &server.target {
        Target::Tcp { host, .. } => host,
        Target::Unix(_) | Target::Local | Target::Master => "",
    };
    let nobody = ServerName::from(Ipv4Addr::UNSPECIFIED);
    ServerName::try_from(named.unwrap_or(host).to_owned()).unwrap_or(nobody)
}
