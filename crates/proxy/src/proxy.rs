//! One shard's proxy, as its event loop sees it: whose connection is it, and which step of the path is next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use local::Store;
use net::{App, ConnId, Fault, Input, Instant, Io, Peer};
use telemetry::ShardStats;

use crate::alarm::Alarm;
use crate::budget::Budget;
use crate::client::{Client, Session, Wait};
use crate::fail::{Failure, pool_removed, too_many_clients};
use crate::gather::Gathers;
use crate::generation::Generation;
use crate::ids::Directory;
use crate::keys::{LaneKey, PoolKey, ServerKey};
use crate::mail::{HandOver, Mail, Moved};
use crate::notice::Notice;
use crate::placement::Group;
use crate::pool::Pool;
use crate::server::Server;
use crate::server::connection::ServerConn;
use crate::server::drain::Drains;
use crate::slab::Slab;
use crate::tally::{Change, Tally};

/// Parts of one shard's proxy.
pub struct Setup {
    /// The generation that it serves at first.
    pub generation: Arc<Generation>,
    /// Memory for requests and replies, which all shards share.
    pub budget: Arc<Budget>,
    /// This shard's own counters.
    pub stats: Arc<ShardStats>,
    /// Seeds the `random` distribution and the jitter of retries.
    pub seed: u64,
    /// Is told what an operator should know.
    pub notify: Box<dyn FnMut(Notice) + Send>,
    /// Index of this shard.
    pub shard: usize,
    /// Load published by each shard, in permille; one for each shard.
    pub loads: Arc<[AtomicU32]>,
    /// Sends mail to another shard.
    pub post: Box<dyn FnMut(usize, Mail) + Send>,
    /// Number of the next client (CLIENT ID), which all shards share.
    pub client_numbers: Arc<AtomicU64>,
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
    /// Servers and pools on their way out, and the time they are given.
    pub(crate) drains: Drains,
    pub(crate) drain_timeout: Duration,
    /// Clients of pools of the next generation, which another shard serves already.
    pub(crate) early: Vec<Moved>,
    /// Owner of each connection, by [`ConnId::index`].
    pub(crate) roles: Vec<(u32, Role)>,
    pub(crate) gathers: Gathers,
    pub(crate) store: Store,
    pub(crate) notify: Box<dyn FnMut(Notice) + Send>,
    pub(crate) shard: usize,
    pub(crate) loads: Arc<[AtomicU32]>,
    pub(crate) post: Box<dyn FnMut(usize, Mail) + Send>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) stats: Arc<ShardStats>,
    /// Bytes the other shards held when this one's turn ended.
    pub(crate) held_elsewhere: usize,
    /// Memory of the lines of clients and server connections and of what is held in them, apart from gather records.
    pub(crate) held: Tally,
    /// Clients that are not read because memory is short.
    pub(crate) starving: Vec<ConnId>,
    /// Server connections that may be read again, since the client that held them up is gone.
    pub(crate) released: Vec<LaneKey>,
    /// Since when there have been such clients.
    pub(crate) starving_since: Option<Instant>,
    pub(crate) scratch: Scratch,
    pub(crate) clients: u32,
    client_numbers: Arc<AtomicU64>,
    /// Seeds what is drawn for each pool and server.
    pub(crate) seed: u64,
    /// [`Alarm::Maintenance`] is set.
    pub(crate) maintaining: bool,
    /// Something has happened since it went off last.
    pub(crate) busy: bool,
    /// The shard has been asked to stop.
    pub(crate) stop: Option<Stop>,
    /// Clients are going to another process.
    pub(crate) hand_over: Option<HandOver>,
    /// Clients whose MULTI was refused, and when each is closed: the first first. Some may be gone.
    pub(crate) refused_transactions: VecDeque<(ConnId, Instant)>,
    /// Time this shard's proxy was made.
    pub(crate) started: Instant,
}

/// Bytes servers have taken since a stop began.
#[derive(Debug)]
pub(crate) struct Stop {
    /// Time a server last took something, or the stop began.
    pub(crate) progress: Instant,
    /// Bytes that servers had not taken at the last count.
    pub(crate) unsent: usize,
}

/// A part of a request: what one server gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) server: ServerKey,
    /// Of its keys; None if it has none.
    pub(crate) group: Option<Group>,
    /// Number of the request's keys it has.
    pub(crate) keys: u32,
}

/// Buffers that are used within one request or reply, kept for their memory.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// A request being written for a server, or an inline command rewritten as an array.
    pub(crate) request: Vec<u8>,
    /// The parts of a split request being written.
    pub(crate) requests: Vec<Vec<u8>>,
    /// A reply being written for a client.
    pub(crate) reply: Vec<u8>,
    /// The embedded cache's answer.
    pub(crate) local: Vec<u8>,
    /// The parts of a request.
    pub(crate) parts: Vec<Part>,
    /// For each key of a split request, its part.
    pub(crate) order: Vec<u16>,
    /// End of each key of it, with what goes with it.
    pub(crate) ends: Vec<u32>,
}

