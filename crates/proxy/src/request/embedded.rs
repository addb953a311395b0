//! Requests to the embedded cache: executed at once, on this thread. A pool with such a server lives on one
//! shard.

use config::checked::Protocol;
use local::redis::Block;
use local::{Audience, Store, Surroundings};
use net::Io;
use telemetry::CommandClass;
use wire::redis::{Args, encode};

use crate::client::Client;
use crate::keys::ServerKey;
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::request::publish_embedded::{kind_of, receivers};
use crate::server::hits::Hits;

impl Proxy {
    /// Brings near what the next requests of a client's input will ask the embedded cache for. Returns the
    /// number of requests after which to look again.
    pub(super) fn fetch_ahead(&self, client: &Client, input: &[u8]) -> usize {
        let is_embedded = |server: &ServerKey| self.servers[*server].is_local();
        if !self.pools[client.pool].servers.first().is_some_and(is_embedded) {
            return usize::MAX;
        }
        let mut keys: [&[u8]; Store::FETCH_AHEAD] = [b""; Store::FETCH_AHEAD];
        let (mut count, mut rest) = (0, input);
        for place in &mut keys {
            let Some((key, after)) = first_key(rest) else { break };
            *place = key;
            rest = after;
            count += 1;
        }
        if count > 1 {
            self.store.fetch_ahead(&keys[..count]);
        }
        count.max(1)
    }

    /// Executes a request, with its reply in `scratch.local`. One that has to wait for an element says so,
    /// and the reply is that of a request that must not wait. With a `ready` key, one that waited looks at
    /// that key only.
    pub(super) fn execute_local<I: Io>(
        &mut self,
        io: &mut I,
        client: &Client,
        (server, class): (ServerKey, CommandClass),
        frame: &[u8],
        ready: Option<&[u8]>,
    ) -> Option<Block> {
        let now_ms = wall_ms(io);
        let before = self.store.counters();
        let mut block = None;
        let protocol = self.pools[client.pool].config.protocol;
        let is_about_channels = protocol == Protocol::Redis && self.execute_about_channels(io, client, frame);
        let pool = &self.pools[client.pool];
        let reply = &mut self.scratch.local;
        if !is_about_channels {
            reply.clear();
        }
        match protocol {
            Protocol::Redis if is_about_channels => {}
            Protocol::Redis => {
                let version = client.session.version();
                let (store, feeds) = (&mut self.store, &pool.feeds);
                let receivers = |is_sharded, channel: &[u8]| receivers(feeds, kind_of(is_sharded), channel);
                let audience = Audience(&receivers);
                block = with_args(frame, |args| match ready {
                    None => store.execute_redis_for(args, now_ms, version, audience, reply),
                    Some(ready) => store.retry_redis(args, ready, now_ms, version, reply),
                });
                if block.is_some() {
                    encode::null_array(reply, version);
                }
            }
            Protocol::Memcache => {
                let (line, data) = halves(frame);
                if line.starts_with(b"stats") {
                    self.store.surroundings = surroundings(pool);
                }
                self.store.execute_memcache(line, data, now_ms / 1000, reply);
            }
        }
        self.hand_out_published(io, Some(client.pool));
        let (pool, stats) = (&self.pools[client.pool], &self.servers[server].stats);
        if is_error(pool.config.protocol, &self.scratch.local) {
            stats.error_replies.inc();
        }
        stats.requests.inc();
        stats.request_bytes.add(frame.len() as u64);
        stats.responses.inc();
        stats.response_bytes.add(self.scratch.local.len() as u64);
        // The clock does not move within a turn; execution usually takes less than a microsecond.
        stats.record_response(class, 0, 0);
        Hits::of_local(before, self.store.counters()).count(stats, &self.pools[client.pool].stats);
        self.note_local(io, client, (server, class), frame);
        block
    }

    /// Looks for entries of the embedded cache that have expired, if their ends are told. True if they are.
    pub(crate) fn sweep_embedded<I: Io>(&mut self, io: &mut I) -> bool {
        let tells = self.store.tells_of_ends();
        if tells {
            self.store.sweep(wall_ms(io));
            self.hand_out_published(io, None);
        }
        tells
    }
}

