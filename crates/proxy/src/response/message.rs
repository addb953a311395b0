//! Messages: from a server's push to the subscribers of its feed.
//!
//! A message is encoded once for each protocol version, and a long one is shared by all that get it. What a
//! turn may hand out is bounded ([`Proxy::has_fanned_out_enough`]): the rest of a server's input waits for
//! the next turn, when sockets have taken some. The last message of an input is written to each subscriber at
//! once: ten thousand buffers of output, filled and then written one after another, cost more than the
//! writes.
//!
//! A subscriber that does not keep up is closed, as Redis does by `client-output-buffer-limit pubsub 32mb 8mb
//! 60`.

use std::time::Duration;

use bytes::Bytes;
use net::{ConnId, Input, Io};

use crate::client::Client;
use crate::feeds::{FeedId, FeedKind, is_keyspace};
use crate::keys::{LaneKey, PoolKey, ServerKey};
use crate::proxy::Proxy;
use crate::response::scanned;
use crate::server::scan::Found;

/// Unsent bytes at which a subscriber is closed at once,
const HARD_MAX: usize = 32 << 20;
/// and those above which it may be for so long.
const SOFT_MAX: (usize, Duration) = (8 << 20, Duration::from_mins(1));
/// Least bytes handed out in a turn before the rest waits for the next.
const TURN_MIN: usize = 1 << 20;
/// Size from which a message is shared by its subscribers.
const SHARED_MIN: usize = 16 * 1024;

/// A push of a subscription connection.
enum Push<'a> {
    /// A channel or pattern, the channel of the message, and true if a pattern led to it.
    Message(FeedKind, &'a [u8], &'a [u8]),
    /// An acknowledgement; true if it ends the subscription.
    Acknowledged(FeedKind, &'a [u8], bool),
    Other,
}

impl Proxy {
    /// True if so much was handed out in this turn that the sockets should take it first.
    pub(crate) fn has_fanned_out_enough(&self) -> bool {
        self.fan_out.bytes > TURN_MIN.max(self.budget.share() / 16)
    }

    /// True if a client of the embedded cache has published so much in this turn that the rest of its
    /// requests waits for the next.
    #[inline]
    pub(crate) fn has_published_enough(&self, client: &Client) -> bool {
        self.fan_out.bytes > TURN_MIN && self.has_fanned_out_enough() && self.is_over_local(client.pool)
    }

    /// Takes the push of `len` bytes at the front of a subscription connection's input.
    pub(crate) fn take_push<I: Io>(&mut self, io: &mut I, lane: LaneKey, input: &mut Input<'_>, len: usize) {
        match parsed(&input.bytes()[..len]) {
            Push::Message(kind, name, channel) => {
                if let Some(feed) = self.feed_of(lane.server, kind, name, channel) {
                    if len >= SHARED_MIN {
                        let push = input.take(len);
                        return self.fan_out_shared(io, &feed, &push);
                    }
                    let is_last = input.bytes().len() == len;
                    self.fan_out_copies(io, &feed, &input.bytes()[..len], is_last);
                }
            }
            Push::Acknowledged(kind, name, ends) => {
                if self.feed_acknowledged(io, lane.server, (kind, name, ends)) {
                    let found = Found { len, is_error: false, status: None, values: 0 };
                    let server = &mut self.servers[lane.server];
                    server.conns[lane.number as usize].pop();
                    let works = server.count_reply(&found, true);
                    if works {
                        self.server_works(lane.server);
                    }
                }
            }
            Push::Other => {}
        }
        input.consume(len);
    }

    /// The feed that a message of a server is for. Of several nodes that pass the same message on, one
    /// counts.
    fn feed_of(
        &mut self,
        server: ServerKey,
        kind: FeedKind,
        name: &[u8],
        channel: &[u8],
    ) -> Option<(PoolKey, FeedId)> {
        let key = self.servers[server].pool;
        let pool = &mut self.pools[key];
        let is_passed_on =
            kind != FeedKind::Sharded && pool.placement.slots().is_some() && !is_keyspace(channel);
        let feed = pool.feeds.get_mut(kind, name)?;
        if is_passed_on {
            let first = feed.sources.iter().find(|source| source.is_on())?;
            if first.server != server {
                return None;
            }
        }
        Some((key, pool.feeds.id_of(kind, name)))
    }

    /// Gives the subscribers of a feed a push, in RESP3; `at_once` if nothing follows it for now.
    pub(crate) fn fan_out_push<I: Io>(
        &mut self,
        io: &mut I,
        feed: (PoolKey, FeedId),
        push: Vec<u8>,
        at_once: bool,
    ) {
        if push.len() >= SHARED_MIN {
            self.fan_out_shared(io, &feed, &Bytes::from(push));
        } else {
            self.fan_out_copies(io, &feed, &push, at_once);
        }
    }

