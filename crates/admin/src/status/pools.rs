//! Pools and their servers.

use telemetry::{CommandClass, HistogramSnapshot, PoolReport, ServerReport};
pub use ui::pools::{ByClass, ErrorCount, Errors, Latency, PoolState, PoolStatus, ServerState, ServerStatus};

use super::window::Window;
use crate::facts::Facts;
use crate::reload::ServerByHand;

/// Counters of a pool that count errors, by their common names.
pub(crate) const POOL_ERRORS: [&str; 11] = [
    "timeouts",
    "no_server",
    "refused",
    "client_refused",
    "client_overflows",
    "client_err",
    "protocol_errors",
    "unsupported",
    "oversized",
    "cross_slot",
    "denied",
];

/// Counters of a server that count errors.
pub(crate) const SERVER_ERRORS: [&str; 9] = [
    "connects_refused",
    "server_err",
    "server_eof",
    "request_timeouts",
    "error_replies",
    "refused",
    "late_replies",
    "stray_replies",
    "probes_failed",
];

/// A server is slow if its p99 is this many times the median of its pool's other servers,
const SLOW_FACTOR: u64 = 3;
/// and at least this much.
const SLOW_MIN_US: u64 = 1_000;

/// Every pool of `now`, compared with its state in `before`.
pub(super) fn between(
    before: &[PoolReport],
    now: &[PoolReport],
    facts: &Facts,
    window: Window,
) -> Vec<PoolStatus> {
    let pool = |now: &PoolReport| {
        let before = before.iter().find(|known| known.name == now.name);
        pool(before, now, facts, window)
    };
    now.iter().map(pool).collect()
}

fn pool(before: Option<&PoolReport>, now: &PoolReport, facts: &Facts, window: Window) -> PoolStatus {
    let new = |name: &str| now.get(name).unwrap_or(0);
    let old = |name: &str| before.and_then(|before| before.get(name)).unwrap_or(0);
    let mut servers: Vec<ServerStatus> = now
        .servers
        .iter()
        .enumerate()
        .map(|(at, now)| {
            // A reload may have changed the server's index.
            let same = |known: &&ServerReport| known.name == now.name;
            let known = before.map_or(&[][..], |before| &before.servers);
            server(known.get(at).filter(same).or_else(|| known.iter().find(same)), now, window)
        })
        .collect();
    mark_slow(&mut servers);
    let known = facts.pool(&now.name);
    let (was, is) = (before.map(times), times(now));
    PoolStatus {
        name: now.name.clone(),
        protocol: known.map_or("", |pool| pool.protocol).into(),
        placement: known.map(|pool| pool.placement.clone()).unwrap_or_default(),
        state: state(&servers, facts.shards),
        clients: new("client_connections"),
        in_flight: new("requests_in_flight"),
        memory_bytes: new("memory_bytes"),
        topology: known.map_or("", |pool| pool.topology).into(),
        redirects_per_second: window.rate(old("redirects"), new("redirects")),
        replica_reads_per_second: window.rate(old("replica_reads"), new("replica_reads")),
        requests_total: new("client_requests"),
        requests_per_second: window.rate(old("client_requests"), new("client_requests")),
        hit_percent: hit_percent(old, new, window),
        latency: latency_between(before.map(|before| &before.latency), &now.latency),
        queue_time: latency_between(was.as_ref().map(|was| &was.0), &is.0),
        response_times: by_class(was.as_ref().map(|was| &was.1), &is.1),
        distribution: distribution(before.map(|before| &before.latency), &now.latency),
        values: now.values.clone(),
        errors: errors(&POOL_ERRORS, old, new, window),
        servers,
    }
}

fn server(before: Option<&ServerReport>, now: &ServerReport, window: Window) -> ServerStatus {
    let new = |name: &str| now.get(name).unwrap_or(0);
    let old = |name: &str| before.and_then(|before| before.get(name)).unwrap_or(0);
    let ejected = new("ejected");
    let (was, is) = (before.map(ServerReport::response_time), now.response_time());
    ServerStatus {
        name: now.name.clone(),
        state: if ejected == 0 { ServerState::Up } else { ServerState::Ejected },
        ejected_shards: ejected,
        ejected_since_ms: (ejected > 0).then(|| new("server_ejected_at") / 1000),
        connections: new("server_connections"),
        waiting: new("in_queue"),
        in_flight: new("out_queue"),
        requests_total: new("requests"),
        responses_total: new("responses"),
        request_bytes_total: new("request_bytes"),
        response_bytes_total: new("response_bytes"),
        ejections_total: new("ejections"),
        requests_per_second: window.rate(old("requests"), new("requests")),
        hit_percent: hit_percent(old, new, window),
        latency: latency_between(was.as_ref(), &is),
        queue_time: latency_between(before.map(|before| &before.queue_time), &now.queue_time),
        response_times: by_class(before.map(|before| &before.response_times), &now.response_times),
        distribution: distribution(was.as_ref(), &is),
        values: now.values.clone(),
        slow: false,
        errors: errors(&SERVER_ERRORS, old, new, window),
        by_hand: None,
        out_by_hand: false,
        weight_by_hand: None,
    }
}

