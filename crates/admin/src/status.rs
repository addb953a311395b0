//! Status of the process as one document: the content of the page, and of `/api/status` as JSON.
//!
//! Field names are part of the API: new ones are added, existing ones stay. Times are
//! milliseconds since the Unix epoch, latencies microseconds; `_total` counts since the start,
//! `_per_second` is the mean over `window_seconds`.

mod gathering;
mod pools;
mod queue;
mod window;

use serde::Serialize;
use ui::pools::{PoolsReport, Series};

use crate::certificates::Certificate;
use crate::events::Event;
use crate::facts::{Facts, Listening};
use crate::lookup::LookupReport;
use crate::process::Process;
use crate::queue::QueueReport;
use crate::reload::Generations;
use crate::sample::Sample;
use crate::topology::{Cluster, Master, Replica};
use crate::trouble::Trouble;
use crate::upgrades::UpgradeFailures;
use window::Window;

pub use gathering::Gathering;
pub(crate) use pools::note_changes_by_hand;
pub use pools::{ByClass, ErrorCount, Errors, Latency, PoolState, PoolStatus, ServerState, ServerStatus};
#[cfg(test)]
pub(crate) use pools::{POOL_ERRORS, SERVER_ERRORS};
pub use queue::{ChannelStatus, QueueStatus, TopicStatus};

/// Status of the process.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Version of the program.
    pub version: &'static str,
    /// Time of this status.
    pub now_ms: u64,
    /// Start time of the process.
    pub started_ms: u64,
    /// Period of the rates and latencies; zero if none has passed yet.
    pub window_seconds: f64,
    /// Result of `/health`.
    pub healthy: bool,
    /// Reasons if not healthy.
    pub reasons: Vec<String>,
    /// Result of `/ready`.
    pub ready: bool,
    /// True from the stop signal on.
    pub draining: bool,
    /// Current problems, worst first.
    pub troubles: Vec<Trouble>,
    /// Memory for requests and replies.
    pub memory: Memory,
    /// Events gathered per wake-up, and what that saves.
    pub gathering: Gathering,
    /// The process.
    pub process: Process,
    /// Listeners.
    pub listening: Vec<Listening>,
    /// Pools, in the order of the configuration.
    pub pools: Vec<PoolStatus>,
    /// The queue; none if it does not run.
    pub queue: Option<QueueStatus>,
    /// The lookup; none if it does not run or does not answer.
    pub lookup: Option<LookupReport>,
    /// Recent events, newest first.
    pub events: Vec<Event>,
    /// Events lost because they came too fast.
    pub events_lost: u64,
    /// Failed upgrades of the binary.
    pub upgrade_failures: UpgradeFailures,
    /// The configuration in force.
    pub configuration: Generations,
    /// Certificates in use.
    pub certificates: Vec<Certificate>,
    /// Masters that Sentinels name.
    pub masters: Vec<Master>,
    /// Clusters that pools have discovered.
    pub clusters: Vec<Cluster>,
    /// Replicas of the pools that read from them.
    pub replicas: Vec<Replica>,
}

/// Bytes held for requests and replies, against the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Bytes held now.
    pub used_bytes: u64,
    /// `memory_budget`.
    pub budget_bytes: u64,
}

impl Memory {
    /// Used part of the budget, in percent.
    pub fn percent(&self) -> u64 {
        self.used_bytes.saturating_mul(100) / self.budget_bytes.max(1)
    }
}

impl Status {
    /// The pools, for the pages of a fleet, without the last hour.
    pub(crate) fn pools_report(&self, hostname: &str) -> PoolsReport {
        PoolsReport {
            version: self.version.to_owned(),
            has_queue: self.queue.is_some(),
            process: format!("{hostname} {}", self.started_ms),
            hostname: hostname.to_owned(),
            now_ms: self.now_ms,
            window_seconds: self.window_seconds,
            pools: self.pools.clone(),
            series: Series::default(),
        }
    }

    /// Status from two samples, without troubles and events. `has_queue` distinguishes no
    /// queue from one that does not answer.
    pub(crate) fn between(before: &Sample, now: &Sample, facts: &Facts, has_queue: bool) -> Status {
        let window = Window { seconds: now.at.saturating_duration_since(before.at).as_secs_f64() };
        let used_bytes = now.memory_bytes;
        let queue = |report: &Option<QueueReport>| {
            QueueStatus::between(before.queue.as_ref(), report.as_ref(), window)
        };
        Status {
            version: facts.version,
            now_ms: now.wall_ms,
            started_ms: facts.started_ms,
            window_seconds: window.seconds,
            healthy: true,
            reasons: Vec::new(),
            ready: true,
            draining: false,
            troubles: Vec::new(),
            memory: Memory { used_bytes, budget_bytes: facts.memory_budget_bytes },
            gathering: Gathering::between(before.rounds, now.rounds),
            process: now.process,
            listening: facts.listening.clone(),
            pools: pools::between(&before.pools, &now.pools, facts, window),
            queue: has_queue.then(|| queue(&now.queue)),
            lookup: now.lookup,
            events: Vec::new(),
            events_lost: 0,
            upgrade_failures: UpgradeFailures::default(),
            configuration: Generations::default(),
            certificates: Vec::new(),
            masters: Vec::new(),
            clusters: Vec::new(),
            replicas: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_of_the_budget() {
        assert_eq!(Memory { used_bytes: 91, budget_bytes: 200 }.percent(), 45);
        assert_eq!(Memory { used_bytes: 1, budget_bytes: 0 }.percent(), 100);
    }
}
