//! Runs of many seeds, for each simulation.

/// Runs seeds and adds up their reports. Fails with the first `shown` of those that break a rule.
pub fn run_all<R: Default>(
    seeds: impl Iterator<Item = u64>,
    run: impl Fn(u64) -> Result<R, String>,
    add: impl Fn(&mut R, &R),
    shown: usize,
) -> R {
    let mut total = R::default();
    let mut broken = Vec::new();
    for seed in seeds {
        match run(seed) {
            Ok(report) => add(&mut total, &report),
            Err(why) => broken.push(format!("seed {seed}: {why}")),
        }
    }
    let some = broken.iter().take(shown).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(broken.is_empty(), "{} seeds break a rule:\n\n{some}", broken.len());
    total
}

/// A whole number from the environment.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
