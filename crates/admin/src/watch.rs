//! Periodic samples of the counters, with enough history for rates and for start times of problems.
//!
//! A new sample is compared with one ten seconds older (or the oldest). Samples are at least a second apart:
//! more frequent requests get the last status again, however many clients there are.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use config::options::Scope;
use config::show::ShownSection;
use http::ManualChange;
use telemetry::{Registry, warn};
use tokio::time::{sleep, timeout};
use ui::{Host, Level, Verdict};

use crate::actions::{Action, Actor};
use crate::certificates::{Certificate, Certificates};
use crate::events::{Event, Events, Teller};
use crate::facts::Facts;
use crate::reload::{Difference, Generations, Outcome};
use crate::rings::Rings;
use crate::sample::{Reports, Sample};
use crate::scrape::Scrapes;
use crate::source::{Source, Sources};
use crate::status::{Status, note_changes_by_hand};
use crate::topology::{Cluster, ClusterList, Master, MasterList, Replica, ReplicaList};
use crate::trouble::{Severity, Tracker};
use crate::upgrades::{UpgradeFailures, Upgrades};
use crate::{diagnosis, health, outlook, verdict};

/// Period of the rates and latencies.
const WINDOW: Duration = Duration::from_secs(10);
/// Age up to which a status is reused.
const FRESH: Duration = Duration::from_secs(1);
/// Least time between samples that are kept as bases of comparison; with many topics each has megabytes.
const STEP: Duration = Duration::from_millis(2500);
/// Interval of samples without requests.
const PERIOD: Duration = Duration::from_secs(5);
/// Age up to which the difference between file and process is reused.
const DIFFERENCE_FRESH: Duration = Duration::from_secs(3);
/// Events in a status.
const EVENTS_SHOWN: usize = 50;
/// Time limit for the last events on their way to the disk.
const FLUSH_PATIENCE: Duration = Duration::from_secs(3);
/// Time limit for answers of the queue and the lookup.
const SOURCE_TIMEOUT: Duration = Duration::from_secs(2);

/// The watch on the counters.
pub struct Watch {
    facts: Mutex<Arc<Facts>>,
    generations: Mutex<Generations>,
    settings: Mutex<Arc<Vec<ShownSection>>>,
    registry: Arc<Registry>,
    sources: Sources,
    draining: AtomicBool,
    upgrades: Upgrades,
    certificates: Certificates,
    masters: MasterList,
    clusters: ClusterList,
    replicas: ReplicaList,
    history: tokio::sync::Mutex<History>,
    /// The last dry run of a reload.
    difference: tokio::sync::Mutex<Option<(Instant, Outcome)>>,
    /// The last hour.
    rings: Mutex<Rings>,
    verdict: Mutex<Option<Verdict>>,
    /// The last status, for pages that do not wait for a new one.
    latest: Mutex<Option<Arc<Status>>>,
    scrapes: Scrapes,
    /// True if topics or channels had no rows of their own in the last metrics.
    hidden: AtomicBool,
    teller: Teller,
}

struct History {
    /// Oldest first, [`STEP`] apart; the first is the base of comparison. Never empty.
    samples: VecDeque<Sample>,
    tracker: Tracker,
    events: Events,
    latest: Option<Arc<Status>>,
    /// Time of the last sample.
    taken: Instant,
}

impl Watch {
    /// Takes a first sample, as base of comparison for later ones.
    pub fn new(facts: Facts, registry: Arc<Registry>, sources: Sources, events: Events) -> Watch {
        let first = Sample::take(&registry, Reports::default());
        let taken = first.at;
        let samples = VecDeque::from([first]);
        let teller = events.teller();
        let history = History { samples, tracker: Tracker::default(), events, latest: None, taken };
        Watch {
            facts: Mutex::new(Arc::new(facts)),
            generations: Mutex::default(),
            settings: Mutex::default(),
            registry,
            sources,
            draining: AtomicBool::new(false),
            upgrades: Upgrades::default(),
            certificates: Certificates::default(),
            masters: MasterList::default(),
            clusters: ClusterList::default(),
            replicas: ReplicaList::default(),
            history: tokio::sync::Mutex::new(history),
            difference: tokio::sync::Mutex::default(),
            rings: Mutex::default(),
            verdict: Mutex::default(),
            latest: Mutex::default(),
            scrapes: Scrapes::default(),
            hidden: AtomicBool::new(false),
            teller,
        }
    }

    /// Replaces the facts.
    pub fn set_facts(&self, facts: Facts) {
        *lock(&self.facts) = Arc::new(facts);
    }

    /// Replaces the configuration generations shown.
    pub fn set_generations(&self, generations: Generations) {
        *lock(&self.generations) = generations;
    }

    /// Replaces the settings shown.
    pub fn set_settings(&self, settings: Vec<ShownSection>) {
        *lock(&self.settings) = Arc::new(settings);
    }

    /// The settings in force, with their origins.
    pub(crate) fn settings(&self) -> Arc<Vec<ShownSection>> {
        Arc::clone(&lock(&self.settings))
    }

