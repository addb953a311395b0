//! Choice among several destinations. A pure state machine: time, chance and outcomes in, an index out.
//!
//! | mode | which |
//! |---|---|
//! | round-robin | one after the other, whatever happens |
//! | hostpool | one after the other; a failed one is skipped for 30 s, doubled each time, 15 minutes at most |
//! | epsilon-greedy | as hostpool, but weighted to the quick ones by mean answer time; any one in 3 of 10 cases at first, in 1 of 100 later |
//!
//! If all have failed, all are tried again.

use std::time::{Duration, Instant};

use config::go_flags::{Exit, GoValues};

use crate::command_line::refuse;

const RETRY_FIRST: Duration = Duration::from_secs(30);
const RETRY_MAX: Duration = Duration::from_mins(15);
const EXPLORE_FIRST: f64 = 0.3;
const EXPLORE_LEAST: f64 = 0.01;
/// Each choice makes exploring less probable by this factor.
const EXPLORE_DECAY: f64 = 0.999;
/// Weight of the last answer in the mean time.
const RECENT: f64 = 0.1;

/// Rule of choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    RoundRobin,
    HostPool,
    EpsilonGreedy,
}

/// Modes by name, as in the usage texts.
pub(crate) const MODES: [(&str, Mode); 3] = [
    ("hostpool", Mode::HostPool),
    ("round-robin", Mode::RoundRobin),
    ("epsilon-greedy", Mode::EpsilonGreedy),
];

impl Mode {
    /// The mode of this name.
    pub(crate) fn named(name: &str) -> Option<Mode> {
        MODES.iter().find(|mode| mode.0 == name).map(|mode| mode.1)
    }
}

/// The mode of `--mode`.
///
/// # Errors
///
/// Unknown mode. NSQ's tools take any text, and `nsq_to_http` then sends to all.
pub(crate) fn mode_of(values: &GoValues) -> Result<Mode, Exit> {
    let name = values.text("mode");
    let names = MODES.map(|mode| mode.0).join(", ");
    Mode::named(name)
        .map_or_else(|| refuse(format!("invalid --mode value ({name}), should be one of {names}")), Ok)
}

#[derive(Debug, Clone)]
struct Host {
    /// After a failure: time before which it is skipped, and the length of the next skip.
    failed: Option<(Instant, Duration)>,
    /// Mean answer time, seconds.
    mean: Option<f64>,
}

/// The destinations.
#[derive(Debug, Clone)]
pub(crate) struct Destinations {
    mode: Mode,
    hosts: Vec<Host>,
    next: usize,
    explore: f64,
}

impl Destinations {
    pub(crate) fn new(mode: Mode, count: usize) -> Destinations {
        let hosts = vec![Host { failed: None, mean: None }; count];
        Destinations { mode, hosts, next: 0, explore: EXPLORE_FIRST }
    }

    /// Index of the next destination. `chance` is from 0 to 1.
    pub(crate) fn choose(&mut self, now: Instant, chance: f64) -> usize {
        if self.mode == Mode::RoundRobin {
            return self.turn(|_| true).unwrap_or(0);
        }
        let usable = |host: &Host| host.failed.is_none_or(|(until, _)| until <= now);
        if !self.hosts.iter().any(usable) {
            self.hosts.iter_mut().for_each(|host| host.failed = None);
        }
        let greedy = self.mode == Mode::EpsilonGreedy && !self.explores(chance);
        let quick = if greedy { self.quick(usable, chance) } else { None };
        let index = quick.or_else(|| self.turn(usable)).unwrap_or(0);
        // one try; the others wait until its outcome is known
        if let Some(host) = self.hosts.get_mut(index)
            && let Some((until, delay)) = &mut host.failed
        {
            *delay = (*delay * 2).min(RETRY_MAX);
            *until = now + *delay;
        }
        index
    }

    /// Records the outcome of a request to one of them, and how long it took.
    pub(crate) fn outcome(&mut self, index: usize, success: bool, took: Duration, now: Instant) {
        let Some(host) = self.hosts.get_mut(index) else { return };
        if !success {
            host.failed.get_or_insert((now + RETRY_FIRST, RETRY_FIRST));
            return;
        }
        host.failed = None;
        let took = took.as_secs_f64();
        host.mean = Some(host.mean.map_or(took, |mean| mean + (took - mean) * RECENT));
    }

