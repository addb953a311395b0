//! Transactions: requests from `MULTI` to `EXEC`, collected here and sent as one unit.
//!
//! ```text
//! MULTI     +OK        nothing is sent
//! SET k v   +QUEUED    checked as ever; kept in the session
//! EXEC      the array  MULTI, SET k v, EXEC in one piece to the server of k: one gather record awaits their replies
//! ```
//! So a client that thinks between MULTI and EXEC holds nothing at a server, and what comes from others
//! cannot get between the requests of a transaction. All keys must live on one server; a request that
//! cannot be queued gets its error, and EXEC executes nothing then. What only the server finds wrong is the
//! reason in EXEC's `EXECABORT`. If the connection is lost before EXEC's reply, the error says that the
//! transaction may have been executed; it is never sent again.
//!
//! The replies to a transaction that came in one piece leave in one piece, with EXEC's: a write to a client
//! costs more than all that is done for its requests here.
//!
//! A transaction is as long as `request_bytes_max`, and has as many requests as `server_queue_max`.

use net::Io;
use telemetry::CommandClass;
use wire::redis::command::flags;
use wire::redis::{Command, Local, Refusal, Route, encode};

use crate::answer::{OK, cross_slot};
use crate::client::Client;
use crate::client::stateful::Transaction;
use crate::fail::Failure;
use crate::gather::{GatherId, Merge};
use crate::keys::{LaneKey, ServerKey};
use crate::piece::Piece;
use crate::proxy::{Part, Proxy};
use crate::request::embedded::wall_ms;
use crate::request::first_key;
use crate::request::private::own_lane;
use crate::request::split::KEEP_REQUEST;
use crate::server::pending::Pending;
use crate::tally::Change;

/// Error text of Redis.
pub(super) const ABORTED: &[u8] = b"-EXECABORT Transaction discarded because of previous errors.\r\n";
/// The request that begins a transaction, as servers get it.
pub(crate) const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXECUTE: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";
const NESTED: &[u8] = b"-ERR MULTI calls can not be nested\r\n";
const WATCH_INSIDE: &[u8] = b"-ERR WATCH inside MULTI is not allowed\r\n";
const NO_PLACE: &[u8] = b"-ERR Command not allowed inside a transaction\r\n";
const QUEUED: &[u8] = b"+QUEUED\r\n";
const SERVER_GONE: &[u8] =
    b"-ERR the server of this transaction was ejected, or replaced by a reload: start it again\r\n";

/// Room for the requests of a transaction to begin with, in bytes, and for their ends.
const FIRST_ROOM: usize = 256;
const FIRST_ENDS: usize = 8;

/// Effect of a request between MULTI and EXEC.
#[derive(Debug)]
pub(super) enum Step {
    /// It is queued, for this server if it has keys.
    Queue(Option<ServerKey>),
    /// It gets this error, and nothing is executed at EXEC.
    Spoil(Vec<u8>),
    /// It gets this error, and the transaction is over.
    Abort(Vec<u8>),
    /// It gets this error.
    Answer(&'static [u8]),
    /// EXEC; over this connection, if there is anything to send.
    Exec(Option<LaneKey>),
    /// EXEC of a transaction whose hash slot is unsettled: it takes a detour, once its client has no other
    /// request under way.
    ExecLater(Option<LaneKey>),
    /// DISCARD.
    Discard,
    /// QUIT and RESET, which end the transaction with the session's state.
    Leave(Local),
}

impl Step {
    /// The step of a request that is refused.
    pub(super) fn refused(refusal: &Refusal<'_>) -> Step {
        if let Refusal::Unsupported(command, _) | Refusal::NotPermitted(command) = refusal
            && has_no_place_in_one(command)
        {
            return Step::Spoil(NO_PLACE.to_vec());
        }
        let mut error = Vec::new();
        refusal.write(&mut error);
        Step::Spoil(error)
    }