    /// Marks the process as stopping: neither ready nor healthy.
    pub fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Record of failed upgrades.
    pub fn upgrades(&self) -> &Upgrades {
        &self.upgrades
    }

    /// Certificates in use.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Masters that Sentinels name.
    pub fn masters(&self) -> &MasterList {
        &self.masters
    }

    /// Clusters that pools have discovered.
    pub fn clusters(&self) -> &ClusterList {
        &self.clusters
    }

    /// Replicas of pools that read from them.
    pub fn replicas(&self) -> &ReplicaList {
        &self.replicas
    }

    /// The current status: at most a second old, but never older than the start of a stop.
    pub async fn look(&self) -> Arc<Status> {
        // Held while the queue is queried, so that concurrent callers get the same answer.
        let mut history = self.history.lock().await;
        let draining = self.draining.load(Relaxed);
        let upgrade_failures = self.upgrades.failures();
        let configuration = lock(&self.generations).clone();
        if let Some(latest) = &history.latest
            && latest.draining == draining
            && latest.upgrade_failures == upgrade_failures
            && latest.configuration == configuration
            && history.taken.elapsed() < FRESH
        {
            return Arc::clone(latest);
        }
        let reports = Reports {
            queue: answer(self.sources.queue.as_ref()).await,
            lookup: answer(self.sources.lookup.as_ref()).await,
        };
        let sample = Sample::take(&self.registry, reports);
        let certificates = self.certificates.get();
        let masters = self.masters.get().concat();
        let (clusters, replicas) = (self.clusters.get(), self.replicas.get().concat());
        let told =
            Told { draining, upgrade_failures, configuration, certificates, masters, clusters, replicas };
        let status = Arc::new(history.take(sample, &self.facts(), self.sources.queue.is_some(), told));
        history.latest = Some(Arc::clone(&status));
        self.rings().add(&status);
        *lock(&self.verdict) = Some(verdict::of(&status.troubles));
        *lock(&self.latest) = Some(Arc::clone(&status));
        status
    }

    /// Changes that a reload would make now: at most [`DIFFERENCE_FRESH`] old, since the file is read for it.
    pub(crate) async fn difference(&self, actor: &dyn Actor) -> Difference {
        let mut known = self.difference.lock().await;
        if let Some((at, outcome)) = &*known
            && at.elapsed() < DIFFERENCE_FRESH
        {
            return Difference::Known(outcome.clone());
        }
        match actor.act(Action::Reload { dry_run: true }, String::new()).await {
            Some(mut outcome) => {
                // It differs each time and would make every page a new one.
                outcome.took_us = 0;
                *known = Some((Instant::now(), outcome.clone()));
                Difference::Known(outcome)
            }
            None => Difference::Unknown,
        }
    }

    /// All events that are kept, newest first.
    pub(crate) async fn events(&self) -> Vec<Event> {
        let mut history = self.history.lock().await;
        history.events.collect();
        history.events.newest_first().cloned().collect()
    }

    /// Records a change that a person has made.
    pub fn record_change(&self, change: ManualChange) {
        let ManualChange { subject, text, user, from } = change;
        let from = if from == "@" { "a unix socket" } else { &from };
        let by = if user.is_empty() { from.to_owned() } else { format!("{user} from {from}") };
        self.teller.tell(Severity::Notice, subject, format!("{text}, by {by}"));
    }

    /// Brings the events so far to their file; waits for the disk for three seconds at most.
    pub async fn flush_events(&self) {
        let flush = async {
            let flushed = self.history.lock().await.events.flush();
            if let Some(flushed) = flushed {
                let _ = flushed.await;
            }
        };
        if timeout(FLUSH_PATIENCE, flush).await.is_err() {
            warn!("the last events may be missing in their file: the disk is slow");
        }
    }

    /// Writes no further events to their file: another process does.
    pub async fn leave_events(&self) {
        self.history.lock().await.events.leave_file();
    }

    /// Takes samples forever, so that start times are known.
    pub async fn run(&self) {
        loop {
            self.look().await;
            sleep(PERIOD).await;
        }
    }

    /// The last hour of every figure.
    pub(crate) fn rings(&self) -> MutexGuard<'_, Rings> {
        lock(&self.rings)
    }

    /// All counters.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Places for pages of metrics.
    pub(crate) fn scrapes(&self) -> &Scrapes {
        &self.scrapes
    }

    /// Logs that topics or channels have no rows of their own in the metrics, when that begins.
    pub(crate) fn note_hidden(&self, (topics, channels): (usize, usize)) {
        let hidden = topics + channels > 0;
        if hidden && !self.hidden.swap(hidden, Relaxed) {
            let limits = "metrics_topics_max and metrics_channels_max in [admin]";
            warn!(topics, channels, limits, "metrics sum topics and channels beyond their limits");
        } else if !hidden {
            self.hidden.store(false, Relaxed);
        }
    }

    /// Facts about the configuration in force.
    pub fn facts(&self) -> Arc<Facts> {
        Arc::clone(&lock(&self.facts))
    }
}

