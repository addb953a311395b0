//! Feeds: the channels and patterns that clients of a pool are subscribed to on this shard.
//!
//! ```text
//! server ─ one subscription ─▶ feed ─▶ subscriber, subscriber, subscriber …
//!          (a source)
//! ```
//! However many clients subscribe to a channel, a server knows one subscription of it per shard. A feed has
//! one source, the server of its name; a pattern of a ring has all servers as sources, since its channels may
//! live on any. A feed ends with its last subscriber.

use std::collections::HashMap;
use std::sync::Arc;

use net::{ConnId, Instant, TimerId};

use crate::keys::{PoolKey, ServerKey};

/// Kind of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FeedKind {
    /// SUBSCRIBE
    Channel,
    /// PSUBSCRIBE
    Pattern,
    /// SSUBSCRIBE
    Sharded,
}

impl FeedKind {
    /// The commands that begin and end a subscription of this kind.
    pub(crate) fn commands(self) -> (&'static str, &'static str) {
        match self {
            FeedKind::Channel => ("subscribe", "unsubscribe"),
            FeedKind::Pattern => ("psubscribe", "punsubscribe"),
            FeedKind::Sharded => ("ssubscribe", "sunsubscribe"),
        }
    }
}

/// Name of a channel or pattern.
pub(crate) type FeedName = Arc<[u8]>;

/// Identifies a feed of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeedId {
    pub(crate) kind: FeedKind,
    pub(crate) name: FeedName,
}

/// A client that is subscribed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subscriber {
    pub(crate) client: ConnId,
    /// It speaks RESP3.
    pub(crate) resp3: bool,
    /// It has its acknowledgement, and gets messages.
    pub(crate) active: bool,
}

/// A subscription at a server.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) server: ServerKey,
    /// The last request to the server was to subscribe.
    pub(crate) wanted: bool,
    /// Requests to it that are not acknowledged.
    pub(crate) asked: u32,
}

impl Source {
    /// True while the server is known to send messages.
    pub(crate) fn is_on(&self) -> bool {
        self.wanted && self.asked == 0
    }

    /// True if nothing is left of it at the server.
    pub(crate) fn is_over(&self) -> bool {
        !self.wanted && self.asked == 0
    }
}

/// A channel or pattern.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    /// Its subscribers; some may have gone.
    pub(crate) subscribers: Vec<Subscriber>,
    /// Those that have not gone.
    pub(crate) live: usize,
    pub(crate) sources: Vec<Source>,
    /// A request was sent to each server that should be a source.
    pub(crate) placed: bool,
    /// Clients whose requests wait until it is on.
    pub(crate) waiting: Vec<ConnId>,
}

/// Subscribers that have gone and are still listed, beyond as many as there are others.
const GONE_MAX: usize = 64;

impl Feed {
    /// True once all its sources send messages.
    pub(crate) fn is_on(&self) -> bool {
        self.placed && self.sources.iter().filter(|source| source.wanted).all(Source::is_on)
    }

    pub(crate) fn source_mut(&mut self, server: ServerKey) -> Option<&mut Source> {
        self.sources.iter_mut().find(|source| source.server == server)
    }

    /// Lets a subscriber have messages from now on.
    pub(crate) fn activate(&mut self, client: ConnId) {
        if let Some(found) = self.subscribers.iter_mut().rev().find(|one| one.client == client) {
            found.active = true;
        }
    }

    /// Removes a subscriber.
    pub(crate) fn leave(&mut self, client: ConnId) {
        if let Some(at) = self.subscribers.iter().rposition(|one| one.client == client) {
            self.subscribers.swap_remove(at);
            self.live -= 1;
        }
        self.waiting.retain(|waiting| *waiting != client);
    }

    /// Counts a subscriber that has gone, which stays listed for now. `is_there`: tells those that have not.
    pub(crate) fn gone(&mut self, client: ConnId, is_there: impl Fn(ConnId) -> bool) {
        self.live -= 1;
        if self.live == 0 {
            (self.subscribers, self.waiting) = Default::default();
        } else if self.subscribers.len() > 2 * self.live + GONE_MAX {
            self.subscribers.retain(|one| one.client != client && is_there(one.client));
        }
    }
}

/// The feeds of a pool.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    by_kind: [HashMap<FeedName, Feed>; 3],
    /// Some have lost a source, or have the wrong one: they are placed at the end of the turn.
    pub(crate) moved: bool,
    /// Some could not be placed: they are tried again.
    pub(crate) unsettled: bool,
}