    /// Connection that it needs room on.
    pub(super) fn lane(&self) -> Option<LaneKey> {
        if let Step::Exec(lane) = self { *lane } else { None }
    }
}

impl Proxy {
    /// The step that a request is, apart from the rights of its client's user.
    pub(super) fn transaction_step(
        &mut self,
        client: &Client,
        command: &'static Command,
        route: Route<'_>,
    ) -> Step {
        if has_no_place_in_one(command) {
            return Step::Spoil(NO_PLACE.to_vec());
        }
        if !self.permits(client.pool, command.permit) {
            return Step::refused(&Refusal::NotPermitted(command));
        }
        match route {
            Route::Local(local) => self.step_local(client, local, command),
            Route::One(key) if self.is_by_slot(client) => {
                self.step_by_slot(client, command, std::iter::once(key.bytes()))
            }
            Route::Same(keys) | Route::Block(keys, _) if self.is_by_slot(client) => {
                self.step_by_slot(client, command, keys.map(|key| key.bytes()))
            }
            Route::Split(_, parts) if self.is_by_slot(client) => {
                self.step_by_slot(client, command, parts.map(|part| part.key.bytes()))
            }
            Route::One(key) => match self.pools[client.pool].placement.home_of_key(key.bytes()) {
                Some(server) => self.step_to(client, command, server),
                None => Step::Spoil(Failure::Refused.reply(config::checked::Protocol::Redis)),
            },
            Route::Same(keys) | Route::Block(keys, _) => {
                self.step_to_all(client, command, keys.map(|key| key.bytes()))
            }
            Route::Split(_, parts) => self.step_to_all(client, command, parts.map(|part| part.key.bytes())),
            Route::Subscribe => about_the_connection(command),
            Route::Every(_) | Route::Any | Route::Only(_) | Route::Scan => {
                match self.pools[client.pool].servers[..] {
                    [only] => self.step_to(client, command, only),
                    _ => Step::Spoil(of_all_servers(command)),
                }
            }
        }
    }

    fn step_local(&self, client: &Client, local: Local, command: &'static Command) -> Step {
        match local {
            Local::Quit | Local::Reset => Step::Leave(local),
            Local::Watch => Step::Answer(WATCH_INSIDE),
            Local::Multi => Step::Answer(NESTED),
            Local::Discard => Step::Discard,
            Local::Exec => {
                let transaction = client.session.transaction();
                let watched = client.session.watched();
                let wanted =
                    transaction.filter(|it| !it.spoiled && (watched.is_some() || !it.ends.is_empty()));
                let is_unsettled =
                    watched.is_none() && wanted.is_some_and(|queued| self.is_unsettled(client, queued));
                let step = if is_unsettled { Step::ExecLater } else { Step::Exec };
                step(wanted.and_then(|transaction| match transaction.server {
                    _ if self.is_by_slot(client) => self.lane_by_slot(client, transaction),
                    Some(server) => {
                        let server = self.serves(server).then(|| &self.servers[server]);
                        server.map(|server| own_lane(client, server.lane_of(client)))
                    }
                    None => self.any_lane(client),
                }))
            }
            Local::Ping | Local::Echo | Local::Time | Local::Lolwut | Local::Unwatch => Step::Queue(None),
            _ => about_the_connection(command),
        }
    }

    /// True if the hash slot of a transaction is unsettled, in a cluster.
    fn is_unsettled(&self, client: &Client, queued: &Transaction) -> bool {
        let Some(slots) = self.pools[client.pool].placement.slots() else { return false };
        slot_of(queued).is_some_and(|slot| slots.settled_owner(slot).is_none())
    }

    /// True if a client's transaction is bound to the owner of its hash slot, whoever that is at `EXEC`: in a
    /// cluster, but with watched keys, which bind it to a connection.
    fn is_by_slot(&self, client: &Client) -> bool {
        self.pools[client.pool].placement.slots().is_some() && client.session.watched().is_none()
    }

