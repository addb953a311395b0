//! (b) A request goes to its server: onto the connection's line, and its bytes into the connection's outbox.

use net::{Instant, Io};

use crate::client::{Client, Reply};
use crate::fail::Failure;
use crate::place::Place;
use crate::proxy::Proxy;
use crate::request::Frame;
use crate::request::room::is_overfull;
use crate::server_conn::{ANY_REPLY, Expect, Keep, NOT_NAMED, Owner, Pending};
use wire::memcache::{Silence, Span};

/// What is known of a request besides its bytes.
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

/// What has become of a request.
pub(super) enum Forwarded {
    /// It waits for its reply.
    Queued,
    /// The embedded cache has answered: the reply is in `scratch.local`.
    Answered,
    /// It reached no server.
    Refused(Failure),
}

impl Pending {
    pub(crate) fn new(owner: Owner, at: Instant, len: usize) -> Pending {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        Pending {
            owner,
            at,
            expect: ANY_REPLY,
            silence: Silence::Never,
            kept: 0,
            asked: NOT_NAMED,
            again: false,
            bulky: false,
            len,
        }
    }
}

impl Proxy {
    /// A request that one server answers. `server` is None if there is none to go to.
    pub(super) fn forward_one<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        server: Option<u16>,
        frame: Frame<'_>,
        traits: Traits,
    ) {
        let place = server.map(|server| self.place_for(client, server));
        if let Some(place) = place
            && self.put_off(io, client, place, &frame)
        {
            return;
        }
        let seq = client.reserve();
        let Traits { expect, silence, .. } = traits;
        let sent = match place {
            Some(place) => {
                let owner = Owner::Client(client.id, seq);
                let pending =
                    Pending { expect, silence, ..Pending::new(owner, io.now(), frame.bytes().len()) };
                self.forward(io, client, place, frame, pending, traits.keep)
            }
            None => {
                self.pools[client.pool as usize].stats.no_server.inc();
                Forwarded::Refused(Failure::Refused)
            }
        };
        match sent {
            Forwarded::Queued => {}
            Forwarded::Answered => {
                let pool = &self.pools[client.pool as usize];
                pool.count_reply(self.scratch.local.len());
                pool.stats.latency.record(0);
                client.fulfil(io, seq, Reply::Slice(&self.scratch.local));
            }
            Forwarded::Refused(failure) => {
                let pool = &self.pools[client.pool as usize];
                pool.stats.forward_error.inc();
                let error = failure.reply(pool.config.protocol);
                pool.count_reply(error.len());
                client.fulfil(io, seq, Reply::Slice(if silence == Silence::Always { b"" } else { &error }));
            }
        }
    }

    /// Which connection to `server` serves a client.
    #[inline]
    pub(super) fn place_for(&self, client: &Client, server: u16) -> Place {
        let target = &self.pools[client.pool as usize].servers[server as usize];
        Place { pool: client.pool, server, slot: target.slot_for(client.id.index, client.session.resp3) }
    }

    #[inline]
    pub(super) fn forward<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        place: Place,
        frame: Frame<'_>,
        mut pending: Pending,
        keep: Keep,
    ) -> Forwarded {
        if self.pools[place.pool as usize].is_local(place.server) {
            self.execute_local(io, client, place.server, frame.bytes());
            return Forwarded::Answered;
        }
        pending.bulky = client.reply_size.is_bulky();
        if let Err(failure) = self.enqueue(io, place, frame, pending, keep) {
            return Forwarded::Refused(failure);
        }
        self.hold_back(io, client, place);
        Forwarded::Queued
    }

    /// Puts a request on a server connection, which is opened if need be.
    #[inline]
    pub(crate) fn enqueue<I: Io>(
        &mut self,
        io: &mut I,
        place: Place,
        frame: Frame<'_>,
        mut pending: Pending,
        keep: Keep,
    ) -> Result<(), Failure> {
        let pool = &mut self.pools[place.pool as usize];
        let target = &mut pool.servers[place.server as usize];
        if target.conns[place.slot as usize].conn.is_none() {
            target.may_connect(place.slot, io.now())?;
            self.open_server_conn(io, place);
        }
        let pool = &mut self.pools[place.pool as usize];
        let stats = &pool.stats.servers[place.server as usize];
        let conn = &mut pool.servers[place.server as usize].conns[place.slot as usize];
        let Some(id) = conn.conn else { return Err(Failure::Refused) };
        if is_overfull(conn, &pool.config) {
            stats.refused.inc();
            pool.stats.refused.inc();
            return Err(Failure::Overloaded);
        }
        let bytes = frame.bytes();
        conn.keep(&mut pending, bytes, keep);
        if conn.ready() {
            match frame {
                Frame::Slice(bytes) => io.send(id, bytes),
                Frame::Shared(bytes) => io.send_shared(id, bytes.clone()),
            }
        } else {
            conn.held.extend_from_slice(bytes);
        }
        stats.requests.inc();
        stats.request_bytes.add(bytes.len() as u64);
        if let Some(timeout) = pool.config.timeout {
            conn.alarm_at(io, place, pending.at + timeout);
        }
        conn.bulky += usize::from(pending.bulky);
        conn.line.push_back(pending);
        self.held.apply(conn.recount());
        Ok(())
    }
}
