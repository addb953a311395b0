//! Tests of the oracle with deliberate bugs: each has to be detected whenever it was applied.

use nuthatch_sim::{Tamper, run_tampered};

const SEEDS: std::ops::Range<u64> = 1000..1040;

#[test]
fn every_deliberate_bug_is_found() {
    for tamper in Tamper::ALL {
        let mut found = 0;
        for seed in SEEDS {
            match run_tampered(seed, tamper) {
                Err(_) => found += 1,
                Ok(report) => assert!(!report.tampered, "{tamper:?} went unnoticed with seed {seed}"),
            }
        }
        assert!(found >= 3, "{tamper:?} was found {found} times only");
    }
}