    /// Queues a request with keys of the transaction's slot, or of another one that has the same owner now.
    /// The owner may change from one request to the next, or be unknown: the node has the last word.
    fn step_by_slot<'a>(
        &self,
        client: &Client,
        command: &'static Command,
        mut keys: impl Iterator<Item = &'a [u8]>,
    ) -> Step {
        let Some(slots) = self.pools[client.pool].placement.slots() else { return Step::Queue(None) };
        let queued = client.session.transaction().and_then(slot_of);
        let Some(slot) = queued.or_else(|| keys.next().map(ring::key_slot)) else { return Step::Queue(None) };
        let owner = slots.owner(slot);
        let is_near = |of: u16| of == slot || (owner.is_some() && slots.owner(of) == owner);
        if keys.all(|key| is_near(ring::key_slot(key))) {
            Step::Queue(owner)
        } else {
            self.step_across(client, command)
        }
    }

    /// The connection for a transaction of a cluster: to the owner of its slot, or while there is none to any
    /// node. None without a node, or if it has no keys and no node has slots.
    fn lane_by_slot(&self, client: &Client, queued: &Transaction) -> Option<LaneKey> {
        let pool = &self.pools[client.pool];
        let Some(slot) = slot_of(queued) else { return self.any_lane(client) };
        let owner = pool.placement.slots().and_then(|slots| slots.owner(slot));
        let server = owner.or_else(|| pool.servers.first().copied())?;
        self.servers.get(server).map(|server| server.lane_of(client))
    }