pub(crate) enum Role {
    Vacant,
    Client(Box<Client>),
    /// A client that is being worked on.
    Taken,
    Server(LaneKey),
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("clients", &self.clients).finish_non_exhaustive()
    }
}

impl Proxy {
    /// A proxy for one shard. Connects to servers at once where `preconnect` is set.
    pub fn new<I: Io>(setup: Setup, io: &mut I) -> Proxy {
        let mut proxy = Proxy {
            pools: Slab::new(),
            servers: Slab::new(),
            directory: Directory::default(),
            drains: Drains::default(),
            drain_timeout: setup.generation.drain_timeout,
            early: Vec::new(),
            seed: setup.seed,
            roles: Vec::new(),
            gathers: Gathers::default(),
            store: Store::new(setup.generation.local_bytes_max),
            notify: setup.notify,
            shard: setup.shard,
            loads: setup.loads,
            post: setup.post,
            budget: setup.budget,
            stats: setup.stats,
            held_elsewhere: 0,
            held: Tally::default(),
            starving: Vec::new(),
            released: Vec::new(),
            starving_since: None,
            scratch: Scratch::default(),
            clients: 0,
            client_numbers: setup.client_numbers,
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

    /// Tells the operator, if there is something to tell.
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

    // ---- whose connection is it -----------------------------------------------------------------------------------

    fn set_role(&mut self, id: ConnId, role: Role) {
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

    #[inline]
    pub(crate) fn client_mut(&mut self, id: ConnId) -> Option<&mut Client> {
        match self.role_mut(id) {
            Some(Role::Client(client)) => Some(client),
            _ => None,
        }
    }

    fn server_lane(&mut self, id: ConnId) -> Option<LaneKey> {
        match self.role_mut(id) {
            Some(Role::Server(lane)) => Some(*lane),
            _ => None,
        }
    }

    /// Takes a client out of the table so that it and the rest of the proxy can be changed side by side.
    pub(crate) fn take_client(&mut self, id: ConnId) -> Option<Box<Client>> {
        let role = self.role_mut(id)?;
        match std::mem::replace(role, Role::Taken) {
            Role::Client(client) => Some(client),
            other => {
                *role = other;
                None
            }
        }
    }

    pub(crate) fn put_client(&mut self, client: Box<Client>) {
        if let Some(role) = self.role_mut(client.id) {
            *role = Role::Client(client);
        }
    }

    pub(crate) fn clients(&self) -> impl Iterator<Item = &Client> {
        self.roles.iter().filter_map(|(_, role)| if let Role::Client(c) = role { Some(&**c) } else { None })
    }

    pub(crate) fn clients_mut(&mut self, pool: PoolKey) -> impl Iterator<Item = &mut Client> {
        let clients = self.roles.iter_mut().filter_map(|(_, role)| match role {
            Role::Client(client) => Some(&mut **client),
            _ => None,
        });
        clients.filter(move |client| client.pool == pool)
    }

    // ---- clients come and go --------------------------------------------------------------------------------------

    pub(crate) fn accept_client<I: Io>(&mut self, io: &mut I, pool_key: PoolKey, id: ConnId) {
        let Some(pool) = self.pools.get(pool_key) else { return io.abort(id) };
        if pool.removed {
            io.send(id, pool_removed(pool.config.protocol));
            return io.finish(id);
        }
        pool.stats.client_accepts.inc();
        let limit = pool.config.client_connections.unwrap_or(u32::MAX);
        if self.stop.is_some() || pool.clients.fetch_add(1, Ordering::Relaxed) >= limit {
            if self.stop.is_none() {
                pool.clients.fetch_sub(1, Ordering::Relaxed);
                io.send(id, too_many_clients(pool.config.protocol));
            }
            pool.stats.client_refused.inc();
            return io.finish(id);
        }
        let session = Session {
            authenticated: pool.config.auth.is_none(),
            number: self.client_numbers.fetch_add(1, Ordering::Relaxed),
            ..Session::default()
        };
        self.register_client(io, pool_key, id, session);
    }

    /// From now on this shard serves a client.
    fn register_client<I: Io>(&mut self, io: &mut I, pool: PoolKey, id: ConnId, session: Session) {
        if self.hand_over.is_some() {
            io.notify_drained(id);
        }
        let counted = &mut self.pools[pool];
        counted.stats.client_connections.inc();
        counted.clients_here += 1;
        self.clients += 1;
        self.set_role(id, Role::Client(Box::new(Client::new(id, pool, session))));
    }

    /// This shard serves a client no longer.
    pub(crate) fn unregister_client(&mut self, client: &Client) {
        self.released.extend(client.holds_up);
        self.held.apply(Change::gone(client.counted));
        self.clients -= 1;
        self.vacate(client.id);
        let pool = &mut self.pools[client.pool];
        pool.stats.client_connections.dec();
        pool.clients_here -= 1;
    }

    /// A client that another shard has served until now.
    pub(crate) fn admit_moved<I: Io>(&mut self, io: &mut I, pool: PoolKey, id: ConnId, session: Session) {
        let Some(known) = self.pools.get(pool) else { return io.abort(id) };
        let removed = known.removed;
        self.register_client(io, pool, id, session);
        if removed {
            self.dismiss(io, id);
        } else if self.stop.is_some()
            && let Some(mut client) = self.take_client(id)
        {
            client.session.leaving = true;
            self.settle(io, client);
        }
    }

    /// A client was given to this shard, and its connection could not be taken up.
    pub(crate) fn migration_failed(&mut self, pool: PoolKey) {
        let Some(pool) = self.pools.get(pool) else { return };
        pool.stats.client_err.inc();
        pool.clients.fetch_sub(1, Ordering::Relaxed);
    }

    /// A client is gone or about to be: forget it. Its requests are still answered by the servers, and the answers dropped.
    pub(crate) fn forget(&mut self, client: &Client) {
        self.unregister_client(client);
        self.pools[client.pool].clients.fetch_sub(1, Ordering::Relaxed);
    }

    /// After work on a client: it goes back into the table, or, if nothing more is to come from it and it has all its
    /// replies, away.
    pub(crate) fn settle<I: Io>(&mut self, io: &mut I, mut client: Box<Client>) {
        self.recount_client(&mut client);
        if client.session.leaving && client.waiting() == 0 {
            io.finish(client.id);
            self.forget(&client);
        } else {
            if self.hand_over.is_some() && client.waiting() == 0 {
                io.notify_drained(client.id);
            }
            self.put_client(client);
        }
    }

    fn client_ended<I: Io>(&mut self, io: &mut I, id: ConnId) {
        let Some(mut client) = self.take_client(id) else { return };
        self.pools[client.pool].stats.client_eof.inc();
        client.session.ended = true;
        client.session.leaving = true;
        client.partial = None;
        self.settle(io, client);
    }

    fn client_failed(&mut self, id: ConnId) {
        let Some(client) = self.take_client(id) else { return };
        self.pools[client.pool].stats.client_err.inc();
        self.forget(&client);
    }
}

impl<I: Io> App<I> for Proxy {
    type Mail = Mail;

    fn accepted(&mut self, io: &mut I, listener: u32, conn: ConnId, _: Peer) {
        self.place(io, listener, conn);
    }

    fn connected(&mut self, io: &mut I, conn: ConnId) {
        if let Some(lane) = self.server_lane(conn) {
            self.servers[lane.server].connected(io, lane.number);
        }
    }

    fn received(&mut self, io: &mut I, conn: ConnId, input: &mut Input<'_>) {
        self.maintain_later(io);
        match self.role_mut(conn) {
            Some(Role::Client(_)) => self.client_received(io, conn, input),
            Some(Role::Server(lane)) => {
                let lane = *lane;
                self.server_received(io, lane, input);
            }
            _ => input.consume(input.bytes().len()),
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
            None => self.client_failed(conn),
        }
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
            Alarm::Stop => self.continue_stop(io),
            Alarm::RefusedTransaction => self.end_refused_transactions(io),
        }
    }

    fn mail(&mut self, io: &mut I, mail: Mail) {
        self.stats.mail.inc();
        match mail {
            Mail::Ejected { server } => self.eject_as_told(io, server),
            Mail::Client(moved) => self.take_in(io, *moved),
            Mail::HandOver(hand_over) => self.set_hand_over(io, hand_over),
            Mail::Arrival(arrival) => self.arrive(io, *arrival),
            Mail::Restore { server } => self.restore_as_told(io, server),
            Mail::Generation(step) => self.take_step(io, *step),
        }
    }

    fn turn_end(&mut self, io: &mut I) {
        self.stats.turns.inc();
        self.relieve(io);
        for lane in std::mem::take(&mut self.released) {
            self.resume_server(io, lane);
        }
        self.continue_drains(io);
    }

    fn starved(&mut self, _: &mut I, error: &std::io::Error) {
        self.stats.accept_pauses.inc();
        (self.notify)(Notice::Starved { error: error.to_string() });
    }

    fn stopping(&mut self, io: &mut I) {
        self.begin_stop(io);
    }

    fn idle(&self) -> bool {
        self.clients == 0
    }
}
