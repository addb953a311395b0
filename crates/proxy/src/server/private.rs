//! Private connections: those that one client has for itself while it watches keys or blocks.
//!
//! ```text
//! wanted ▸ a free one of its protocol version, or one more, or the client waits (Wait::Private)
//!        ▸ held by the client ▸ given back: clean          ▸ free, for the next one
//!                                          watched keys    ▸ UNWATCH, free
//!                                          still blocked   ▸ closed, so that nothing is popped for nobody
//! ```
//! They are lanes of their server behind all others, at most `private_connections` of
//! them; an open one is used again and never opened per use.

use std::time::Duration;

use net::Io;
use wire::redis::BlockTime;

use crate::client::{Client, Wait};
use crate::fail::Failure;
use crate::keys::{LaneKey, ServerKey};
use crate::proxy::Proxy;
use crate::request::Frame;
use crate::server::Server;
use crate::server::kept::Keep;
use crate::server::pending::{Owner, Pending};
use crate::server::privates::{Departed, Private};

/// Time that a client waits for one in a pool without a timeout.
const WAIT_MAX: Duration = Duration::from_secs(5);

impl Server {
    /// Number of the first private lane.
    #[inline]
    pub(crate) fn first_private(&self) -> u16 {
        self.subscription_lane() + 1
    }

    /// The private connection on this lane, if it is one.
    pub(crate) fn private(&self, lane: u16) -> Option<&Private> {
        self.privates.all.get(lane.checked_sub(self.first_private())? as usize)
    }

    fn private_mut(&mut self, lane: u16) -> Option<&mut Private> {
        let at = lane.checked_sub(self.first_private())? as usize;
        self.privates.all.get_mut(at)
    }

    /// True for a private lane whose connection speaks RESP3.
    #[cold]
    pub(crate) fn private_speaks_resp3(&self, lane: u16) -> bool {
        self.private(lane).is_some_and(|private| private.resp3)
    }

    /// Lane of a private connection that a client of this version and database can have now: preferably an
    /// open one, and another kind of one, which has to be closed first, only at the limit.
    fn free_private(&mut self, (resp3, db): (bool, u32)) -> Option<u16> {
        let first = self.first_private();
        let lanes = (first..).zip(&self.privates.all);
        let free = lanes.filter(|(_, private)| private.user.is_none());
        let is_open = |lane: u16| self.conns[lane as usize].conn.is_some();
        let (mut open, mut closed, mut other) = (None, None, None);
        for (lane, private) in free {
            match is_open(lane) {
                true if (private.resp3, private.db) == (resp3, db) => {
                    open = Some(lane);
                    break;
                }
                true => other = Some(lane),
                false => closed = closed.or(Some(lane)),
            }
        }
        if open.is_some() || closed.is_some() {
            return open.or(closed);
        }
        if self.privates.all.len() < self.config.private_connections as usize {
            self.privates.all.push(Private { resp3, db, user: None, blocks: None });
            self.conns.push(Default::default());
            return Some(first + (self.privates.all.len() - 1) as u16);
        }
        other
    }

    /// Timeout of requests on this lane; None if there is none.
    pub(crate) fn timeout_on(&self, lane: u16) -> Option<Duration> {
        let timeout = self.config.timeout;
        match self.private(lane).and_then(|private| private.blocks) {
            None => timeout,
            Some(BlockTime::Forever) => None,
            Some(BlockTime::AtMost(time)) => Some(timeout? + time),
        }
    }

    pub(crate) fn has_private_waiting(&self) -> bool {
        !self.privates.waiting.is_empty()
    }
}

impl Proxy {
    /// Gives a client a private connection to a server. None if all are in use.
    pub(crate) fn take_private<I: Io>(
        &mut self,
        io: &mut I,
        client: &Client,
        server: ServerKey,
        resp3: bool,
    ) -> Option<LaneKey> {
        let db = client.session.db.map_or(self.servers[server].config.db, u32::from);
        let number = self.servers[server].free_private((resp3, db))?;
        let lane = LaneKey { server, number };
        let is_of = |private: &Private| (private.resp3, private.db) == (resp3, db);
        if self.servers[server].is_open(number) && !self.servers[server].private(number).is_some_and(is_of) {
            self.close_lane(io, lane, Failure::Removed);
        }
        let server = &mut self.servers[server];
        let lane = number;
        let private = server.private_mut(lane)?;
        (private.resp3, private.db) = (resp3, db);
        (private.user, private.blocks) = (Some(client.id), None);
        server.stats.private_connections.inc();
        Some(server.lane_key(lane))
    }