    fn step_to_all<'a>(
        &mut self,
        client: &Client,
        command: &'static Command,
        keys: impl Iterator<Item = &'a [u8]>,
    ) -> Step {
        let placement = &mut self.pools[client.pool].placement;
        let mut servers = keys.map(|key| placement.home_of_key(key));
        let Some(first) = servers.next().flatten() else {
            return Step::Spoil(Failure::Refused.reply(config::checked::Protocol::Redis));
        };
        if servers.any(|server| server != Some(first)) {
            return self.step_across(client, command);
        }
        self.step_to(client, command, first)
    }

    /// Queues a request for this server, unless the transaction has keys of another one.
    fn step_to(&self, client: &Client, command: &'static Command, server: ServerKey) -> Step {
        match client.session.transaction().and_then(|transaction| transaction.server) {
            Some(bound) if bound != server && self.serves(bound) => self.step_across(client, command),
            Some(bound) if bound != server => Step::Spoil(SERVER_GONE.to_vec()),
            _ => Step::Queue(Some(server)),
        }
    }

    /// False once a server was ejected, or replaced by a reload.
    fn serves(&self, server: ServerKey) -> bool {
        self.servers.get(server).is_some_and(|server| server.is_in_ring())
    }

    fn step_across(&self, client: &Client, command: &'static Command) -> Step {
        let pool = &self.pools[client.pool];
        pool.stats.cross_slot.inc();
        let mut error = Vec::new();
        cross_slot(pool.placement.slots().is_some(), pool.config.hash_tag, command.name, &mut error);
        Step::Spoil(error)
    }

    /// Takes a step of a transaction.
    #[cold]
    pub(super) fn take_transaction_step<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        step: Step,
        frame: &[u8],
    ) {
        match step {
            Step::Queue(server) => self.queue(io, client, server, frame),
            Step::Spoil(error) => {
                if let Some(transaction) = &mut client.session.stateful().transaction {
                    transaction.spoiled = true;
                }
                self.give(io, client, &error);
            }
            Step::Answer(error) => self.give(io, client, error),
            Step::Abort(error) => {
                self.end_transaction(client);
                self.end_watch(client);
                self.give(io, client, &error);
            }
            Step::Discard => {
                self.end_transaction(client);
                self.end_watch(client);
                self.give(io, client, OK);
            }
            Step::Exec(lane) | Step::ExecLater(lane) => self.execute(io, client, lane),
            Step::Leave(_) => {}
        }
    }

    fn queue<I: Io>(&mut self, io: &mut I, client: &mut Client, server: Option<ServerKey>, frame: &[u8]) {
        let config = &self.pools[client.pool].config;
        let Some(transaction) = &mut client.session.stateful().transaction else { return };
        let full = match () {
            () if transaction.requests.len() + frame.len() > config.request_bytes_max => "request_bytes_max",
            () if transaction.ends.len() >= config.server_queue_max as usize => "server_queue_max",
            () => "",
        };
        if !full.is_empty() {
            transaction.spoiled = true;
            let error = format!("-ERR the transaction is too large ({full} of the pool)\r\n");
            return self.give(io, client, error.as_bytes());
        }
        // Nothing will be executed: its bytes are not needed.
        if !transaction.spoiled {
            if transaction.ends.is_empty() {
                transaction.requests.reserve(FIRST_ROOM.max(frame.len()));
                transaction.ends.reserve(FIRST_ENDS);
            }
            transaction.requests.extend_from_slice(frame);
            transaction.ends.push(transaction.requests.len());
            transaction.server = transaction.server.or(server);
            let now = transaction.memory();
            self.held.apply(Change::note(&mut transaction.counted, now));
        }
        self.give(io, client, QUEUED);
    }

    /// Takes the transaction out of a session.
    pub(crate) fn end_transaction(&mut self, client: &mut Client) -> Option<Transaction> {
        let transaction = client.session.state.as_mut()?.transaction.take()?;
        self.held.apply(Change::gone(transaction.counted));
        client.session.rest();
        Some(transaction)
    }

    fn execute<I: Io>(&mut self, io: &mut I, client: &mut Client, lane: Option<LaneKey>) {
        let Some(transaction) = self.end_transaction(client) else { return };
        let watched = client.session.watched();
        let is_broken = client.session.unwatch() | self.end_embedded_watch(client, wall_ms(io));
        if transaction.spoiled {
            self.leave_private_if_done(client);
            return self.give(io, client, ABORTED);
        }
        if is_broken {
            let mut reply = Vec::new();
            encode::null_array(&mut reply, client.session.version());
            return self.give(io, client, &reply);
        }
        if transaction.ends.is_empty() && watched.is_none() {
            return self.give(io, client, b"*0\r\n");
        }
        let Some(lane) = lane else {
            if self.is_by_slot(client)
                && let Some(slot) = slot_of(&transaction)
            {
                // No node is known yet.
                return self.send_as_piece(io, client, &transaction, slot, None);
            }
            self.pools[client.pool].stats.no_server.inc();
            let error = b"-EXECABORT Transaction discarded because of: no server is left for it\r\n";
            return self.give(io, client, error);
        };
        if let Some(state) = &mut client.session.state
            && state.private == Some(lane)
        {
            state.dirty = false;
        }
        if self.servers[lane.server].is_local() {
            return self.execute_here(io, client, lane, &transaction);
        }
        self.send_transaction(io, client, lane, &transaction);
    }

    /// Ends the watch of a client's keys, which DISCARD and RESET do.
    pub(crate) fn end_watch(&mut self, client: &mut Client) {
        client.session.unwatch();
        self.end_embedded_watch(client, 0);
        self.leave_private_if_done(client);
    }

    /// Executes a transaction on the embedded cache: nothing else runs on this thread meanwhile.
    fn execute_here<I: Io>(&mut self, io: &mut I, client: &mut Client, lane: LaneKey, queued: &Transaction) {
        let mut reply = std::mem::take(&mut self.scratch.reply);
        reply.clear();
        encode::array(&mut reply, queued.ends.len());
        for request in queued.requests() {
            self.execute_local(io, client, (lane.server, CommandClass::Other), request, None);
            reply.extend_from_slice(&self.scratch.local);
        }
        self.pools[client.pool].stats.latency.record(0);
        self.give(io, client, &reply);
        self.scratch.reply = reply;
        self.serve_blocked(io);
    }

    /// Sends a transaction as one unit: nothing of another client gets in between.
    fn send_transaction<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        lane: LaneKey,
        queued: &Transaction,
    ) {
        let is_shared = lane.number < self.servers[lane.server].first_private();
        if is_shared
            && self.pools[client.pool].placement.slots().is_some()
            && let Some(slot) = slot_of(queued)
        {
            return self.send_as_piece(io, client, queued, slot, Some(lane));
        }
        let gather = self.open_transaction(io, client, queued, Some(lane));
        self.bring_scripts(io, lane, queued.requests());
        let bulky = client.reply_size.is_bulky();
        let queued_lens = queued.requests().map(<[u8]>::len);
        let lens = std::iter::once(MULTI.len()).chain(queued_lens).chain([EXECUTE.len()]);
        let requests = Pending::of_transaction(gather, lens, io.now()).map(|it| Pending { bulky, ..it });
        let mut bytes = std::mem::take(&mut self.scratch.request);
        bytes.clear();
        [MULTI, &queued.requests, EXECUTE].iter().for_each(|part| bytes.extend_from_slice(part));
        let ready = self.make_ready(io, lane);
        let sent = ready.and_then(|()| self.enqueue_together(io, lane, &bytes, requests));
        bytes.shrink_to(KEEP_REQUEST);
        self.scratch.request = bytes;
        if let Err(failure) = sent {
            let error = failure.reply(config::checked::Protocol::Redis);
            self.pools[client.pool].stats.forward_error.inc();
            self.gathers.get_mut(gather).waiting = 1;
            self.gathers.fail(gather, &error);
            self.finish_gather(io, Some(client), gather);
        }
    }
}

