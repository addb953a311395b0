//! Looks at the counters now and then, and remembers enough to say what happens now and since when.
//!
//! A look takes a sample and compares it with one that is ten seconds older (or with the oldest there is). Looks are a
//! second apart at least: whoever asks more often gets the last one again, however many ask.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use telemetry::{PoolReport, Registry};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::events::Events;
use crate::facts::{Facts, wall_ms};
use crate::process::Process;
use crate::queue::{QueueReport, Source};
use crate::status::Status;
use crate::trouble::Tracker;

/// Rates and latencies are those of this time.
const WINDOW: Duration = Duration::from_secs(10);
/// A look that is younger is young enough.
const FRESH: Duration = Duration::from_secs(1);
/// Pause between looks when nobody asks.
const PERIOD: Duration = Duration::from_secs(5);
/// How long the queue may take to answer.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(2);

/// See the top of this file.
pub struct Watch {
    facts: Facts,
    registry: Arc<Registry>,
    queue: Option<Arc<dyn Source>>,
    history: Mutex<History>,
}

/// Everything that counts, at one moment.
pub(crate) struct Sample {
    /// When it was taken.
    pub at: Instant,
    /// The same on the wall, in milliseconds since the Unix epoch.
    pub wall_ms: u64,
    /// Every pool.
    pub pools: Vec<PoolReport>,
    /// Memory held for requests and replies, on all shards.
    pub memory_bytes: u64,
    /// The queue; None if it did not answer, or if there is none.
    pub queue: Option<QueueReport>,
    /// The process.
    pub process: Process,
}

struct History {
    /// Oldest first; the first is the one to compare with. Never empty.
    samples: VecDeque<Sample>,
    tracker: Tracker,
    events: Events,
    latest: Option<Arc<Status>>,
}

impl Watch {
    /// Takes a first sample, to compare later ones with. `queue` is None if no queue runs.
    pub fn new(
        facts: Facts,
        registry: Arc<Registry>,
        queue: Option<Arc<dyn Source>>,
        events: Events,
    ) -> Watch {
        let first = sample(&registry, None);
        let samples = VecDeque::from([first]);
        let history = History { samples, tracker: Tracker::default(), events, latest: None };
        Watch { facts, registry, queue, history: Mutex::new(history) }
    }

    /// How things are: at most a second old.
    pub async fn look(&self) -> Arc<Status> {
        // Held while the queue is asked, so that those who come meanwhile get the same answer.
        let mut history = self.history.lock().await;
        let age = history.samples.back().map(|sample| sample.at.elapsed());
        if let Some(latest) = &history.latest
            && age.is_some_and(|age| age < FRESH)
        {
            return Arc::clone(latest);
        }
        let queue = match &self.queue {
            Some(queue) => timeout(QUEUE_TIMEOUT, queue.ask()).await.unwrap_or_default(),
            None => None,
        };
        let sample = sample(&self.registry, queue);
        let status = Arc::new(history.take(sample, &self.facts, self.queue.is_some()));
        history.latest = Some(Arc::clone(&status));
        status
    }

    /// Looks for ever, so that it is known since when things are as they are.
    pub async fn run(&self) {
        loop {
            self.look().await;
            sleep(PERIOD).await;
        }
    }

    /// Every counter as it is.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What does not change.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }
}

impl History {
    /// Takes in a sample and says what it means.
    fn take(&mut self, sample: Sample, facts: &Facts, has_queue: bool) -> Status {
        self.events.collect();
        while self.samples.get(1).is_some_and(|second| second.at + WINDOW <= sample.at) {
            self.samples.pop_front();
        }
        let mut status = match self.samples.front() {
            Some(before) => Status::between(before, &sample, facts, has_queue),
            None => Status::between(&sample, &sample, facts, has_queue),
        };
        status.judge(&mut self.tracker, &self.events);
        self.samples.push_back(sample);
        status
    }
}

fn sample(registry: &Registry, queue: Option<QueueReport>) -> Sample {
    Sample {
        at: Instant::now(),
        wall_ms: wall_ms(),
        pools: registry.pools(),
        memory_bytes: registry.shard_row("memory_bytes"),
        queue,
        process: Process::now(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use telemetry::PoolStats;

    use super::*;
    use crate::events;
    use crate::facts::PoolFacts;

    /// Facts for tests: one shard, a budget of 1000 bytes, pools `a` (redis) and `m` (memcache).
    pub(crate) fn facts() -> Facts {
        let pool = |name: &str, protocol| PoolFacts { name: name.into(), protocol };
        Facts {
            version: "1.2.3",
            memory_budget_bytes: 1000,
            shards: 1,
            pools: vec![pool("a", "redis"), pool("m", "memcache")],
            listening: Vec::new(),
            started: Instant::now(),
            started_ms: 1_000,
        }
    }

    /// A sample `seconds` after the start.
    pub(crate) fn sample_at(
        facts: &Facts,
        seconds: u64,
        pools: &[Arc<PoolStats>],
        queue: Option<QueueReport>,
    ) -> Sample {
        Sample {
            at: facts.started + Duration::from_secs(seconds),
            wall_ms: facts.started_ms + 1000 * seconds,
            pools: pools.iter().filter_map(|pool| PoolReport::sum(std::slice::from_ref(pool))).collect(),
            memory_bytes: pools.iter().map(|pool| pool.memory_bytes.get()).sum(),
            queue,
            process: Process::default(),
        }
    }

    #[test]
    fn compares_with_what_was_ten_seconds_ago() {
        let facts = facts();
        let pools = PoolStats::for_shards("a", &["s"], 1);
        let mut history = History {
            samples: VecDeque::from([sample_at(&facts, 0, &pools, None)]),
            tracker: Tracker::default(),
            events: events::connect().1,
            latest: None,
        };
        // One request a second, then none: the rate fades out over the window and is gone after it.
        for (second, rate) in [(1, 1.0), (2, 1.0), (10, 1.0), (12, 1.0), (15, 10.0 / 13.0), (22, 0.0)] {
            let requests = &pools[0].client_requests;
            requests.add(second.min(12) - requests.get());
            let status = history.take(sample_at(&facts, second, &pools, None), &facts, false);
            assert_eq!(status.pools[0].requests_per_second, rate, "{second}");
        }
        assert!(history.samples.len() <= 3);
    }

    #[tokio::test]
    async fn who_asks_often_gets_the_same() {
        let watch = Watch::new(facts(), Arc::new(Registry::new(1)), None, events::connect().1);
        let first = watch.look().await;
        assert!(Arc::ptr_eq(&first, &watch.look().await));
    }
}
