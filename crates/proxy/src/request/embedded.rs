//! Requests to the embedded cache: executed at once, on this thread. A pool with such a server lives on one
//! shard.

use config::checked::Protocol;
use local::Surroundings;
use local::redis::Block;
use net::Io;
use telemetry::CommandClass;
use wire::redis::{Args, encode};

use crate::client::Client;
use crate::keys::ServerKey;
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::server::hits::Hits;

impl Proxy {
    /// Executes a request, with its reply in `scratch.local`. One that has to wait for an element says so,
    /// and the reply is that of a request that must not wait. With a `ready` key, one that waited looks at
    /// that key only.
    pub(super) fn execute_local<I: Io>(
        &mut self,
        io: &I,
        client: &Client,
        (server, class): (ServerKey, CommandClass),
        frame: &[u8],
        ready: Option<&[u8]>,
    ) -> Option<Block> {
        let pool = &self.pools[client.pool];
        let now_ms = wall_ms(io);
        let before = self.store.counters();
        let mut block = None;
        let reply = &mut self.scratch.local;
        reply.clear();
        match pool.config.protocol {
            Protocol::Redis => {
                let args: Vec<&[u8]> = Args::of(frame).into_iter().flatten().map(|a| a.bytes()).collect();
                let version = client.session.version();
                block = match ready {
                    None => self.store.execute_redis(&args, now_ms, version, reply),
                    Some(ready) => self.store.retry_redis(&args, ready, now_ms, version, reply),
                };
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
        let stats = &self.servers[server].stats;
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
        block
    }
}

/// Wall-clock time in milliseconds since 1970; a clock before that counts as 0.
pub(super) fn wall_ms<I: Io>(io: &I) -> u64 {
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