impl Host for Watch {
    fn series(&self, key: &str) -> Option<Vec<f32>> {
        self.rings().get(key)
    }

    fn verdict(&self) -> Option<Verdict> {
        lock(&self.verdict).clone()
    }

    fn http_names(&self) -> Vec<String> {
        self.facts().http_names.clone()
    }

    fn full_in(&self, topic: &str) -> Option<(Level, String)> {
        let status = lock(&self.latest).clone()?;
        let topics = &status.queue.as_ref()?.topics;
        let at = topics.binary_search_by(|known| known.name.as_str().cmp(topic)).ok()?;
        let outlook = outlook::of_topic(&self.rings(), topics.get(at)?)?;
        Some((outlook.level, outlook.text))
    }

    fn queue_setting(&self, option: &str) -> Option<(String, String)> {
        let settings = self.settings();
        let queue = settings.iter().find(|section| section.scope == Scope::Queue)?;
        let row = queue.rows.iter().find(|row| row.name == option)?;
        Some((row.value.clone(), row.origin.clone()))
    }

    fn record(&self, change: ManualChange) {
        self.record_change(change);
    }
}

/// State of the process that other parts have reported.
#[derive(Default)]
struct Told {
    draining: bool,
    upgrade_failures: UpgradeFailures,
    configuration: Generations,
    certificates: Vec<Certificate>,
    masters: Vec<Master>,
    clusters: Vec<Cluster>,
    replicas: Vec<Replica>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The report of a part; None if it does not run or does not answer in time.
async fn answer<T>(source: Option<&Arc<dyn Source<T>>>) -> Option<T> {
    timeout(SOURCE_TIMEOUT, source?.ask()).await.unwrap_or_default()
}

impl History {
    /// Adds a sample and evaluates it.
    fn take(&mut self, sample: Sample, facts: &Facts, has_queue: bool, told: Told) -> Status {
        self.events.collect();
        while self.samples.get(1).is_some_and(|second| second.at + WINDOW <= sample.at) {
            self.samples.pop_front();
        }
        let mut status = match self.samples.front() {
            Some(before) => Status::between(before, &sample, facts, has_queue),
            None => Status::between(&sample, &sample, facts, has_queue),
        };
        let Told { draining, upgrade_failures, configuration, certificates, masters, clusters, replicas } =
            told;
        (status.masters, status.clusters, status.replicas) = (masters, clusters, replicas);
        (status.draining, status.upgrade_failures) = (draining, upgrade_failures);
        (status.configuration, status.certificates) = (configuration, certificates);
        note_changes_by_hand(&mut status.pools, &status.configuration.servers_by_hand);
        self.judge(&mut status);
        self.taken = sample.at;
        if self.samples.back().is_none_or(|last| last.at + STEP <= sample.at) {
            self.samples.push_back(sample);
        }
        status
    }

    /// Adds events, troubles, and whether the process is ready and healthy.
    fn judge(&mut self, status: &mut Status) {
        status.events = self.events.newest_first().take(EVENTS_SHOWN).cloned().collect();
        status.events_lost = self.events.lost();
        status.troubles = self.tracker.settle(diagnosis::find(status), status.now_ms);
        status.reasons = health::reasons(status);
        status.healthy = status.reasons.is_empty();
        status.ready = health::ready(status);
    }
}

#[cfg(test)]
mod tests {
    use telemetry::PoolCells;

    use super::*;
    use crate::events;
    use crate::sample::tests::{facts, sample_at};

    #[test]
    fn compares_with_what_was_ten_seconds_ago() {
        let facts = facts();
        let pool = PoolCells::new("a", ["s"], 1);
        let mut history = History {
            samples: VecDeque::from([sample_at(&facts, 0, &[&pool], None)]),
            tracker: Tracker::default(),
            events: events::connect().1,
            latest: None,
            taken: facts.started,
        };
        // One request a second, then none: the rate fades over the window, then is zero.
        for (second, rate) in [(1, 1.0), (3, 1.0), (10, 1.0), (12, 1.0), (15, 9.0 / 12.0), (25, 0.0)] {
            let requests = &pool.shards[0].client_requests;
            requests.add(second.min(12) - requests.get());
            let status =
                history.take(sample_at(&facts, second, &[&pool], None), &facts, false, Told::default());
            assert_eq!(status.pools[0].requests_per_second, rate, "{second}");
        }
        assert!(history.samples.len() <= 3);
    }

    #[tokio::test]
    async fn who_asks_often_gets_the_same() {
        let watch = Watch::new(facts(), Arc::new(Registry::new(1)), Sources::default(), events::connect().1);
        loop {
            let begin = std::time::Instant::now();
            let (first, second) = (watch.look().await, watch.look().await);
            // The two may differ on a machine that stalled in between.
            if begin.elapsed() < FRESH {
                return assert!(Arc::ptr_eq(&first, &second));
            }
        }
    }
}
