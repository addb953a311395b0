//! Hundreds of seeds of [`nuthatch_sim::sentinels`].

use nuthatch_sim::sentinels::{Outcome, run};

/// Seeds of a test run.
const SEEDS: u64 = 200;

#[test]
fn no_view_leads_to_a_false_master() {
    let mut sum = Outcome::default();
    for seed in 0..SEEDS {
        let outcome = run(seed).unwrap_or_else(|why| panic!("{why}"));
        sum.failovers += outcome.failovers;
        sum.followed += outcome.followed;
        sum.early += outcome.early;
    }
    // The world is not idle, and most promotions are seen before a Sentinel tells of them.
    assert!(
        sum.failovers > SEEDS && sum.followed > sum.failovers / 2 && sum.early > sum.failovers / 4,
        "{sum:?}"
    );
}
