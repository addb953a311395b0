//! The subscription connection of a server: one per shard, over which all feeds come that have it as a source
//! ([`crate::feeds`]).
//!
//! ```text
//! place ▸ SUBSCRIBE c ▸ acknowledged ▸ the feed is on            messages ▸ response/message
//!   ▲                 ▸ refused      ▸ its clients get the error
//!   └── lost, moved, the server ejected: asked again, at once and then every RETRY
//! ```
//! Each channel has a request of its own: one that a server declines fails no other. The connection speaks
//! RESP3 and gets a PING when nothing has come for [`QUIET_MAX`], so that a dead one is noticed.
//!
//! In a cluster each node passes messages on to all others, so that one node is enough; events of the key
//! space stay on their node, and their channels have all masters as sources.

use std::time::Duration;

use net::{Instant, Io};

use crate::alarm::Alarm;
use crate::fail::Failure;
use crate::feeds::{Asked, FeedId, FeedKind, Feeds, Source, is_keyspace, may_be_keyspace};
use crate::keys::{LaneKey, PoolKey, ServerKey};
use crate::notice::Notice;
use crate::proxy::Proxy;
use crate::request::Frame;
use crate::server::Server;
use crate::server::command::command;
use crate::server::kept::Keep;
use crate::server::pending::{Owner, Pending};

/// Time between attempts to place feeds that lack a source.
const RETRY: Duration = Duration::from_millis(100);
/// Silence of a subscription connection after which it gets a PING.
const QUIET_MAX: Duration = Duration::from_secs(5);
/// Time that a request to subscribe may wait in a pool without a timeout.
const WAIT_MAX: Duration = Duration::from_secs(5);

impl Server {
    /// Number of the subscription connection's lane.
    pub(crate) fn subscription_lane(&self) -> u16 {
        self.probe_lane() + 1
    }
}

impl Proxy {
    /// The servers that should be sources of a feed.
    fn sources_of(&mut self, pool: PoolKey, id: &FeedId) -> Vec<ServerKey> {
        let Proxy { pools, servers, .. } = self;
        let pool = &mut pools[pool];
        let of_all = match id.kind {
            FeedKind::Channel => is_keyspace(&id.name),
            FeedKind::Pattern => pool.placement.slots().is_none() || may_be_keyspace(&id.name),
            FeedKind::Sharded => false,
        };
        let slots = pool.placement.slots();
        let takes = |server: &ServerKey| {
            servers[*server].is_in_ring() && slots.is_none_or(|slots| slots.is_owner(*server))
        };
        if of_all {
            return pool.servers.iter().copied().filter(takes).collect();
        }
        if id.kind != FeedKind::Sharded && slots.is_some() {
            // Any node will do: it is left only when it leaves.
            let feed = pool.feeds.get_mut(id.kind, &id.name);
            let before = feed.and_then(|feed| feed.sources.iter().find(|source| source.wanted));
            if let Some(source) = before.filter(|source| pool.servers.contains(&source.server)) {
                return vec![source.server];
            }
        }
        pool.placement.home_of_key(&id.name).into_iter().collect()
    }

    /// Asks the servers of a feed for it, and tells others that it is not wanted any more. Fails if one of
    /// them cannot be asked now, which is tried again as long as the feed has subscribers.
    pub(crate) fn place_feed<I: Io>(
        &mut self,
        io: &mut I,
        pool: PoolKey,
        id: &FeedId,
    ) -> Result<(), Failure> {
        let is_here = self.is_over_local(pool);
        let Some(feed) = self.pools[pool].feeds.get_mut(id.kind, &id.name) else { return Ok(()) };
        let wanted = if feed.live > 0 && !is_here { self.sources_of(pool, id) } else { Vec::new() };
        self.leave_sources(io, pool, id, &wanted);
        let mut outcome = Ok(());
        for server in &wanted {
            let feed = self.pools[pool].feeds.get_mut(id.kind, &id.name);
            if feed.and_then(|feed| feed.source_mut(*server)).is_some_and(|source| source.wanted) {
                continue;
            }
            match self.ask_for_feed(io, *server, id, false) {
                Ok(()) => self.note_asked(pool, id, *server),
                Err(failure) => outcome = Err(failure),
            }
        }
        let feeds = &mut self.pools[pool].feeds;
        let Some(feed) = feeds.get_mut(id.kind, &id.name) else { return Ok(()) };
        if feed.live == 0 {
            feed.placed = false;
            if feed.sources.is_empty() {
                feeds.remove(id);
            }
            return Ok(());
        }
        if is_here {
            // Those who publish are the embedded cache's own clients.
            feed.placed = true;
            self.keep_feeds_later(io, QUIET_MAX);
            return Ok(());
        }
        feed.placed = outcome.is_ok() && !wanted.is_empty();
        if !feed.placed {
            self.place_later(io, pool);
            return outcome.and(Err(Failure::Refused));
        }
        self.keep_feeds_later(io, QUIET_MAX);
        Ok(())
    }

