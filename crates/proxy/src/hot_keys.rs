//! The watch on a pool's keys, on one shard: which are used most, and which replies are biggest.
//!
//! Every [`INTERVAL_MIN`]th request is looked at, or fewer if that were more than [`SAMPLES_PER_SECOND`]: at
//! random intervals, so that no rhythm of a client's requests hides a key. A reply is looked at if it is
//! bigger than the least of the biggest ones lately. What is found is published about once a second.

mod sketch;

use std::time::Duration;

use net::Instant;
use telemetry::{BigReply, KeyReport, KeyReports};

pub(crate) use self::sketch::Sampled;
use self::sketch::Sketch;

/// Least mean number of requests from one sample to the next.
const INTERVAL_MIN: u32 = 64;
/// Greatest mean number.
const INTERVAL_MAX: u32 = 1 << 16;
/// Samples of a pool that are enough.
const SAMPLES_PER_SECOND: u64 = 1000;
/// Size from which a reply may be big.
const BIG_MIN: usize = 4096;
/// Time between two reports.
const REPORT: Duration = Duration::from_secs(1);
/// Time for which the biggest replies are remembered at least; twice that at most.
const TURN: Duration = Duration::from_mins(5);

/// The watch.
#[derive(Debug)]
pub(crate) struct KeyWatch {
    sketch: Sketch,
    /// Mean number of requests from one sample to the next.
    interval: u32,
    /// Samples since it was adjusted, and when that was.
    taken: u64,
    adjusted: Instant,
    /// The biggest replies since the last turn, and those of the time before.
    replies: Vec<BigReply>,
    earlier_replies: Vec<BigReply>,
    turned: Instant,
    reported: Instant,
    /// There is something to report.
    dirty: bool,
    random: u64,
}

impl KeyWatch {
    pub(crate) fn new(now: Instant, seed: u64) -> KeyWatch {
        KeyWatch {
            sketch: Sketch::default(),
            interval: INTERVAL_MIN,
            taken: 0,
            adjusted: now,
            replies: Vec::new(),
            earlier_replies: Vec::new(),
            turned: now,
            reported: now,
            dirty: false,
            random: seed | 1,
        }
    }

    /// Number of requests up to the next sample: random, so that its mean is the interval.
    pub(crate) fn next_in(&mut self) -> u32 {
        // xorshift
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        1 + (self.random >> 33) as u32 % (2 * self.interval - 1)
    }

    /// Adds a sample, which stands for an interval's requests.
    pub(crate) fn add(&mut self, sampled: Sampled<'_>) {
        self.taken += 1;
        self.dirty = true;
        self.sketch.add(Sampled { weight: u64::from(self.interval), ..sampled });
    }

    /// Size from which a reply is one of the biggest.
    pub(crate) fn big_min(&self) -> usize {
        if self.replies.len() < KeyReports::REPLIES_MAX {
            return BIG_MIN;
        }
        let least = self.replies.iter().map(|reply| reply.bytes).min().unwrap_or(0);
        usize::try_from(least).map_or(usize::MAX, |least| least.saturating_add(1))
    }

    /// Adds a reply of at least [`KeyWatch::big_min`] bytes. Of several for one key the biggest stays.
    pub(crate) fn add_reply(&mut self, reply: BigReply) {
        self.dirty = true;
        let same = |known: &&mut BigReply| known.key == reply.key && known.command == reply.command;
        if let Some(known) = self.replies.iter_mut().find(same) {
            if known.bytes <= reply.bytes {
                *known = reply;
            }
            return;
        }
        if self.replies.len() >= KeyReports::REPLIES_MAX
            && let Some(least) = (0..self.replies.len()).min_by_key(|at| self.replies[*at].bytes)
        {
            self.replies.swap_remove(least);
        }
        self.replies.push(reply);
    }

