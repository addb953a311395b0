//! SUBSCRIBE and its kin: clients join and leave feeds, which share one subscription per server
//! ([`crate::feeds`]).
//!
//! ```text
//! SUBSCRIBE c d   c is on, d is not: d's server is asked (server/source) ▸ its acknowledgement ▸ both acknowledgements
//! UNSUBSCRIBE c   acknowledged at once; a feed without subscribers ends with the turn
//! ```
//! A client gets messages from its acknowledgement on. Acknowledgements are made here, as pushes in RESP3 and
//! arrays in RESP2, with the client's own counts. A request that a server refuses, or that cannot be sent,
//! subscribes to nothing and is answered with the error. One that asks again for what such a request may
//! still fail to get waits for its answer.

use std::collections::VecDeque;

use net::{ConnId, Io};
use wire::redis::{Args, Command, Version, encode};

use crate::client::subscribed::{Subscribed, Unanswered, Wish};
use crate::client::{Client, Reply};
use crate::fail::Failure;
use crate::feeds::{FeedId, FeedKind};
use crate::keys::PoolKey;
use crate::proxy::Proxy;
use crate::tally::Change;

/// A command that changes what a client is subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subscription {
    kind: FeedKind,
    /// One of those that end subscriptions.
    ends: bool,
    /// It asks for something that an unanswered request has asked for.
    repeats: bool,
}

impl Subscription {
    /// The change that a client's command with these arguments makes, the name first.
    pub(super) fn of(command: &Command, client: &Client, args: Args<'_>) -> Subscription {
        let kind = match command.name.as_bytes() {
            [b'p', ..] => FeedKind::Pattern,
            [b's', b's' | b'u', b'n' | b'u', ..] if command.name != "subscribe" => FeedKind::Sharded,
            _ => FeedKind::Channel,
        };
        let open = client.session.subscribed().filter(|subscribed| !subscribed.unanswered.is_empty());
        let repeats = open.is_some_and(|open| args.skip(1).any(|name| open.is_asked(kind, name.bytes())));
        Subscription { kind, ends: command.name.ends_with("unsubscribe"), repeats }
    }

    /// True if a client has to wait for its earlier replies: the acknowledgement is the next thing that it
    /// gets.
    pub(super) fn has_to_wait(self, client: &Client) -> bool {
        let unanswered = client.session.subscribed().map_or(0, |subscribed| subscribed.unanswered.len());
        client.waiting() > if self.ends || self.repeats { 0 } else { unanswered }
    }
}

