//! Counters of a pool and of its servers, summed over shards at one moment.

use std::sync::Arc;

use crate::cells::{PoolCells, ServerCells};
use crate::pool::{PoolStats, ServerStats};
use crate::table::merge;
use crate::{CommandClass, HistogramRecorder, HistogramSnapshot, Row};

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
    /// Time from a request's acceptance to its writing to the server, in microseconds.
    pub queue_time: HistogramSnapshot,
    /// Time from a request's writing to the server to its reply, in microseconds, by
    /// [class](CommandClass::index).
    pub response_times: [HistogramSnapshot; CommandClass::COUNT],
}

impl PoolReport {
    /// Sums the cells of one pool and of its servers over the shards.
    pub fn sum(pool: &PoolCells) -> PoolReport {
        let latency = merged(pool.shards.iter().map(|stats| &stats.latency));
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
        let shards = &server.shards;
        let of_class = |class: CommandClass| {
            merged(shards.iter().map(move |stats| &stats.response_times[class.index()]))
        };
        ServerReport {
            name: server.name.clone(),
            values: sum(ServerStats::ROWS, shards, ServerStats::values),
            queue_time: merged(shards.iter().map(|stats| &stats.queue_time)),
            response_times: CommandClass::ALL.map(of_class),
        }
    }

    /// Response times of all classes.
    pub fn response_time(&self) -> HistogramSnapshot {
        let mut all = HistogramSnapshot::default();
        self.response_times.iter().for_each(|times| all.merge(times));
        all
    }

    /// The value of the row `name`; none if absent.
    pub fn get(&self, name: &str) -> Option<u64> {
        let at = ServerStats::ROWS.iter().position(|row| row.name == name)?;
        self.values.get(at).copied()
    }
}

fn merged<'a>(recorders: impl Iterator<Item = &'a HistogramRecorder>) -> HistogramSnapshot {
    let mut all = HistogramSnapshot::default();
    recorders.for_each(|recorder| all.merge(&recorder.snapshot()));
    all
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
        second[0].record_response(CommandClass::Read, 10, 0);
        second[1].record_response(CommandClass::Read, 25, 5);
        second[1].record_response(CommandClass::Write, 3, 7);
        second[1].queue_time.record(5);
        let report = PoolReport::sum(&cells);
        assert_eq!(report.get("client_eof"), Some(5));
        assert_eq!(report.get("no such row"), None);
        assert_eq!(report.servers[0].get("requests"), Some(0));
        assert_eq!(report.servers[1].name, "s2");
        assert_eq!(report.servers[1].get("requests"), Some(8));
        assert_eq!(report.servers[1].get("server_ejected_at"), Some(99));
        let second = &report.servers[1];
        let counts = second.response_times.each_ref().map(HistogramSnapshot::count);
        assert_eq!((counts, second.queue_time.count()), ([2, 1, 0], 1));
        assert_eq!((second.response_times[0].quantile(1.0), second.response_times[1].quantile(1.0)), (20, 0));
        assert_eq!(second.response_time().count(), 3);
    }
}
