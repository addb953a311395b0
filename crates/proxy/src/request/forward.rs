//! (b) Sends a request to its server: an entry on the connection's line, and the bytes into its outbox.

use local::redis::Block;
use net::{Input, Io};
use telemetry::CommandClass;
use wire::memcache::Silence;
use wire::redis::{Command, Merge, Proxied};

use crate::client::Client;
use crate::fail::Failure;
use crate::keys::{LaneKey, PoolKey};
use crate::proxy::Proxy;
use crate::request::{Frame, SHARE_MIN};
use crate::server::Server;
use crate::server::hits::Counted;
use crate::server::kept::{Keep, Policy};
use crate::server::pending::{ANY_REPLY, Expect, Owner, Pending};
use crate::tally::Change;

/// Facts about a request besides its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traits {
    pub(super) keep: Keep,
    pub(super) expect: Expect,
    pub(super) silence: Silence,
    pub(super) counted: Counted,
}

impl Traits {
    /// Traits of a request for a Redis command.
    #[inline]
    pub(super) fn of(command: &Command) -> Traits {
        let class = match () {
            () if command.is_read() => CommandClass::Read,
            () if command.is_write() => CommandClass::Write,
            () => CommandClass::Other,
        };
        let is_of_many = command.proxied == Proxied::Split(Merge::Values);
        let traits = Traits::redis(command.retry_safe());
        let keep = Keep { whole: command.runs_known_script(), ..traits.keep };
        Traits { counted: Counted { class, is_of_many }, keep, ..traits }
    }

    /// Traits of a Redis request that is not one command of a client's.
    pub(super) fn redis(retry_safe: bool) -> Traits {
        Traits {
            keep: Keep { safe: retry_safe, ..Keep::default() },
            expect: ANY_REPLY,
            silence: Silence::Never,
            counted: Counted::default(),
        }
    }
}

/// Outcome of a request.
pub(super) enum Forwarded {
    /// It waits for its reply.
    Queued,
    /// The embedded cache has answered: the reply is in `scratch.local`.
    Answered,
    /// It waits for an element of the embedded cache.
    Blocks(Block),
    /// It was sent to no server.
    Refused(Failure),
}

/// Takes the first `len` bytes of the input as a request to pass on, in their own memory from [`SHARE_MIN`]
/// on.
#[inline]
pub(super) fn hand_on(input: &mut Input<'_>, len: usize, to: impl FnOnce(Frame<'_>)) {
    if len >= SHARE_MIN {
        to(Frame::Shared(&input.take(len)));
    } else {
        to(Frame::Slice(&input.bytes()[..len]));
        input.consume(len);
    }
}

impl Proxy {
    /// The client's connection to the server of a key; None if there is no server.
    #[inline]
    pub(super) fn lane_of_key(&mut self, client: &Client, key: &[u8]) -> Option<LaneKey> {
        let server = self.pools[client.pool].placement.server_of_key(key)?;
        Some(self.servers[server].lane_of(client))
    }

