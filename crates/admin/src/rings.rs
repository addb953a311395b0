//! The last hour of every figure on the pages, in memory.
//!
//! A ring has [`POINTS`] points of four bytes, one each ten seconds; with its name it takes about 1.6 KB.
//! There are [`RINGS_MAX`] at most, 6.5 MB together: pools, servers, and the first hundreds of topics and
//! channels. Further ones have no history until others are gone. The figures of the whole process come
//! first, so that they are always kept.

use std::collections::HashMap;

use ui::pools::errors_per_second;
use ui::series::{POINTS, STEP_SECONDS, key};

use crate::status::{PoolStatus, QueueStatus, ServerStatus, Status};

/// Most rings.
const RINGS_MAX: usize = 4096;

/// All rings.
#[derive(Debug, Default)]
pub(crate) struct Rings {
    rings: HashMap<String, Ring>,
    /// Number of the newest point: the time in steps since the Unix epoch.
    step: u64,
    /// That of the first point of all.
    begun: Option<u64>,
}

#[derive(Debug)]
struct Ring {
    points: Box<[f32]>,
    /// Step of its newest point.
    written: u64,
}

impl Rings {
    /// Adds a point to every series, if a step has passed.
    pub fn add(&mut self, status: &Status) {
        let step = status.now_ms / 1000 / STEP_SECONDS;
        if step <= self.step || status.window_seconds <= 0.0 {
            return;
        }
        self.step = step;
        self.begun.get_or_insert(step);
        self.rings.retain(|_, ring| step - ring.written < POINTS as u64);
        self.put(key(&[], "memory"), status.memory.used_bytes as f64);
        if let Some(rss) = status.process.rss_bytes {
            self.put(key(&[], "rss"), rss as f64);
        }
        if !status.pools.is_empty() {
            self.add_sums(&status.pools);
        }
        if let Some(queue) = status.queue.as_ref().filter(|queue| queue.answers) {
            let channels = || queue.topics.iter().flat_map(|topic| &topic.channels);
            self.put(key(&[], "published"), queue.topics.iter().map(|topic| topic.messages_per_second).sum());
            self.put(key(&[], "finished"), channels().map(|channel| channel.finished_per_second).sum());
            self.put(key(&[], "backlog"), queue.backlog() as f64);
            let stored: u64 = queue.topics.iter().map(|topic| topic.stored_bytes).sum();
            self.put(key(&[], "stored"), stored as f64);
            self.put(key(&[], "queue_memory"), queue.memory_bytes as f64);
        }
        status.pools.iter().for_each(|pool| self.add_pool(pool));
        status.queue.iter().for_each(|queue| self.add_queue(queue));
    }

    /// The points of a series, oldest first: of the last hour, or since the first of all, so that those of a
    /// young process have one scale.
    pub fn get(&self, key: &str) -> Option<Vec<f32>> {
        let ring = self.rings.get(key)?;
        let first = (self.step + 1).saturating_sub(POINTS as u64).max(self.begun.unwrap_or(0));
        let at = |step: u64| {
            let written = step <= ring.written && ring.written - step < POINTS as u64;
            if written { ring.points[slot(step)] } else { f32::NAN }
        };
        Some((first..=self.step).map(at).collect())
    }

    fn add_sums(&mut self, pools: &[PoolStatus]) {
        self.put(key(&[], "requests"), pools.iter().map(|pool| pool.requests_per_second).sum());
        self.put(key(&[], "errors"), pools.iter().map(|pool| errors_per_second(&pool.errors)).sum());
        let slowest = pools.iter().filter_map(|pool| pool.latency.p99_us).max();
        self.put_known(key(&[], "p99"), slowest);
    }

    fn add_pool(&mut self, pool: &PoolStatus) {
        let subject = ["pool", pool.name.as_str()];
        self.put(key(&subject, "requests"), pool.requests_per_second);
        self.put(key(&subject, "errors"), errors_per_second(&pool.errors));
        self.put(key(&subject, "clients"), pool.clients as f64);
        self.put_known(key(&subject, "p99"), pool.latency.p99_us);
        self.put_known(key(&subject, "p50"), pool.latency.p50_us);
        self.put_percent(key(&subject, "hits"), pool.hit_percent);
        pool.servers.iter().for_each(|server| self.add_server(&pool.name, server));
    }

