//! The course of a pool's discovery: when the cluster was last found, and why it was not. The control thread
//! writes it, shards show it (`INFO topology`).

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use crate::topology::Disbelief;

/// The course of a pool's discovery.
#[derive(Debug, Default)]
pub struct Discovery {
    refreshed_ms: AtomicU64,
    questions: AtomicU64,
    refused: AtomicU64,
    /// Place in [`Disbelief::ALL`], and one; 0 for none.
    fault: AtomicU8,
}

/// A [`Discovery`] at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiscoveryState {
    /// Time of the last view that was believed, in milliseconds since the Unix epoch.
    pub refreshed_ms: Option<u64>,
    /// Nodes asked for their views so far.
    pub questions: u64,
    /// Views refused because they were too large.
    pub views_refused: u64,
    /// The reason the last views were not believed; None if one was.
    pub fault: Option<Disbelief>,
}

impl Discovery {
    /// Notes a view that was believed.
    pub fn refreshed(&self, now_ms: u64) {
        self.refreshed_ms.store(now_ms, Relaxed);
        self.fault.store(0, Relaxed);
    }

    /// Notes that no view was believed.
    pub fn failed(&self, why: Disbelief) {
        let at = Disbelief::ALL.iter().position(|known| *known == why).unwrap_or(0);
        self.fault.store(at as u8 + 1, Relaxed);
    }

    /// Counts questions to nodes.
    pub fn asked(&self, nodes: u64) {
        self.questions.fetch_add(nodes, Relaxed);
    }

    /// Counts views that were refused.
    pub fn refused(&self, views: u64) {
        self.refused.fetch_add(views, Relaxed);
    }

    /// Its state now.
    pub fn state(&self) -> DiscoveryState {
        let fault = usize::from(self.fault.load(Relaxed)).checked_sub(1);
        DiscoveryState {
            refreshed_ms: Some(self.refreshed_ms.load(Relaxed)).filter(|ms| *ms > 0),
            questions: self.questions.load(Relaxed),
            views_refused: self.refused.load(Relaxed),
            fault: fault.and_then(|at| Disbelief::ALL.get(at).copied()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_outcome_is_shown() {
        let discovery = Discovery::default();
        assert_eq!(discovery.state(), DiscoveryState::default());
        for why in Disbelief::ALL {
            discovery.failed(why);
            assert_eq!(discovery.state().fault, Some(why));
        }
        discovery.asked(2);
        discovery.refused(1);
        discovery.refreshed(5);
        let state =
            DiscoveryState { refreshed_ms: Some(5), questions: 2, views_refused: 1, ..Default::default() };
        assert_eq!(discovery.state(), state);
        discovery.failed(Disbelief::Down);
        assert_eq!(discovery.state(), DiscoveryState { fault: Some(Disbelief::Down), ..state });
    }
}
