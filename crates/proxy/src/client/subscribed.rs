//! A client's subscriptions, and its requests for some that are not acknowledged yet.

use std::collections::{HashMap, VecDeque};

use net::Instant;
use wire::redis::Version;

use crate::client::seq::Seq;
use crate::feeds::{FeedId, FeedKind, FeedName};

/// Memory of a subscription besides the name.
const EACH: usize = 160;

/// A client's subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Subscribed {
    /// By kind; true once it is acknowledged to the client.
    names: [HashMap<FeedName, bool>; 3],
    /// Those of each kind that are acknowledged.
    acknowledged: [usize; 3],
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
    pub(crate) wish: Wish,
    /// The client did not want a reply: it gets no error.
    pub(crate) is_silent: bool,
    /// Its feeds that are not on.
    pub(crate) missing: VecDeque<FeedId>,
}

/// The subscriptions that a request asks for.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) kind: FeedKind,
    /// As they were asked for, those too that the client had before.
    pub(crate) names: Vec<FeedName>,
    /// The client's when it asked.
    pub(crate) version: Version,
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

    /// Number of acknowledged subscriptions that are counted together with those of this kind.
    pub(crate) fn count(&self, kind: FeedKind) -> usize {
        let [channels, patterns, sharded] = self.acknowledged;
        match kind {
            FeedKind::Sharded => sharded,
            FeedKind::Channel | FeedKind::Pattern => channels + patterns,
        }
    }

    /// True if it was asked for and is not acknowledged: an unanswered request may still fail, and end it.
    pub(crate) fn is_asked(&self, kind: FeedKind, name: &[u8]) -> bool {
        self.names[kind as usize].get(name) == Some(&false)
    }

    /// Adds a subscription; false if there is one already.
    pub(crate) fn add(&mut self, id: &FeedId) -> bool {
        let names = &mut self.names[id.kind as usize];
        if names.contains_key(&id.name) {
            return false;
        }
        names.insert(FeedName::clone(&id.name), false);
        self.bytes += id.name.len() + EACH;
        true
    }

    /// Notes that a subscription is acknowledged; false if it was before.
    pub(crate) fn acknowledge(&mut self, kind: FeedKind, name: &[u8]) -> bool {
        let Some(known @ false) = self.names[kind as usize].get_mut(name) else { return false };
        *known = true;
        self.acknowledged[kind as usize] += 1;
        true
    }

    /// Removes a subscription; None if there is none.
    pub(crate) fn remove(&mut self, kind: FeedKind, name: &[u8]) -> Option<FeedId> {
        let (name, is_acknowledged) = self.names[kind as usize].remove_entry(name)?;
        self.acknowledged[kind as usize] -= usize::from(is_acknowledged);
        self.bytes -= name.len() + EACH;
        Some(FeedId { kind, name })
    }

    /// The names of one kind.
    pub(crate) fn names(&self, kind: FeedKind) -> Vec<FeedName> {
        self.names[kind as usize].keys().cloned().collect()
    }

    /// The ids of all.
    pub(crate) fn ids(&self) -> impl Iterator<Item = FeedId> {
        let kinds = [FeedKind::Channel, FeedKind::Pattern, FeedKind::Sharded];
        let ids = kinds.into_iter().zip(&self.names);
        ids.flat_map(|(kind, names)| {
            names.keys().map(move |name| FeedId { kind, name: FeedName::clone(name) })
        })
    }

    pub(crate) fn memory(&self) -> usize {
        let asked = self.unanswered.iter().map(|request| request.wish.names.capacity()).sum::<usize>();
        self.bytes + asked * size_of::<FeedName>()
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
