//! Replicas of a pool: which of them may be read from, and how far each node is.
//!
//! ```text
//! reports of nodes ─▶ ReplicaWatch::standings ─▶ crate::Settings::standings ─▶ the next generation (ServerPlan)
//! ```
//! A replica may be read from while its last report is fresh, it is linked to its master, and, if there is a
//! limit, what it has executed is no older than that. The age is found by offsets: a replica at offset n has
//! everything that its master had written when it was asked and said n. The clocks of servers do not count.
//! While a master does not answer, nothing new is learned of the age of its replicas, so that it grows.
//!
//! Pure: callers report what they hear, with its time.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use net::Instant;
use wire::redis::replication::Replication;

/// Age above which a report no longer counts.
const FRESH: Duration = Duration::from_secs(3);
/// Offsets of a master that are remembered; more than a limit's worth at the pace of questions.
const OFFSETS_MAX: usize = 256;
/// Round trip below which two nodes are equally near; each distance is twice as far.
const NEAR: Duration = Duration::from_micros(500);
const DISTANCES: u8 = 8;

/// Standing of a node for reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Reads may go to it as a replica.
    pub is_fit: bool,
    /// Distance from here: zone first, then round trips.
    pub distance: u8,
}

/// A replica as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaReport {
    /// Its name in the pool.
    pub name: String,
    /// Name of its master.
    pub master: String,
    /// Its zone, if one is known.
    pub zone: Option<String>,
    /// Mean of the round trips of questions to it.
    pub round_trip: Option<Duration>,
    /// Greatest age of its data; None if that is not known.
    pub age: Option<Duration>,
    /// The reason it may not be read from now; None if it may.
    pub unfit: Option<Unfit>,
}

/// The reason a replica may not be read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It does not answer, or has not been asked yet.
    Silent,
    /// It is not connected to its master.
    Unlinked,
    /// It says that it is a master.
    Master,
    /// Its data may be older than `replica_lag_max`.
    Old,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unfit::Silent => "it does not answer",
            Unfit::Unlinked => "it is not connected to its master",
            Unfit::Master => "it is a master now",
            Unfit::Old => "its data may be older than replica_lag_max",
        })
    }
}

/// Rules by which nodes are compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplicaRules {
    /// Age up to which a replica's data may be read; None for any.
    pub lag_max: Option<Duration>,
    /// Zone of this process.
    pub zone: Option<String>,
    /// Round trips count.
    pub by_latency: bool,
}

/// The nodes of one pool.
#[derive(Debug)]
pub struct ReplicaWatch {
    rules: ReplicaRules,
    nodes: BTreeMap<String, Node>,
}

#[derive(Debug, Default)]
struct Node {
    report: Option<(Replication, Instant)>,
    /// As a master: its offsets, and when it was asked.
    offsets: VecDeque<(u64, Instant)>,
    zone: Option<String>,
    /// Mean of its round trips.
    round_trip: Option<Duration>,
    bucket: u8,
}

impl ReplicaWatch {
    /// Watches nobody yet.
    pub fn new(rules: ReplicaRules) -> ReplicaWatch {
        ReplicaWatch { rules, nodes: BTreeMap::new() }
    }

    /// Keeps these nodes only.
    pub fn keep(&mut self, is_known: impl Fn(&str) -> bool) {
        self.nodes.retain(|name, _| is_known(name));
    }

    /// Takes the zone that a node names.
    pub fn zone(&mut self, node: &str, zone: Option<String>) {
        self.node(node).zone = zone;
    }

    /// Takes a node's report; it was asked at `asked` and the answer took `round_trip`. None if it did not
    /// answer.
    pub fn hear(&mut self, node: &str, report: Option<(Replication, Duration)>, asked: Instant) {
        let node = self.node(node);
        let Some((report, round_trip)) = report else {
            node.report = None;
            return;
        };
        node.report = Some((report, asked));
        node.measure(round_trip);
        if let Replication::Master { offset } = report {
            // A replica that has reached this offset has all that was written up to the question.
            node.offsets.push_back((offset, asked));
            if node.offsets.len() > OFFSETS_MAX {
                node.offsets.pop_front();
            }
        } else {
            node.offsets.clear();
        }
    }

