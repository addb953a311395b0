//! (b) A request goes to its server: onto the connection's line, and its bytes into the connection's outbox.

use net::Io;
use wire::memcache::{Silence, Span};

use crate::client::{Client, Reply};
use crate::fail::Failure;
use crate::keys::{LaneKey, ServerKey};
use crate::proxy::Proxy;
use crate::request::Frame;
use crate::server::kept::Keep;
use crate::server::pending::{ANY_REPLY, Expect, Owner, Pending};

/// Facts about a request besides its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traits {
    pub(super) keep: Keep,
    pub(super) expect: Expect,
    pub(super) silence: Silence,
}

impl Traits {
    pub(super) fn redis(retry_safe: bool) -> Traits {
        Traits {
            keep: Keep { again: retry_safe, asked: Span::default() },
            expect: ANY_REPLY,
            silence: Silence::Never,
        }
    }
}

/// Outcome of a request.
pub(super) enum Forwarded {
    /// It waits for its reply.
    Queued,
    /// The embedded cache has answered: the reply is in `scratch.local`.
    Answered,
    /// It reached no server.
    Refused(Failure),
}

impl Proxy {
    /// A request that one server answers. `server` is None if there is none to go to.
    pub(super) fn forward_one<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        server: Option<ServerKey>,
        frame: Frame<'_>,
        traits: Traits,
    ) {
        let lane = server.map(|server| self.lane_for(client, server));
        if let Some(lane) = lane
            && !self.has_room(io, client, lane, &frame)
        {
            return;
        }
        let seq = client.reserve();
        let Traits { expect, silence, .. } = traits;
        let sent = match lane {
            Some(lane) => {
                let owner = Owner::Client(client.id, seq);
                let pending =
                    Pending { expect, silence, ..Pending::new(owner, io.now(), frame.bytes().len()) };
                self.forward(io, client, lane, frame, pending, traits.keep)
            }
            None => {
                self.pools[client.pool].stats.no_server.inc();
                Forwarded::Refused(Failure::Refused)
            }
        };
        match sent {
            Forwarded::Queued => {}
            Forwarded::Answered => {
                let pool = &self.pools[client.pool];
                pool.count_reply(self.scratch.local.len());
                pool.stats.latency.record(0);
                client.fulfil(io, seq, Reply::Slice(&self.scratch.local));
            }
            Forwarded::Refused(failure) => {
                let pool = &self.pools[client.pool];
                pool.stats.forward_error.inc();
                let error = failure.reply(pool.config.protocol);
                pool.count_reply(error.len());
                client.fulfil(io, seq, Reply::Slice(if silence == Silence::Always { b"" } else { &error }));
            }
        }
    }

    /// The connection to `server` that serves a client.
    #[inline]
    pub(super) fn lane_for(&self, client: &Client, server: ServerKey) -> LaneKey {
        LaneKey { server, number: self.servers[server].lane_for(client.id.index, client.session.resp3) }
    }

    #[inline]
    pub(super) fn forward<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        lane: LaneKey,
        frame: Frame<'_>,
        mut pending: Pending,
        keep: Keep,
    ) -> Forwarded {
        let server = &mut self.servers[lane.server];
        if server.is_local() {
            self.execute_local(io, client, lane.server, frame.bytes());
            return Forwarded::Answered;
        }
        if !server.is_open(lane.number)
            && let Err(failure) = self.open_for_request(io, lane)
        {
            return Forwarded::Refused(failure);
        }
        pending.bulky = client.reply_size.is_bulky();
        let server = &mut self.servers[lane.server];
        match server.send(io, lane.number, frame, pending, keep) {
            Ok(change) => {
                server.throttle(io, client, lane.number);
                self.held.apply(change);
                Forwarded::Queued
            }
            Err(failure) => Forwarded::Refused(failure),
        }
    }

    #[cold]
    fn open_for_request<I: Io>(&mut self, io: &mut I, lane: LaneKey) -> Result<(), Failure> {
        self.servers[lane.server].may_connect(lane.number, io.now())?;
        self.open_lane(io, lane);
        Ok(())
    }

    /// Puts a request on a server connection once more, which is opened if need be.
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
        let change = self.servers[lane.server].send(io, lane.number, frame, pending, keep)?;
        self.held.apply(change);
        Ok(())
    }
}