    /// Forwards a request that one server answers. `lane` is None if no server is left.
    pub(super) fn forward_one<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        lane: Option<LaneKey>,
        frame: Frame<'_>,
        traits: Traits,
    ) {
        let Traits { expect, silence, keep, counted } = traits;
        let owner = Owner::Client(client.id, client.next_seq());
        let detour = (frame.bytes(), keep.safe, expect);
        let Some(lane) = lane else {
            if self.pools[client.pool].placement.slots().is_some()
                && self.take_detour(io, client, owner, detour, None)
            {
                return client.add_slot();
            }
            self.pools[client.pool].stats.no_server.inc();
            return self.refuse(io, client, Failure::Refused, silence);
        };
        let pending =
            Pending { expect, silence, counted, ..Pending::new(owner, io.now(), frame.bytes().len()) };
        match self.forward(io, client, lane, frame, pending, keep) {
            Forwarded::Queued => client.add_slot(),
            Forwarded::Blocks(block) => self.block_client(io, client, lane.server, frame.bytes(), block),
            Forwarded::Answered => {
                self.pools[client.pool].stats.latency.record(0);
                self.give(io, client, &self.scratch.local);
            }
            Forwarded::Refused(failure)
                if self.may_take_detour(client.pool, failure)
                    && self.take_detour(io, client, owner, detour, Some((lane.server, failure))) =>
            {
                client.add_slot();
            }
            Forwarded::Refused(failure) => self.refuse(io, client, failure, silence),
        }
    }

    /// True if a request that its server did not get may wait for another one.
    #[cold]
    pub(super) fn may_take_detour(&self, pool: PoolKey, failure: Failure) -> bool {
        let waits = !failure.is_handshake() && failure != Failure::Overloaded;
        waits && self.pools[pool].placement.slots().is_some()
    }

    /// Gives an error reply to a request that was sent to no server.
    #[cold]
    pub(super) fn refuse<I: Io>(&self, io: &mut I, client: &mut Client, failure: Failure, silence: Silence) {
        let pool = &self.pools[client.pool];
        pool.stats.forward_error.inc();
        let error = failure.reply(pool.config.protocol);
        self.give(io, client, if silence == Silence::Always { b"" } else { &error });
    }

    #[inline]
    pub(super) fn forward<I: Io>(
        &mut self,
        io: &mut I,
        client: &Client,
        lane: LaneKey,
        frame: Frame<'_>,
        mut pending: Pending,
        keep: Keep,
    ) -> Forwarded {
        let server = &self.servers[lane.server];
        if server.is_local() {
            let block =
                self.execute_local(io, client, (lane.server, pending.counted.class), frame.bytes(), None);
            if self.store.has_ready() {
                let reply = std::mem::take(&mut self.scratch.local);
                self.serve_blocked(io);
                self.scratch.local = reply;
            }
            return block.map_or(Forwarded::Answered, Forwarded::Blocks);
        }
        if !server.is_open(lane.number)
            && let Err(failure) = self.open_for_request(io, lane)
        {
            return self.forward_instead(io, client, lane, (frame, pending, keep), failure);
        }
        if self.servers[lane.server].is_unproven(lane.number) {
            return self.forward_instead(io, client, lane, (frame, pending, keep), Failure::Unproven);
        }
        pending.bulky = client.reply_size.is_bulky();
        let server = &mut self.servers[lane.server];
        match server.send(io, lane.number, frame, pending, keep) {
            Ok(sent) => {
                self.note_sent(lane, sent);
                Forwarded::Queued
            }
            Err(failure) => Forwarded::Refused(failure),
        }
    }

    /// Forwards a request that its server cannot take: to the master of a replica, in a pool with Sentinels.
    #[cold]
    fn forward_instead<I: Io>(
        &mut self,
        io: &mut I,
        client: &Client,
        lane: LaneKey,
        (frame, pending, keep): (Frame<'_>, Pending, Keep),
        failure: Failure,
    ) -> Forwarded {
        match self.servers[lane.server].fallback(lane.number) {
            Some(master) => self.forward(io, client, master, frame, pending, keep),
            None => Forwarded::Refused(failure),
        }
    }

    #[cold]
    pub(super) fn open_for_request<I: Io>(&mut self, io: &mut I, lane: LaneKey) -> Result<(), Failure> {
        self.servers[lane.server].may_connect(lane.number, io.now())?;
        self.open_lane(io, lane);
        Ok(())
    }

    /// Puts a request on a server connection, which is opened if necessary.
    pub(crate) fn enqueue<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        frame: Frame<'_>,
        pending: Pending,
        keep: Keep,
    ) -> Result<(), Failure> {
        if !self.servers[lane.server].is_open(lane.number) {
            self.open_for_request(io, lane)?;
        }
        let sent = self.servers[lane.server].send(io, lane.number, frame, pending, keep)?;
        self.note_sent(lane, sent);
        Ok(())
    }

    /// Opens a server connection if necessary. An error says that nothing may be sent on it now.
    pub(crate) fn make_ready<I: Io>(&mut self, io: &mut I, lane: LaneKey) -> Result<(), Failure> {
        if !self.servers[lane.server].is_open(lane.number) {
            self.open_for_request(io, lane)?;
        }
        if self.servers[lane.server].is_unproven(lane.number) {
            return Err(Failure::Unproven);
        }
        Ok(())
    }

    /// Puts requests that belong together on a server connection that is ready. `bytes` has them one after
    /// another, of the lengths that are in `requests`. Either all are sent, or none.
    pub(crate) fn enqueue_together<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        bytes: &[u8],
        requests: impl Iterator<Item = Pending>,
    ) -> Result<(), Failure> {
        let sent = self.servers[lane.server].send_together(io, lane.number, bytes, requests)?;
        self.note_sent(lane, sent);
        Ok(())
    }

    #[inline]
    fn note_sent(&mut self, lane: LaneKey, sent: Sent) {
        self.held.apply(sent.memory);
        if sent.is_first {
            self.unwritten.push(lane);
        }
    }
}

