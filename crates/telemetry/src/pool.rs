//! Counters of a pool and of each of its servers.
//!
//! The two tables below are the only place where a statistic is named. A shard owns one [`PoolStats`] per pool; the
//! sum over shards is a [`PoolReport`].

use std::sync::Arc;

use crate::table::{merge, stats_table};
use crate::{HistogramRecorder, HistogramSnapshot};

stats_table! {
    /// One pool on one shard. The shard is the only writer.
    pub struct PoolStats {
        nutcracker {
            client_eof: Counter, "# eof on client connections";
            client_err: Counter, "# errors on client connections";
            client_connections: Gauge, "# active client connections";
            server_ejects: Counter, "# times backend server was ejected";
            forward_error: Counter, "# times we encountered a forwarding error";
            fragments: Counter, "# fragments created from a multi-vector request";
        }
        native {
            client_accepts: Counter, "# clients accepted";
            client_refused: Counter, "# clients turned away at client_connections or at a memory limit";
            client_overflows: Counter, "# clients closed because they did not read their replies";
            client_requests: Counter, "# requests received whole from clients";
            client_replies: Counter, "# replies given to clients, errors included";
            client_request_bytes: Counter, "bytes received from clients";
            client_reply_bytes: Counter, "bytes given to clients";
            answered_here: Counter, "# requests answered without a server (PING, AUTH and the like)";
            protocol_errors: Counter, "# requests whose framing could not be read";
            unsupported: Counter, "# requests with a command that cannot be proxied";
            oversized: Counter, "# requests longer than allowed";
            cross_slot: Counter, "# multi-key requests whose keys live on several servers";
            denied: Counter, "# requests without the permission or the password they need";
            refused: Counter, "# requests refused because a queue or the memory budget was full";
            timeouts: Counter, "# requests whose deadline passed before a reply";
            no_server: Counter, "# requests that found no server to go to";
            requests_in_flight: Gauge, "# requests of clients that await their reply";
            memory_bytes: Gauge, "memory that this pool's clients and server connections hold";
        }
        with {
            /// Name of the pool.
            name: String,
            /// Time from a request's last byte to its reply's queueing for the client, in microseconds.
            latency: HistogramRecorder,
            /// The servers, in the order of the configuration. Each shard's part of the proxy holds on to its servers' cells, so
            /// that a server may leave the list while its last replies are counted.
            servers: Vec<Arc<ServerStats>>,
        }
    }
}

stats_table! {
    /// One server of a pool on one shard. The shard is the only writer.
    pub struct ServerStats {
        nutcracker {
            server_eof: Counter, "# eof on server connections";
            server_err: Counter, "# errors on server connections";
            server_timedout: Counter, "# timeouts on server connections";
            server_connections: Gauge, "# active server connections";
            server_ejected_at: Timestamp, "timestamp when server was ejected in usec since epoch";
            requests: Counter, "# requests";
            request_bytes: Counter, "total request bytes";
            responses: Counter, "# responses";
            response_bytes: Counter, "total response bytes";
            in_queue: Gauge, "# requests in incoming queue";
            in_queue_bytes: Gauge, "current request bytes in incoming queue";
            out_queue: Gauge, "# requests in outgoing queue";
            out_queue_bytes: Gauge, "current request bytes in outgoing queue";
        }
        native {
            connects: Counter, "# connections opened or tried";
            connects_refused: Counter, "# connections that could not be opened";
            error_replies: Counter, "# error replies from the server";
            request_timeouts: Counter, "# requests whose deadline passed at this server";
            late_replies: Counter, "# replies discarded because their request had timed out";
            stray_replies: Counter, "# replies that no request had asked for";
            retries: Counter, "# safe requests sent again on a fresh connection";
            queue_waits: Counter, "# times a client had to wait for room in this server's queue";
            refused: Counter, "# requests refused because this server's queue was full and it had let requests time out";
            failures: Counter, "# failures that count towards ejection";
            ejections: Counter, "# times the server was ejected";
            probes: Counter, "# probes sent to the server while ejected";
            probes_failed: Counter, "# probes that got no good answer";
            ejected: Gauge, "shards on which the server is ejected now";
        }
        with {
            /// Identity of the server, as the ring and nutcracker name it.
            name: String,
            /// Time from a request's queueing for the server to its reply, in microseconds.
            latency: HistogramRecorder,
        }
    }
}

impl PoolStats {
    /// Cells for one pool, one for each of `shards` shards, all with the same servers in the same order. Made by the
    /// control thread, given to [`crate::Registry::set_pools`] and to the shards.
    pub fn for_shards<S: AsRef<str>>(name: &str, servers: &[S], shards: usize) -> Vec<Arc<PoolStats>> {
        (0..shards).map(|_| Arc::new(PoolStats::new(name, servers))).collect()
    }

