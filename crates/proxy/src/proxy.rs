//! One shard's proxy, as its event loop sees it: looks up the owner of a connection and calls the next step
//! of the path.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use access::LoginGuard;
use config::checked::Protocol;
use local::Store;
use net::{App, ConnId, Fault, Input, Instant, Io, LayerInfo, Peer};
use telemetry::ShardStats;
use wire::redis::Command;

use crate::alarm::Alarm;
use crate::blocked::Blocked;
use crate::budget::Budget;
use crate::client::{Client, Wait};
use crate::detours::Detours;
use crate::fail::Failure;
use crate::feeds::FanOut;
use crate::gate::SlowLogin;
use crate::gather::Gathers;
use crate::generation::Generation;
use crate::hedges::Pair;
use crate::ids::Directory;
use crate::keys::{LaneKey, PoolKey, ServerKey};
use crate::mail::{Doubt, HandOver, Mail, Moved};
use crate::notice::Notice;
use crate::pause::Paused;
use crate::placement::Group;
use crate::pool::Pool;
use crate::server::Server;
use crate::server::connection::ServerConn;
use crate::server::drain::Drains;
use crate::server::privates::Departed;
use crate::slab::Slab;
use crate::tally::Tally;

/// Parts of one shard's proxy.
pub struct Setup {
    /// The first generation to serve.
    pub generation: Arc<Generation>,
    /// Memory for requests and replies, shared by all shards.
    pub budget: Arc<Budget>,
    /// This shard's own counters.
    pub stats: Arc<ShardStats>,
    /// Seeds the `random` distribution and the jitter of retries.
    pub seed: u64,
    /// Receives notices for the operator.
    pub notify: Box<dyn FnMut(Notice) + Send>,
    /// Index of this shard.
    pub shard: usize,
    /// Load that each shard publishes, in permille.
    pub loads: Arc<[AtomicU32]>,
    /// Sends mail to another shard.
    pub post: Box<dyn FnMut(usize, Mail) + Send>,
    /// Number of the next client (CLIENT ID), shared by all shards.
    pub client_numbers: Arc<AtomicU64>,
    /// Starts verifying a login on another thread; the outcome comes back as [`Mail::Verified`]. False if too
    /// many are pending.
    pub verify: Box<dyn FnMut(SlowLogin) -> bool + Send>,
    /// Takes doubts about discovered topologies. Never blocks.
    pub doubt: Box<dyn FnMut(Doubt) + Send>,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// The proxy of one shard: see the drawing at the top of this crate.
pub struct Proxy {
    pub(crate) pools: Slab<PoolKey, Pool>,
    pub(crate) servers: Slab<ServerKey, Server>,
    pub(crate) directory: Directory,
    /// Draining servers and removed pools, and the drain timeout.
    pub(crate) drains: Drains,
    pub(crate) drain_timeout: Duration,
    /// Soundings sent so far: each goes to the next node.
    pub(crate) soundings: usize,
    /// Connections to nodes that have lost all their slots, and when.
    pub(crate) former_masters: Vec<(LaneKey, ConnId, Instant)>,
    /// Clients of pools that only the next generation has; another shard serves it already.
    pub(crate) early: Vec<Moved>,
    /// Owner of each connection, by [`ConnId::index`].
    pub(crate) roles: Vec<(u32, Role)>,
    pub(crate) gathers: Gathers,
    pub(crate) detours: Detours,
    /// Ends of inner waits, of clients that wait for replicas.
    pub(crate) nudges: BTreeSet<(Instant, ConnId)>,
    /// Reads that were sent twice, while neither has an answer.
    pub(crate) hedges: Vec<Pair>,
    pub(crate) store: Store,
    /// Requests that wait for an element of the embedded cache.
    pub(crate) blocked: Blocked,
    pub(crate) notify: Box<dyn FnMut(Notice) + Send>,
    pub(crate) shard: usize,
    pub(crate) loads: Arc<[AtomicU32]>,
    pub(crate) post: Box<dyn FnMut(usize, Mail) + Send>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) stats: Arc<ShardStats>,
    /// Bytes held by the other shards when this one's last turn ended.
    pub(crate) held_elsewhere: usize,
    /// Memory of the lines of clients and server connections and their contents, without gather records.
    pub(crate) held: Tally,
    /// Clients that are not read because memory is short.
    pub(crate) starving: Vec<ConnId>,
    /// Private connections that clients have left in this turn.
    pub(crate) departed: Vec<Departed>,
    /// Clients that wait for the end of a pause.
    pub(crate) paused: Paused,
    /// Counts the letters about scripts on their way to other shards.
    pub(crate) script_letters: Arc<()>,
    /// State of its feeds.
    pub(crate) fan_out: FanOut,
    /// Server connections to read again because the client that held them up is gone.
    pub(crate) released: Vec<LaneKey>,
    /// Connections with requests that may be unwritten: see [`crate::server::written`].
    pub(crate) unwritten: Vec<LaneKey>,
    /// Time clients began to starve, or one was last closed because of that; None while none starves.
    pub(crate) starving_since: Option<Instant>,
    pub(crate) scratch: Scratch,
    pub(crate) clients: u32,
    pub(crate) client_numbers: Arc<AtomicU64>,
    pub(crate) verify: Box<dyn FnMut(SlowLogin) -> bool + Send>,
    pub(crate) doubt: Box<dyn FnMut(Doubt) + Send>,
    /// Failed logins; None before the first.
    pub(crate) guard: Option<LoginGuard>,
    /// Seed of each pool's and server's random numbers.
    pub(crate) seed: u64,
    /// [`Alarm::Maintenance`] is set.
    pub(crate) maintaining: bool,
    /// There was traffic since the last maintenance.
    pub(crate) busy: bool,
    /// State of the graceful stop, once requested.
    pub(crate) stop: Option<Stop>,
    /// The hand-over of clients to another process, while there is one.
    pub(crate) hand_over: Option<HandOver>,
    /// Clients whose MULTI was refused and the time each is closed, soonest first. Some may be gone.
    pub(crate) refused_transactions: VecDeque<(ConnId, Instant)>,
    /// Time this shard's proxy was made.
    pub(crate) started: Instant,
}

