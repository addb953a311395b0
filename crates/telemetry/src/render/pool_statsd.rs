//! Pools and servers for statsd. Pure: reports in, packets out; the caller has the socket.
//!
//! ```text
//! nuthatch.host.pool.cache.client_requests:12|c             difference since the last push
//! nuthatch.host.pool.cache.client_connections:3|g           value
//! nuthatch.host.pool.cache.latency_us_p99:810|g             of the requests since the last push
//! nuthatch.host.pool.cache.server.10_0_0_1_6379.requests:9|c
//! ```
//! Names are those of the tables of pools and servers ([`PoolStats`], [`ServerStats`]). In names of pools and
//! servers every character but letters, digits, `-` and `_` becomes `_`: a dot would be another level, a
//! colon the end of the key.

use std::collections::HashMap;

use super::statsd::Packets;
use crate::{HistogramSnapshot, Kind, PoolReport, PoolStats, Row, ServerReport, ServerStats};

/// Quantiles of latencies, with their names.
const QUANTILES: [(f64, &str); 3] = [(0.5, "p50"), (0.99, "p99"), (0.999, "p999")];

/// Renders reports and remembers the last ones, of which counters are the differences.
#[derive(Debug)]
pub struct PoolStatsd {
    prefix: String,
    packet_bytes_max: usize,
    last: HashMap<String, PoolReport>,
}

impl PoolStatsd {
    /// `prefix` comes from [`prefix`]; packets have at most `packet_bytes_max` bytes.
    pub fn new(prefix: String, packet_bytes_max: usize) -> PoolStatsd {
        PoolStatsd { prefix, packet_bytes_max, last: HashMap::new() }
    }

    /// The packets of one push, each to be sent on its own.
    pub fn render(&mut self, pools: Vec<PoolReport>) -> Vec<Vec<u8>> {
        let mut packets = Packets::new(&self.prefix, self.packet_bytes_max);
        for pool in &pools {
            let last = self.last.get(&pool.name);
            let base = format!("pool.{}", word(&pool.name));
            figures(&mut packets, &base, PoolStats::ROWS, &pool.values, last.map(|last| &*last.values));
            latency(&mut packets, &base, "latency_us", &pool.latency, last.map(|last| &last.latency));
            for server in &pool.servers {
                let last = last.and_then(|last| last.servers.iter().find(|known| known.name == server.name));
                of_server(&mut packets, &format!("{base}.server.{}", word(&server.name)), server, last);
            }
        }
        self.last = pools.into_iter().map(|pool| (pool.name.clone(), pool)).collect();
        packets.finish()
    }
}

fn of_server(packets: &mut Packets, base: &str, server: &ServerReport, last: Option<&ServerReport>) {
    figures(packets, base, ServerStats::ROWS, &server.values, last.map(|last| &*last.values));
    latency(packets, base, "queue_time_us", &server.queue_time, last.map(|last| &last.queue_time));
    let before = last.map(ServerReport::response_time);
    latency(packets, base, "response_time_us", &server.response_time(), before.as_ref());
}

fn figures(packets: &mut Packets, base: &str, rows: &[Row], values: &[u64], last: Option<&[u64]>) {
    for (at, (row, value)) in rows.iter().zip(values).enumerate() {
        let key = format!("{base}.{}", row.name);
        if row.kind == Kind::Counter {
            let before = last.and_then(|last| last.get(at)).copied().unwrap_or(0);
            // A pool that was removed and added again counts from zero.
            packets.counter(&key, signed(value.checked_sub(before).unwrap_or(*value)));
        } else {
            packets.gauge(&key, signed(*value));
        }
    }
}

/// Quantiles of what was measured since the last push; nothing if nothing was.
fn latency(
    packets: &mut Packets,
    base: &str,
    name: &str,
    now: &HistogramSnapshot,
    last: Option<&HistogramSnapshot>,
) {
    let recent = last.map_or_else(|| now.clone(), |last| now.since(last));
    if recent.count() == 0 {
        return;
    }
    for (share, quantile) in QUANTILES {
        packets.gauge(&format!("{base}.{name}_{quantile}"), signed(recent.quantile(share)));
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Prefix of all keys: `pattern` with `%s` replaced by the machine's name. It ends with a dot; an empty one
/// stays empty.
pub fn prefix(pattern: &str, hostname: &str) -> String {
    let mut prefix = pattern.replace("%s", &word(hostname));
    if !prefix.is_empty() && !prefix.ends_with('.') {
        prefix.push('.');
    }
    prefix
}

/// A name as one level of a key.
fn word(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CommandClass, PoolCells};

    fn lines(statsd: &mut PoolStatsd, cells: &PoolCells) -> Vec<String> {
        let packets = statsd.render(vec![PoolReport::sum(cells)]);
        assert!(packets.iter().all(|packet| packet.len() <= 508), "each fits into a packet");
        String::from_utf8(packets.concat()).expect("text").lines().map(str::to_owned).collect()
    }

    #[test]
    fn every_row_is_there_once() {
        let cells = PoolCells::new("a.b", ["10.0.0.1:6379:1"], 1);
        let lines = lines(&mut PoolStatsd::new("p.".into(), 508), &cells);
        assert_eq!(lines.len(), PoolStats::ROWS.len() + ServerStats::ROWS.len(), "{lines:#?}");
        assert!(lines.contains(&"p.pool.a_b.client_requests:0|c".to_owned()), "{lines:#?}");
        assert!(lines.contains(&"p.pool.a_b.server.10_0_0_1_6379_1.in_queue:0|g".to_owned()), "{lines:#?}");
    }

    #[test]
    fn counters_and_latencies_are_of_the_time_since_the_last_push() {
        let cells = PoolCells::new("a", ["s"], 1);
        let (pool, server) = (&cells.shards[0], &cells.servers[0].shards[0]);
        let mut statsd = PoolStatsd::new(String::new(), 508);
        pool.client_requests.add(5);
        pool.latency.record(1_000_000);
        server.record_response(CommandClass::Read, 10, 2);
        let first = lines(&mut statsd, &cells);
        for line in ["pool.a.client_requests:5|c", "pool.a.server.s.response_time_us_p99:8|g"] {
            assert!(first.contains(&line.to_owned()), "{line}: {first:#?}");
        }
        pool.client_requests.add(2);
        pool.client_connections.set(3);
        pool.latency.record(40);
        let second = lines(&mut statsd, &cells);
        for line in
            ["pool.a.client_requests:2|c", "pool.a.client_connections:3|g", "pool.a.latency_us_p99:40|g"]
        {
            assert!(second.contains(&line.to_owned()), "{line}: {second:#?}");
        }
        assert!(!second.iter().any(|line| line.contains("response_time")), "{second:#?}");
        // Removed, and added again.
        statsd.render(Vec::new());
        assert!(lines(&mut statsd, &cells).contains(&"pool.a.client_requests:7|c".to_owned()));
    }

    #[test]
    fn prefixes() {
        for (pattern, host, expected) in
            [("nuthatch.%s", "web-1.example", "nuthatch.web-1_example."), ("x.", "h", "x."), ("", "h", "")]
        {
            assert_eq!(prefix(pattern, host), expected);
        }
    }
}
