//! Plays any number of simulator seeds, on all cores.
//!
//! ```text
//! cargo xtask sim [cache|cluster|queue] [--from N] [--seeds N]
//! ```
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

const USAGE: &str = "usage: cargo xtask sim [cache|cluster|queue] [--from N] [--seeds N]";

/// Number of broken seeds after which the run stops.
const BROKEN_MAX: usize = 10;

/// Runs one seed and drops its counts.
type Run = fn(u64) -> Result<(), String>;
/// Name of a world, and the function that runs its seeds.
type World = (&'static str, Run);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((worlds, from, seeds)) = understand(&words) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    // Panics are reported with their seeds.
    std::panic::set_hook(Box::new(|_| {}));
    let mut good = true;
    for (name, run) in worlds {
        let broken = play(run, from, seeds);
        println!("{name}: seeds {from} to {}: {} broken", from + seeds - 1, broken.len());
        for (seed, why) in &broken {
            println!("\n{name} seed {seed}: {why}");
        }
        good &= broken.is_empty();
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn understand(words: &[String]) -> Option<(Vec<World>, u64, u64)> {
    let mut worlds: Vec<World> = vec![
        ("cache", |seed| nuthatch_sim::run(seed).map(drop)),
        ("cluster", |seed| nuthatch_sim::cluster::run(seed).map(drop)),
        ("queue", |seed| nuthatch_sim::messaging::run(seed).map(drop)),
    ];
    let (mut from, mut seeds) = (0, 1000);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--from" => from = words.next()?.parse().ok()?,
            "--seeds" => seeds = words.next()?.parse().ok().filter(|seeds| *seeds > 0)?,
            name => worlds.retain(|(world, _)| *world == name),
        }
    }
    (!worlds.is_empty()).then_some((worlds, from, seeds))
}

/// Broken seeds, in order, each with its error.
fn play(run: Run, from: u64, seeds: u64) -> Vec<(u64, String)> {
    let next = AtomicU64::new(from);
    let broken = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds || broken.lock().expect("no panic").len() >= BROKEN_MAX {
                        return;
                    }
                    if let Err(why) = run(seed) {
                        broken.lock().expect("no panic").push((seed, why));
                    }
                }
            });
        }
    });
    let mut broken = broken.into_inner().expect("no panic");
    broken.sort();
    broken
}
