//! Replies that are looked at, and what is noted of them: in the slow log, and by the watch on the pool's
//! keys. Which replies these are is decided by `notable`.
//!
//! The embedded cache's answers are looked at as well, but are never slow.

use config::checked::Protocol;
use net::{Instant, Io};
use telemetry::{BigReply, CommandClass, KeyReport};

use crate::client::Client;
use crate::hot_keys::{KeyWatch, Sampled};
use crate::keys::{LaneKey, PoolKey, ServerKey};
use crate::proxy::Proxy;
use crate::request::wall_ms;
use crate::server::slow::who;
use crate::server::{Server, arguments};

/// A request and its reply, as the watch on keys sees them.
#[derive(Clone, Copy)]
struct Exchange<'a> {
    class: CommandClass,
    beginning: &'a [u8],
    request_bytes: usize,
    reply_bytes: usize,
}

impl Server {
    /// True if the reply to the oldest request of a connection is to be looked at.
    #[inline]
    pub(crate) fn is_notable(&mut self, lane: u16, len: usize, now: Instant) -> bool {
        let us = self.waited_us(lane, now);
        self.notable.takes(len, us)
    }

    /// Time since the oldest request of a connection was accepted, in microseconds.
    #[inline]
    pub(crate) fn waited_us(&self, lane: u16, now: Instant) -> u64 {
        let front = self.conns[lane as usize].line.front();
        front.map_or(0, |pending| now.micros_since(pending.at))
    }
}

impl Proxy {
    /// Looks at the reply to the oldest request of a connection.
    #[cold]
    pub(crate) fn note_reply<I: Io>(&mut self, io: &I, lane: LaneKey, reply_bytes: usize) {
        let server = &self.servers[lane.server];
        let conn = &server.conns[lane.number as usize];
        let Some(pending) = conn.line.front().copied() else { return };
        if pending.owner.is_ours() {
            return;
        }
        if io.now().micros_since(pending.at) >= server.notable.slow_us {
            self.log_slow_reply(io, lane, reply_bytes);
        }
        let server = &mut self.servers[lane.server];
        let (conn, is_big) = (&server.conns[lane.number as usize], reply_bytes >= server.notable.big_min);
        let exchange = Exchange {
            class: pending.counted.class,
            beginning: conn.kept.beginning(&pending),
            request_bytes: pending.len as usize,
            reply_bytes,
        };
        let Some(pool) = self.pools.get_mut(server.pool) else { return };
        let protocol = server.config.protocol;
        if server.notable.is_sampled() {
            let watch = pool.watch_keys(io.now(), self.seed);
            server.notable.until_sample = sample(watch, protocol, &server.identity, exchange);
        }
        if is_big {
            let asker = if conn.expired == 0 { Some(pending) } else { None };
            let reply = big_reply(io, protocol, &server.identity, exchange);
            let client = asker.and_then(|pending| self.asker(&pending)).and_then(|id| self.client_mut(id));
            let from = client.map(|client| who(&client.session).0).unwrap_or_default();
            self.add_big_reply(lane.server, BigReply { client: from, ..reply });
        }
    }

    /// Looks at an answer of the embedded cache, which is in `scratch.local`.
    #[inline]
    pub(crate) fn note_local<I: Io>(
        &mut self,
        io: &I,
        client: &Client,
        (key, class): (ServerKey, CommandClass),
        request: &[u8],
    ) {
        let reply_bytes = self.scratch.local.len();
        if self.servers[key].notable.takes(reply_bytes, 0) {
            self.note_local_reply(
                io,
                client,
                key,
                Exchange { class, beginning: request, request_bytes: request.len(), reply_bytes },
            );
        }
    }

    #[cold]
    fn note_local_reply<I: Io>(&mut self, io: &I, client: &Client, key: ServerKey, exchange: Exchange<'_>) {
        let (server, pool) = (&mut self.servers[key], &mut self.pools[client.pool]);
        let is_big = exchange.reply_bytes >= server.notable.big_min;
        let protocol = server.config.protocol;
        if server.notable.is_sampled() {
            let watch = pool.watch_keys(io.now(), self.seed);
            server.notable.until_sample = sample(watch, protocol, &server.identity, exchange);
        }
        if is_big {
            let reply = big_reply(io, protocol, &server.identity, exchange);
            self.add_big_reply(key, BigReply { client: who(&client.session).0, ..reply });
        }
    }

    fn add_big_reply(&mut self, server: ServerKey, reply: BigReply) {
        let pool = self.servers[server].pool;
        if let Some(watch) = self.pools.get_mut(pool).and_then(|pool| pool.key_watch.as_mut()) {
            if reply.bytes as usize >= watch.big_min() {
                watch.add_reply(reply);
            }
            let big_min = watch.big_min();
            self.set_big_min(pool, big_min);
        }
    }

    fn set_big_min(&mut self, pool: PoolKey, big_min: usize) {
        let servers: Vec<ServerKey> = self.pools[pool].all_servers().collect();
        for key in servers {
            self.servers[key].notable.big_min = big_min;
        }
    }

    /// Adjusts the watches on keys, and publishes what they have found.
    pub(crate) fn maintain_key_watches<I: Io>(&mut self, io: &I) {
        let (now, at_ms, shard) = (io.now(), wall_ms(io), self.shard);
        let mut begun_anew = Vec::new();
        for (key, pool) in self.pools.iter_mut() {
            if !pool.config.hot_keys && pool.key_watch.take().is_some() {
                pool.key_reports.publish(shard, KeyReport::default());
            }
            let Some(watch) = &mut pool.key_watch else { continue };
            if watch.maintain(now) {
                begun_anew.push((key, watch.big_min()));
            }
            if let Some(report) = watch.report(now, at_ms)
                && !pool.key_reports.publish(shard, report)
            {
                watch.report_again();
            }
        }
        for (pool, big_min) in begun_anew {
            self.set_big_min(pool, big_min);
        }
    }
}

