//! Seeds of the queue's simulation: a few hundred of them, and one by number.

mod all_seeds;

use all_seeds::{number, run_all};
use nuthatch_sim::messaging::{Report, Tamper, run, run_tampered};

/// Number of seeds in every `cargo test`; more with `NUTHATCH_SIM_SEEDS`.
const SEEDS: u64 = 200;

#[test]
fn seeds() {
    let count = number("NUTHATCH_SIM_SEEDS").unwrap_or(SEEDS);
    let total = run_all(0..count, run, Report::add, 12);
    println!("{count} seeds: {total:#?}");
    // Every path must be reached: one that no seed reaches is not tested.
    let reached = [
        ("publications", total.published),
        ("deliveries", total.delivered),
        ("redeliveries", total.redelivered),
        ("FIN", total.finished),
        ("REQ", total.requeued),
        ("deferred messages", total.deferred),
        ("orders of operators", total.orders),
        ("dead letters read", total.letters),
        ("dead letters brought back", total.redriven),
        ("refused publications", total.refused),
        ("messages of ephemeral topics", total.ephemeral),
        ("refusals for want of memory", total.out_of_memory),
        ("memory that was given back", total.memory_back),
        ("refusals for too many channels", total.out_of_channels),
        ("ephemeral channels that lost their last consumer", total.deserted),
        ("troubles of the disk", total.troubles),
        ("damaged messages", total.rotten),
        ("damaged headers", total.rotten_headers),
        ("full topics", total.full),
        ("topics that gave back their segments", total.emptied),
        ("steps of the clock", total.steps),
        ("imports", total.imports),
        ("starts that failed", total.failed_starts),
        ("kills", total.kills),
        ("losses of power", total.power_cuts),
        ("stops", total.stops),
    ];
    for (what, count) in reached {
        assert!(count > 0, "no seed has led to {what}");
    }
}

#[test]
fn a_seed_is_a_run() {
    for seed in [3, 4, 5] {
        assert_eq!(run(seed), run(seed));
    }
}

/// Number of seeds within which each deliberate bug has to be found.
const ENOUGH: u64 = 40;

#[test]
fn every_deliberate_bug_is_found() {
    for tamper in Tamper::ALL {
        let finds = |seed: &u64| run_tampered(*seed, tamper).is_err_and(|why| why.contains(tamper.words()));
        let found = (0..ENOUGH).find(finds);
        println!("{tamper:?}: seed {found:?}");
        assert!(found.is_some(), "{tamper:?} was not found by {ENOUGH} seeds");
    }
}

/// One seed by number:
/// `NUTHATCH_SIM_SEED=123 cargo test -p nuthatch-sim --test messaging replay -- --nocapture`.
#[test]
fn replay() {
    let seed = number("NUTHATCH_SIM_SEED").unwrap_or(1);
    let report = run(seed).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    println!("seed {seed}: {report:#?}");
}