    fn note_asked(&mut self, pool: PoolKey, id: &FeedId, server: ServerKey) {
        let Some(feed) = self.pools[pool].feeds.get_mut(id.kind, &id.name) else { return };
        match feed.source_mut(server) {
            Some(source) => (source.wanted, source.asked) = (true, source.asked + 1),
            None => feed.sources.push(Source { server, wanted: true, asked: 1 }),
        }
    }

    /// Ends the subscriptions of a feed at servers other than these.
    fn leave_sources<I: Io>(&mut self, io: &mut I, pool: PoolKey, id: &FeedId, wanted: &[ServerKey]) {
        let Some(feed) = self.pools[pool].feeds.get_mut(id.kind, &id.name) else { return };
        let others = feed.sources.iter().filter(|source| source.wanted && !wanted.contains(&source.server));
        for server in others.map(|source| source.server).collect::<Vec<_>>() {
            let is_open = self.servers.get(server).is_some_and(|it| it.is_open(it.subscription_lane()));
            let asked = is_open && self.ask_for_feed(io, server, id, true).is_ok();
            let feed = self.pools[pool].feeds.get_mut(id.kind, &id.name);
            if let Some(source) = feed.and_then(|feed| feed.source_mut(server)) {
                (source.wanted, source.asked) = (false, if asked { source.asked + 1 } else { 0 });
            }
        }
        if let Some(feed) = self.pools[pool].feeds.get_mut(id.kind, &id.name) {
            let servers = &self.servers;
            feed.sources.retain(|source| !source.is_over() && servers.get(source.server).is_some());
        }
    }

    /// Sends a server one request about a feed.
    fn ask_for_feed<I: Io>(
        &mut self,
        io: &mut I,
        server: ServerKey,
        id: &FeedId,
        ends: bool,
    ) -> Result<(), Failure> {
        let lane = LaneKey { server, number: self.servers[server].subscription_lane() };
        let (begin, end) = id.kind.commands();
        let request = command(&[if ends { end } else { begin }.as_bytes(), &id.name]);
        let pending = Pending::new(Owner::Subscription, io.now(), request.len());
        self.enqueue(io, lane, Frame::Slice(&request), pending, Keep::default())?;
        self.servers[server].asked.push_back(Asked { id: id.clone(), ends });
        Ok(())
    }

    /// Handles a server's acknowledgement. False if it was not asked for it: the server has ended the
    /// subscription by itself, since the slot of the channel has moved.
    pub(crate) fn feed_acknowledged<I: Io>(
        &mut self,
        io: &mut I,
        server: ServerKey,
        (kind, name, ends): (FeedKind, &[u8], bool),
    ) -> bool {
        let pool = self.servers[server].pool;
        let asked = &mut self.servers[server].asked;
        let is_it = |asked: &Asked| asked.ends == ends && asked.id.kind == kind && *asked.id.name == *name;
        let Some(Asked { id, .. }) = asked.pop_front_if(|asked| is_it(asked)) else {
            if let Some(feed) = self.pools[pool].feeds.get_mut(kind, name) {
                feed.placed = false;
                feed.source_mut(server).into_iter().for_each(|source| source.wanted &= !ends);
            }
            self.place_later(io, pool);
            self.doubt(io.now(), pool);
            return false;
        };
        self.end_asked(pool, server, &id);
        self.feed_is_on_if_so(io, pool, &id);
        true
    }