/// Adds a request to the watch of its pool. Returns the distance of the next sample.
fn sample(watch: &mut KeyWatch, protocol: Protocol, server: &str, exchange: Exchange<'_>) -> u32 {
    let (writes, bytes) = match exchange.class {
        CommandClass::Read => (false, exchange.reply_bytes),
        CommandClass::Write => (true, exchange.request_bytes),
        CommandClass::Other => return watch.next_in(),
    };
    if let Some((key, key_len)) = arguments::key(protocol, exchange.beginning) {
        watch.add(Sampled { key, key_len, server, writes, bytes, weight: 1 });
    }
    watch.next_in()
}

/// A big reply, without its client.
fn big_reply<I: Io>(io: &I, protocol: Protocol, server: &str, exchange: Exchange<'_>) -> BigReply {
    let (arguments, _, key_at) = arguments::first(protocol, exchange.beginning);
    BigReply {
        bytes: exchange.reply_bytes as u64,
        command: arguments.first().map(|name| name.to_string().to_lowercase()).unwrap_or_default(),
        key: key_at.and_then(|at| arguments.get(at)).cloned(),
        server: server.to_owned(),
        client: String::new(),
        at_ms: wall_ms(io),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use telemetry::HotKey;

    use super::*;
    use crate::testing::{World, lines, settings};

    const POOL: &str =
        "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\nhot_keys = true\n";

    fn report(w: &mut World) -> KeyReport {
        w.pass_time(Duration::from_millis(1100));
        let reports = w.proxy.pools.values().next().expect("a pool").key_reports.clone();
        reports.merged(wall_ms(&w.io))
    }

    fn keys(report: &KeyReport) -> Vec<String> {
        report.keys.iter().map(|key| key.key.to_string()).collect()
    }

    #[test]
    fn the_hottest_keys_are_found_with_their_rates() {
        let mut w = World::new(POOL);
        let client = w.ask(lines(&["get warm"]));
        let server = w.server(0);
        w.receive(server, b"$-1\r\n");
        let (value, get) = ("v".repeat(100), lines(&["get hot"]));
        let set = lines(&[&format!("set hot {value}")]);
        for n in 0..20_000 {
            w.io.now = w.io.now + Duration::from_micros(100);
            let (request, reply) = match n % 4 {
                0 => (&set, "+OK\r\n".to_owned()),
                _ => (&get, format!("$100\r\n{value}\r\n")),
            };
            w.receive(client, request);
            w.receive(server, reply.as_bytes());
        }
        let report = report(&mut w);
        let hot: &HotKey = &report.keys[0];
        assert_eq!((hot.key.to_string().as_str(), hot.server.as_str()), ("hot", "a"));
        // 20,000 requests in 3.1 seconds.
        assert!((4500.0..8500.0).contains(&hot.requests()), "{hot:?}");
        assert!((hot.writes / hot.requests() - 0.25).abs() < 0.08, "{hot:?}");
        assert!((hot.read_bytes / hot.reads - 108.0).abs() < 0.1, "{hot:?}");
        assert!((hot.write_bytes / hot.writes - set.len() as f64).abs() < 0.1, "{hot:?}");
    }

    #[test]
    fn big_replies_are_found_with_their_clients() {
        let mut w = World::new(POOL);
        w.ask(lines(&["get small", "get big", "get big", "lrange list 0 -1"]));
        let server = w.server(0);
        let bulk = |len: usize| format!("${len}\r\n{}\r\n", "x".repeat(len));
        let replies = [bulk(100), bulk(5000), bulk(6000), format!("*1\r\n{}", bulk(9000))];
        w.receive(server, replies.concat().as_bytes());
        let report = report(&mut w);
        let found: Vec<(String, u64, String)> =
            report.replies.iter().map(|r| (r.command.clone(), r.bytes, r.client.clone())).collect();
        assert_eq!(found, [("lrange".into(), 9013, "unix:0".into()), ("get".into(), 6009, "unix:0".into())]);
        let key = report.replies[0].key.as_ref().map(ToString::to_string);
        assert_eq!(key.as_deref(), Some("list"));
    }

    #[test]
    fn the_embedded_cache_is_watched_too_and_the_watch_can_be_turned_off() {
        let local = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"local\"]\n";
        let watched = format!("{local}hot_keys = true\n");
        let mut w = World::new(&watched);
        let client = w.ask(lines(&[&format!("set k {}", "x".repeat(5000))]));
        for _ in 0..200 {
            w.receive(client, &lines(&["get k"]));
        }
        let found = report(&mut w);
        assert_eq!((keys(&found), found.replies[0].bytes), (vec!["k".to_owned()], 5009));
        w.reload(settings(local));
        w.receive(client, &lines(&["get k"]));
        assert_eq!(report(&mut w), KeyReport::default());
        w.reload(settings(&watched));
        w.receive(client, &lines(&["get k"]));
        assert_eq!(keys(&report(&mut w)), ["k"]);
    }

    #[test]
    fn memcached_keys_are_found() {
        let mut w = World::new(&format!("{POOL}protocol = \"memcache\"\n"));
        w.ask(b"gets k other\r\n");
        let server = w.server(0);
        w.receive(server, b"END\r\n");
        assert_eq!(keys(&report(&mut w)), ["k"]);
    }
}
