//! The bodies of the fuzz targets, over pseudo-random input. A failure names its seed.

use std::panic::catch_unwind;

use nuthatch_journal::fuzzing;

#[path = "support/random.rs"]
mod random;
use random::Random;

fn run(name: &str, seeds: u64, body: fn(&[u8])) {
    for seed in 0..seeds {
        let mut random = Random::new(seed);
        let length = random.below(400);
        let data: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        assert!(catch_unwind(|| body(&data)).is_ok(), "{name}: seed {seed}");
    }
}

#[test]
fn anything_as_files() {
    run("anything", 2_000, fuzzing::recovery_of_anything);
}

#[test]
fn mutated_files() {
    run("mutated", 3_000, fuzzing::recovery_of_mutated_files);
}

#[test]
fn a_few_mutations() {
    for seed in 0..3_000 {
        let mut random = Random::new(seed);
        let data: Vec<u8> = (0..5 * (1 + random.below(3))).map(|_| random.below(256) as u8).collect();
        assert!(catch_unwind(|| fuzzing::recovery_of_mutated_files(&data)).is_ok(), "seed {seed}");
    }
}
