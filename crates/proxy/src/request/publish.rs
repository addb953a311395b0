//! PUBLISH and PUBSUB while clients of this shard are subscribed: a server counts the shard's subscription as
//! one receiver, and its replies are corrected by the clients that stand behind it.
//!
//! Clients of other shards of this process are not known here, and remain one for each shard.

use net::Io;
use wire::redis::{Args, Command, Elements, encode, glob_matches_case};

use crate::client::Client;
use crate::feeds::{Feed, FeedKind, Feeds};
use crate::gather::Merge;
use crate::keys::{LaneKey, PoolKey, ServerKey};
use crate::proxy::{Part, Proxy};
use crate::request::Frame;
use crate::request::forward::Traits;

/// Patterns beyond which a message's receivers are not counted one by one.
const PATTERNS_MAX: usize = 1000;

impl Proxy {
    /// True for PUBLISH and SPUBLISH, if clients of the pool are subscribed on this shard.
    #[inline]
    pub(super) fn counts_receivers(&self, client: &Client, command: &Command) -> bool {
        self.fan_out.timer.is_some() && self.has_receivers(client.pool, command)
    }

    #[cold]
    fn has_receivers(&self, pool: PoolKey, command: &Command) -> bool {
        let publishes = matches!(command.name, "publish" | "spublish");
        publishes && !self.pools[pool].feeds.is_empty() && !self.is_over_local(pool)
    }

    /// Sends a PUBLISH or SPUBLISH whose reply is corrected.
    pub(super) fn publish<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        (lane, command): (LaneKey, &Command),
        frame: Frame<'_>,
    ) {
        let kind = if command.name == "spublish" { FeedKind::Sharded } else { FeedKind::Channel };
        let channel = Args::of(frame.bytes()).and_then(|mut args| args.nth(1));
        let channel = channel.map_or(&b""[..], |channel| channel.bytes());
        let group = self.pools[client.pool].placement.group_of(channel);
        self.scratch.parts.clear();
        self.scratch.order.clear();
        self.scratch.parts.push(Part { lane: Some(lane), group, keys: 1, refused: false });
        let gather = self.open_gather(io, client, Merge::Published(lane.server, kind));
        self.gathers.get_mut(gather).keys.0.extend_from_slice(channel);
        self.gathers.recount(gather);
        self.forward_parts(io, client, gather, frame, Traits::redis(false));
    }

    /// Receivers of a message that its server has not counted.
    pub(crate) fn uncounted_receivers(
        &self,
        pool: PoolKey,
        (server, kind): (ServerKey, FeedKind),
        channel: &[u8],
    ) -> i64 {
        let feeds = &self.pools[pool].feeds;
        let behind = |feed: &Feed| {
            let is_source = feed.sources.iter().any(|source| source.server == server && source.is_on());
            if is_source { feed.live as i64 - 1 } else { 0 }
        };
        let own = feeds.of_kind(kind).get(channel).map_or(0, behind);
        let patterns = feeds.of_kind(FeedKind::Pattern);
        if kind == FeedKind::Sharded || patterns.len() > PATTERNS_MAX {
            return own;
        }
        let matching = patterns.iter().filter(|(pattern, _)| glob_matches_case(pattern, channel));
        own + matching.map(|(_, feed)| behind(feed)).sum::<i64>()
    }

    /// Writes the merged reply to PUBSUB NUMSUB or SHARDNUMSUB: names and their numbers, added up.
    pub(crate) fn write_counts<'a>(
        &self,
        pool: PoolKey,
        kind: FeedKind,
        parts: impl Iterator<Item = &'a [u8]>,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let mut counts: Vec<(&[u8], i64)> = Vec::new();
        for (n, part) in parts.enumerate() {
            let mut elements = Elements::of_array(part)?;
            let mut at = 0;
            while let Some((name, bytes)) = elements.next() {
                let (count, _) = elements.next()?;
                let count = count.integer()?;
                match counts.get_mut(at) {
                    Some((known, sum)) if n > 0 && *known == name.body(bytes) => *sum += count,
                    None if n == 0 => counts.push((name.body(bytes), count)),
                    _ => return None,
                }
                at += 1;
            }
        }
        encode::array(out, 2 * counts.len());
        for (name, count) in counts {
            encode::bulk(out, name);
            encode::integer(out, count + behind_all(&self.pools[pool].feeds, kind, name));
        }
        Some(())
    }
}

/// Clients behind this shard's subscriptions of a channel, beyond one for each.
fn behind_all(feeds: &Feeds, kind: FeedKind, name: &[u8]) -> i64 {
    let Some(feed) = feeds.of_kind(kind).get(name) else { return 0 };
    let counted = feed.sources.iter().filter(|source| source.is_on()).count();
    if counted == 0 { 0 } else { feed.live as i64 - counted as i64 }
}
