//! Changes of pools and servers at run time: the step from one generation to the next.
//!
//! ```text
//! a pool is added   the ring is built; connections are opened on demand
//! it is changed     servers whose ids stay keep their connections and their health; others replace those of the same name,
//!                   which drain (crate::drains); the ring is rebuilt
//! it is removed     its clients get their replies, then an error that says so, and are closed; its servers drain
//! ```
//! All of this happens between two requests of a client, since a generation comes by mail.

use std::collections::BTreeSet;
use std::sync::Arc;

use config::checked::{self, Topology};
use net::{ConnId, Io};

use crate::client::Client;
use crate::fail::{Failure, pool_removed, user_removed};
use crate::generation::{Generation, Out, PoolPlan, ServerPlan};
use crate::ids::PoolId;
use crate::keys::{LaneKey, PoolKey, ServerKey};
use crate::mail::{ListenerChange, Step};
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::server::Server;
use crate::server::health::State;

impl Proxy {
    /// Applies another generation and acknowledges it.
    pub(crate) fn take_step<I: Io>(&mut self, io: &mut I, step: Step) {
        let Step { generation, listeners, receipt } = step;
        self.maintain_later(io);
        self.apply(io, &generation);
        let mut listened = Ok(());
        for change in listeners {
            match change {
                ListenerChange::Listen(listener) => listened = listened.and(io.listen(listener)),
                ListenerChange::Set(listener, options) => io.set_listener(listener, options),
                ListenerChange::Unlisten(listener) => io.unlisten(listener),
            }
        }
        (receipt.0)(listened);
    }

    /// Applies another generation.
    pub(crate) fn apply<I: Io>(&mut self, io: &mut I, generation: &Generation) {
        self.drain_timeout = generation.drain_timeout;
        let stays: BTreeSet<PoolId> = generation.pools.iter().map(|plan| plan.id).collect();
        let known = self.directory.pools.iter();
        let gone = known.filter(|(id, key)| !stays.contains(id) && !self.pools[**key].removed);
        for key in gone.map(|(_, key)| *key).collect::<Vec<_>>() {
            self.remove_pool(io, key);
        }
        for plan in &generation.pools {
            match self.directory.pools.get(&plan.id).copied() {
                Some(key) => self.change_pool(io, key, plan),
                None => self.add_pool(io, plan),
            }
        }
        self.directory.pools_end = generation.pools_end();
        for moved in std::mem::take(&mut self.early) {
            self.take_in(io, moved);
        }
    }

    fn add_pool<I: Io>(&mut self, io: &mut I, plan: &PoolPlan) {
        let pool = Pool::new(plan, self.shard, self.seed);
        let Some(key) = self.pools.insert_with(|_| pool) else { return };
        self.directory.pools.insert(plan.id, key);
        for n in 0..plan.servers.len() {
            self.add_server(key, plan, n);
        }
        self.pools[key].rebuild(&self.servers);
        self.take_map(io, key, plan);
        for server in self.pools[key].planned().collect::<Vec<_>>() {
            self.preconnect(io, server);
        }
    }

    /// Adds the `n`th server of a plan to its pool, after the existing ones.
    fn add_server(&mut self, pool_key: PoolKey, plan: &PoolPlan, n: usize) -> Option<ServerKey> {
        let (of, server) = (plan.servers[n], &plan.config.servers[n]);
        let stats = plan.cells.servers.get(n).and_then(|cells| cells.shards.get(self.shard).cloned());
        let seed = self.seed.wrapping_add(of.id.0.wrapping_mul(0x9e37_79b9));
        let pool = &self.pools[pool_key];
        let of_pool = (pool_key, &pool.config, &pool.stats, pool.server_tls.as_ref());
        let stats = stats.unwrap_or_default();
        let key = self.servers.insert_with(|key| Server::new(key, of_pool, (of, server), stats, seed))?;
        self.directory.servers.insert(of.id, key);
        self.put(pool_key, of, key);
        Some(key)
    }

    /// Puts a server in its place among those of its pool: a replica behind its master.
    fn put(&mut self, pool: PoolKey, plan: ServerPlan, key: ServerKey) {
        let pool = &mut self.pools[pool];
        let master = plan.master.and_then(|at| pool.servers.get(usize::from(at)).copied());
        self.servers[key].set_master(master);
        match master {
            Some(master) => pool.replicas.push((master, key)),
            None => pool.servers.push(key),
        }
    }

