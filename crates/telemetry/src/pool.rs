//! Counters of a pool and of each of its servers.
//!
//! The two tables below are the only definition of these statistics. A shard owns one [`PoolStats`] per pool
//! and one [`ServerStats`] per server of it; the sum over shards is a [`crate::PoolReport`].
//!
//! A server has four histograms per shard: 1.6 KB if unused, about 25 KB with ordinary traffic, at most
//! 97 KB.

use crate::table::stats_table;
use crate::{CommandClass, HistogramRecorder};

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
            login_failures: Counter, "# logins that failed";
            limited: Counter, "# requests refused at limit_requests of their user or pool";
            refused: Counter, "# requests refused because a queue or the memory budget was full";
            messages: Counter, "# messages given to subscribers";
            subscriptions_lost: Counter, "# subscriptions lost with their connection to a server and made again: messages may be missing";
            blocked_clients_gone: Counter, "# clients that left while a blocking request of theirs waited at a server";
            scripts_loaded: Counter, "# scripts that a server was given again because it may not have known them (EVALSHA)";
            timeouts: Counter, "# requests whose deadline passed before a reply";
            no_server: Counter, "# requests that found no server to go to";
            tls_handshakes: Counter, "# TLS handshakes with clients";
            tls_resumed: Counter, "# TLS handshakes with clients that resumed an earlier session";
            tls_failures: Counter, "# clients with whom TLS failed, or whose certificate has no allowed name";
            redirects: Counter, "# requests sent again because a node of the cluster said that another has their slot (MOVED, ASK)";
            detours: Counter, "# requests held until the cluster could serve them, or sent one by one while their slot moved";
            replica_reads: Counter, "# reads sent to replicas";
            hedged_reads: Counter, "# reads sent to a second node because the first had not answered (hedge_after)";
            hedges_won: Counter, "# hedged reads that the second node answered first";
            topology_changes: Counter, "# slot maps taken over from the cluster";
            slots_served: Gauge, "slots of the cluster that have an owner";
            hits: Counter, "# keys that were read one by one and found (GET, MGET, HGET, get, mg and the like)";
            misses: Counter, "# keys that were read one by one and not found";
            requests_in_flight: Gauge, "# requests of clients that await their reply";
            memory_bytes: Gauge, "memory that this pool's clients and server connections hold";
        }
        with {
            /// Name of the pool.
            name: String,
            /// Time from a request's last byte to its reply's queueing for the client, in microseconds.
            latency: HistogramRecorder,
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
            private_connections: Gauge, "# connections that one client has for itself now";
            private_waits: Counter, "# times a client had to wait for a connection for itself";
            queue_waits: Counter, "# times a client had to wait for room in this server's queue";
            refused: Counter, "# requests refused because this server's queue was full and it had let requests time out";
            hits: Counter, "# keys that were read one by one and found";
            misses: Counter, "# keys that were read one by one and not found";
            failures: Counter, "# failures that count towards ejection";
            ejections: Counter, "# times the server was ejected";
            master_changes: Counter, "# times that Sentinels named another address for this master";
            probes: Counter, "# probes sent to the server while ejected";
            probes_failed: Counter, "# probes that got no good answer";
            ejected: Gauge, "shards on which the server is ejected now";
        }
        with {
            /// Identity of the server, as the ring and nutcracker name it.
            name: String,
            /// Time from a request's acceptance to its writing to the server, in microseconds.
            queue_time: HistogramRecorder,
            /// Time from a request's writing to the server to its reply, in microseconds, by
            /// [class](CommandClass::index).
            response_times: [HistogramRecorder; CommandClass::COUNT],
        }
    }
}

impl PoolStats {
    /// Cells for one pool on one shard.
    pub fn new(name: &str) -> PoolStats {
        PoolStats { name: name.to_owned(), ..Default::default() }
    }
}

impl ServerStats {
    /// Cells for one server on one shard.
    pub fn new(identity: &str) -> ServerStats {
        ServerStats { name: identity.to_owned(), ..Default::default() }
    }

    /// Counts a reply to a command of this class. `total_us` is the time since the request's acceptance, of
    /// which it waited `queue_us` to be written.
    #[inline]
    pub fn record_response(&self, class: CommandClass, total_us: u64, queue_us: u32) {
        self.record_responses(class, total_us, queue_us, 1);
    }

    /// Counts `n` replies, each as [`ServerStats::record_response`] does.
    #[inline]
    pub fn record_responses(&self, class: CommandClass, total_us: u64, queue_us: u32, n: u64) {
        self.response_times[class.index()].record_many(total_us.saturating_sub(u64::from(queue_us)), n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
