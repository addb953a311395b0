//! Counts of a run, to verify that the simulation reaches every part.

use telemetry::{PoolStats, ServerStats, ShardStats};

/// Counts of one run, or of several added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Events of the queue.
    pub events: u64,
    /// Simulated time in microseconds.
    pub time_us: u64,
    /// Peak memory of a shard, bytes.
    pub memory_peak: usize,
    /// Requests read by shards.
    pub requests: u64,
    /// Replies that clients read and found correct.
    pub replies: u64,
    /// Clients closed for their memory use.
    pub overflows: u64,
    /// Clients closed without having done anything wrong.
    pub cut_off: u64,
    /// Clients above the limit of their pool.
    pub refused_clients: u64,
    /// Malformed frames of clients.
    pub protocol_errors: u64,
    /// Requests whose deadline passed.
    pub timeouts: u64,
    /// Requests to a pool whose servers were all ejected.
    pub no_server: u64,
    /// Requests refused because too many waited for a server.
    pub overloaded: u64,
    /// Times a client had to wait for room in a server's queue.
    pub queue_waits: u64,
    /// Fragments of split requests.
    pub fragments: u64,
    /// Reads that were sent again.
    pub retries: u64,
    /// Replies that arrived after their deadline.
    pub late_replies: u64,
    /// Complete unsolicited replies.
    pub strays: u64,
    /// Ejections, on all shards.
    pub ejections: u64,
    /// Probes without a successful answer.
    pub probes_failed: u64,
    /// Steps from one generation to the next.
    pub generations: u64,
    /// Clients that got the error for a removed pool.
    pub removals: u64,
    /// Statistics rows seen above zero: one bit each, in the order of [`Report::rows`].
    pub moved: u128,
    /// True if the deliberate bug was applied.
    pub tampered: bool,
}

impl Report {
    /// Adds another run's counts.
    pub fn add(&mut self, other: &Report) {
        self.events += other.events;
        self.time_us += other.time_us;
        self.memory_peak = self.memory_peak.max(other.memory_peak);
        self.requests += other.requests;
        self.replies += other.replies;
        self.overflows += other.overflows;
        self.cut_off += other.cut_off;
        self.refused_clients += other.refused_clients;
        self.protocol_errors += other.protocol_errors;
        self.timeouts += other.timeouts;
        self.no_server += other.no_server;
        self.overloaded += other.overloaded;
        self.queue_waits += other.queue_waits;
        self.fragments += other.fragments;
        self.retries += other.retries;
        self.late_replies += other.late_replies;
        self.strays += other.strays;
        self.ejections += other.ejections;
        self.probes_failed += other.probes_failed;
        self.generations += other.generations;
        self.removals += other.removals;
        self.moved |= other.moved;
        self.tampered |= other.tampered;
    }

    /// Every row of the statistics tables, as table and name.
    pub fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
        let tables = [("shard", ShardStats::ROWS), ("pool", PoolStats::ROWS), ("server", ServerStats::ROWS)];
        tables.into_iter().flat_map(|(table, rows)| rows.iter().map(move |row| (table, row.name)))
    }

    /// Records which of `values` are above zero; their table begins at bit `at`. Returns the start of the
    /// next table.
    pub(crate) fn note_moved(&mut self, at: usize, values: &[u64]) -> usize {
        for (n, value) in values.iter().enumerate() {
            self.moved |= u128::from(*value > 0) << (at + n);
        }
        at + values.len()
    }
}
