//! Replication: the texts that each replica has, and how far it is behind its master.
//!
//! ```text
//! a master's writes ─▶ the log of its pair ─ after a while ▸ executed by the partner ─▶ reads at the partner
//! ```
//! A replica that stands still, or is cut off, executes nothing more, and says whether it is linked. One that
//! starts again has what it had saved once, or nothing, until its master has sent it everything. What a
//! replica says of its offset is true: whether a read may go there is the proxy's business.

use std::collections::BTreeMap;
use std::time::Duration;

use net::Instant;
use wire::redis::replication::Replication as Said;

use super::truth::{MASTERS, NODES};
use crate::rng::Rng;

/// The writes of a pair of nodes, whichever of them is the master.
#[derive(Debug, Default)]
struct Log {
    /// Time of each.
    times: Vec<Instant>,
    /// Versions of each text with the number of their writes; None once it has moved away.
    texts: BTreeMap<Vec<u8>, Vec<(usize, Option<u64>)>>,
}

/// A node as a replica.
#[derive(Debug)]
struct Copy {
    /// Time that a write takes to it.
    lag: Duration,
    /// Number of writes that it has executed.
    applied: usize,
    /// It executes nothing until then,
    stands_until: Option<Instant>,
    /// and says that it is not linked.
    is_unlinked: bool,
    /// It has started again, and gets everything anew at this time.
    synced_at: Option<Instant>,
    /// It answers `LOADING` until then.
    is_loading: bool,
}

/// All nodes as replicas.
#[derive(Debug)]
pub(super) struct Replication {
    logs: Vec<Log>,
    copies: Vec<Copy>,
}

impl Replication {
    pub(super) fn new(rng: &mut Rng) -> Replication {
        let mut copy = |_| Copy {
            lag: Duration::from_micros(rng.between(100, 20_000)),
            applied: 0,
            stands_until: None,
            is_unlinked: false,
            synced_at: None,
            is_loading: false,
        };
        let copies = (0..NODES).map(&mut copy).collect();
        Replication { logs: (0..MASTERS).map(|_| Log::default()).collect(), copies }
    }

    /// Notes a write at a master.
    pub(super) fn write(&mut self, node: usize, now: Instant) {
        self.logs[node % MASTERS].times.push(now);
    }

    /// Notes that a master has a version of a text, or has it no longer.
    pub(super) fn write_text(&mut self, node: usize, key: &[u8], version: Option<u64>, now: Instant) {
        let log = &mut self.logs[node % MASTERS];
        log.texts.entry(key.to_vec()).or_default().push((log.times.len(), version));
        log.times.push(now);
    }

    /// Lets all replicas have everything.
    pub(super) fn complete(&mut self) {
        for (node, copy) in self.copies.iter_mut().enumerate() {
            copy.applied = self.logs[node % MASTERS].times.len();
        }
    }

    /// Lets a replica execute what has come; `is_fed` while its master reaches it.
    pub(super) fn advance(&mut self, node: usize, now: Instant, is_fed: bool) {
        let (log, copy) = (&self.logs[node % MASTERS], &mut self.copies[node]);
        if !is_fed {
            return;
        }
        if let Some(at) = copy.synced_at {
            if at <= now {
                (copy.applied, copy.synced_at, copy.is_loading) = (log.times.len(), None, false);
            }
            return;
        }
        if copy.stands_until.is_some_and(|until| until > now) {
            return;
        }
        (copy.stands_until, copy.is_unlinked) = (None, false);
        copy.applied = copy.applied.max(log.times.partition_point(|at| *at + copy.lag <= now));
    }

    /// The version of a text that a replica has.
    pub(super) fn text(&self, node: usize, key: &[u8]) -> Option<u64> {
        let versions = self.logs[node % MASTERS].texts.get(key)?;
        let known = versions.partition_point(|(number, _)| *number < self.copies[node].applied);
        known.checked_sub(1).and_then(|at| versions[at].1)
    }

    pub(super) fn is_loading(&self, node: usize) -> bool {
        self.copies[node].is_loading
    }

    /// True for a replica that has what its master had lately, and gets what comes.
    pub(super) fn is_linked(&self, node: usize) -> bool {
        let copy = &self.copies[node];
        copy.synced_at.is_none() && !copy.is_unlinked
    }

    /// The report of a node about its replication.
    pub(super) fn said(&self, node: usize, is_master: bool) -> Said {
        if is_master {
            return Said::Master { offset: self.logs[node % MASTERS].times.len() as u64 };
        }
        Said::Replica { is_linked: self.is_linked(node), offset: self.copies[node].applied as u64 }
    }

    // ---- troubles -----------------------------------------------------------------------------------------

    /// Lets a replica stand still.
    pub(super) fn stand(&mut self, node: usize, until: Instant, is_unlinked: bool) {
        let copy = &mut self.copies[node];
        (copy.stands_until, copy.is_unlinked) = (Some(until), is_unlinked);
    }

    /// Lets a master that was replaced be a replica with all that there is so far.
    pub(super) fn demote(&mut self, node: usize) {
        self.copies[node].applied = self.logs[node % MASTERS].times.len();
    }

    /// Lets a node that has missed something get everything anew at `at`.
    pub(super) fn resync(&mut self, node: usize, at: Instant) {
        let copy = &mut self.copies[node];
        (copy.stands_until, copy.is_unlinked, copy.synced_at) = (None, false, Some(at));
    }

    /// Lets a replica start again with what it had saved, or nothing; it gets everything anew at `at`.
    pub(super) fn restart(&mut self, node: usize, at: Instant, rng: &mut Rng) {
        self.resync(node, at);
        let copy = &mut self.copies[node];
        copy.is_loading = rng.one_in(3);
        copy.applied = if rng.one_in(2) { 0 } else { rng.below(copy.applied as u64 + 1) as usize };
    }

    /// Ends what holds replicas up.
    pub(super) fn heal(&mut self, now: Instant) {
        for copy in &mut self.copies {
            copy.stands_until = copy.stands_until.map(|until| until.min(now));
        }
    }
}
