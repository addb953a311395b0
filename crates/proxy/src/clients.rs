//! Clients of a shard: accepting, working on one at a time, and closing.
//!
//! A client that is worked on is taken out of the table, so that it and the rest of the proxy can both be
//! borrowed mutably; [`Proxy::settle`] puts it back, or closes it once it has all its replies.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use net::{ConnId, Io};

use crate::client::{Client, Session, Wait};
use crate::fail::{pool_removed, too_many_clients, user_removed};
use crate::keys::PoolKey;
use crate::proxy::{Proxy, Role};
use crate::tally::Change;

impl Proxy {
    #[inline]
    pub(crate) fn client_mut(&mut self, id: ConnId) -> Option<&mut Client> {
        match self.role_mut(id) {
            Some(Role::Client(client)) => Some(client),
            _ => None,
        }
    }

    /// True if a client has not gone.
    pub(crate) fn is_there(roles: &[(u32, Role)], id: ConnId) -> bool {
        let role = roles.get(id.index as usize).filter(|(generation, _)| *generation == id.generation);
        role.is_some_and(|(_, role)| matches!(role, Role::Client(_) | Role::Taken))
    }

    /// Takes a client out of the table.
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

    /// A client that is not being worked on.
    pub(crate) fn client_ref(&self, id: ConnId) -> Option<&Client> {
        match self.roles.get(id.index as usize)? {
            (generation, Role::Client(client)) if *generation == id.generation => Some(client),
            _ => None,
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

    pub(crate) fn accept_client<I: Io>(
        &mut self,
        io: &mut I,
        pool_key: PoolKey,
        id: ConnId,
        from: Option<SocketAddr>,
    ) {
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
        let number = self.client_numbers.fetch_add(1, Ordering::Relaxed);
        let now = io.now();
        let mut session = Session { from, number, since: now, heard: now, ..Session::default() };
        pool.gate.prepare(&mut session, &pool.config);
        self.register_client(io, pool_key, id, session);
    }

    /// Adds a client to this shard.
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

    /// Removes a client from this shard.
    pub(crate) fn unregister_client(&mut self, client: &mut Client) {
        if client.session.state.is_some() {
            self.end_transaction(client);
            if client.session.paused == Some(Wait::Block) {
                self.pools[client.pool].stats.blocked_clients_gone.inc();
            }
            self.leave_private(client);
            self.forget_subscriber(client);
            self.end_embedded_watch(client, 0);
        }
        if client.session.paused == Some(Wait::Block) {
            self.forget_blocked_client(client.id);
        }
        self.released.extend(client.holds_up);
        self.held.apply(Change::gone(client.counted));
        self.clients -= 1;
        self.vacate(client.id);
        let pool = &mut self.pools[client.pool];
        if pool.monitors.is_any() {
            pool.monitors.remove(client.id);
        }
        pool.stats.client_connections.dec();
        pool.clients_here -= 1;
    }

    /// Takes over a client of another shard, or of another process, which passes the user's name.
    pub(crate) fn admit_moved<I: Io>(
        &mut self,
        io: &mut I,
        pool: PoolKey,
        id: ConnId,
        (mut session, user): (Session, Option<&[u8]>),
    ) {
        let Some(known) = self.pools.get(pool) else { return io.abort(id) };
        let (removed, protocol) = (known.removed, known.config.protocol);
        let user_stays = known.gate.take_over(&mut session, user, &known.config);
        self.register_client(io, pool, id, session);
        if removed {
            self.dismiss(io, id, pool_removed(protocol));
        } else if !user_stays {
            self.dismiss(io, id, user_removed(protocol));
        } else if self.stop.is_some()
            && let Some(mut client) = self.take_client(id)
        {
            client.session.leaving = true;
            self.settle(io, client);
        }
    }

    /// Counts an error for a client whose connection this shard could not adopt.
    pub(crate) fn migration_failed(&mut self, pool: PoolKey) {
        let Some(pool) = self.pools.get(pool) else { return };
        pool.stats.client_err.inc();
        pool.clients.fetch_sub(1, Ordering::Relaxed);
    }

    /// Forgets a client that is gone or about to be. Servers still answer its requests, and the answers are
    /// dropped.
    pub(crate) fn forget(&mut self, client: &mut Client) {
        self.unregister_client(client);
        self.pools[client.pool].clients.fetch_sub(1, Ordering::Relaxed);
    }

    /// Puts a client back into the table after work on it, or closes it if it sends no more and has all its
    /// replies.
    pub(crate) fn settle<I: Io>(&mut self, io: &mut I, mut client: Box<Client>) {
        self.recount_client(&mut client);
        if client.session.leaving && client.waiting() == 0 {
            io.finish(client.id);
            self.forget(&mut client);
        } else {
            if self.hand_over.is_some() && client.waiting() == 0 {
                io.notify_drained(client.id);
            }
            self.put_client(client);
        }
    }

    pub(crate) fn client_ended<I: Io>(&mut self, io: &mut I, id: ConnId) {
        let Some(mut client) = self.take_client(id) else { return };
        self.pools[client.pool].stats.client_eof.inc();
        if self.end_blocked(io, &mut client) {
            return;
        }
        client.session.ended = true;
        client.session.leaving = true;
        client.partial = None;
        self.settle(io, client);
    }
}
