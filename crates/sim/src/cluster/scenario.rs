//! The scenario of a seed: how many, how fast, and what may happen.

use std::sync::Arc;
use std::time::Duration;

use config::checked::Pool;

use super::tamper::Tamper;
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
    /// Slots move.
    pub(super) moves: bool,
    /// Some clients go away in the middle.
    pub(super) vanishes: bool,
    /// Clients watch keys and block.
    pub(super) sessions: bool,
    pub(super) reads: Reads,
}

/// Destination of reads, and what may hold replicas up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reads {
    pub(super) from: &'static str,
    pub(super) lag_max: Option<Duration>,
    pub(super) hedge_after: Option<&'static str>,
}

impl Reads {
    const OF_MASTERS: Reads = Reads { from: "primary", lag_max: None, hedge_after: None };

    /// Those of runs with a deliberate bug of a replica.
    const TESTED: Reads =
        Reads { from: "replica", lag_max: Some(Duration::from_millis(400)), hedge_after: None };

    fn of(rng: &mut Rng) -> Reads {
        if rng.one_in(2) {
            return Reads::OF_MASTERS;
        }
        Reads {
            from: rng.pick(&["replica", "prefer_replica", "prefer_replica", "nearest"]),
            lag_max: rng.pick(&[None, Some(400), Some(400), Some(1000)]).map(Duration::from_millis),
            hedge_after: rng.pick(&[None, Some("p95"), Some("1ms"), Some("3ms")]),
        }
    }

    /// True if reads go to replicas.
    pub(super) fn are_copies(&self) -> bool {
        self.from != Reads::OF_MASTERS.from
    }

    /// Time between questions to a node about its replication, as the control thread has it,
    pub(super) fn interval(&self) -> Duration {
        let second = Duration::from_secs(1);
        self.lag_max.map_or(second, |lag_max| (lag_max / 4).clamp(Duration::from_millis(100), second))
    }

    /// and between looks at the answers.
    pub(super) fn tick(&self) -> Duration {
        (self.interval() / 2).max(Duration::from_millis(100))
    }

    /// Age of a write above which a read that is sent then must see it: the limit, a look at the answers, and
    /// the way of a generation to all shards; nothing at masters. None without a limit.
    pub(super) fn age_max(&self) -> Option<Duration> {
        if !self.are_copies() {
            return Some(Duration::ZERO);
        }
        Some(self.lag_max? + self.tick() + Duration::from_millis(60))
    }
}

impl Scenario {
    /// The scenario of a seed; with a deliberate bug one in which nothing may fail.
    pub(super) fn of(seed: u64, tamper: Option<Tamper>) -> Scenario {
        let mut rng = Rng::new(seed ^ 0xc105);
        let trouble = rng.pick(&[Trouble::Moves, Trouble::Losses, Trouble::Deaths, Trouble::Deaths]);
        let segment_max = rng.pick(&[300, 1400, 70_000]);
        let window = rng.pick(&[600, 3000, 200_000]);
        let mut scenario = Scenario {
            trouble: if tamper.is_some() { Trouble::Moves } else { trouble },
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
            moves: true,
            // Nobody would notice a bug that strikes a client which goes.
            vanishes: tamper.is_none(),
            sessions: rng.one_in(2),
            reads: Reads::of(&mut rng),
        };
        if let Some(tamper) = tamper {
            scenario.sessions = tamper.needs_sessions();
            if scenario.sessions {
                scenario.requests = 300;
            }
            if tamper.needs_short_lines() {
                scenario.depth = scenario.depth.min(4);
            }
            scenario.reads = if tamper.needs_copies() { Reads::TESTED } else { Reads::OF_MASTERS };
        }
        scenario.moves = !scenario.reads.are_copies() || rng.one_in(2);
        scenario
    }

    /// The pool of a run.
    pub(super) fn pool(&self) -> Arc<Pool> {
        let mut text = "[pool.c]\nlisten = \"127.0.0.1:1\"\ntopology = \"cluster\"\n\
                        servers = [\"127.0.0.1:10000\"]\ntimeout = \"1s\"\n"
            .to_owned();
        let mut set = |name: &str, value: &str| text.push_str(&format!("{name} = \"{value}\"\n"));
        set("read_from", self.reads.from);
        if let Some(lag_max) = self.reads.lag_max {
            set("replica_lag_max", &format!("{}ms", lag_max.as_millis()));
        }
        if let Some(after) = self.reads.hedge_after {
            set("hedge_after", after);
        }
        let config = config::native::check(&text, 1).config.expect("a valid configuration");
        Arc::new(config.pools[0].clone())
    }
}
