//! Counters of a pool and of its servers, summed over shards at one moment.

use std::sync::Arc;

use crate::cells::{PoolCells, ServerCells};
use crate::pool::{PoolStats, ServerStats};
use crate::table::merge;
use crate::{HistogramSnapshot, Row};

/// A pool, summed over shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolReport {
    /// Name of the pool.
    pub name: String,
    /// In the order of [`PoolStats::ROWS`].
    pub values: Vec<u64>,
    /// Latency seen by clients, in microseconds.
    pub latency: HistogramSnapshot,
    /// The servers, in the order of the configuration.
    pub servers: Vec<ServerReport>,
}

/// A server of a pool, summed over shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReport {
    /// Identity of the server.
    pub name: String,
    /// In the order of [`ServerStats::ROWS`].
    pub values: Vec<u64>,
    /// Latency of the server, in microseconds.
    pub latency: HistogramSnapshot,
}

impl PoolReport {
    /// Sums the cells of one pool and of its servers over the shards.
    pub fn sum(pool: &PoolCells) -> PoolReport {
        let mut latency = HistogramSnapshot::default();
        pool.shards.iter().for_each(|stats| latency.merge(&stats.latency.snapshot()));
        PoolReport {
            name: pool.name.clone(),
            values: sum(PoolStats::ROWS, &pool.shards, PoolStats::values),
            latency,
            servers: pool.servers.iter().map(ServerReport::sum).collect(),
        }
    }

    /// The value of the row `name`; none if absent.
    pub fn get(&self, name: &str) -> Option<u64> {
        let at = PoolStats::ROWS.iter().position(|row| row.name == name)?;
        self.values.get(at).copied()
    }
}

impl ServerReport {
    fn sum(server: &ServerCells) -> ServerReport {
        let mut latency = HistogramSnapshot::default();
        server.shards.iter().for_each(|stats| latency.merge(&stats.latency.snapshot()));
        ServerReport {
            name: server.name.clone(),
            values: sum(ServerStats::ROWS, &server.shards, ServerStats::values),
            latency,
        }
    }

    /// The value of the row `name`; none if absent.
    pub fn get(&self, name: &str) -> Option<u64> {
        let at = ServerStats::ROWS.iter().position(|row| row.name == name)?;
        self.values.get(at).copied()
    }
}

/// The values of all shards, added up by the kind of each row.
fn sum<T>(rows: &[Row], shards: &[Arc<T>], values: impl Fn(&T) -> Vec<u64>) -> Vec<u64> {
    let mut total = vec![0; rows.len()];
    for stats in shards {
        merge(rows, &mut total, &values(stats));
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_shards() {
        let cells = PoolCells::new("alpha", ["s1", "s2"], 2);
        cells.shards[0].client_eof.add(2);
        cells.shards[1].client_eof.add(3);
        let second = &cells.servers[1].shards;
        second[0].requests.add(7);
        second[1].requests.add(1);
        second[1].server_ejected_at.set(99);
        second[0].latency.record(10);
        second[1].latency.record(20);
        let report = PoolReport::sum(&cells);
        assert_eq!(report.get("client_eof"), Some(5));
        assert_eq!(report.get("no such row"), None);
        assert_eq!(report.servers[0].get("requests"), Some(0));
        assert_eq!(report.servers[1].name, "s2");
        assert_eq!(report.servers[1].get("requests"), Some(8));
        assert_eq!(report.servers[1].get("server_ejected_at"), Some(99));
        assert_eq!(report.servers[1].latency.count(), 2);
    }
}
