//! A full recount of a shard's proxy, for tests and simulations to compare with the proxy's own counters.

use crate::ids::ServerId;
use crate::proxy::Proxy;
use crate::server::Server;

/// See [`Proxy::census`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// Number of clients.
    pub clients: usize,
    /// Requests in clients' lines: accepted and not answered.
    pub waiting: usize,
    /// Requests of clients on server connections, expired ones included.
    pub in_flight: usize,
    /// Requests that take a detour, those on server connections included.
    pub detours: usize,
    /// Gather records in use.
    pub gathers: usize,
    /// Draining servers and removed pools.
    pub draining: usize,
    /// Memory of lines, gather records and their contents, recounted.
    pub held: usize,
    /// Held bytes by the proxy's own counters.
    pub held_counted: usize,
}

impl Proxy {
    /// Counts everything; slow.
    pub fn census(&self) -> Census {
        let mut census = Census {
            gathers: self.gathers.open_count(),
            detours: self.detours.len(),
            draining: self.draining(),
            held: self.gathers.census() + self.detours.census(),
            held_counted: self.held.bytes() + self.gathers.memory(),
            ..Census::default()
        };
        for client in self.clients() {
            census.clients += 1;
            census.waiting += client.waiting();
            census.held += client.memory() + client.session.state_memory();
        }
        for conn in self.servers.values().flat_map(|server| &server.conns) {
            census.in_flight += conn.line.iter().filter(|p| !p.owner.is_ours()).count();
            census.held += conn.memory();
        }
        census
    }

    /// Number of server connections, open or not.
    pub fn lane_count(&self) -> usize {
        self.lanes().count()
    }

    /// True if requests may be on connections to the server at this address: it is in a ring on this shard,
    /// or draining.
    pub fn uses(&self, address: &net::Address) -> bool {
        let is_it = |server: &Server| server.address.as_ref() == Some(address);
        self.servers.values().any(|server| is_it(server) && (server.is_in_ring() || server.drain.is_some()))
    }

    /// True if a server is in the ring on this shard.
    pub fn server_is_up(&self, server: ServerId) -> bool {
        self.directory.servers.get(&server).is_some_and(|key| self.servers[*key].is_in_ring())
    }
}
