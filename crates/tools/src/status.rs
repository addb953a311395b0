//! Statistics of durations, printed once per `every` of them:
//! `[aggregate]: finished 250 - 99th: 2.01ms - 95th: 1.20ms - avg: 612.40us`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Times since the last line.
#[derive(Debug)]
struct Times {
    taken: Vec<Duration>,
    total: u64,
}

/// A line for one name.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    name: Arc<str>,
    /// Durations per line; 0 for no lines.
    every: usize,
    times: Arc<Mutex<Times>>,
}

impl Status {
    /// Status for `name`; `every` below 1 switches it off.
    pub(crate) fn new(name: &str, every: i64) -> Status {
        let times = Times { taken: Vec::new(), total: 0 };
        Status {
            name: name.into(),
            every: usize::try_from(every).unwrap_or(0).min(EVERY_MAX),
            times: Arc::new(Mutex::new(times)),
        }
    }

    /// Records another duration.
    pub(crate) fn took(&self, time: Duration) {
        if let Some(line) = self.line(time) {
            crate::log_line(&line);
        }
    }

    fn line(&self, time: Duration) -> Option<String> {
        if self.every == 0 {
            return None;
        }
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.total += 1;
        times.taken.push(time);
        if times.taken.len() < self.every {
            return None;
        }
        let (total, mut taken) = (times.total, std::mem::take(&mut times.taken));
        drop(times);
        taken.sort_unstable();
        let part = |percent: usize| taken[(taken.len() * percent / 100).min(taken.len() - 1)];
        let mean = taken.iter().sum::<Duration>() / u32::try_from(taken.len()).unwrap_or(u32::MAX);
        let [p99, p95, mean] = [part(99), part(95), mean].map(shown);
        Some(format!("[{}]: finished {total} - 99th: {p99} - 95th: {p95} - avg: {mean}", self.name))
    }
}

/// Most durations held.
const EVERY_MAX: usize = 1_000_000;

fn shown(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s >= 1.0 => format!("{s:.2}s"),
        s if s >= 1e-3 => format!("{:.2}ms", s * 1e3),
        s => format!("{:.2}us", s * 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_every_so_often() {
        let status = Status::new("aggregate", 100);
        let lines: Vec<String> =
            (1..=200).filter_map(|n| status.line(Duration::from_micros(n * 100))).collect();
        let first = "[aggregate]: finished 100 - 99th: 10.00ms - 95th: 9.60ms - avg: 5.05ms";
        assert_eq!(lines[0], first);
        assert!(lines[1].starts_with("[aggregate]: finished 200 - "));
        assert_eq!(lines.len(), 2);
        assert_eq!(Status::new("", 0).line(Duration::ZERO), None);
        assert_eq!(
            Status::new("x", 1).line(Duration::from_secs(2)).unwrap(),
            "[x]: finished 1 - 99th: 2.00s - 95th: 2.00s - avg: 2.00s"
        );
    }
}