/// Progress of servers since the stop began.
#[derive(Debug)]
pub(crate) struct Stop {
    /// Last time a server took bytes, or the start of the stop.
    pub(crate) progress: Instant,
    /// Bytes that servers had not taken at the last count.
    pub(crate) unsent: usize,
}

/// A part of a request, for one server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// None if it has to take a detour.
    pub(crate) lane: Option<LaneKey>,
    /// Group of its keys; None if it has none.
    pub(crate) group: Option<Group>,
    /// Number of the request's keys in it.
    pub(crate) keys: u32,
    /// Its server's queue is full ([`crate::server::room::Room::Never`]).
    pub(crate) refused: bool,
}

/// Buffers used within one request or reply, kept to reuse their memory.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// A request being encoded for a server, or an inline command rewritten as an array.
    pub(crate) request: Vec<u8>,
    /// The parts of a split request being encoded.
    pub(crate) requests: Vec<Vec<u8>>,
    /// A reply being encoded for a client.
    pub(crate) reply: Vec<u8>,
    /// The embedded cache's answer.
    pub(crate) local: Vec<u8>,
    /// The command of the request that was planned last, if it is one.
    pub(crate) planned: Option<&'static Command>,
    /// The parts of a request.
    pub(crate) parts: Vec<Part>,
    /// For each key of a split request, its part.
    pub(crate) order: Vec<u16>,
    /// For each slot of a cluster, its part; empty before the first.
    pub(crate) part_of: Vec<u16>,
    /// End of each key of it, together with its value.
    pub(crate) ends: Vec<u32>,
}

pub(crate) enum Role {
    Vacant,
    Client(Box<Client>),
    /// A client taken out of the table while it is worked on.
    Taken,
    Server(LaneKey),
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("clients", &self.clients).finish_non_exhaustive()
    }
}

