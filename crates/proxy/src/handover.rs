//! Hand-over of clients to the process that replaces this one.
//!
//! ```text
//! Mail::HandOver ▸ for each client: line empty?        ▸ drained ▸ quiet?       ▸ released ▸ Departure ─▶ the other process
//!                                    ▲ when a reply is sent                        Mail::Arrival ◀──────┘
//! ```
//! A client moves between two requests, as it does to another shard: all its state is in its socket and its
//! session. Clients with a connection layer (TLS), a partly received request, or a session that the protocol
//! of the hand-over cannot express stay until they leave or change. A client that comes back because the
//! other process has ended is served here again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use config::checked::{self, Protocol};
use net::{ConnId, Instant, Io};
use wire::upgrade::{self, FIELD_BYTES_MAX};

use crate::client::Session;
use crate::keys::{PoolKey, ServerKey};
use crate::mail::{Departure, HandOver, Mail};
use crate::pool::{LOCAL_SHARD, Pool};
use crate::proxy::Proxy;

impl Proxy {
    /// Starts or stops the hand-over.
    pub(crate) fn set_hand_over<I: Io>(&mut self, io: &mut I, hand_over: Option<HandOver>) {
        self.hand_over = hand_over;
        if self.hand_over.is_some() {
            // Clients in a backlog are accepted by the other process.
            io.leave_listeners();
            self.invite_to_leave(io);
        }
    }

    /// Arranges for [`Proxy::hand_over_client`] to be called for each client whose line is empty, once its
    /// output is sent.
    pub(crate) fn invite_to_leave<I: Io>(&self, io: &mut I) {
        self.clients().filter(|client| client.waiting() == 0).for_each(|client| io.notify_drained(client.id));
    }

    /// Hands over a client if it is between two requests. Otherwise it is tried again when its next reply is
    /// sent.
    pub(crate) fn hand_over_client<I: Io>(&mut self, io: &mut I, id: ConnId) {
        let Some(HandOver { pools, send }) = self.hand_over.clone() else { return };
        let quiet = self.client_mut(id).filter(|client| client.is_quiet()).map(|client| client.pool);
        let Some(pool) = quiet.and_then(|pool| self.pools.get(pool)) else { return };
        let pool = Arc::clone(&pool.config);
        if !pools.contains(&described(&pool)) {
            return;
        }
        let Some(mut client) = self.take_client(id) else { return };
        let Some(state) = state_of(&client.session, &pool) else { return self.put_client(client) };
        let Some(parcel) = io.release(id) else { return self.put_client(client) };
        // Sent before it is unregistered here: a client counted twice for a moment is better than one not
        // counted at all.
        send(Departure { shard: self.shard, client: state, parcel });
        self.forget(&mut client);
    }

    /// Takes a client that came from another process, or back from it. It is closed if its pool does not
    /// exist.
    pub(crate) fn arrive<I: Io>(&mut self, io: &mut I, arrival: Departure) {
        let name = &arrival.client.pool;
        let is_it = |(_, pool): &(PoolKey, &Pool)| pool.config.name == *name && !pool.removed;
        let Some((key, pool)) = self.pools.iter().find(is_it) else { return };
        let is_local = |server: &ServerKey| self.servers[*server].is_local();
        if self.shard != LOCAL_SHARD && pool.servers.iter().any(is_local) {
            return (self.post)(LOCAL_SHARD, Mail::Arrival(Box::new(arrival)));
        }
        let user = arrival.client.user.clone();
        let session = session_of(arrival.client, &pool.config, io.now());
        pool.clients.fetch_add(1, Ordering::Relaxed);
        match io.adopt(arrival.parcel) {
            Some(id) => self.admit_moved(io, key, id, (session, user.as_deref())),
            None => self.migration_failed(key),
        }
    }
}

/// Describes a pool for the other process.
pub fn described(pool: &checked::Pool) -> upgrade::Pool {
    let protocol = match pool.protocol {
        Protocol::Redis => "redis",
        Protocol::Memcache => "memcache",
    };
    upgrade::Pool { name: pool.name.clone(), protocol: protocol.to_owned() }
}

/// The state of a quiet client; None if it cannot be expressed for the other process.
fn state_of(session: &Session, pool: &checked::Pool) -> Option<upgrade::Client> {
    // A quiet client has none of the ignored states.
    let Session {
        authenticated,
        resp3,
        number,
        ref name,
        leaving: _,
        state: _,
        ended: _,
        paused: _,
        skip: _,
        ref user,
        // Determined anew.
        limited: _,
        connected: _,
        pending: _,
        since: _,
        heard: _,
        last: _,
        from,
        db,
    } = *session;
    // The other process may not know of databases, and would use another one.
    if db.is_some_and(|db| u32::from(db) != pool.db) {
        return None;
    }
    let name = name.as_ref().map(|name| name.to_vec());
    if pool.name.len() > FIELD_BYTES_MAX || name.as_ref().is_some_and(|name| name.len() > FIELD_BYTES_MAX) {
        return None;
    }
    let user = user.as_ref().map(|user| user.name().into());
    let has_authenticated = authenticated && pool.auth.is_some() && user.is_none();
    let address = from.map(|address| address.to_string().into_bytes());
    Some(upgrade::Client { pool: pool.name.clone(), number, has_authenticated, resp3, name, user, address })
}

/// The session of a client that comes from another process. It needs no login if `pool` has no password; if
/// the pool has got one since, the client has to send it. The pool's gate sets its user.
fn session_of(client: upgrade::Client, pool: &checked::Pool, now: Instant) -> Session {
    let upgrade::Client { pool: _, number, has_authenticated, resp3, name, user: _, address } = client;
    let address = address.as_deref().and_then(|address| std::str::from_utf8(address).ok());
    Session {
        authenticated: has_authenticated || pool.auth.is_none(),
        resp3,
        number,
        since: now,
        heard: now,
        name: name.map(Vec::into_boxed_slice),
        from: address.and_then(|address| address.parse().ok()),
        ..Session::default()
    }
}

#[cfg(test)]
mod tests;