/// Effects of a request on its connection.
pub(crate) struct Sent {
    memory: Change,
    /// It is the first that is unwritten.
    is_first: bool,
}

impl Server {
    /// Sends a request on a connection that is open or being opened.
    #[inline(always)]
    pub(crate) fn send<I: Io>(
        &mut self,
        io: &mut I,
        lane: u16,
        frame: Frame<'_>,
        mut pending: Pending,
        keep: Keep,
    ) -> Result<Sent, Failure> {
        let (key, first_look) = (self.lane_key(lane), self.first_look());
        let Server { conns, stats, resend, notable, .. } = self;
        let conn = &mut conns[lane as usize];
        let Some(id) = conn.conn else { return Err(Failure::Refused) };
        let bytes = frame.bytes();
        let policy = Policy { resend: *resend, beginnings: notable.keeps_beginnings };
        conn.kept.keep(&mut pending, frame, keep, policy);
        if conn.ready() {
            match frame {
                Frame::Slice(bytes) => io.send(id, bytes),
                Frame::Shared(bytes) => io.send_shared(id, bytes.clone()),
            }
        } else {
            conn.unready.extend_from_slice(bytes);
        }
        stats.requests.inc();
        stats.request_bytes.add(bytes.len() as u64);
        if let Some(after) = first_look {
            conn.alarm_at(io, key, pending.at + after);
        }
        conn.bulky += usize::from(pending.bulky);
        let is_first = conn.unwritten.add(bytes.len());
        conn.line.push_back(pending);
        Ok(Sent { memory: conn.recount(), is_first })
    }

    /// Sends requests that stand one after another in `bytes`, none of which may be resent, as
    /// [`Server::send`] does one.
    fn send_together<I: Io>(
        &mut self,
        io: &mut I,
        lane: u16,
        bytes: &[u8],
        requests: impl Iterator<Item = Pending>,
    ) -> Result<Sent, Failure> {
        let (key, first_look) = (self.lane_key(lane), self.first_look());
        let Server { conns, stats, resend, notable, .. } = self;
        let conn = &mut conns[lane as usize];
        let Some(id) = conn.conn else { return Err(Failure::Refused) };
        if conn.ready() {
            io.send(id, bytes);
        } else {
            conn.unready.extend_from_slice(bytes);
        }
        let policy = Policy { resend: *resend, beginnings: notable.keeps_beginnings };
        let (mut left, mut is_first) = (bytes, false);
        for mut pending in requests {
            let Some((request, behind)) = left.split_at_checked(pending.len as usize) else { break };
            left = behind;
            conn.kept.keep(&mut pending, Frame::Slice(request), Keep::default(), policy);
            if let Some(after) = first_look {
                conn.alarm_at(io, key, pending.at + after);
            }
            conn.bulky += usize::from(pending.bulky);
            is_first |= conn.unwritten.add(request.len());
            conn.line.push_back(pending);
            stats.requests.inc();
        }
        stats.request_bytes.add(bytes.len() as u64);
        Ok(Sent { memory: conn.recount(), is_first })
    }
}
