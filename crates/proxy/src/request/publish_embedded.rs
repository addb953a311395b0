//! PUBLISH, SPUBLISH and PUBSUB of the embedded cache, whose feeds have no source but its own clients.
//!
//! ```text
//! PUBLISH c m   the feed c, each pattern's feed that matches c ▸ one push for each ▸ its subscribers (response/message)
//! ```
//! All clients of a pool of the embedded cache are on one shard, so that a message reaches every subscriber
//! within the turn, in the order of its PUBLISH. The receivers are counted as Redis counts them.

use std::sync::Arc;

use net::Io;
use wire::redis::{Args, Version, encode, glob_matches_case};

use crate::client::Client;
use crate::feeds::{Feed, FeedId, FeedKind, FeedName, Feeds};
use crate::keys::PoolKey;
use crate::proxy::Proxy;

/// The kind of feeds that a message of a script goes to.
pub(super) fn kind_of(is_sharded: bool) -> FeedKind {
    if is_sharded { FeedKind::Sharded } else { FeedKind::Channel }
}

/// Number of receivers of a message to this channel.
pub(super) fn receivers(feeds: &Feeds, kind: FeedKind, channel: &[u8]) -> usize {
    reached(feeds, kind, channel).map(|(_, _, feed)| feed.live).sum()
}

/// The feeds that a message to a channel reaches: its own, and those of patterns.
fn reached<'f>(
    feeds: &'f Feeds,
    kind: FeedKind,
    channel: &'f [u8],
) -> impl Iterator<Item = (FeedKind, &'f FeedName, &'f Feed)> {
    let own = feeds.of_kind(kind).get_key_value(channel).map(|(name, feed)| (kind, name, feed));
    let patterns = feeds.of_kind(FeedKind::Pattern).iter();
    let matching =
        patterns.filter(move |(pattern, _)| kind == FeedKind::Channel && glob_matches_case(pattern, channel));
    own.into_iter().chain(matching.map(|(name, feed)| (FeedKind::Pattern, name, feed)))
}

impl Proxy {
    /// Answers a request of the embedded cache's about channels, with its reply in `scratch.local`. False if
    /// it is about something else.
    pub(super) fn execute_about_channels<I: Io>(
        &mut self,
        io: &mut I,
        client: &Client,
        frame: &[u8],
    ) -> bool {
        let Some(mut args) = Args::of(frame) else { return false };
        let Some(name) = args.next().filter(|name| (6..=8).contains(&name.bytes().len())) else {
            return false;
        };
        let kind = match name {
            name if name.is("publish") => FeedKind::Channel,
            name if name.is("spublish") => FeedKind::Sharded,
            name => return name.is("pubsub") && self.describe_channels(client.pool, args),
        };
        let (Some(channel), Some(message), None) = (args.next(), args.next(), args.next()) else {
            return false;
        };
        let at_once = !self.fan_out.is_followed;
        let receivers = self.publish_here(io, client.pool, (kind, channel.bytes()), message.bytes(), at_once);
        self.scratch.local.clear();
        encode::integer(&mut self.scratch.local, receivers as i64);
        true
    }

    /// Gives out what scripts of a pool have published, and events of keys, which are for all pools of the
    /// embedded cache.
    pub(super) fn hand_out_published<I: Io>(&mut self, io: &mut I, pool: Option<PoolKey>) {
        let all = self.store.take_published();
        let has_events = all.iter().any(|published| published.is_event);
        let pools = if has_events { self.embedded_pools() } else { Vec::new() };
        for published in all {
            let channel = (kind_of(published.is_sharded), &*published.channel);
            if published.is_event {
                for pool in &pools {
                    self.publish_here(io, *pool, channel, &published.message, false);
                }
            } else if let Some(pool) = pool {
                self.publish_here(io, pool, channel, &published.message, false);
            }
        }
    }

    /// The pools of the embedded cache that have subscribers.
    fn embedded_pools(&self) -> Vec<PoolKey> {
        let pools = self.pools.iter().filter(|(_, pool)| !pool.feeds.is_empty());
        pools.map(|(key, _)| key).filter(|key| self.is_over_local(*key)).collect()
    }

