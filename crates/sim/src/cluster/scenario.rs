//! The scenario of a seed: how many, how fast, and what may happen.

use std::sync::Arc;
use std::time::Duration;

use config::checked::Pool;

use crate::network::Travel;
use crate::rng::Rng;

/// Troubles that may come; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    /// Slots move, masters are replaced as planned, views lie. No request may fail.
    Moves,
    /// Connections are lost: writes under way may fail.
    Losses,
    /// Nodes die, freeze, and are cut off: requests may fail while nobody serves them.
    Deaths,
}

/// A seed's scenario.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) trouble: Trouble,
    pub(super) shards: usize,
    pub(super) clients: usize,
    /// Requests of each client.
    pub(super) requests: u64,
    /// Most requests of a client that are under way.
    pub(super) depth: usize,
    /// Most microseconds between bursts.
    pub(super) think_max: u64,
    pub(super) travel: Travel,
    pub(super) read_max: usize,
    /// Nodes refuse everything while a shard has no master.
    pub(super) full_coverage: bool,
    /// Views lie, one in so many.
    pub(super) lies: u64,
    /// Time in which things happen.
    pub(super) chaos: Duration,
    /// Most microseconds between them.
    pub(super) pause_max: u64,
}

impl Scenario {
    pub(super) fn of(seed: u64, is_tampered: bool) -> Scenario {
        let mut rng = Rng::new(seed ^ 0xc105);
        let trouble = rng.pick(&[Trouble::Moves, Trouble::Losses, Trouble::Deaths, Trouble::Deaths]);
        let segment_max = rng.pick(&[300, 1400, 70_000]);
        let window = rng.pick(&[600, 3000, 200_000]);
        Scenario {
            trouble: if is_tampered { Trouble::Moves } else { trouble },
            shards: rng.between(1, 3) as usize,
            clients: rng.between(2, 7) as usize,
            requests: rng.pick(&[60, 150, 300]),
            depth: rng.pick(&[1, 4, 16, 64]),
            think_max: rng.pick(&[300, 3000, 20_000]),
            travel: Travel {
                latency: rng.pick(&[(20, 60), (100, 400), (300, 5000)]),
                segment_max,
                window: [window; 2],
            },
            read_max: rng.pick(&[200, 4000, 65_536]),
            full_coverage: rng.one_in(2),
            lies: rng.pick(&[3, 8, 1000]),
            chaos: Duration::from_millis(rng.between(1500, 5000)),
            pause_max: rng.pick(&[20_000, 60_000, 250_000]),
        }
    }
}

/// The pool of all runs.
pub(super) fn pool() -> Arc<Pool> {
    let text = "[pool.c]\nlisten = \"127.0.0.1:1\"\ntopology = \"cluster\"\nservers = [\"127.0.0.1:10000\"]\n\
                timeout = \"1s\"\n";
    let config = config::native::check(text, 1).config.expect("a valid configuration");
    Arc::new(config.pools[0].clone())
}
