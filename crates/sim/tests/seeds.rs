//! Seeds: a few hundred of them, one by number, and those that once found a bug.

mod all_seeds;

use all_seeds::{number, run_all};
use nuthatch_sim::{Report, run};

/// Number of seeds in every `cargo test`; more with `NUTHATCH_SIM_SEEDS`.
const SEEDS: u64 = 300;

/// Statistics that the simulation cannot move: a lack of file descriptors, the rounds of the real loop,
/// overlong requests, users and passwords, TLS, and private connections: no simulated client sends a
/// command that waits, watches or subscribes; scripts by their SHA-1; and replicas, so nothing to hedge a
/// read with. Masters are moved by `tests/sentinels.rs`, the others by the integration tests of metrics,
/// TLS, hedging and Redis' clients.
const NOT_SIMULATED: &[(&str, &str)] = &[
    ("shard", "accept_pauses"),
    ("shard", "rounds"),
    ("shard", "round_events"),
    ("shard", "sleeps"),
    ("shard", "slept_us"),
    ("shard", "sleeps_saved_us"),
    ("pool", "oversized"),
    ("pool", "messages"),
    ("pool", "subscriptions_lost"),
    ("pool", "blocked_clients_gone"),
    ("pool", "scripts_loaded"),
    ("pool", "hedged_reads"),
    ("pool", "hedges_won"),
    ("server", "private_connections"),
    ("server", "private_waits"),
    ("server", "master_changes"),
    ("pool", "denied"),
    ("pool", "login_failures"),
    ("pool", "limited"),
    ("pool", "tls_handshakes"),
    ("pool", "tls_resumed"),
    ("pool", "tls_failures"),
    // Clusters: `cluster.rs`, crates/proxy/src/detour/tests.rs and tests/integration/test_redis_cluster.py
    // move them.
    ("pool", "redirects"),
    ("pool", "detours"),
    ("pool", "topology_changes"),
    ("pool", "slots_served"),
    ("pool", "replica_reads"),
];

#[test]
fn seeds() {
    let count = number("NUTHATCH_SIM_SEEDS").unwrap_or(SEEDS);
    let total = run_all(0..count, run, Report::add, 5);
    println!("{count} seeds: {total:#?}");
    // Every path must be reached: one that no seed reaches is not tested.
    let reached = [
        ("replies", total.replies),
        ("overflows", total.overflows),
        ("refused clients", total.refused_clients),
        ("protocol errors", total.protocol_errors),
        ("timeouts", total.timeouts),
        ("requests without a server", total.no_server),
        ("requests refused by a full queue", total.overloaded),
        ("clients that wait for room in a queue", total.queue_waits),
        ("fragments", total.fragments),
        ("retries", total.retries),
        ("late replies", total.late_replies),
        ("stray replies", total.strays),
        ("ejections", total.ejections),
        ("failed probes", total.probes_failed),
        ("another generation", total.generations),
        ("clients of a removed pool", total.removals),
    ];
    for (what, count) in reached {
        assert!(count > 0, "no seed has led to {what}");
    }
    // A statistic that never moves proves nothing.
    let still = Report::rows().enumerate().filter(|(n, _)| total.moved >> n & 1 == 0).map(|(_, row)| row);
    let still: Vec<_> = still.filter(|row| !NOT_SIMULATED.contains(row)).collect();
    assert!(still.is_empty(), "no seed has moved {still:?}");
}

#[test]
fn a_seed_is_a_run() {
    for seed in [3, 4, 5] {
        assert_eq!(run(seed), run(seed));
    }
}

/// Seeds that once found a bug, listed with the name of the bug. The meaning of a seed changes with the
/// simulator, so each bug also has its own test next to its fix.
#[test]
fn seeds_that_have_found_a_bug() {
    let found = [
        (237, "a FIN overtook input that was about to be shown after a resume (net)"),
        (8, "an empty reply had a place in the hold that a reset had taken away"),
        (7, "an empty reply blocked its client's line"),
        (15, "each probe of an ejected server left a timer behind"),
        (23, "a read was sent again to a server that its loss had ejected"),
        (93, "a request's deadline waited for a later alarm"),
        (113, "clients that waited for memory were forgotten when all else was quiet"),
        (139, "parts of requests filled the memory for good"),
        (174, "a handshake's late reply was thrown away"),
    ];
    for (seed, what) in found {
        run(seed).unwrap_or_else(|why| panic!("{what}: {why}"));
    }
}

/// One seed by number: `NUTHATCH_SIM_SEED=123 cargo test -p nuthatch-sim replay -- --nocapture`.
#[test]
fn replay() {
    let seed = number("NUTHATCH_SIM_SEED").unwrap_or(1);
    let report = run(seed).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    println!("seed {seed}: {report:#?}");
}