    /// Counts a request about a feed as answered, and drops what is over.
    fn end_asked(&mut self, pool: PoolKey, server: ServerKey, id: &FeedId) {
        let feeds = &mut self.pools[pool].feeds;
        let Some(feed) = feeds.get_mut(id.kind, &id.name) else { return };
        if let Some(source) = feed.source_mut(server) {
            source.asked = source.asked.saturating_sub(1);
        }
        feed.sources.retain(|source| !source.is_over());
        if feed.live == 0 && feed.sources.is_empty() {
            feeds.remove(id);
        }
    }

    fn feed_is_on_if_so<I: Io>(&mut self, io: &mut I, pool: PoolKey, id: &FeedId) {
        let feed = self.pools[pool].feeds.get_mut(id.kind, &id.name);
        if feed.is_some_and(|feed| feed.is_on()) {
            self.feed_is_on(io, pool, id);
        }
    }

    /// Handles a server's refusal of the oldest request about a feed. A cluster's "not here" and "not now" is
    /// asked again; anything else is an error for the clients that wait.
    pub(crate) fn feed_refused<I: Io>(&mut self, io: &mut I, server: ServerKey, error: &[u8]) {
        let pool = self.servers[server].pool;
        let Some(Asked { id, ends }) = self.servers[server].asked.pop_front() else { return };
        if ends {
            return self.end_asked(pool, server, &id);
        }
        if let Some(feed) = self.pools[pool].feeds.get_mut(id.kind, &id.name) {
            feed.placed = false;
            feed.source_mut(server).into_iter().for_each(|source| source.wanted &= source.asked > 1);
        }
        self.end_asked(pool, server, &id);
        let later = [&b"-MOVED "[..], b"-ASK ", b"-TRYAGAIN", b"-CLUSTERDOWN", b"-LOADING", b"-MASTERDOWN"];
        if later.iter().any(|code| error.starts_with(code)) {
            self.doubt(io.now(), pool);
        } else {
            self.feed_failed(io, pool, &id, error);
        }
        self.place_later(io, pool);
    }

    /// Handles the loss of a subscription connection: its feeds are asked for again, and clients that wait
    /// for an acknowledgement get an error.
    pub(crate) fn sources_lost<I: Io>(&mut self, io: &mut I, lane: LaneKey, failure: Failure) {
        let server = &mut self.servers[lane.server];
        let pool = server.pool;
        server.asked.clear();
        let names = server.names();
        let Some(of_pool) = self.pools.get_mut(pool) else { return };
        let (mut lost, mut waited) = (0, Vec::new());
        for id in of_pool.feeds.ids() {
            let Some(feed) = of_pool.feeds.get_mut(id.kind, &id.name) else { continue };
            let Some(source) = feed.source_mut(lane.server) else { continue };
            lost += u64::from(source.is_on() && feed.live > 0);
            feed.sources.retain(|source| source.server != lane.server);
            feed.placed = false;
            if feed.live == 0 {
                self.fan_out.left.push((pool, id));
            } else if !feed.waiting.is_empty() {
                waited.push(id);
            }
        }
        if lost > 0 {
            of_pool.stats.subscriptions_lost.add(lost);
            let (pool, server) = names;
            (self.notify)(Notice::SubscriptionsLost { pool, server, count: lost });
        }
        let error = self.subscription_error(pool, failure);
        for id in waited {
            self.feed_failed(io, pool, &id, &error);
        }
        self.pools[pool].feeds.moved = !self.pools[pool].feeds.is_empty();
    }

    /// Has the feeds of a pool placed again in a while.
    fn place_later<I: Io>(&mut self, io: &mut I, pool: PoolKey) {
        self.pools[pool].feeds.unsettled = true;
        self.keep_feeds_later(io, RETRY);
    }

