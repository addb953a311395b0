//! Rounds of the shards: polls, the events that they brought, and the sleeps before them (`coalesce`).
//!
//! These are counts since the start; [`crate::status::Gathering`] is what they mean for the present.

use telemetry::Registry;

use crate::process;

/// Counts of all shards, since their start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rounds {
    pub rounds: u64,
    pub events: u64,
    pub sleeps: u64,
    pub saved_us: u64,
    /// CPU time of the process.
    pub cpu_us: u64,
}

impl Rounds {
    pub(crate) fn of(registry: &Registry) -> Rounds {
        let cpu = process::cpu_time().unwrap_or_default();
        Rounds {
            rounds: registry.shard_row("rounds"),
            events: registry.shard_row("round_events"),
            sleeps: registry.shard_row("sleeps"),
            saved_us: registry.shard_row("sleeps_saved_us"),
            cpu_us: u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX),
        }
    }
}