impl Proxy {
    /// Takes a request to subscribe or unsubscribe with these arguments, the name first.
    pub(super) fn take_subscription<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        subscription: Subscription,
        mut args: Args<'_>,
    ) {
        args.next();
        if subscription.ends {
            self.unsubscribe(io, client, subscription.kind, args);
        } else {
            self.subscribe(io, client, subscription.kind, args);
        }
    }

    fn subscribe<I: Io>(&mut self, io: &mut I, client: &mut Client, kind: FeedKind, args: Args<'_>) {
        let (pool, version) = (client.pool, client.session.version());
        let mut wish = Wish { kind, names: Vec::with_capacity(args.count_left()), version };
        let (mut missing, mut failed) = (VecDeque::new(), None);
        for name in args {
            let id = self.pools[pool].feeds.id_of(kind, name.bytes());
            wish.names.push(id.name.clone());
            if !client.session.subscribe().add(&id) {
                continue;
            }
            let known = self.pools[pool].feeds.join(&id, client.id, version == Version::Resp3).placed;
            if !known && let Err(failure) = self.place_feed(io, pool, &id) {
                failed = Some(failure);
                break;
            }
            let feed = self.pools[pool].feeds.get_mut(kind, &id.name);
            if let Some(feed) = feed.filter(|feed| !feed.is_on()) {
                feed.waiting.push(client.id);
                missing.push_back(id);
            }
        }
        if let Some(failure) = failed {
            self.withdraw(client, &wish);
            self.refuse(io, client, failure, wire::memcache::Silence::Never);
        } else if missing.is_empty() && client.waiting() == 0 {
            let acks = self.grant(client, &wish);
            self.pools[pool].stats.client_replies.inc();
            self.give_acks(io, client, &acks);
        } else {
            let (seq, at, is_silent) = (client.next_seq(), io.now(), client.session.is_silent());
            client.add_push_slot();
            let unanswered = Unanswered { seq, at, wish, is_silent, missing };
            client.session.subscribe().unanswered.push_back(unanswered);
        }
        self.recount_subscribed(client);
        client.session.rest();
    }

    /// Lets a client have the messages of what it asked for. Returns the acknowledgements, which count what
    /// was acknowledged before: a request that fails later, or has failed, counts nowhere.
    fn grant(&mut self, client: &mut Client, wish: &Wish) -> Vec<u8> {
        let Wish { kind, ref names, version } = *wish;
        let subscribed = client.session.subscribe();
        let mut acks = Vec::new();
        for name in names {
            if subscribed.acknowledge(kind, name)
                && let Some(feed) = self.pools[client.pool].feeds.get_mut(kind, name)
            {
                feed.activate(client.id);
            }
            acknowledge(&mut acks, (kind, false), Some(name), subscribed.count(kind), version);
        }
        acks
    }

    /// Gives a client acknowledgements, which `CLIENT REPLY` does not keep back.
    fn give_acks<I: Io>(&self, io: &mut I, client: &mut Client, acks: &[u8]) {
        self.pools[client.pool].count_reply(acks.len());
        client.push_now(io, acks);
    }

    /// Takes back what a client asked for, unless it had it before.
    fn withdraw(&mut self, client: &mut Client, wish: &Wish) {
        for name in &wish.names {
            let subscribed = client.session.subscribe();
            if subscribed.is_asked(wish.kind, name)
                && let Some(id) = subscribed.remove(wish.kind, name)
            {
                self.leave_feed(client.pool, client.id, id);
            }
        }
    }

    fn leave_feed(&mut self, pool: PoolKey, client: ConnId, id: FeedId) {
        let Some(feed) = self.pools[pool].feeds.get_mut(id.kind, &id.name) else { return };
        feed.leave(client);
        if feed.live == 0 {
            self.fan_out.left.push((pool, id));
        }
    }

    fn unsubscribe<I: Io>(&mut self, io: &mut I, client: &mut Client, kind: FeedKind, args: Args<'_>) {
        let version = client.session.version();
        let mut acks = Vec::new();
        if args.count_left() > 0 {
            for name in args {
                self.unsubscribe_from(client, kind, name.bytes(), &mut acks);
            }
        } else {
            let names =
                client.session.subscribed().map(|subscribed| subscribed.names(kind)).unwrap_or_default();
            for name in &names {
                self.unsubscribe_from(client, kind, name, &mut acks);
            }
            if names.is_empty() {
                let count = client.session.subscribed().map_or(0, |subscribed| subscribed.count(kind));
                acknowledge(&mut acks, (kind, true), None, count, version);
            }
        }
        self.recount_subscribed(client);
        client.session.rest();
        self.give_acks(io, client, &acks);
    }

    fn unsubscribe_from(&mut self, client: &mut Client, kind: FeedKind, name: &[u8], acks: &mut Vec<u8>) {
        let version = client.session.version();
        let mut count = 0;
        if let Some(subscribed) = client.session.subscribed_mut() {
            let removed = subscribed.remove(kind, name);
            count = subscribed.count(kind);
            if let Some(id) = removed {
                self.leave_feed(client.pool, client.id, id);
            }
        }
        acknowledge(acks, (kind, true), Some(name), count, version);
    }

    /// Ends all subscriptions of a client that stays.
    pub(crate) fn end_subscriptions<I: Io>(&mut self, io: &mut I, client: &mut Client) {
        let unanswered = client.session.subscribed_mut().map(|subscribed| &mut subscribed.unanswered);
        for request in unanswered.map(std::mem::take).unwrap_or_default() {
            let acks = self.grant(client, &request.wish);
            client.fulfil(io, request.seq, Reply::Slice(&acks));
        }
        let Some(subscribed) = self.take_subscribed(client) else { return };
        for id in subscribed.ids() {
            self.leave_feed(client.pool, client.id, id);
        }
    }

    /// Forgets the subscriptions of a client that goes.
    pub(crate) fn forget_subscriber(&mut self, client: &mut Client) {
        let Some(subscribed) = self.take_subscribed(client) else { return };
        self.fan_out.behind.remove(&client.id);
        let Proxy { pools, roles, fan_out, .. } = self;
        for id in subscribed.ids() {
            let Some(feed) = pools[client.pool].feeds.get_mut(id.kind, &id.name) else { continue };
            feed.gone(client.id, |other| Proxy::is_there(roles, other));
            if feed.live == 0 {
                fan_out.left.push((client.pool, id));
            }
        }
    }

    fn take_subscribed(&mut self, client: &mut Client) -> Option<Box<Subscribed>> {
        let subscribed = client.session.state.as_mut()?.subscribed.take()?;
        self.held.apply(Change::gone(subscribed.counted));
        client.session.rest();
        Some(subscribed)
    }

    /// Makes a client's feeds know the version that it speaks.
    pub(crate) fn note_version(&mut self, client: &Client) {
        let Some(subscribed) = client.session.subscribed() else { return };
        for id in subscribed.ids() {
            let feed = self.pools[client.pool].feeds.get_mut(id.kind, &id.name);
            let all = feed.into_iter().flat_map(|feed| &mut feed.subscribers);
            all.filter(|one| one.client == client.id).for_each(|one| one.resp3 = client.session.resp3);
        }
    }

    /// Answers the clients that wait until a feed is on.
    pub(crate) fn feed_is_on<I: Io>(&mut self, io: &mut I, pool: PoolKey, id: &FeedId) {
        let Some(feed) = self.pools[pool].feeds.get_mut(id.kind, &id.name) else { return };
        for client in std::mem::take(&mut feed.waiting) {
            if let Some(subscribed) =
                self.client_mut(client).and_then(|client| client.session.subscribed_mut())
            {
                subscribed.note_on(id);
                self.answer_subscriptions(io, client);
            }
        }
    }

    /// Answers those of a client's requests to subscribe that are acknowledged, in order.
    fn answer_subscriptions<I: Io>(&mut self, io: &mut I, id: ConnId) {
        while let Some(mut client) = self.take_client(id) {
            let ready = client.session.subscribed_mut().and_then(Subscribed::pop_ready);
            let acks = ready.as_ref().map(|ready| self.grant(&mut client, &ready.wish));
            if ready.is_none() {
                self.recount_subscribed(&mut client);
            }
            self.put_client(client);
            let (Some(ready), Some(acks)) = (ready, acks) else { return };
            self.reply(io, id, ready.seq, Reply::Slice(&acks), ready.at);
        }
    }

    /// Answers the requests that wait for a feed with an error, and takes back what they subscribed to.
    pub(crate) fn feed_failed<I: Io>(&mut self, io: &mut I, pool: PoolKey, id: &FeedId, error: &[u8]) {
        let Some(feed) = self.pools[pool].feeds.get_mut(id.kind, &id.name) else { return };
        for client in std::mem::take(&mut feed.waiting) {
            self.fail_subscription(io, client, error, |request| request.missing.contains(id));
        }
    }

    /// Answers a client's first request to subscribe that this says with an error. False if there is none.
    pub(crate) fn fail_subscription<I: Io>(
        &mut self,
        io: &mut I,
        id: ConnId,
        error: &[u8],
        is_it: impl Fn(&Unanswered) -> bool,
    ) -> bool {
        let Some(mut client) = self.take_client(id) else { return false };
        let failed = client.session.subscribed_mut().and_then(|subscribed| subscribed.take_if(is_it));
        let Some(failed) = failed else {
            self.put_client(client);
            return false;
        };
        self.withdraw(&mut client, &failed.wish);
        self.recount_subscribed(&mut client);
        client.session.rest();
        self.pools[client.pool].stats.forward_error.inc();
        self.put_client(client);
        let error = if failed.is_silent { b"" } else { error };
        self.fail(io, id, failed.seq, error, failed.at);
        self.answer_subscriptions(io, id);
        true
    }

    fn recount_subscribed(&mut self, client: &mut Client) {
        if let Some(subscribed) = client.session.subscribed_mut() {
            let now = subscribed.memory();
            self.held.apply(Change::note(&mut subscribed.counted, now));
        }
    }

    /// The error of a request to subscribe that failed.
    pub(crate) fn subscription_error(&self, pool: PoolKey, failure: Failure) -> Vec<u8> {
        failure.reply(self.pools[pool].config.protocol)
    }
}

/// Appends an acknowledgement.
fn acknowledge(
    out: &mut Vec<u8>,
    (kind, ends): (FeedKind, bool),
    name: Option<&[u8]>,
    count: usize,
    version: Version,
) {
    let (begin, end) = kind.commands();
    encode::push(out, 3, version);
    encode::bulk(out, if ends { end } else { begin }.as_bytes());
    match name {
        Some(name) => encode::bulk(out, name),
        None => encode::null(out, version),
    }
    encode::integer(out, count as i64);
}

#[cfg(test)]
mod tests;