    /// Cells for one pool on one shard.
    pub fn new<S: AsRef<str>>(name: &str, servers: &[S]) -> PoolStats {
        let server = |identity: &S| Arc::new(ServerStats::new(identity.as_ref()));
        PoolStats {
            name: name.to_owned(),
            servers: servers.iter().map(server).collect(),
            ..Default::default()
        }
    }
}

impl ServerStats {
    /// Cells for one server on one shard.
    pub fn new(identity: &str) -> ServerStats {
        ServerStats { name: identity.to_owned(), ..Default::default() }
    }
}

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
    /// Sums the cells of one pool over its shards; none if there is no shard.
    pub fn sum(shards: &[Arc<PoolStats>]) -> Option<PoolReport> {
        let (first, rest) = shards.split_first()?;
        let mut report = PoolReport::of(first);
        for stats in rest {
            report.add(stats);
        }
        Some(report)
    }

    fn of(stats: &PoolStats) -> PoolReport {
        PoolReport {
            name: stats.name.clone(),
            values: stats.values(),
            latency: stats.latency.snapshot(),
            servers: stats.servers.iter().map(|server| ServerReport::of(server)).collect(),
        }
    }

    fn add(&mut self, stats: &PoolStats) {
        merge(PoolStats::ROWS, &mut self.values, &stats.values());
        self.latency.merge(&stats.latency.snapshot());
        for (at, server) in stats.servers.iter().enumerate() {
            match self.position(at, &server.name) {
                Some(at) => self.servers[at].add(server),
                None => self.servers.push(ServerReport::of(server)),
            }
        }
    }

    /// Index of the server that is at `at` in another shard's list: a server is known by its name, and among servers of one
    /// name by its place.
    fn position(&self, at: usize, name: &str) -> Option<usize> {
        let is_same = |report: &ServerReport| report.name == name;
        if self.servers.get(at).is_some_and(is_same) {
            Some(at)
        } else {
            self.servers.iter().position(is_same)
        }
    }

    /// The value of the row `name`; none if there is no such row.
    pub fn get(&self, name: &str) -> Option<u64> {
        let at = PoolStats::ROWS.iter().position(|row| row.name == name)?;
        self.values.get(at).copied()
    }
}

impl ServerReport {
    fn of(stats: &ServerStats) -> ServerReport {
        ServerReport { name: stats.name.clone(), values: stats.values(), latency: stats.latency.snapshot() }
    }

    fn add(&mut self, stats: &ServerStats) {
        merge(ServerStats::ROWS, &mut self.values, &stats.values());
        self.latency.merge(&stats.latency.snapshot());
    }

    /// The value of the row `name`; none if there is no such row.
    pub fn get(&self, name: &str) -> Option<u64> {
        let at = ServerStats::ROWS.iter().position(|row| row.name == name)?;
        self.values.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_shards() {
        let shards = PoolStats::for_shards("alpha", &["s1", "s2"], 2);
        shards[0].client_eof.add(2);
        shards[1].client_eof.add(3);
        shards[0].servers[1].requests.add(7);
        shards[1].servers[1].requests.add(1);
        shards[1].servers[1].server_ejected_at.set(99);
        shards[0].servers[1].latency.record(10);
        shards[1].servers[1].latency.record(20);
        let report = PoolReport::sum(&shards).unwrap();
        assert_eq!(report.get("client_eof"), Some(5));
        assert_eq!(report.get("no such row"), None);
        assert_eq!(report.servers[0].get("requests"), Some(0));
        assert_eq!(report.servers[1].name, "s2");
        assert_eq!(report.servers[1].get("requests"), Some(8));
        assert_eq!(report.servers[1].get("server_ejected_at"), Some(99));
        assert_eq!(report.servers[1].latency.count(), 2);
        assert_eq!(PoolReport::sum(&[]), None);
    }

    /// While servers come and go, one shard has taken a change that another has not.
    #[test]
    fn servers_are_summed_by_name() {
        let shards =
            [PoolStats::new("p", &["a", "b", "b"]), PoolStats::new("p", &["b", "c", "b"])].map(Arc::new);
        for stats in &shards {
            for (n, server) in (1u64..).zip(&stats.servers) {
                server.requests.add(n);
            }
        }
        let report = PoolReport::sum(&shards).unwrap();
        let servers = report.servers.iter().map(|s| (s.name.as_str(), s.get("requests").unwrap()));
        // The second shard's first `b` has lost its place and counts for the first of that name.
        assert_eq!(servers.collect::<Vec<_>>(), [("a", 1), ("b", 2 + 1), ("b", 3 + 3), ("c", 2)]);
    }

    #[test]
    fn row_names_are_unique() {
        for rows in [PoolStats::ROWS, ServerStats::ROWS] {
            let mut names: Vec<_> = rows.iter().map(|row| row.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), rows.len());
        }
    }
}