impl Feeds {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_kind.iter().all(HashMap::is_empty)
    }

    pub(crate) fn of_kind(&self, kind: FeedKind) -> &HashMap<FeedName, Feed> {
        &self.by_kind[kind as usize]
    }

    pub(crate) fn get_mut(&mut self, kind: FeedKind, name: &[u8]) -> Option<&mut Feed> {
        self.by_kind[kind as usize].get_mut(name)
    }

    /// The id of a feed, whose name it shares if there is one already.
    pub(crate) fn id_of(&self, kind: FeedKind, name: &[u8]) -> FeedId {
        let known = self.by_kind[kind as usize].get_key_value(name);
        FeedId { kind, name: known.map_or_else(|| name.into(), |(name, _)| Arc::clone(name)) }
    }

    /// Adds a subscriber, who gets no messages yet.
    pub(crate) fn join(&mut self, id: &FeedId, client: ConnId, resp3: bool) -> &mut Feed {
        let feed = self.by_kind[id.kind as usize].entry(Arc::clone(&id.name)).or_default();
        feed.subscribers.push(Subscriber { client, resp3, active: false });
        feed.live += 1;
        feed
    }

    pub(crate) fn remove(&mut self, id: &FeedId) {
        let feeds = &mut self.by_kind[id.kind as usize];
        feeds.remove(&*id.name);
        if feeds.is_empty() {
            *feeds = HashMap::new();
        }
    }

    /// The ids of all feeds.
    pub(crate) fn ids(&self) -> Vec<FeedId> {
        let kinds = [FeedKind::Channel, FeedKind::Pattern, FeedKind::Sharded];
        let ids = |kind: FeedKind| {
            self.of_kind(kind).keys().map(move |name| FeedId { kind, name: Arc::clone(name) })
        };
        kinds.into_iter().flat_map(ids).collect()
    }
}

/// A request on a subscription connection that is not acknowledged.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) id: FeedId,
    /// It ends the subscription.
    pub(crate) ends: bool,
}

/// State of a shard's feeds that belongs to no pool.
#[derive(Debug, Default)]
pub(crate) struct FanOut {
    /// Feeds whose last subscriber has left in this turn.
    pub(crate) left: Vec<(PoolKey, FeedId)>,
    /// The request being taken is followed by others of its client.
    pub(crate) is_followed: bool,
    /// Bytes handed out in this turn.
    pub(crate) bytes: usize,
    /// Subscribers above the soft limit, and since when.
    pub(crate) behind: HashMap<ConnId, Instant>,
    /// The pending timer for feeds, and its time.
    pub(crate) timer: Option<(TimerId, Instant)>,
}

/// True for a channel whose messages are a server's events, which each server sends its own subscribers only.
pub(crate) fn is_keyspace(channel: &[u8]) -> bool {
    EVENTS.iter().any(|events| channel.starts_with(events))
}

/// True if channels of a server's events may match a pattern.
pub(crate) fn may_be_keyspace(pattern: &[u8]) -> bool {
    let plain = pattern.iter().position(|byte| b"*?[\\".contains(byte)).unwrap_or(pattern.len());
    EVENTS.iter().any(|events| events.starts_with(&pattern[..plain.min(events.len())]))
}

const EVENTS: [&[u8]; 2] = [b"__keyspace@", b"__keyevent@"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_patterns_may_match_events() {
        let cases = [
            ("*", true),
            ("__key*", true),
            ("__keyevent@0__:*", true),
            ("__keyspace@*", true),
            ("_[_]key*", true),
            ("__keyring*", false),
            ("news.*", false),
            ("__x", false),
        ];
        for (pattern, expected) in cases {
            assert_eq!(may_be_keyspace(pattern.as_bytes()), expected, "{pattern}");
        }
        assert!(is_keyspace(b"__keyevent@0__:expired") && !is_keyspace(b"news"));
    }

    #[test]
    fn those_that_have_gone_are_forgotten_before_they_are_many() {
        let mut feeds = Feeds::default();
        let id = feeds.id_of(FeedKind::Channel, b"c");
        let client = |index| ConnId { index, generation: 0 };
        for n in 0..1000 {
            feeds.join(&id, client(n), false);
        }
        for n in 0..999 {
            let feed = feeds.get_mut(FeedKind::Channel, b"c").unwrap();
            feed.gone(client(n), |other| other.index > n);
            assert!(feed.live == 999 - n as usize && feed.subscribers.len() <= 2 * feed.live + GONE_MAX);
        }
        let feed = feeds.get_mut(FeedKind::Channel, b"c").unwrap();
        feed.leave(client(999));
        assert_eq!(feed.live, 0);
    }
}
