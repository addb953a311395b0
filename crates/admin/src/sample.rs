//! All counters, read at one moment.
//!
//! A sample alone has only totals; the present is the difference between two ([`crate::status`]).

use std::time::Instant;

use telemetry::{PoolReport, Registry};

use crate::facts::wall_ms;
use crate::lookup::LookupReport;
use crate::process::Process;
use crate::queue::QueueReport;
use crate::rounds::Rounds;

/// All counters at one moment.
pub(crate) struct Sample {
    /// Time of the sample.
    pub at: Instant,
    /// Its time on the wall clock, in milliseconds since the Unix epoch.
    pub wall_ms: u64,
    /// Every pool.
    pub pools: Vec<PoolReport>,
    /// Memory held for requests and replies, on all shards.
    pub memory_bytes: u64,
    /// Rounds of all shards.
    pub rounds: Rounds,
    /// The queue; None if it did not answer or does not run.
    pub queue: Option<QueueReport>,
    /// The lookup; None if it did not answer or does not run.
    pub lookup: Option<LookupReport>,
    /// The process.
    pub process: Process,
}

/// Reports of the queue and the lookup.
#[derive(Default)]
pub(crate) struct Reports {
    pub queue: Option<QueueReport>,
    pub lookup: Option<LookupReport>,
}

impl Sample {
    /// Reads the counters, and adds the reports.
    pub fn take(registry: &Registry, reports: Reports) -> Sample {
        let Reports { queue, lookup } = reports;
        Sample {
            at: Instant::now(),
            wall_ms: wall_ms(),
            pools: registry.pools(),
            memory_bytes: registry.shard_row("memory_bytes"),
            rounds: Rounds::of(registry),
            queue,
            lookup,
            process: Process::now(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use telemetry::PoolCells;

    use super::*;
    use crate::facts::{Facts, Placement, PoolFacts};

    /// Facts for tests: one shard, a budget of 1000 bytes, pools `a` (redis) and `m` (memcache).
    pub(crate) fn facts() -> Facts {
        let pool = |name: &str, protocol| PoolFacts {
            name: name.into(),
            protocol,
            topology: "ring",
            placement: Placement::default(),
        };
        Facts {
            version: "1.2.3",
            memory_budget_bytes: 1000,
            shards: 1,
            pools: vec![pool("a", "redis"), pool("m", "memcache")],
            listening: Vec::new(),
            hostname: "box".into(),
            http_names: Vec::new(),
            metrics: config::checked::MetricsLimits::default(),
            started: Instant::now(),
            started_ms: 1_000,
        }
    }

    /// A sample `seconds` after the start.
    pub(crate) fn sample_at(
        facts: &Facts,
        seconds: u64,
        pools: &[&PoolCells],
        queue: Option<QueueReport>,
    ) -> Sample {
        Sample {
            at: facts.started + Duration::from_secs(seconds),
            wall_ms: facts.started_ms + 1000 * seconds,
            pools: pools.iter().map(|pool| PoolReport::sum(pool)).collect(),
            memory_bytes: pools
                .iter()
                .flat_map(|pool| &pool.shards)
                .map(|pool| pool.memory_bytes.get())
                .sum(),
            rounds: Rounds::default(),
            queue,
            lookup: None,
            process: Process::default(),
        }
    }
}