    /// Gives the subscribers of a feed copies of a push; `at_once` if nothing follows it for now.
    fn fan_out_copies<I: Io>(
        &mut self,
        io: &mut I,
        (pool, id): &(PoolKey, FeedId),
        push: &[u8],
        at_once: bool,
    ) {
        let mut array = std::mem::take(&mut self.scratch.reply);
        array.clear();
        array.push(b'*');
        array.extend_from_slice(&push[1..]);
        let give = |io: &mut I, client, resp3| {
            let bytes = if resp3 { push } else { &array[..] };
            if at_once {
                return io.send_now(client, bytes);
            }
            io.send(client, bytes);
            io.unsent(client)
        };
        self.hand_out(io, (*pool, id), (push.len(), push.len()), give);
        self.scratch.reply = array;
    }

    fn fan_out_shared<I: Io>(&mut self, io: &mut I, (pool, id): &(PoolKey, FeedId), push: &Bytes) {
        let mut array = push.to_vec();
        array[0] = b'*';
        let array = Bytes::from(array);
        let give = |io: &mut I, client, resp3| {
            io.send_shared(client, if resp3 { push.clone() } else { array.clone() });
            io.unsent(client)
        };
        self.hand_out(io, (*pool, id), (push.len(), 0), give);
    }

    /// Gives each subscriber of a feed a message of `len` bytes, which takes up `each` bytes. `give` returns
    /// the bytes that its connection has not sent.
    fn hand_out<I: Io>(
        &mut self,
        io: &mut I,
        (key, id): (PoolKey, &FeedId),
        (len, each): (usize, usize),
        give: impl Fn(&mut I, ConnId, bool) -> usize,
    ) {
        let pool = &mut self.pools[key];
        let hard = HARD_MAX.min(pool.config.client_output_hard_bytes);
        let soft = SOFT_MAX.0.min(hard);
        let Some(feed) = pool.feeds.get_mut(id.kind, &id.name) else { return };
        let (mut given, mut slow) = (0, Vec::new());
        for subscriber in feed.subscribers.iter().filter(|subscriber| subscriber.active) {
            given += 1;
            if give(io, subscriber.client, subscriber.resp3) > soft {
                slow.push(subscriber.client);
            }
        }
        // Some that are listed may have gone.
        let given = given.min(feed.live);
        pool.stats.messages.add(given as u64);
        pool.stats.client_reply_bytes.add((given * len) as u64);
        self.fan_out.bytes += len + given * each;
        for client in slow {
            self.check_subscriber(io, client, hard);
        }
    }

    /// Closes a subscriber that is too far behind, or has been for too long.
    #[cold]
    fn check_subscriber<I: Io>(&mut self, io: &mut I, client: ConnId, hard: usize) {
        if self.client_mut(client).is_none() {
            return;
        }
        let (now, unsent) = (io.now(), io.unsent(client));
        let since = *self.fan_out.behind.entry(client).or_insert(now);
        if unsent > hard || now.since(since) >= SOFT_MAX.1 {
            self.fan_out.behind.remove(&client);
            self.overflow(io, client, unsent);
        }
    }

    /// Forgets those that have caught up; called at the end of a turn.
    pub(crate) fn end_fan_out<I: Io>(&mut self, io: &I) {
        self.fan_out.bytes = 0;
        if !self.fan_out.behind.is_empty() {
            self.fan_out.behind.retain(|client, _| io.unsent(*client) > SOFT_MAX.0);
        }
    }
}

/// The meaning of a push.
fn parsed(push: &[u8]) -> Push<'_> {
    let Some(reply) = scanned(push) else { return Push::Other };
    let mut texts = reply.elements(push).map(|(element, bytes)| element.body(bytes));
    let (Some(word), Some(first)) = (texts.next(), texts.next()) else { return Push::Other };
    let kind = match word.first() {
        Some(b'p') => FeedKind::Pattern,
        Some(b's') if word != b"subscribe" => FeedKind::Sharded,
        _ => FeedKind::Channel,
    };
    match word {
        b"message" | b"smessage" => Push::Message(kind, first, first),
        b"pmessage" => Push::Message(kind, first, texts.next().unwrap_or_default()),
        b"subscribe" | b"psubscribe" | b"ssubscribe" => Push::Acknowledged(kind, first, false),
        b"unsubscribe" | b"punsubscribe" | b"sunsubscribe" => Push::Acknowledged(kind, first, true),
        _ => Push::Other,
    }
}