    /// Gives a message to the subscribers of its channel and of matching patterns, and returns their number.
    pub(super) fn publish_here<I: Io>(
        &mut self,
        io: &mut I,
        pool: PoolKey,
        (kind, channel): (FeedKind, &[u8]),
        message: &[u8],
        at_once: bool,
    ) -> usize {
        let found = |(kind, name, feed): (FeedKind, &FeedName, &Feed)| {
            (FeedId { kind, name: Arc::clone(name) }, feed.live)
        };
        let feeds: Vec<(FeedId, usize)> =
            reached(&self.pools[pool].feeds, kind, channel).map(found).collect();
        let receivers = feeds.iter().map(|(_, live)| live).sum();
        for (id, _) in feeds {
            let push = message_push(&id, channel, message);
            self.fan_out_push(io, (pool, id), push, at_once);
        }
        receivers
    }

    /// Answers PUBSUB; false for a subcommand that the embedded cache has not.
    fn describe_channels(&mut self, pool: PoolKey, mut args: Args<'_>) -> bool {
        let Some(what) = args.next() else { return false };
        let feeds = &self.pools[pool].feeds;
        let out = &mut self.scratch.local;
        out.clear();
        let kind = if what.is("shardchannels") || what.is("shardnumsub") {
            FeedKind::Sharded
        } else {
            FeedKind::Channel
        };
        if what.is("numpat") {
            let live = feeds.of_kind(FeedKind::Pattern).values().filter(|feed| feed.live > 0);
            encode::integer(out, live.count() as i64);
        } else if what.is("channels") || what.is("shardchannels") {
            let pattern = args.next().map_or(&b"*"[..], |pattern| pattern.bytes());
            let names: Vec<&FeedName> = feeds
                .of_kind(kind)
                .iter()
                .filter(|(name, feed)| feed.live > 0 && glob_matches_case(pattern, name))
                .map(|(name, _)| name)
                .collect();
            encode::array(out, names.len());
            names.iter().for_each(|name| encode::bulk(out, name));
        } else if what.is("numsub") || what.is("shardnumsub") {
            encode::array(out, 2 * args.count_left());
            for channel in args {
                let live = feeds.of_kind(kind).get(channel.bytes()).map_or(0, |feed| feed.live);
                encode::bulk(out, channel.bytes());
                encode::integer(out, live as i64);
            }
        } else {
            return false;
        }
        true
    }
}

/// The push of a message, in RESP3.
fn message_push(id: &FeedId, channel: &[u8], message: &[u8]) -> Vec<u8> {
    let (word, elements): (&[u8], usize) = match id.kind {
        FeedKind::Channel => (b"message", 3),
        FeedKind::Pattern => (b"pmessage", 4),
        FeedKind::Sharded => (b"smessage", 3),
    };
    let mut push = Vec::with_capacity(64 + id.name.len() + channel.len() + message.len());
    encode::push(&mut push, elements, Version::Resp3);
    encode::bulk(&mut push, word);
    if id.kind == FeedKind::Pattern {
        encode::bulk(&mut push, &id.name);
    }
    encode::bulk(&mut push, channel);
    encode::bulk(&mut push, message);
    push
}

#[cfg(test)]
mod tests {
    use net::App;

    use crate::testing::{World, lines, send};

    const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"local\"]\n";

    fn bulks(head: &str, words: &[&str]) -> String {
        let bulks = words.iter().map(|word| match word.strip_prefix(':') {
            Some(number) => format!(":{number}\r\n"),
            None => format!("${}\r\n{word}\r\n", word.len()),
        });
        format!("{head}{}\r\n{}", words.len(), bulks.collect::<String>())
    }

