//! A client's subscriptions, and its requests for some that are not acknowledged yet.

use std::collections::{HashSet, VecDeque};

use net::Instant;

use crate::client::seq::Seq;
use crate::feeds::{FeedId, FeedKind, FeedName};

/// Memory of a subscription besides the name.
const EACH: usize = 160;

/// A client's subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Subscribed {
    names: [HashSet<FeedName>; 3],
    /// Requests that await the servers' acknowledgements, in order.
    pub(crate) unanswered: VecDeque<Unanswered>,
    /// Memory of the names.
    bytes: usize,
    /// [`Subscribed::memory`] at the last count.
    pub(crate) counted: usize,
}

/// A request to subscribe that awaits acknowledgements.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub(crate) seq: Seq,
    /// Time it came.
    pub(crate) at: Instant,
    /// Its answer once all are there.
    pub(crate) acks: Vec<u8>,
    /// The feeds that it subscribes to.
    pub(crate) fresh: Vec<FeedId>,
    /// Those of them that are not acknowledged.
    pub(crate) missing: VecDeque<FeedId>,
}

impl Subscribed {
    /// True if it is subscribed to something.
    pub(crate) fn is_any(&self) -> bool {
        self.names.iter().any(|names| !names.is_empty())
    }

    /// True while there are subscriptions, or requests for some.
    pub(crate) fn is_needed(&self) -> bool {
        self.is_any() || !self.unanswered.is_empty()
    }

    /// Number of subscriptions that are counted together with those of this kind.
    pub(crate) fn count(&self, kind: FeedKind) -> usize {
        let [channels, patterns, sharded] = &self.names;
        match kind {
            FeedKind::Sharded => sharded.len(),
            FeedKind::Channel | FeedKind::Pattern => channels.len() + patterns.len(),
        }
    }

    /// Adds a subscription; false if there is one already.
    pub(crate) fn add(&mut self, id: &FeedId) -> bool {
        let is_new = self.names[id.kind as usize].insert(FeedName::clone(&id.name));
        self.bytes += if is_new { id.name.len() + EACH } else { 0 };
        is_new
    }

    /// Removes a subscription; None if there is none.
    pub(crate) fn remove(&mut self, kind: FeedKind, name: &[u8]) -> Option<FeedId> {
        let name = self.names[kind as usize].take(name)?;
        self.bytes -= name.len() + EACH;
        Some(FeedId { kind, name })
    }

    /// The names of one kind.
    pub(crate) fn names(&self, kind: FeedKind) -> Vec<FeedName> {
        self.names[kind as usize].iter().cloned().collect()
    }

    /// The ids of all.
    pub(crate) fn ids(&self) -> impl Iterator<Item = FeedId> {
        let kinds = [FeedKind::Channel, FeedKind::Pattern, FeedKind::Sharded];
        let ids = kinds.into_iter().zip(&self.names);
        ids.flat_map(|(kind, names)| {
            names.iter().map(move |name| FeedId { kind, name: FeedName::clone(name) })
        })
    }

    pub(crate) fn memory(&self) -> usize {
        let unanswered = self.unanswered.iter().map(|request| request.acks.capacity()).sum::<usize>();
        self.bytes + unanswered
    }

    /// Notes that a feed is on.
    pub(crate) fn note_on(&mut self, id: &FeedId) {
        for request in &mut self.unanswered {
            // Servers acknowledge in the order of the requests: it is near the front.
            if let Some(at) = request.missing.iter().position(|missing| missing == id) {
                request.missing.remove(at);
                return;
            }
        }
    }

    /// Takes the first request if it can be answered.
    pub(crate) fn pop_ready(&mut self) -> Option<Unanswered> {
        self.unanswered.front().filter(|request| request.missing.is_empty())?;
        self.unanswered.pop_front()
    }

    /// Takes the first request that this says.
    pub(crate) fn take_if(&mut self, is_it: impl Fn(&Unanswered) -> bool) -> Option<Unanswered> {
        let at = self.unanswered.iter().position(is_it)?;
        self.unanswered.remove(at)
    }
}