    /// Adjusts the interval to the traffic and lets old figures fade. True if the biggest replies begin anew.
    pub(crate) fn maintain(&mut self, now: Instant) -> bool {
        let us = now.micros_since(self.adjusted);
        if us > 0 {
            let enough = (us * SAMPLES_PER_SECOND / 1_000_000).max(1);
            let interval = u64::from(self.interval) * self.taken / enough;
            self.interval = u32::try_from(interval).unwrap_or(INTERVAL_MAX).clamp(INTERVAL_MIN, INTERVAL_MAX);
            (self.taken, self.adjusted) = (0, now);
            self.sketch.pass(us);
        }
        let turns = now.since(self.turned) >= TURN;
        if turns {
            self.turned = now;
            self.earlier_replies = std::mem::take(&mut self.replies);
            self.dirty = true;
        }
        turns
    }

    /// The report, if one is due.
    pub(crate) fn report(&mut self, now: Instant, at_ms: u64) -> Option<KeyReport> {
        let has_nothing = !self.dirty && self.sketch.is_empty();
        if has_nothing || now.since(self.reported) < REPORT {
            return None;
        }
        (self.reported, self.dirty) = (now, false);
        let mut replies: Vec<BigReply> = self.replies.iter().chain(&self.earlier_replies).cloned().collect();
        replies.sort_by_key(|reply| std::cmp::Reverse(reply.bytes));
        replies.truncate(KeyReports::REPLIES_MAX);
        Some(KeyReport { at_ms, keys: self.sketch.hottest(), replies })
    }

    /// Has the report made again that could not be published.
    pub(crate) fn report_again(&mut self) {
        self.dirty = true;
        self.reported = Instant::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(key: usize, bytes: u64) -> BigReply {
        let key = key.to_string();
        let key = Some(telemetry::Cut::of(key.as_bytes(), key.len()));
        BigReply { bytes, command: "get".into(), key, server: "s".into(), client: String::new(), at_ms: 0 }
    }

    #[test]
    fn samples_become_rarer_with_more_traffic_and_their_distance_is_random() {
        let mut watch = KeyWatch::new(Instant(0), 7);
        let distances: Vec<u32> = (0..1000).map(|_| watch.next_in()).collect();
        let mean = distances.iter().sum::<u32>() / 1000;
        assert!((56..72).contains(&mean) && distances.contains(&1) && distances.contains(&127), "{mean}");
        watch.taken = 10_000;
        watch.maintain(Instant(100_000));
        assert_eq!(watch.interval, 6400, "a hundred times what is enough");
        watch.taken = 100;
        watch.maintain(Instant(200_000));
        assert_eq!(watch.interval, 6400);
        watch.maintain(Instant(300_000));
        assert_eq!(watch.interval, INTERVAL_MIN);
    }

    #[test]
    fn the_biggest_replies_are_kept_one_for_each_key() {
        let mut watch = KeyWatch::new(Instant(0), 7);
        assert_eq!(watch.big_min(), BIG_MIN);
        for n in 0..20 {
            watch.add_reply(reply(n, 5000 + n as u64));
            watch.add_reply(reply(n, 4500));
        }
        assert_eq!(watch.big_min(), 5005);
        let report = watch.report(Instant(2_000_000), 9).expect("due");
        let bytes: Vec<u64> = report.replies.iter().map(|reply| reply.bytes).collect();
        assert_eq!((bytes[0], bytes.len(), report.at_ms), (5019, 16, 9));
        assert!(watch.report(Instant(2_500_000), 9).is_none(), "too early");
        assert!(watch.report(Instant(3_500_000), 9).is_none(), "nothing new");
        assert!(watch.maintain(Instant(TURN.as_micros() as u64)));
        assert_eq!(watch.big_min(), BIG_MIN);
        assert_eq!(watch.report(Instant(400_000_000), 9).expect("changed").replies.len(), 16);
        assert!(watch.maintain(Instant(2 * TURN.as_micros() as u64)));
        assert_eq!(watch.report(Instant(700_000_000), 9).expect("changed").replies.len(), 0);
    }
}