    /// The standing of each node; `masters` has each replica with its master.
    pub fn standings<'a>(
        &self,
        masters: impl Iterator<Item = (&'a str, &'a str)>,
        now: Instant,
    ) -> BTreeMap<String, Standing> {
        let nodes = self.nodes.iter();
        let mut standings: BTreeMap<String, Standing> = nodes
            .map(|(name, node)| (name.clone(), Standing { is_fit: false, distance: self.distance(node) }))
            .collect();
        for (replica, master) in masters {
            let is_fit = self.is_fit(replica, master, now);
            if let Some(standing) = standings.get_mut(replica) {
                standing.is_fit = is_fit;
            }
        }
        standings
    }

    /// Reports on the replicas; `masters` has each with its master.
    pub fn reports<'a>(
        &self,
        masters: impl Iterator<Item = (&'a str, &'a str)>,
        now: Instant,
    ) -> Vec<ReplicaReport> {
        let report = |(replica, master): (&str, &str)| {
            let node = self.nodes.get(replica);
            ReplicaReport {
                name: replica.to_owned(),
                master: master.to_owned(),
                zone: node.and_then(|node| node.zone.clone()),
                round_trip: node.and_then(|node| node.round_trip),
                age: self.age(replica, master, now),
                unfit: self.fault(replica, master, now),
            }
        };
        masters.map(report).collect()
    }

    fn is_fit(&self, replica: &str, master: &str, now: Instant) -> bool {
        self.fault(replica, master, now).is_none()
    }

    /// The reason a replica may not be read from now.
    fn fault(&self, replica: &str, master: &str, now: Instant) -> Option<Unfit> {
        let report = self.nodes.get(replica).and_then(|node| node.report);
        match report {
            None => return Some(Unfit::Silent),
            Some((_, at)) if now.since(at) > FRESH => return Some(Unfit::Silent),
            Some((Replication::Replica { is_linked: true, .. }, _)) => {}
            Some((Replication::Replica { is_linked: false, .. }, _)) => return Some(Unfit::Unlinked),
            Some((Replication::Master { .. }, _)) => return Some(Unfit::Master),
        }
        let lag_max = self.rules.lag_max?;
        let is_young = self.age(replica, master, now).is_some_and(|age| age <= lag_max);
        (!is_young).then_some(Unfit::Old)
    }

    /// Age of a replica's data: it is as old at most; None if that is not known.
    fn age(&self, replica: &str, master: &str, now: Instant) -> Option<Duration> {
        let (report, at) = self.nodes.get(replica)?.report?;
        let Replication::Replica { offset, .. } = report else { return None };
        let offsets = &self.nodes.get(master)?.offsets;
        let mut reached = offsets.iter().rev().filter(|(written, _)| *written <= offset);
        // It had reached it when it was asked, and may have stood still since.
        reached.next().map(|(_, written_at)| now.since((*written_at).min(at)))
    }

    fn distance(&self, node: &Node) -> u8 {
        let elsewhere = self.rules.zone.is_some() && self.rules.zone != node.zone;
        let far = if self.rules.by_latency { node.bucket } else { 0 };
        if elsewhere { DISTANCES + far } else { far }
    }

    fn node(&mut self, name: &str) -> &mut Node {
        self.nodes.entry(name.to_owned()).or_default()
    }
}