impl Proxy {
    /// Makes a proxy for one shard. Connects to servers at once where `preconnect` is set.
    pub fn new<I: Io>(setup: Setup, io: &mut I) -> Proxy {
        let mut proxy = Proxy {
            pools: Slab::new(),
            servers: Slab::new(),
            directory: Directory::default(),
            drains: Drains::default(),
            drain_timeout: setup.generation.drain_timeout,
            soundings: 0,
            former_masters: Vec::new(),
            early: Vec::new(),
            seed: setup.seed,
            roles: Vec::new(),
            gathers: Gathers::default(),
            detours: Detours::default(),
            nudges: BTreeSet::new(),
            hedges: Vec::new(),
            store: Store::new(setup.generation.local_bytes_max),
            blocked: Blocked::default(),
            notify: setup.notify,
            shard: setup.shard,
            loads: setup.loads,
            post: setup.post,
            budget: setup.budget,
            stats: setup.stats,
            held_elsewhere: 0,
            held: Tally::default(),
            starving: Vec::new(),
            departed: Vec::new(),
            paused: Paused::default(),
            script_letters: Arc::default(),
            fan_out: FanOut::default(),
            released: Vec::new(),
            unwritten: Vec::new(),
            starving_since: None,
            scratch: Scratch::default(),
            clients: 0,
            client_numbers: setup.client_numbers,
            verify: setup.verify,
            doubt: setup.doubt,
            guard: None,
            maintaining: false,
            busy: false,
            stop: None,
            hand_over: None,
            refused_transactions: VecDeque::new(),
            started: io.now(),
        };
        proxy.apply(io, &setup.generation);
        proxy
    }

    /// Sends the operator a notice, if there is one.
    #[inline]
    pub(crate) fn tell(&mut self, notice: Option<Notice>) {
        if let Some(notice) = notice {
            (self.notify)(notice);
        }
    }

    #[inline]
    pub(crate) fn server_conn(&mut self, lane: LaneKey) -> &mut ServerConn {
        &mut self.servers[lane.server].conns[lane.number as usize]
    }

    /// All connections to servers, open or not.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = (LaneKey, &ServerConn)> {
        self.servers.values().flat_map(Server::lanes)
    }

    pub(crate) fn set_role(&mut self, id: ConnId, role: Role) {
        let at = id.index as usize;
        if at >= self.roles.len() {
            self.roles.resize_with(at + 1, || (0, Role::Vacant));
        }
        self.roles[at] = (id.generation, role);
    }

    pub(crate) fn role_mut(&mut self, id: ConnId) -> Option<&mut Role> {
        self.roles
            .get_mut(id.index as usize)
            .filter(|(generation, _)| *generation == id.generation)
            .map(|(_, r)| r)
    }

    pub(crate) fn set_server(&mut self, id: ConnId, lane: LaneKey) {
        self.set_role(id, Role::Server(lane));
    }

    pub(crate) fn vacate(&mut self, id: ConnId) {
        if let Some(role) = self.role_mut(id) {
            *role = Role::Vacant;
        }
    }

    fn server_lane(&mut self, id: ConnId) -> Option<LaneKey> {
        match self.role_mut(id) {
            Some(Role::Server(lane)) => Some(*lane),
            _ => None,
        }
    }
}

impl<I: Io> App<I> for Proxy {
    type Mail = Mail;

    fn accepted(&mut self, io: &mut I, listener: u32, conn: ConnId, peer: Peer) {
        self.place(io, listener, conn, peer);
    }

    fn connected(&mut self, io: &mut I, conn: ConnId) {
        if let Some(lane) = self.server_lane(conn) {
            self.servers[lane.server].connected(io, lane.number);
        }
    }