    /// Sets how long the next request on a private connection may block.
    pub(crate) fn set_block_time(&mut self, lane: LaneKey, time: Option<BlockTime>) {
        if let Some(private) = self.servers[lane.server].private_mut(lane.number) {
            private.blocks = time;
        }
    }

    /// Takes back the private connections that clients have left in this turn.
    pub(crate) fn take_back_privates<I: Io>(&mut self, io: &mut I) {
        for departed in std::mem::take(&mut self.departed) {
            self.give_back_private(io, departed);
        }
    }

    fn give_back_private<I: Io>(&mut self, io: &mut I, departed: Departed) {
        let Departed { lane, user, watched } = departed;
        let Some(server) = self.servers.get_mut(lane.server) else { return };
        // It may have been lost meanwhile, and be another client's by now.
        let is_it = |private: &&mut Private| private.user == Some(user);
        let Some(private) = server.private_mut(lane.number).filter(is_it) else { return };
        private.user = None;
        let blocks = private.blocks.take().is_some();
        server.stats.private_connections.dec();
        let busy = !server.conns[lane.number as usize].line.is_empty();
        if blocks && busy {
            self.close_lane(io, lane, Failure::Removed);
        } else if watched && self.servers[lane.server].is_open(lane.number) {
            // Nobody waits for its reply; what the next client sends comes after it.
            let request: &[u8] = b"*1\r\n$7\r\nUNWATCH\r\n";
            let pending = Pending::new(Owner::Private(user, 0), io.now(), request.len());
            let _ = self.enqueue(io, lane, Frame::Slice(request), pending, Keep::default());
        }
        self.offer_private(io, lane.server);
    }

    /// Resumes the client that has waited longest for a private connection.
    fn offer_private<I: Io>(&mut self, io: &mut I, server: ServerKey) {
        let next = |proxy: &mut Proxy| proxy.servers.get_mut(server)?.privates.waiting.pop_front();
        while let Some((client, _)) = next(self) {
            // It may be gone.
            if self.client_mut(client).is_some() {
                return self.resume_client(io, client, Wait::Private);
            }
        }
    }

    /// Resumes all clients that wait for a private connection of a server, since it takes no more requests.
    pub(crate) fn dismiss_private_waits<I: Io>(&mut self, io: &mut I, server: ServerKey) {
        for (client, _) in std::mem::take(&mut self.servers[server].privates.waiting) {
            self.resume_client(io, client, Wait::Private);
        }
    }

    /// Lets a client wait for a private connection; false if it has waited long enough.
    pub(crate) fn wait_for_private<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        server: ServerKey,
    ) -> bool {
        let timeout = self.servers[server].config.timeout.unwrap_or(WAIT_MAX);
        let state = client.session.stateful();
        let now = io.now();
        let until = *state.waits_until.get_or_insert(now + timeout);
        if until <= now {
            state.waits_until = None;
            client.session.rest();
            return false;
        }
        self.servers[server].privates.waiting.push_back((client.id, until));
        self.servers[server].stats.queue_waits.inc();
        self.maintain_later(io);
        true
    }

    /// Resumes clients that have waited for too long, to be refused. True if any are still waiting.
    pub(crate) fn end_private_waits<I: Io>(&mut self, io: &mut I) -> bool {
        let now = io.now();
        let mut late = Vec::new();
        let mut any = false;
        for server in self.servers.values_mut().filter(|server| server.has_private_waiting()) {
            let waiting = &mut server.privates.waiting;
            while waiting.front().is_some_and(|(_, until)| *until <= now) {
                late.extend(waiting.pop_front().map(|(client, _)| client));
            }
            any |= !waiting.is_empty();
        }
        for client in late {
            self.resume_client(io, client, Wait::Private);
        }
        any
    }

    /// Handles the loss of a private connection: a client that watched keys on it must not execute its
    /// transaction.
    pub(crate) fn private_lost(&mut self, lane: LaneKey) {
        let server = &mut self.servers[lane.server];
        let Some(private) = server.private_mut(lane.number) else { return };
        private.blocks = None;
        let Some(user) = private.user.take() else { return };
        server.stats.private_connections.dec();
        if let Some(client) = self.client_mut(user)
            && let Some(state) = &mut client.session.state
            && state.private.is_some_and(|private| private == lane)
        {
            state.private = None;
            (state.blocked, state.dirty) = (false, false);
            state.watch_broken |= std::mem::take(&mut state.watching);
            client.session.rest();
        }
    }
}