impl Node {
    /// Adds a round trip to the mean. The distance changes only once the mean is well beyond its limits.
    fn measure(&mut self, round_trip: Duration) {
        let mean = self.round_trip.map_or(round_trip, |mean| (mean * 7 + round_trip) / 8);
        self.round_trip = Some(mean);
        let begin = |bucket: u8| if bucket == 0 { Duration::ZERO } else { NEAR * (1 << (bucket - 1)) };
        while self.bucket + 1 < DISTANCES && mean > begin(self.bucket + 1) * 5 / 4 {
            self.bucket += 1;
        }
        while self.bucket > 0 && mean < begin(self.bucket) * 4 / 5 {
            self.bucket -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Instant {
        Instant(10_000_000 + ms * 1000)
    }

    fn watch(lag_max_ms: Option<u64>) -> ReplicaWatch {
        let lag_max = lag_max_ms.map(Duration::from_millis);
        ReplicaWatch::new(ReplicaRules { lag_max, zone: Some("a".into()), by_latency: true })
    }

    fn master(w: &mut ReplicaWatch, offset: u64, ms: u64) {
        w.hear("m", Some((Replication::Master { offset }, Duration::ZERO)), at(ms));
    }

    fn replica(w: &mut ReplicaWatch, is_linked: bool, offset: u64, ms: u64) {
        w.hear("r", Some((Replication::Replica { is_linked, offset }, Duration::ZERO)), at(ms));
    }

    fn is_fit(w: &ReplicaWatch, ms: u64) -> bool {
        w.standings([("r", "m")].into_iter(), at(ms)).get("r").is_some_and(|standing| standing.is_fit)
    }

    #[test]
    fn a_replica_that_is_linked_and_answers_is_fit() {
        let mut w = watch(None);
        assert!(!is_fit(&w, 0));
        replica(&mut w, true, 1, 0);
        assert!(is_fit(&w, 3000) && !is_fit(&w, 3001), "as long as its report is fresh");
        replica(&mut w, false, 1, 100);
        assert!(!is_fit(&w, 100));
        replica(&mut w, true, 1, 200);
        assert!(is_fit(&w, 200));
        w.hear("r", None, at(300));
        assert!(!is_fit(&w, 300), "it does not answer");
        w.hear("r", Some((Replication::Master { offset: 9 }, Duration::ZERO)), at(400));
        assert!(!is_fit(&w, 400), "it is a master now");
    }

    #[test]
    fn its_data_are_as_old_as_the_last_offset_of_its_master_that_it_has_reached() {
        let mut w = watch(Some(1000));
        replica(&mut w, true, 100, 0);
        assert!(!is_fit(&w, 0), "its master has said nothing yet");
        master(&mut w, 100, 0);
        assert!(is_fit(&w, 1000) && !is_fit(&w, 1001));
        // It stands still while its master goes on.
        for ms in (500..=3000).step_by(500) {
            master(&mut w, 100 + ms, ms);
            replica(&mut w, true, 100, ms);
            assert_eq!(is_fit(&w, ms), ms <= 1000, "{ms}");
        }
        replica(&mut w, true, 2600, 3100);
        assert!(is_fit(&w, 3100) && is_fit(&w, 3500) && !is_fit(&w, 3501), "as of 2500");
        // Nobody writes.
        for ms in [4000, 4500] {
            master(&mut w, 3100, ms);
            replica(&mut w, true, 3100, ms);
        }
        assert!(is_fit(&w, 5500));
    }

    #[test]
    fn reports_say_why_a_replica_is_not_read_from() {
        let report = |w: &ReplicaWatch, ms| w.reports([("r", "m")].into_iter(), at(ms)).remove(0);
        let mut w = watch(Some(1000));
        assert_eq!(report(&w, 0).unfit, Some(Unfit::Silent));
        replica(&mut w, true, 100, 0);
        assert_eq!(
            (report(&w, 0).age, report(&w, 0).unfit),
            (None, Some(Unfit::Old)),
            "its age is not known"
        );
        master(&mut w, 100, 0);
        assert_eq!((report(&w, 250).age, report(&w, 250).unfit), (Some(Duration::from_millis(250)), None));
        assert_eq!(report(&w, 1001).unfit, Some(Unfit::Old));
        replica(&mut w, false, 100, 1100);
        assert_eq!(report(&w, 1100).unfit, Some(Unfit::Unlinked));
        w.hear("r", Some((Replication::Master { offset: 9 }, Duration::ZERO)), at(1200));
        assert_eq!(report(&w, 1200).unfit, Some(Unfit::Master));
        // Without a limit the age is told all the same.
        let mut w = watch(None);
        master(&mut w, 100, 0);
        replica(&mut w, true, 100, 10);
        assert_eq!((report(&w, 500).age, report(&w, 500).unfit), (Some(Duration::from_millis(500)), None));
    }

    #[test]
    fn the_zone_comes_before_round_trips() {
        let mut w = watch(None);
        let report = |us| Some((Replication::Master { offset: 0 }, Duration::from_micros(us)));
        for (node, zone, us) in
            [("near", Some("a"), 100), ("far", Some("a"), 3000), ("other", Some("b"), 50), ("none", None, 50)]
        {
            w.hear(node, report(us), at(0));
            w.zone(node, zone.map(str::to_owned));
        }
        let standings = w.standings(std::iter::empty(), at(0));
        let distance = |node: &str| standings[node].distance;
        assert!(distance("near") < distance("far") && distance("far") < distance("other"));
        assert_eq!(distance("other"), distance("none"));
        // The mean goes to and fro at a limit, and the distance stays.
        let before = distance("near");
        for us in [480, 520].repeat(50) {
            w.hear("near", report(us), at(0));
            assert_eq!(w.standings(std::iter::empty(), at(0))["near"].distance, before);
        }
    }
}