/// The key of a short request, and what follows it.
fn first_key(input: &[u8]) -> Option<(&[u8], &[u8])> {
    const ARGS_MAX: usize = 6;
    let mut args = Args::of(input).filter(|args| (2..=ARGS_MAX).contains(&args.count_left()))?;
    args.next()?;
    let key = args.next()?;
    let mut end = key.encoded_range().end;
    while args.count_left() > 0 {
        end = args.next()?.encoded_range().end;
    }
    Some((key.bytes(), input.get(end..)?))
}

/// Passes the arguments of a request on; few of them without an allocation.
fn with_args<R>(frame: &[u8], to: impl FnOnce(&[&[u8]]) -> R) -> R {
    let args = Args::of(frame).into_iter().flatten().map(|arg| arg.bytes());
    let mut few: [&[u8]; 6] = [b""; 6];
    let count = Args::of(frame).map_or(0, |args| args.count_left());
    match few.get_mut(..count) {
        Some(few) => {
            few.iter_mut().zip(args).for_each(|(place, arg)| *place = arg);
            to(few)
        }
        None => to(&args.collect::<Vec<_>>()),
    }
}

/// Wall-clock time in milliseconds since 1970; a clock before that counts as 0.
pub(crate) fn wall_ms<I: Io>(io: &I) -> u64 {
    u64::try_from(io.wall_time().0 / 1_000_000).unwrap_or(0)
}

fn surroundings(pool: &Pool) -> Surroundings {
    let stats = &pool.stats;
    Surroundings {
        connections: stats.client_connections.get(),
        connections_total: stats.client_accepts.get(),
        connections_refused: stats.client_refused.get(),
        connections_max: pool.config.client_connections,
        bytes_read: stats.client_request_bytes.get(),
        bytes_written: stats.client_reply_bytes.get(),
    }
}

/// The command line and the data block of a memcached request, without their line ends.
fn halves(frame: &[u8]) -> (&[u8], &[u8]) {
    let line_len = memchr::memchr(b'\n', frame).map_or(frame.len(), |at| at + 1);
    let (line, data) = frame.split_at(line_len);
    (bare(line), bare(data))
}

fn bare(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// True for an error reply.
pub(super) fn is_error(protocol: Protocol, reply: &[u8]) -> bool {
    match protocol {
        Protocol::Redis => reply.first() == Some(&b'-'),
        Protocol::Memcache => {
            [&b"ERROR"[..], b"CLIENT_ERROR", b"SERVER_ERROR"].iter().any(|word| reply.starts_with(word))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inputs, their first key, and what is left.
    #[test]
    fn keys_of_short_requests_are_seen_ahead() {
        let cases: [(&str, Option<(&str, &str)>); 7] = [
            ("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*2", Some(("k", "*2"))),
            ("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nvv\r\n", Some(("k", ""))),
            ("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nvv", None),
            ("*1\r\n$4\r\nPING\r\n", None),
            ("*7\r\n$4\r\nMGET\r\n", None),
            ("GET k\r\n", None),
            ("", None),
        ];
        for (input, expected) in cases {
            let expected = expected.map(|(key, rest)| (key.as_bytes(), rest.as_bytes()));
            assert_eq!(first_key(input.as_bytes()), expected, "{input}");
        }
    }

    #[test]
    fn many_requests_in_one_piece_are_answered_as_alone() {
        use crate::testing::{World, lines};
        let mut w = World::new("[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"local\"]\n");
        let mut requests: Vec<String> = (0..40).map(|n| format!("SET k{n} {n}")).collect();
        requests.push("RPUSH list x".to_owned());
        requests.extend((0..40).map(|n| format!("GET k{n}")));
        requests.extend(["LLEN list".to_owned(), "GET none".to_owned(), "GET".to_owned()]);
        let requests: Vec<&str> = requests.iter().map(String::as_str).collect();
        let client = w.ask(lines(&requests));
        let values: String = (0..40).map(|n| format!("${}\r\n{n}\r\n", n.to_string().len())).collect();
        let expected = format!("{}:1\r\n{values}:1\r\n$-1\r\n-ERR wrong number", "+OK\r\n".repeat(40));
        assert!(w.sent(client).starts_with(&expected), "{}", w.sent(client));
    }
}
