//! Hits and misses: keys that were read one by one, and found or not, as replies show it.
//!
//! | request | hit | miss |
//! |---|---|---|
//! | any read whose reply is a string or null (GET, HGET, …) | `$n` | `$-1`, `_` |
//! | MGET | each such element | each such element |
//! | get, gets, gat, gats | a VALUE block | a key without one |
//! | mg | `HD`, `VA` | `EN` |
//!
//! Other replies are not counted: of an empty list nobody knows whether it was to be there. Nor are replies
//! that are streamed.

use telemetry::{CommandClass, Counter, PoolStats, ServerStats};
use wire::memcache::{Expect, ReplyKind, Status};
use wire::redis::Elements;

/// Use of a reply by the counters, known from its request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Class of the command.
    pub(crate) class: CommandClass,
    /// The reply has a value, or null, for each key (MGET).
    pub(crate) is_of_many: bool,
}

/// Keys found and not found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Hits {
    hits: u64,
    misses: u64,
}

impl Hits {
    /// Hits and misses of a Redis reply.
    #[inline]
    pub(crate) fn of_redis(counted: Counted, reply: &[u8]) -> Hits {
        let is_of_many = counted.is_of_many;
        match reply {
            _ if counted.class != CommandClass::Read => Hits::default(),
            [b'$', b'-', ..] | [b'_', ..] => Hits { hits: 0, misses: 1 },
            [b'$' | b'=', ..] => Hits { hits: 1, misses: 0 },
            [b'*' | b'|', ..] if is_of_many => Hits::of_elements(reply),
            _ => Hits::default(),
        }
    }

    fn of_elements(reply: &[u8]) -> Hits {
        let Some(elements) = Elements::of_array(reply) else { return Hits::default() };
        let all = elements.left() as u64;
        let misses = elements.nulls() as u64;
        Hits { hits: all - misses, misses }
    }

    /// Hits and misses of a memcached reply with so many VALUE blocks.
    pub(crate) fn of_memcache(expect: Expect, status: Status, values: u32) -> Hits {
        let (hits, keys) = match (expect.kind, status) {
            (ReplyKind::Values | ReplyKind::ValuesCas, Status::End) => (values, expect.keys),
            (ReplyKind::MetaGet, Status::Header | Status::Value) => (1, 1),
            (ReplyKind::MetaGet, Status::Miss) => (0, 1),
            _ => (0, 0),
        };
        Hits { hits: u64::from(hits), misses: u64::from(keys.saturating_sub(hits)) }
    }

    /// Hits and misses of a request to the embedded cache, from its counters.
    pub(crate) fn of_local(before: local::Counters, now: local::Counters) -> Hits {
        let hits = now.get_hits.wrapping_sub(before.get_hits);
        Hits { hits, misses: now.gets.wrapping_sub(before.gets).saturating_sub(hits) }
    }

    /// Adds others to them.
    #[inline]
    pub(crate) fn add(&mut self, others: Hits) {
        self.hits += others.hits;
        self.misses += others.misses;
    }

    /// Adds them to the counters of a server and its pool.
    #[inline]
    pub(crate) fn count(self, server: &ServerStats, pool: &PoolStats) {
        let add = |n: u64, counters: [&Counter; 2]| {
            if n > 0 {
                counters.into_iter().for_each(|counter| counter.add(n));
            }
        };
        add(self.hits, [&server.hits, &pool.hits]);
        add(self.misses, [&server.misses, &pool.misses]);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{World, lines};

    /// Hits and misses of the only server after these requests and replies; the pool has the same.
    fn after(protocol: &str, requests: &[u8], replies: &str) -> (u64, u64) {
        let pool = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\nprotocol = ";
        let mut w = World::new(&format!("{pool}\"{protocol}\"\n"));
        let client = w.ask(requests);
        let server = w.server(0);
        w.receive(server, replies.as_bytes());
        assert_eq!(w.sent(client), replies, "{protocol}");
        let (server, pool) = (w.proxy.servers.values().next(), w.proxy.pools.values().next());
        let (server, pool) = (&server.expect("a server").stats, &pool.expect("a pool").stats);
        let counts = (server.hits.get(), server.misses.get());
        assert_eq!((pool.hits.get(), pool.misses.get()), counts);
        counts
    }

    #[test]
    fn keys_found_and_not_found() {
        let redis: [(&[&str], &str, (u64, u64)); 7] = [
            (&["get k"], "$1\r\nv\r\n", (1, 0)),
            (&["get k", "hget k f"], "$-1\r\n$0\r\n\r\n", (1, 1)),
            (&["mget a b c"], "*3\r\n$-1\r\n$1\r\nv\r\n$-1\r\n", (1, 2)),
            (&["lrange k 0 1", "strlen k"], "*1\r\n$-1\r\n:0\r\n", (0, 0)),
            (&["get k"], "-WRONGTYPE\r\n", (0, 0)),
            (&["set k v", "getset k v"], "+OK\r\n$-1\r\n", (0, 0)),
            (&["mget a"], "-LOADING\r\n", (0, 0)),
        ];
        for (requests, replies, counts) in redis {
            assert_eq!(after("redis", &lines(requests), replies), counts, "{requests:?}");
        }
        let memcached = [
            ("get a b\r\n", "VALUE b 0 1\r\nv\r\nEND\r\n", (1, 1)),
            ("gets a\r\n", "END\r\n", (0, 1)),
            ("mg a\r\nmg a v\r\nmg a\r\n", "HD\r\nVA 1\r\nv\r\nEN\r\n", (2, 1)),
            ("get a\r\n", "SERVER_ERROR x\r\n", (0, 0)),
            ("delete a\r\nincr a 1\r\n", "NOT_FOUND\r\n1\r\n", (0, 0)),
        ];
        for (requests, replies, counts) in memcached {
            assert_eq!(after("memcache", requests.as_bytes(), replies), counts, "{requests:?}");
        }
    }

    #[test]
    fn the_embedded_cache_counts_its_own() {
        let pool = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"local\"]\n";
        let mut w = World::new(pool);
        w.ask(lines(&["set a 1", "get a", "get b", "mget a b"]));
        let stats = &w.proxy.pools.values().next().expect("a pool").stats;
        assert_eq!((stats.hits.get(), stats.misses.get()), (2, 2));
    }
}