    fn change_pool<I: Io>(&mut self, io: &mut I, key: PoolKey, plan: &PoolPlan) {
        if self.is_as_planned(key, plan) {
            return;
        }
        let needs_no_password = plan.config.auth.is_none() && self.pools[key].config.auth.is_some();
        let gate_changes = !Arc::ptr_eq(&self.pools[key].gate, &plan.gate);
        self.pools[key].gate = Arc::clone(&plan.gate);
        self.pools[key].set_config(plan, self.seed);
        let before: Vec<ServerKey> = self.pools[key].planned().collect();
        self.pools[key].servers.clear();
        self.pools[key].replicas.clear();
        let mut added = Vec::new();
        for (n, of) in plan.servers.iter().enumerate() {
            match self.directory.servers.get(&of.id).copied() {
                Some(server) => {
                    self.change_server(io, server, key, (*of, &plan.config.servers[n]));
                    self.put(key, *of, server);
                }
                None => added.extend(self.add_server(key, plan, n)),
            }
        }
        for server in &added {
            self.take_place(io, *server, &before);
        }
        self.pools[key].rebuild(&self.servers);
        self.take_map(io, key, plan);
        let stays: Vec<ServerKey> = self.pools[key].planned().collect();
        for server in before.into_iter().filter(|server| !stays.contains(server)) {
            self.remove_server(io, server);
        }
        self.look_after_former_masters(io, key);
        self.keep_order(key, &added);
        for server in stays {
            self.turn_lanes_by_standing(io, server);
            self.drain_by_hand(io, server);
        }
        for server in added {
            self.preconnect(io, server);
        }
        if needs_no_password && !plan.gate.needs_login() {
            self.clients_mut(key).for_each(|client| client.session.authenticated = true);
        }
        if gate_changes {
            self.change_gate(io, key, plan);
        }
        self.end_databases(io, key);
    }

    /// Closes the clients that have chosen a database which the pool serves no more.
    fn end_databases<I: Io>(&mut self, io: &mut I, key: PoolKey) {
        let (db, databases) = (self.pools[key].config.db, self.pools[key].config.databases);
        let is_served = |chosen: u32| if databases == 1 { chosen == db } else { chosen < databases };
        let is_lost =
            |client: &&mut Client| client.session.db.is_some_and(|chosen| !is_served(u32::from(chosen)));
        let lost: Vec<ConnId> = self.clients_mut(key).filter(is_lost).map(|client| client.id).collect();
        for id in lost {
            self.dismiss(io, id, b"-ERR DB index is out of range: the pool's databases have changed\r\n");
        }
    }

    /// Moves the clients of a pool to its new gate. Those whose user was removed are closed.
    fn change_gate<I: Io>(&mut self, io: &mut I, key: PoolKey, plan: &PoolPlan) {
        let (gate, config) = (&plan.gate, &plan.config);
        let stays = |client: &mut Client| gate.take_over(&mut client.session, None, config);
        let gone: Vec<ConnId> =
            self.clients_mut(key).filter_map(|client| (!stays(client)).then_some(client.id)).collect();
        for id in gone {
            self.dismiss(io, id, user_removed(config.protocol));
        }
    }

    /// Takes the slot map of a plan, in a pool over a cluster, and lets requests that wait for one try again.
    fn take_map<I: Io>(&mut self, io: &mut I, key: PoolKey, plan: &PoolPlan) {
        let pool = &mut self.pools[key];
        pool.placement.set_map(plan.slots.as_ref(), &pool.servers, io.now());
        let served = plan.slots.as_ref().map_or(0, |slots| slots.slots_served() as u64);
        if self.shard == 0 && plan.config.discovery.topology == Topology::Cluster {
            pool.stats.slots_served.set(served);
            pool.stats.topology_changes.add(u64::from(served > 0));
        }
        self.wake_detours(io, key);
    }

    fn is_as_planned(&self, key: PoolKey, plan: &PoolPlan) -> bool {
        let pool = &self.pools[key];
        let place = |master: ServerKey| pool.servers.iter().position(|server| *server == master);
        let servers = pool.planned().map(|server| {
            let Server { id, by_hand, standing, master, .. } = self.servers[server];
            let master = master.and_then(place).and_then(|place| u16::try_from(place).ok());
            ServerPlan { id, by_hand, standing, master }
        });
        Arc::ptr_eq(&pool.config, &plan.config)
            && Arc::ptr_eq(&pool.gate, &plan.gate)
            && pool.tls.is(&plan.tls)
            && pool.has_map(plan.slots.as_ref())
            && servers.eq(plan.servers.iter().copied())
    }