    fn received(&mut self, io: &mut I, conn: ConnId, input: &mut Input<'_>) {
        self.maintain_later(io);
        if let Some(mut client) = self.take_client(conn) {
            match self.pools[client.pool].config.protocol {
                _ if client.partial.is_none() && Proxy::begins_tls(input.bytes()) => {
                    self.refuse_tls(io, &mut client, input);
                }
                Protocol::Redis => self.receive_redis(io, &mut client, input),
                Protocol::Memcache => self.receive_memcache(io, &mut client, input),
            }
            self.settle(io, client);
        } else if let Some(lane) = self.server_lane(conn) {
            self.server_received(io, lane, input);
        } else {
            input.consume(input.bytes().len());
        }
    }

    fn ended(&mut self, io: &mut I, conn: ConnId) {
        self.maintain_later(io);
        match self.server_lane(conn) {
            Some(lane) => {
                io.abort(conn);
                self.server_lost(io, lane, Failure::Closed);
            }
            None => self.client_ended(io, conn),
        }
    }

    fn failed(&mut self, io: &mut I, conn: ConnId, fault: Fault) {
        self.maintain_later(io);
        match self.server_lane(conn) {
            Some(lane) => self.server_lost(io, lane, Failure::of(fault)),
            None => self.client_failed(io, conn, fault),
        }
    }

    fn layered(&mut self, io: &mut I, conn: ConnId, info: LayerInfo) {
        self.client_secured(io, conn, &info);
    }

    fn drained(&mut self, io: &mut I, conn: ConnId) {
        match self.server_lane(conn) {
            Some(lane) => self.make_room(io, lane),
            None => {
                if let Some(lane) = self.client_mut(conn).and_then(|client| client.holds_up.take()) {
                    self.resume_server(io, lane);
                }
                self.resume_client(io, conn, Wait::Drain);
                self.hand_over_client(io, conn);
            }
        }
    }

    fn timer(&mut self, io: &mut I, token: u64) {
        match Alarm::of(token) {
            Alarm::Maintenance => self.maintain(io),
            Alarm::Deadline(lane) => {
                self.maintain_later(io);
                self.deadline(io, lane);
            }
            Alarm::Probe(server) => self.probe(io, server),
            Alarm::Drain => self.end_drains(io),
            Alarm::Detours => self.continue_detours(io),
            Alarm::Feeds => self.keep_feeds(io),
            Alarm::Pause => self.end_pauses(io),
            Alarm::Nudge => self.nudge(io),
            Alarm::Stop => self.continue_stop(io),
            Alarm::Blocked => self.end_blocks(io),
            Alarm::RefusedTransaction => self.end_refused_transactions(io),
        }
    }

    fn mail(&mut self, io: &mut I, mail: Mail) {
        self.stats.mail.inc();
        match mail {
            Mail::Ejected { server } => self.eject_as_told(io, server),
            Mail::Client(moved) => self.take_in(io, *moved),
            Mail::Verified(verified) => self.verified(io, verified),
            Mail::HandOver(hand_over) => self.set_hand_over(io, hand_over),
            Mail::Arrival(arrival) => self.arrive(io, *arrival),
            Mail::Restore { server } => self.restore_as_told(io, server),
            Mail::Script { pool, text, letter: _ } => self.take_script(pool, text),
            Mail::Generation(step) => self.take_step(io, *step),
        }
    }

    fn turn_end(&mut self, io: &mut I) {
        self.stats.turns.inc();
        self.relieve(io);
        if !self.departed.is_empty() {
            self.take_back_privates(io);
        }
        if self.has_feeds_to_settle() {
            self.settle_feeds(io);
        }
        self.end_fan_out(io);
        for lane in std::mem::take(&mut self.released) {
            self.resume_server(io, lane);
        }
        self.continue_drains(io);
    }

    fn written(&mut self, io: &mut I) {
        self.record_written(io);
    }

    fn starved(&mut self, _: &mut I, error: &std::io::Error) {
        self.stats.accept_pauses.inc();
        (self.notify)(Notice::Starved { error: error.to_string() });
    }

    fn stopping(&mut self, io: &mut I) {
        self.begin_stop(io);
    }

    fn handled(&self) -> u64 {
        self.pools.values().map(|pool| pool.stats.client_requests.get()).sum()
    }

    fn idle(&self) -> bool {
        self.clients == 0
    }
}
