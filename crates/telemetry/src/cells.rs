//! Cells of a pool on every shard, and of each of its servers: the counts that survive a reload.
//!
//! A pool is identified by its name, a server by the names of its pool and its own. One that keeps its name
//! keeps its cells and counts, whatever else changes; one that is removed loses them, and starts at zero if
//! the name returns.

use std::sync::Arc;

use crate::{KeyReports, PoolStats, ServerStats, SlowLog};

/// Cells of one pool.
#[derive(Debug, Clone)]
pub struct PoolCells {
    /// Name of the pool.
    pub name: String,
    /// Cells of each shard.
    pub shards: Vec<Arc<PoolStats>>,
    /// Cells of the servers, in the order of the configuration.
    pub servers: Vec<ServerCells>,
    /// The slow log of all shards.
    pub slow_log: Arc<SlowLog>,
    /// Hot keys and big replies of each shard.
    pub key_reports: Arc<KeyReports>,
}

/// Cells of one server of a pool.
#[derive(Debug, Clone)]
pub struct ServerCells {
    /// Identity of the server.
    pub name: String,
    /// Cells of each shard.
    pub shards: Vec<Arc<ServerStats>>,
}

impl PoolCells {
    /// Cells of a new pool with these servers.
    pub fn new<'a>(name: &str, servers: impl IntoIterator<Item = &'a str>, shards: usize) -> PoolCells {
        PoolCells {
            name: name.to_owned(),
            shards: (0..shards).map(|_| Arc::new(PoolStats::new(name))).collect(),
            servers: servers.into_iter().map(|server| ServerCells::new(server, shards)).collect(),
            slow_log: Arc::default(),
            key_reports: Arc::new(KeyReports::new(shards)),
        }
    }

    /// The pool's cells with another list of servers: remaining servers keep theirs.
    #[must_use]
    pub fn with_servers<'a>(&self, servers: impl IntoIterator<Item = &'a str>) -> PoolCells {
        let mut left = self.servers.clone();
        let mut take = |name: &str| {
            let at = left.iter().position(|known| known.name == name);
            at.map_or_else(|| ServerCells::new(name, self.shards.len()), |at| left.remove(at))
        };
        let servers = servers.into_iter().map(&mut take).collect();
        PoolCells { servers, ..self.clone() }
    }
}

impl ServerCells {
    /// Cells of a new server.
    pub fn new(name: &str, shards: usize) -> ServerCells {
        let shards = (0..shards).map(|_| Arc::new(ServerStats::new(name))).collect();
        ServerCells { name: name.to_owned(), shards }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stays_keeps_its_counts_and_who_comes_back_begins_anew() {
        let first = PoolCells::new("p", ["a", "b", "b"], 2);
        for (n, server) in (1..).zip(&first.servers) {
            server.shards[1].requests.add(n);
        }
        let requests = |cells: &PoolCells| {
            let of = |server: &ServerCells| (server.name.clone(), server.shards[1].requests.get());
            cells.servers.iter().map(of).collect::<Vec<_>>()
        };
        let shown =
            |counts: &[(&str, u64)]| counts.iter().map(|(n, c)| ((*n).to_owned(), *c)).collect::<Vec<_>>();
        let second = first.with_servers(["c", "b", "b"]);
        assert_eq!(requests(&second), shown(&[("c", 0), ("b", 2), ("b", 3)]));
        let third = second.with_servers(["a", "b"]);
        assert_eq!(requests(&third), shown(&[("a", 0), ("b", 2)]));
        assert!(Arc::ptr_eq(&first.shards[0], &third.shards[0]));
    }
}