    fn change_server<I: Io>(
        &mut self,
        io: &mut I,
        key: ServerKey,
        pool: PoolKey,
        planned: (ServerPlan, &checked::Server),
    ) {
        let pool = &self.pools[pool];
        let of_pool = (&pool.config, pool.server_tls.as_ref());
        let address = self.servers[key].address.clone();
        let returned = self.servers[key].set_config(io, of_pool, planned);
        if returned.is_some() {
            self.end_probe(io, key);
        }
        self.tell(returned);
        if address != self.servers[key].address {
            if address.is_some() && self.shard == 0 {
                self.servers[key].stats.master_changes.inc();
            }
            self.replace_connections(io, key);
        }
    }

    /// Closes connections to the address that a master had before. Requests that may be repeated go to the
    /// new one. A late reply of the old one reaches nobody: what it says it has written may be lost.
    fn replace_connections<I: Io>(&mut self, io: &mut I, key: ServerKey) {
        if self.servers[key].health.state != State::Up {
            self.end_probe(io, key);
            self.servers[key].probe_now(io);
        }
        let lanes = self.servers[key].lanes();
        let open: Vec<LaneKey> =
            lanes.filter(|(_, conn)| conn.conn.is_some()).map(|(lane, _)| lane).collect();
        for lane in open {
            self.close_lane(io, lane, Failure::Replaced);
        }
        self.preconnect(io, key);
    }

    /// Lets a new server replace one of the same name, if there was one.
    fn take_place<I: Io>(&mut self, io: &mut I, key: ServerKey, before: &[ServerKey]) {
        let is_it = |old: &&ServerKey| self.servers[**old].identity == self.servers[key].identity;
        let Some(old) = before.iter().find(is_it).copied() else { return };
        let heritage = self.servers[old].heritage();
        self.servers[key].inherit(io, heritage);
    }

    /// Removes a server from its pool. Its outstanding replies are still delivered.
    fn remove_server<I: Io>(&mut self, io: &mut I, key: ServerKey) {
        let server = &self.servers[key];
        let (id, pool) = (server.id, server.pool);
        self.directory.servers.remove(&id);
        self.pools[pool].leaving.push(key);
        self.begin_drain(io, key, true);
    }

    /// Keeps new connections to a server from overtaking older ones that still owe replies.
    fn keep_order(&mut self, key: PoolKey, added: &[ServerKey]) {
        let address = |server: &ServerKey| self.servers[*server].address.as_ref();
        let pool = &self.pools[key];
        let is_given_up = |new: &ServerKey| pool.leaving.iter().any(|old| address(old) == address(new));
        if added.iter().any(is_given_up) {
            let pool = &mut self.pools[key];
            pool.changeover = pool.changeover.wrapping_add(1);
        }
    }

    /// Drains a server by order of the operator.
    fn drain_by_hand<I: Io>(&mut self, io: &mut I, key: ServerKey) {
        let server = &self.servers[key];
        let is_open = server.has_open_connection() || server.probe_timer.is_some();
        if server.by_hand.out == Some(Out::Drained) && server.drain.is_none() && is_open {
            self.begin_drain(io, key, false);
        }
    }

    /// Removes a pool. Its clients get their replies and an error, then are closed; the caller closes the
    /// listeners.
    fn remove_pool<I: Io>(&mut self, io: &mut I, key: PoolKey) {
        self.pools[key].removed = true;
        let clients: Vec<ConnId> = self.clients().filter(|client| client.pool == key).map(|c| c.id).collect();
        let error = pool_removed(self.pools[key].config.protocol);
        for id in clients {
            self.dismiss(io, id, error);
        }
        let servers: Vec<ServerKey> = self.pools[key].planned().collect();
        self.pools[key].servers.clear();
        self.pools[key].replicas.clear();
        for server in servers {
            self.remove_server(io, server);
        }
        self.pools[key].rebuild(&self.servers);
        self.begin_leave(key);
    }

    /// Closes a client, after its replies and an error with the reason.
    pub(crate) fn dismiss<I: Io>(&mut self, io: &mut I, id: ConnId, error: &[u8]) {
        let Some(mut client) = self.take_client(id) else { return };
        if !client.session.leaving {
            self.give(io, &mut client, error);
            client.session.leaving = true;
            client.partial = None;
            if client.session.paused.take().is_some() {
                // Its further input is discarded.
                io.resume(id);
            }
        }
        self.settle(io, client);
    }
}

#[cfg(test)]
mod tests;
