//! Rounds of a target: numbered inputs, one after the other.

use std::time::{Duration, Instant};

use crate::Target;
use crate::mutate::{self, Random};

/// Material for inputs of a target.
#[derive(Debug)]
pub struct Corpus {
    seeds: Vec<Vec<u8>>,
    words: &'static [&'static str],
}

impl Corpus {
    /// Loads the seeds and words of a target.
    #[must_use]
    pub fn of(target: &Target) -> Corpus {
        let mut seeds = (target.seeds)();
        for seed in &mut seeds {
            seed.truncate(mutate::INPUT_BYTES_MAX);
        }
        seeds.sort();
        seeds.dedup();
        Corpus { seeds, words: target.words }
    }

    /// Number of seeds.
    #[must_use]
    pub fn seed_count(&self) -> usize {
        self.seeds.len()
    }

    /// Input of a round. The first rounds use the seeds unchanged.
    #[must_use]
    pub fn input(&self, round: u64) -> Vec<u8> {
        let seed = usize::try_from(round).ok().and_then(|at| self.seeds.get(at));
        seed.cloned().unwrap_or_else(|| mutate::input(&mut Random::new(round), &self.seeds, self.words))
    }
}

/// Plays rounds from `first` until the time is over; `before` gets the number of each round before it begins.
/// Returns the number of the next round.
pub fn play(target: &Target, first: u64, time: Duration, mut before: impl FnMut(u64)) -> u64 {
    let corpus = Corpus::of(target);
    let end = Instant::now() + time;
    let mut round = first;
    while Instant::now() < end {
        before(round);
        (target.body)(&corpus.input(round));
        round += 1;
    }
    round
}