    fn add_server(&mut self, pool: &str, server: &ServerStatus) {
        let subject = ["pool", pool, server.name.as_str()];
        self.put(key(&subject, "requests"), server.requests_per_second);
        self.put(key(&subject, "errors"), errors_per_second(&server.errors));
        self.put(key(&subject, "in_flight"), (server.waiting + server.in_flight) as f64);
        self.put_known(key(&subject, "p99"), server.latency.p99_us);
        self.put_known(key(&subject, "p50"), server.latency.p50_us);
        self.put_percent(key(&subject, "hits"), server.hit_percent);
    }

    fn add_queue(&mut self, queue: &QueueStatus) {
        for topic in &queue.topics {
            let subject = ["topic", topic.name.as_str()];
            self.put(key(&subject, "published"), topic.messages_per_second);
            self.put(key(&subject, "backlog"), topic.backlog() as f64);
            if topic.bytes_max > 0 {
                self.put(key(&subject, "stored"), topic.stored_bytes as f64);
            }
            for channel in &topic.channels {
                let subject = ["topic", topic.name.as_str(), channel.name.as_str()];
                self.put(key(&subject, "backlog"), channel.depth as f64);
                self.put(key(&subject, "finished"), channel.finished_per_second);
                self.put(key(&subject, "in_flight"), channel.in_flight as f64);
            }
        }
    }

    /// A point that is left out if the value is not known.
    fn put_known(&mut self, key: String, value: Option<u64>) {
        if let Some(value) = value {
            self.put(key, value as f64);
        }
    }

    fn put_percent(&mut self, key: String, percent: Option<f64>) {
        if let Some(percent) = percent {
            self.put(key, percent);
        }
    }

    fn put(&mut self, key: String, value: f64) {
        let step = self.step;
        let full = self.rings.len() >= RINGS_MAX;
        let ring = match self.rings.get_mut(&key) {
            Some(ring) => ring,
            None if full => return,
            None => self
                .rings
                .entry(key)
                .or_insert_with(|| Ring { points: vec![f32::NAN; POINTS].into(), written: step }),
        };
        // Points between the last one and this one are not known.
        let missed = (ring.written + 1).max(step.saturating_sub(POINTS as u64))..step;
        missed.for_each(|missed| ring.points[slot(missed)] = f32::NAN);
        ring.points[slot(step)] = value as f32;
        ring.written = step;
    }
}

fn slot(step: u64) -> usize {
    (step % POINTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::tests::{facts, sample_at};

    fn status(seconds: u64, memory: u64) -> Status {
        let mut status = Status::between(
            &sample_at(&facts(), 0, &[], None),
            &sample_at(&facts(), 1, &[], None),
            &facts(),
            false,
        );
        (status.now_ms, status.memory.used_bytes) = (seconds * 1000, memory);
        status
    }

    #[test]
    fn an_hour_is_kept() {
        let mut rings = Rings::default();
        for second in 1..=4000 {
            rings.add(&status(100_000 + second, second / 10));
        }
        let points = rings.get(&key(&[], "memory")).expect("kept");
        assert_eq!((points.len(), points[0], points[359]), (360, 41.0, 400.0));
        assert_eq!(rings.get("other"), None);
    }

    #[test]
    fn what_was_not_seen_is_a_gap() {
        let mut rings = Rings::default();
        for second in [100_000, 100_010, 100_040] {
            rings.add(&status(second, 7));
        }
        let points = rings.get(&key(&[], "memory")).expect("kept");
        let known: Vec<bool> = points.iter().map(|point| point.is_finite()).collect();
        assert_eq!(known, [true, true, false, false, true], "from the first of all on");
        // A ring whose subject is gone fades, and is removed after an hour.
        rings.step += 5;
        assert!(rings.get(&key(&[], "memory")).expect("kept")[9].is_nan());
        let mut other = status(100_000 + 4000, 7);
        other.window_seconds = 1.0;
        rings.add(&other);
        assert!(rings.get(&key(&[], "memory")).is_some());
    }

    #[test]
    fn rings_are_bounded() {
        let mut rings = Rings { step: 5, ..Rings::default() };
        for n in 0..RINGS_MAX + 10 {
            rings.put(n.to_string(), 1.0);
        }
        assert_eq!(rings.rings.len(), RINGS_MAX);
        assert!(rings.get("0").is_some() && rings.get(&RINGS_MAX.to_string()).is_none());
    }
}