type Times = [HistogramSnapshot; CommandClass::COUNT];

/// Queue times and response times of all servers of a pool.
fn times(pool: &PoolReport) -> (HistogramSnapshot, Times) {
    let mut all = <(HistogramSnapshot, Times)>::default();
    for server in &pool.servers {
        all.0.merge(&server.queue_time);
        all.1.iter_mut().zip(&server.response_times).for_each(|(all, times)| all.merge(times));
    }
    all
}

fn by_class(before: Option<&Times>, now: &Times) -> ByClass {
    let of_class = |class: CommandClass| {
        let at = class.index();
        (class.name().into(), latency_between(before.map(|before| &before[at]), &now[at]))
    };
    CommandClass::ALL.map(of_class).into_iter().filter(|(_, latency)| latency.count > 0).collect()
}

/// Adds manual changes to their servers.
pub(crate) fn note_changes_by_hand(pools: &mut [PoolStatus], changes: &[ServerByHand]) {
    for ServerByHand { pool, server, change, is_out, weight } in changes {
        let of_pool = pools.iter_mut().filter(|status| status.name == *pool);
        let servers = of_pool.flat_map(|status| &mut status.servers).filter(|status| status.name == *server);
        servers.for_each(|status| {
            status.out_by_hand |= is_out;
            status.weight_by_hand = status.weight_by_hand.or(*weight);
            match &mut status.by_hand {
                Some(text) => *text = format!("{text}, {change}"),
                none => *none = Some(change.clone()),
            }
        });
    }
}

fn errors(
    names: &[&'static str],
    old: impl Fn(&str) -> u64,
    new: impl Fn(&str) -> u64,
    window: Window,
) -> Errors {
    let count = |name: &&'static str| {
        let total = new(name);
        let per_second = window.rate(old(name), total);
        (total > 0).then_some(((*name).into(), ErrorCount { total, per_second }))
    };
    names.iter().filter_map(count).collect()
}

fn hit_percent(old: impl Fn(&str) -> u64, new: impl Fn(&str) -> u64, window: Window) -> Option<f64> {
    let [hits, misses] = ["hits", "misses"].map(|name| window.rate(old(name), new(name)));
    let all = hits + misses;
    (all > 0.0).then(|| hits * 100.0 / all)
}

fn state(servers: &[ServerStatus], shards: u64) -> PoolState {
    let out = |server: &ServerStatus| server.ejected_shards >= shards.max(1);
    if !servers.is_empty() && servers.iter().all(out) {
        PoolState::Down
    } else if servers.iter().any(|server| server.state == ServerState::Ejected) {
        PoolState::Degraded
    } else {
        PoolState::Up
    }
}

/// Marks servers that are much slower than the others. A single server has none to compare with.
fn mark_slow(servers: &mut [ServerStatus]) {
    let p99: Vec<Option<u64>> = servers.iter().map(|server| server.latency.p99_us).collect();
    for (at, server) in servers.iter_mut().enumerate() {
        let mut others: Vec<u64> =
            p99.iter().enumerate().filter(|(n, _)| *n != at).filter_map(|(_, p99)| *p99).collect();
        others.sort_unstable();
        let median = others.get(others.len() / 2);
        server.slow = server
            .latency
            .p99_us
            .zip(median)
            .is_some_and(|(own, median)| own >= SLOW_MIN_US && own >= median.saturating_mul(SLOW_FACTOR));
    }
}

fn latency_between(before: Option<&HistogramSnapshot>, now: &HistogramSnapshot) -> Latency {
    let recent = recent(before, now);
    let count = recent.count();
    let quantile = |q| (count > 0).then(|| recent.quantile(q));
    Latency {
        count,
        p50_us: quantile(0.5),
        p90_us: quantile(0.9),
        p99_us: quantile(0.99),
        p999_us: quantile(0.999),
    }
}

fn recent(before: Option<&HistogramSnapshot>, now: &HistogramSnapshot) -> HistogramSnapshot {
    before.map_or_else(|| now.clone(), |before| now.since(before))
}

/// Counts of recent latencies up to each of these limits and above the one before, in microseconds; without
/// the empty ones at both ends.
fn distribution(before: Option<&HistogramSnapshot>, now: &HistogramSnapshot) -> Vec<(u64, u64)> {
    let recent = recent(before, now);
    let mut below = 0;
    let counts = (6..=30).map(|power| {
        let limit = (1 << power) - 1;
        let so_far = recent.count_to(limit);
        (limit + 1, so_far - std::mem::replace(&mut below, so_far))
    });
    let mut counts: Vec<(u64, u64)> = counts.skip_while(|(_, count)| *count == 0).collect();
    while counts.last().is_some_and(|(_, count)| *count == 0) {
        counts.pop();
    }
    counts
}

#[cfg(test)]
mod tests {
    use telemetry::{PoolCells, PoolStats, Row, ServerStats};