    /// True if feeds were left, or have to move, in this turn.
    #[inline]
    pub(crate) fn has_feeds_to_settle(&self) -> bool {
        let moved = || self.pools.values().any(|pool| pool.feeds.moved);
        !self.fan_out.left.is_empty() || (self.fan_out.timer.is_some() && moved())
    }

    /// Ends the feeds that were left in this turn, and places those whose servers have changed.
    #[cold]
    pub(crate) fn settle_feeds<I: Io>(&mut self, io: &mut I) {
        for (pool, id) in std::mem::take(&mut self.fan_out.left) {
            if self.pools.get(pool).is_some() {
                let _ = self.place_feed(io, pool, &id);
            }
        }
        self.place_feeds(io, |feeds| feeds.moved);
    }

    /// Places the feeds of the pools that this says.
    fn place_feeds<I: Io>(&mut self, io: &mut I, which: impl Fn(&Feeds) -> bool) {
        let pools = self.pools.iter().filter(|(_, pool)| which(&pool.feeds));
        for pool in pools.map(|(pool, _)| pool).collect::<Vec<_>>() {
            let feeds = &mut self.pools[pool].feeds;
            (feeds.moved, feeds.unsettled) = (false, false);
            for id in feeds.ids() {
                if self.place_feed(io, pool, &id).is_ok() {
                    self.feed_is_on_if_so(io, pool, &id);
                }
            }
        }
    }

    fn keep_feeds_later<I: Io>(&mut self, io: &mut I, after: Duration) {
        let at = io.now() + after;
        match self.fan_out.timer {
            Some((_, due)) if due <= at => return,
            Some((timer, _)) => io.cancel_timer(timer),
            None => {}
        }
        self.fan_out.timer = Some((io.set_timer(at, Alarm::Feeds.token()), at));
    }

    /// Places feeds that lack a source, fails requests that have waited for too long, and looks for dead
    /// subscription connections.
    pub(crate) fn keep_feeds<I: Io>(&mut self, io: &mut I) {
        self.fan_out.timer = None;
        self.place_feeds(io, |feeds| feeds.unsettled);
        self.fail_late_subscriptions(io);
        let now = io.now();
        let keys: Vec<ServerKey> = self.servers.values().map(|server| server.key).collect();
        for server in keys {
            self.check_sources(io, server, now);
        }
        // Whatever is lost or moved meanwhile: while there are feeds there is a timer.
        if self.pools.values().any(|pool| !pool.feeds.is_empty()) {
            self.keep_feeds_later(io, QUIET_MAX);
        }
    }

    /// Sends a server that is a source a PING if nothing has come from it for a while.
    fn check_sources<I: Io>(&mut self, io: &mut I, server: ServerKey, now: Instant) {
        let number = self.servers[server].subscription_lane();
        let conn = &self.servers[server].conns[number as usize];
        let pool = self.pools.get(self.servers[server].pool);
        if conn.conn.is_none() || pool.is_none_or(|pool| pool.feeds.is_empty()) {
            return;
        }
        if conn.line.is_empty() && conn.progress + QUIET_MAX / 2 < now {
            let request = command(&[b"PING"]);
            let pending = Pending::new(Owner::Unwanted, now, request.len());
            let lane = LaneKey { server, number };
            let _ = self.enqueue(io, lane, Frame::Slice(&request), pending, Keep::default());
        }
    }

    fn fail_late_subscriptions<I: Io>(&mut self, io: &mut I) {
        let now = io.now();
        let mut late = Vec::new();
        for (key, pool) in self.pools.iter() {
            let kinds = [FeedKind::Channel, FeedKind::Pattern, FeedKind::Sharded];
            let feeds = kinds.iter().flat_map(|kind| pool.feeds.of_kind(*kind).values());
            let timeout = pool.config.timeout.unwrap_or(WAIT_MAX);
            late.extend(feeds.flat_map(|feed| &feed.waiting).map(|client| (key, *client, timeout)));
        }
        for (pool, client, timeout) in late {
            let error = self.subscription_error(pool, Failure::TimedOut);
            while self.fail_subscription(io, client, &error, |request| request.at + timeout <= now) {}
        }
    }
}