    fn turn(&mut self, usable: impl Fn(&Host) -> bool) -> Option<usize> {
        let count = self.hosts.len();
        let index = (0..count).map(|step| (self.next + step) % count).find(|i| usable(&self.hosts[*i]))?;
        self.next = (index + 1) % count;
        Some(index)
    }

    fn explores(&mut self, chance: f64) -> bool {
        let explores = chance < self.explore;
        self.explore = (self.explore * EXPLORE_DECAY).max(EXPLORE_LEAST);
        explores
    }

    /// Random choice weighted to the quick ones; none until all have been measured.
    fn quick(&self, usable: impl Fn(&Host) -> bool, chance: f64) -> Option<usize> {
        let mut weights = Vec::new();
        for (index, host) in self.hosts.iter().enumerate().filter(|(_, host)| usable(host)) {
            weights.push((index, 1.0 / host.mean?.max(1e-6)));
        }
        // rescale `chance` to the range left after exploring
        let share = ((chance - self.explore) / (1.0 - self.explore)).clamp(0.0, 1.0);
        let mut rest = share * weights.iter().map(|(_, weight)| weight).sum::<f64>();
        for (index, weight) in &weights {
            rest -= weight;
            if rest <= 0.0 {
                return Some(*index);
            }
        }
        weights.last().map(|(index, _)| *index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const S: Duration = Duration::from_secs(1);

    fn choose(pool: &mut Destinations, now: Instant, times: usize) -> Vec<usize> {
        (0..times).map(|_| pool.choose(now, 0.0)).collect()
    }

    #[test]
    fn names() {
        for (name, mode) in MODES {
            assert_eq!(Mode::named(name), Some(mode));
        }
        assert_eq!(Mode::named("all"), None);
    }

    #[test]
    fn one_after_the_other() {
        let now = Instant::now();
        let mut pool = Destinations::new(Mode::RoundRobin, 3);
        pool.outcome(1, false, S, now);
        assert_eq!(choose(&mut pool, now, 6), [0, 1, 2, 0, 1, 2]);
        let mut pool = Destinations::new(Mode::HostPool, 3);
        assert_eq!(choose(&mut pool, now, 4), [0, 1, 2, 0]);
    }

    #[test]
    fn one_that_failed_is_left_out_and_tried_once_at_a_time() {
        let now = Instant::now();
        let mut pool = Destinations::new(Mode::HostPool, 2);
        pool.outcome(0, false, S, now);
        assert_eq!(choose(&mut pool, now + 29 * S, 3), [1, 1, 1]);
        assert_eq!(choose(&mut pool, now + 30 * S, 3), [0, 1, 1]);
        assert_eq!(choose(&mut pool, now + 89 * S, 2), [1, 1]);
        assert_eq!(choose(&mut pool, now + 90 * S, 2), [0, 1]);
        pool.outcome(0, true, S, now + 90 * S);
        assert_eq!(choose(&mut pool, now + 90 * S, 2), [0, 1]);
    }

    #[test]
    fn when_all_have_failed_all_are_tried() {
        let now = Instant::now();
        let mut pool = Destinations::new(Mode::HostPool, 2);
        pool.outcome(0, false, S, now);
        pool.outcome(1, false, S, now);
        assert_eq!(choose(&mut pool, now, 2), [0, 1]);
        let mut single = Destinations::new(Mode::HostPool, 1);
        single.outcome(0, false, S, now);
        assert_eq!(choose(&mut single, now, 2), [0, 0]);
    }

    #[test]
    fn the_quick_ones_more_often() {
        let now = Instant::now();
        let mut pool = Destinations::new(Mode::EpsilonGreedy, 2);
        assert_eq!(pool.choose(now, 0.9), 0, "nothing is known yet");
        pool.outcome(0, true, 90 * MS, now);
        pool.outcome(1, true, 10 * MS, now);
        let mut count = [0, 0];
        for step in 0..1_000 {
            count[pool.choose(now, f64::from(step) / 1_000.0)] += 1;
        }
        assert!(count[1] > 4 * count[0] && count[0] > 50, "{count:?}");
        pool.outcome(1, false, MS, now);
        assert!((0..10).all(|step| pool.choose(now, f64::from(step) / 10.0) == 0));
    }
}