    use super::*;
    use crate::sample::tests::{facts, sample_at};
    use crate::status::Status;

    #[test]
    fn errors_are_rows_of_the_tables() {
        let has = |rows: &[Row], name: &str| rows.iter().any(|row| row.name == name);
        for name in POOL_ERRORS {
            assert!(has(PoolStats::ROWS, name), "{name}");
        }
        for name in SERVER_ERRORS {
            assert!(has(ServerStats::ROWS, name), "{name}");
        }
    }

    #[test]
    fn rates_and_latencies_are_those_of_the_window() {
        let facts = facts();
        let cells = PoolCells::new("a", ["s", "t"], 1);
        let (pool, s) = (&cells.shards[0], &cells.servers[0].shards[0]);
        pool.client_requests.add(100);
        pool.latency.record(1_000_000);
        s.requests.add(50);
        s.hits.add(1000);
        s.error_replies.add(7);
        let before = sample_at(&facts, 0, &[&cells], None);
        pool.client_requests.add(20);
        (1..=100).for_each(|us| pool.latency.record(us));
        s.requests.add(10);
        s.error_replies.add(1);
        (1..=10).for_each(|us| s.record_response(CommandClass::Write, us, 1));
        s.queue_time.record_many(1, 10);
        s.hits.add(3);
        s.misses.add(1);
        pool.memory_bytes.set(800);
        let now = sample_at(&facts, 10, &[&cells], None);
        let status = Status::between(&before, &now, &facts, false);
        let shown = &status.pools[0];
        assert_eq!((&*shown.protocol, shown.state), ("redis", PoolState::Up));
        assert_eq!((shown.requests_total, shown.requests_per_second), (120, 2.0));
        assert_eq!(
            shown.latency,
            Latency { count: 100, p50_us: Some(50), p90_us: Some(90), p99_us: Some(99), p999_us: Some(100) }
        );
        let server = &shown.servers[0];
        assert_eq!((server.requests_total, server.requests_per_second), (60, 1.0));
        assert_eq!((server.hit_percent, shown.hit_percent), (Some(75.0), None));
        assert_eq!((server.latency.count, server.latency.p99_us), (10, Some(9)));
        assert_eq!(server.response_times, ByClass::from([("write".into(), server.latency)]));
        assert_eq!((server.queue_time.count, server.queue_time.p50_us), (10, Some(1)));
        assert_eq!((&shown.response_times, shown.queue_time), (&server.response_times, server.queue_time));
        let errors = Errors::from([("error_replies".into(), ErrorCount { total: 8, per_second: 0.1 })]);
        assert_eq!(server.errors, errors);
        assert_eq!((status.memory.used_bytes, status.memory.percent()), (800, 80));
    }

    #[test]
    fn ejected_servers_make_a_pool_degraded_then_down() {
        let facts = Facts { shards: 2, ..facts() };
        let cells = PoolCells::new("a", ["s", "t"], 1);
        let state = || {
            let sample = sample_at(&facts, 1, &[&cells], None);
            Status::between(&sample, &sample, &facts, false).pools.remove(0)
        };
        assert_eq!(state().state, PoolState::Up);
        let [s, t] = [0, 1].map(|n| &cells.servers[n].shards[0]);
        s.ejected.set(1);
        s.server_ejected_at.set(5_000_000);
        assert_eq!(state().state, PoolState::Degraded);
        assert_eq!(state().servers[0].ejected_since_ms, Some(5_000));
        assert_eq!(state().servers[1].ejected_since_ms, None);
        t.ejected.set(2);
        assert_eq!(state().state, PoolState::Degraded, "a shard still has the first");
        s.ejected.set(2);
        assert_eq!(state().state, PoolState::Down);
    }

    #[test]
    fn slow_is_what_others_are_not() {
        let cases: [(&[Option<u64>], &[bool]); 6] = [
            (&[Some(90_000)], &[false]),
            (&[Some(90_000), Some(1_000)], &[true, false]),
            (&[Some(900), Some(100), Some(100)], &[false, false, false]),
            (&[Some(5_000), Some(5_100), Some(4_900)], &[false, false, false]),
            (&[Some(5_000), Some(400), Some(400)], &[true, false, false]),
            (&[Some(5_000), None, Some(400)], &[true, false, false]),
        ];
        for (p99, slow) in cases {
            let names: Vec<String> = (0..p99.len()).map(|n| n.to_string()).collect();
            let cells = || PoolCells::new("a", names.iter().map(String::as_str), 1);
            let (before, after) = (cells(), cells());
            for (server, p99) in after.servers.iter().zip(p99) {
                if let Some(us) = p99 {
                    server.shards[0].record_response(CommandClass::Read, *us, 0);
                }
            }
            let (before, facts) = (sample_at(&facts(), 0, &[&before], None), facts());
            let now = sample_at(&facts, 1, &[&after], None);
            let status = Status::between(&before, &now, &facts, false);
            let found: Vec<bool> = status.pools[0].servers.iter().map(|server| server.slow).collect();
            assert_eq!(found, slow, "{p99:?}");
        }
    }
}