    #[test]
    fn messages_of_the_embedded_cache_in_both_versions() {
        let mut w = World::new(POOL);
        let (old, new, publisher) = (w.accept(0), w.accept(0), w.accept(0));
        send(&mut w, new, &["HELLO 3"]);
        let greeted = w.sent(new).len();
        send(&mut w, old, &["SUBSCRIBE c d", "PSUBSCRIBE c*"]);
        send(&mut w, new, &["SUBSCRIBE c", "SSUBSCRIBE c", "SET k v"]);
        let acks = bulks("*", &["subscribe", "c", ":1"])
            + &bulks("*", &["subscribe", "d", ":2"])
            + &bulks("*", &["psubscribe", "c*", ":3"]);
        assert_eq!(w.sent(old), acks);
        let begun =
            bulks(">", &["subscribe", "c", ":1"]) + &bulks(">", &["ssubscribe", "c", ":1"]) + "+OK\r\n";
        assert_eq!(w.sent(new)[greeted..], begun);
        let (seen, greeted) = (w.sent(old).len(), w.sent(new).len());
        send(
            &mut w,
            publisher,
            &["PUBLISH c x", "SPUBLISH c y", "PUBLISH none x", "MULTI", "PUBLISH d z", "EXEC"],
        );
        assert_eq!(w.sent(publisher), ":3\r\n:1\r\n:0\r\n+OK\r\n+QUEUED\r\n*1\r\n:1\r\n");
        let messages = bulks("*", &["message", "c", "x"])
            + &bulks("*", &["pmessage", "c*", "c", "x"])
            + &bulks("*", &["message", "d", "z"]);
        assert_eq!(w.sent(old)[seen..], messages);
        let pushes = bulks(">", &["message", "c", "x"]) + &bulks(">", &["smessage", "c", "y"]);
        assert_eq!(w.sent(new)[greeted..], pushes);
        assert!(w.io.connects.is_empty());
    }

    #[test]
    fn scripts_publish_to_the_subscribers_of_the_pool() {
        let mut w = World::new(POOL);
        let (subscriber, publisher) = (w.accept(0), w.accept(0));
        send(&mut w, subscriber, &["SUBSCRIBE c", "PSUBSCRIBE c*", "SSUBSCRIBE s"]);
        let seen = w.sent(subscriber).len();
        let script = "return{redis.call([[PUBLISH]],[[c]],1),redis.call([[SPUBLISH]],[[s]],2),\
                      redis.call([[PUBLISH]],[[d]],3)}";
        send(&mut w, publisher, &[&format!("EVAL {script} 0"), "MULTI", &format!("EVAL {script} 0"), "EXEC"]);
        let counts = "*3\r\n:2\r\n:1\r\n:0\r\n";
        assert_eq!(w.sent(publisher), format!("{counts}+OK\r\n+QUEUED\r\n*1\r\n{counts}"));
        let messages = bulks("*", &["message", "c", "1"])
            + &bulks("*", &["pmessage", "c*", "c", "1"])
            + &bulks("*", &["smessage", "s", "2"]);
        assert_eq!(w.sent(subscriber)[seen..], messages.repeat(2));
    }

    #[test]
    fn channels_are_described_and_end_with_their_last_subscriber() {
        let mut w = World::new(POOL);
        let (first, second, asker) = (w.accept(0), w.accept(0), w.accept(0));
        send(&mut w, first, &["SUBSCRIBE a b", "PSUBSCRIBE p*"]);
        send(&mut w, second, &["SUBSCRIBE a", "SSUBSCRIBE s", "PSUBSCRIBE p*"]);
        let requests = [
            "PUBSUB NUMSUB a b c",
            "PUBSUB NUMPAT",
            "PUBSUB CHANNELS b*",
            "PUBSUB SHARDCHANNELS",
            "PUBSUB SHARDNUMSUB s",
        ];
        let expected = bulks("*", &["a", ":2", "b", ":1", "c", ":0"])
            + ":1\r\n"
            + &bulks("*", &["b"])
            + &bulks("*", &["s"])
            + &bulks("*", &["s", ":1"]);
        send(&mut w, asker, &requests);
        assert_eq!(w.sent(asker), expected);
        send(&mut w, first, &["UNSUBSCRIBE", "PUNSUBSCRIBE"]);
        w.proxy.ended(&mut w.io, second);
        w.proxy.turn_end(&mut w.io);
        let seen = w.sent(asker).len();
        send(&mut w, asker, &["PUBSUB CHANNELS", "PUBSUB NUMPAT", "PUBLISH a x"]);
        assert_eq!(w.sent(asker)[seen..], *"*0\r\n:0\r\n:0\r\n");
        assert!(w.proxy.pools.values().all(|pool| pool.feeds.is_empty()));
        let again = w.ask(lines(&["SUBSCRIBE a"]));
        send(&mut w, asker, &["PUBLISH a x"]);
        assert!(w.sent(again).ends_with(&bulks("*", &["message", "a", "x"])));
    }
}
