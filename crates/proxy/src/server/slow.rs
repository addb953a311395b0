//! The slow log's entries: requests whose reply came after `slowlog_threshold`, late replies and connections
//! that were lost without one included.
//!
//! Blocking commands are left out while they block: they wait on purpose.

use config::checked::Protocol;
use net::{ConnId, Instant, Io};
use telemetry::{Cut, SlowRequest};
use wire::redis::{Beginning, lookup};

use crate::client::Session;
use crate::keys::LaneKey;
use crate::proxy::Proxy;
use crate::server::Server;
use crate::server::pending::{Owner, Pending};

impl Server {
    /// True if the oldest request of a connection is slow, were its reply to come now.
    #[inline]
    pub(crate) fn is_slow(&self, lane: u16, now: Instant) -> bool {
        let front = self.conns[lane as usize].line.front();
        front.is_some_and(|pending| now.micros_since(pending.at) >= self.slow_us)
    }
}

impl Proxy {
    /// Logs the oldest request of a connection, whose reply of `reply_bytes` has come.
    #[cold]
    pub(crate) fn log_slow_reply<I: Io>(&mut self, io: &I, lane: LaneKey, reply_bytes: usize) {
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
        if io.now().micros_since(pending.at) >= self.servers[lane.server].slow_us {
            let asker = if settled { None } else { self.asker(pending) };
            self.log_slow(io, lane, (pending, asker), beginning, None);
        }
    }

    fn asker(&self, pending: &Pending) -> Option<ConnId> {
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
        let (arguments, more_arguments, key_at) = match protocol {
            Protocol::Redis => redis_arguments(beginning),
            Protocol::Memcache => memcache_arguments(beginning),
        };
        let queue_us = u64::from(pending.queue_us);
        let Some(pool) = self.pools.get(pool) else { return };
        pool.slow_log.push(SlowRequest {
            id: 0,
            at_ms: u64::try_from(io.wall_time().0 / 1_000_000).unwrap_or(0),
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
fn who(session: &Session) -> (String, String) {
    let from = session.from.map_or_else(|| "unix".to_owned(), |ip| ip.to_string());
    (from, session.name.as_deref().map(String::from_utf8_lossy).unwrap_or_default().into_owned())
}

/// The first arguments of a request, the number of the others, and the place of its key.
type Arguments = (Vec<Cut>, usize, Option<usize>);

fn redis_arguments(beginning: &[u8]) -> Arguments {
    let Some(mut rest) = Beginning::of(beginning) else { return Default::default() };
    let first: Vec<(&[u8], usize)> = rest.by_ref().take(SlowRequest::ARGUMENTS_MAX).collect();
    let names: Vec<&[u8]> = first.iter().map(|(bytes, _)| *bytes).collect();
    let command = names.first().and_then(|name| lookup(name));
    let subcommand = command.zip(names.get(1)).and_then(|(command, name)| command.subcommand(name));
    let key_at = subcommand.or(command).and_then(|command| command.keys.first_at(&names));
    (first.iter().map(|(bytes, len)| Cut::of(bytes, *len)).collect(), rest.left(), key_at)
}

fn memcache_arguments(beginning: &[u8]) -> Arguments {
    let line = beginning.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let first: Vec<&[u8]> = words.by_ref().take(SlowRequest::ARGUMENTS_MAX).collect();
    let key_at = if first.first().is_some_and(|name| name.starts_with(b"gat")) { 2 } else { 1 };
    let key_at = Some(key_at).filter(|at| *at < first.len());
    (first.iter().map(|word| Cut::of(word, word.len())).collect(), words.count(), key_at)
}

#[cfg(test)]
mod tests;