impl Proxy {
    /// Opens the gather record of a transaction.
    fn open_transaction<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        queued: &Transaction,
        lane: Option<LaneKey>,
    ) -> GatherId {
        self.scratch.parts.clear();
        self.scratch.parts.push(Part { lane, group: None, keys: 0, refused: false });
        self.scratch.order.clear();
        let gather = self.open_gather(io, client, Merge::Exec);
        self.gathers.get_mut(gather).waiting = queued.ends.len() as u32 + 2;
        // It came as one piece: so does the answer.
        let replied = OK.len() + queued.ends.len() * QUEUED.len();
        if (1..=replied).contains(&io.unsent(client.id)) {
            io.hold(client.id);
        }
        gather
    }

    /// Sends a transaction of a cluster, or lets it wait until its slot has an owner.
    fn send_as_piece<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        queued: &Transaction,
        slot: u16,
        lane: Option<LaneKey>,
    ) {
        let gather = self.open_transaction(io, client, queued, lane);
        let all = std::iter::once(MULTI).chain(queued.requests()).chain([EXECUTE]);
        let number = lane.map_or(u16::from(client.session.resp3), |lane| lane.number);
        let piece = Piece::new(all, slot, (number, lane.map(|lane| lane.server)));
        self.gathers.get_mut(gather).piece = Some(Box::new(piece));
        self.gathers.recount(gather);
        self.send_first(io, client, gather);
    }
}

/// The hash slot of a transaction: that of its first key.
fn slot_of(queued: &Transaction) -> Option<u16> {
    queued.requests().find_map(first_key).map(|key| ring::key_slot(&key))
}

/// True for a command that no Redis takes in a transaction.
fn has_no_place_in_one(command: &Command) -> bool {
    command.flags & flags::NO_MULTI != 0
}

fn about_the_connection(command: &Command) -> Step {
    let name = command.name;
    let text = format!(
        "ERR '{name}' cannot be part of a transaction here: it is about the client's connection, which servers do not see"
    );
    let mut error = Vec::new();
    encode::error(&mut error, text.as_bytes());
    Step::Spoil(error)
}

fn of_all_servers(command: &Command) -> Vec<u8> {
    let text = format!(
        "ERR '{}' cannot be part of a transaction: it is about all servers, and a transaction is for one",
        command.name
    );
    let mut error = Vec::new();
    encode::error(&mut error, text.as_bytes());
    error
}

#[cfg(test)]
mod tests;
