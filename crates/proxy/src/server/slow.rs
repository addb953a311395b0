//! The slow log's entries: requests whose reply came after `slowlog_threshold`, late replies and connections
//! that were lost without one included.
//!
//! Blocking commands are left out while they block: they wait on purpose.

use net::{ConnId, Io};
use telemetry::SlowRequest;

use crate::client::Session;
use crate::keys::LaneKey;
use crate::proxy::Proxy;
use crate::request::wall_ms;
use crate::server::arguments;
use crate::server::pending::{Owner, Pending};

impl Proxy {
    /// Logs the oldest request of a connection, whose reply of `reply_bytes` has come.
    pub(super) fn log_slow_reply<I: Io>(&mut self, io: &I, lane: LaneKey, reply_bytes: usize) {
        let conn = &self.servers[lane.server].conns[lane.number as usize];
        let Some(pending) = conn.line.front().copied() else { return };
        let beginning = conn.kept.beginning(&pending).to_vec();
        // The gather record of a request that has expired is another's by now.
        let asker = if conn.expired == 0 { self.asker(&pending) } else { None };
        self.log_slow(io, lane, (&pending, asker), &beginning, Some(reply_bytes as u64));
    }

    /// Logs a request that was slow and got no reply: its connection is lost.
    pub(crate) fn log_slow_loss<I: Io>(
        &mut self,
        io: &I,
        lane: LaneKey,
        (pending, settled): (&Pending, bool),
        beginning: &[u8],
    ) {
        if io.now().micros_since(pending.at) >= self.servers[lane.server].notable.slow_us {
            let asker = if settled { None } else { self.asker(pending) };
            self.log_slow(io, lane, (pending, asker), beginning, None);
        }
    }

    /// The client of a request.
    pub(super) fn asker(&self, pending: &Pending) -> Option<ConnId> {
        match pending.owner {
            Owner::Client(id, _) | Owner::Private(id, _) => Some(id),
            Owner::Part(gather, _) => Some(self.gathers.get(gather).client),
            Owner::Detour(_)
            | Owner::Unwanted
            | Owner::Subscription
            | Owner::Sounding(_)
            | Owner::Handshake(_) => None,
        }
    }

    fn log_slow<I: Io>(
        &mut self,
        io: &I,
        lane: LaneKey,
        (pending, asker): (&Pending, Option<ConnId>),
        beginning: &[u8],
        reply_bytes: Option<u64>,
    ) {
        let server = &self.servers[lane.server];
        let blocks = server.private(lane.number).is_some_and(|private| private.blocks.is_some());
        if blocks || pending.owner.is_ours() {
            return;
        }
        let (name, protocol, pool) = (server.identity.clone(), server.config.protocol, server.pool);
        let (client, client_name) = match asker.and_then(|id| self.client_mut(id)) {
            Some(client) => who(&client.session),
            None => Default::default(),
        };
        let (arguments, more_arguments, key_at) = arguments::first(protocol, beginning);
        let queue_us = u64::from(pending.queue_us);
        let Some(pool) = self.pools.get(pool) else { return };
        pool.slow_log.push(SlowRequest {
            id: 0,
            at_ms: wall_ms(io),
            client,
            client_name,
            server: name,
            arguments,
            more_arguments,
            key_at,
            queue_us,
            response_us: io.now().micros_since(pending.at).saturating_sub(queue_us),
            reply_bytes,
        });
    }
}

/// Address and name of a client.
pub(super) fn who(session: &Session) -> (String, String) {
    (session.address(), session.name.as_deref().map(String::from_utf8_lossy).unwrap_or_default().into_owned())
}

#[cfg(test)]
mod tests;
