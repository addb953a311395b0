//! How things are, as one document: what the page shows and what `/api/status` gives as JSON.
//!
//! Names of fields are part of the API: they are added to, not changed. Moments are milliseconds since the Unix epoch,
//! latencies microseconds; `_total` counts since the start, `_per_second` is the mean over `window_seconds`.

mod pools;
mod queue;

use serde::Serialize;

use crate::events::{Event, Events};
use crate::facts::{Facts, Listening};
use crate::process::Process;
use crate::trouble::{self, Tracker, Trouble};
use crate::watch::Sample;
use crate::{health, queue::QueueReport};

pub use pools::{ErrorCount, Errors, Latency, PoolState, PoolStatus, ServerState, ServerStatus};
pub use queue::{ChannelStatus, QueueStatus, TopicStatus};

/// See the top of this file.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Version of the program.
    pub version: &'static str,
    /// When this was true.
    pub now_ms: u64,
    /// When the process started.
    pub started_ms: u64,
    /// The time over which rates and latencies are taken; zero if there was none yet.
    pub window_seconds: f64,
    /// As `/health` says.
    pub healthy: bool,
    /// Why not.
    pub reasons: Vec<String>,
    /// What is wrong, worst first.
    pub troubles: Vec<Trouble>,
    /// Memory for requests and replies.
    pub memory: Memory,
    /// The process.
    pub process: Process,
    /// What is listened on.
    pub listening: Vec<Listening>,
    /// Pools, in the order of the configuration.
    pub pools: Vec<PoolStatus>,
    /// The queue; none if it does not run.
    pub queue: Option<QueueStatus>,
    /// What happened lately, newest first.
    pub events: Vec<Event>,
    /// Events that came too fast to be kept.
    pub events_lost: u64,
}

/// Bytes held for requests and replies, against the most that may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Held now.
    pub used_bytes: u64,
    /// `memory_budget`.
    pub budget_bytes: u64,
}

impl Memory {
    /// Used of the budget, in percent.
    pub fn percent(&self) -> u64 {
        self.used_bytes.saturating_mul(100) / self.budget_bytes.max(1)
    }
}

impl Status {
    /// What two samples say; troubles and events are left out. `has_queue` tells no queue from one that does not answer.
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
            troubles: Vec::new(),
            memory: Memory { used_bytes, budget_bytes: facts.memory_budget_bytes },
            process: now.process,
            listening: facts.listening.clone(),
            pools: pools::between(&before.pools, &now.pools, facts, window),
            queue: has_queue.then(|| queue(&now.queue)),
            events: Vec::new(),
            events_lost: 0,
        }
    }

    /// Adds what is wrong, and what happened.
    pub(crate) fn judge(&mut self, tracker: &mut Tracker, events: &Events) {
        self.events = events.newest_first().cloned().collect();
        self.events_lost = events.lost();
        self.troubles = tracker.settle(trouble::find(self), self.now_ms);
        self.reasons = health::reasons(self);
        self.healthy = self.reasons.is_empty();
    }
}

/// The time between two samples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// Zero if the samples are the same.
    pub seconds: f64,
}

impl Window {
    /// How fast a counter grew. One that went back (made anew) counts from zero.
    fn rate(self, before: u64, now: u64) -> f64 {
        self.per_second(now.checked_sub(before).unwrap_or(now) as f64)
    }

    /// How fast a level changed; negative if it fell.
    fn growth(self, before: u64, now: u64) -> f64 {
        self.per_second(now as f64 - before as f64)
    }

    fn per_second(self, difference: f64) -> f64 {
        if self.seconds > 0.0 { difference / self.seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        let window = Window { seconds: 2.0 };
        assert_eq!(window.rate(10, 30), 10.0);
        assert_eq!(window.rate(30, 10), 5.0, "made anew");
        assert_eq!(window.growth(30, 10), -10.0);
        assert_eq!(Window { seconds: 0.0 }.rate(0, 5), 0.0);
    }

    #[test]
    fn percent_of_the_budget() {
        assert_eq!(Memory { used_bytes: 91, budget_bytes: 200 }.percent(), 45);
        assert_eq!(Memory { used_bytes: 1, budget_bytes: 0 }.percent(), 100);
    }
}
