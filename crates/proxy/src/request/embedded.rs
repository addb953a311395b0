//! A request for the embedded cache: executed at once, on this thread. A pool with such a server lives on one shard.

use config::checked::Protocol;
use net::Io;
use wire::redis::Args;
use wire::redis::encode::Version;

use crate::client::Client;
use crate::proxy::Proxy;

impl Proxy {
    /// Leaves the reply in `scratch.local`.
    pub(super) fn execute_local<I: Io>(&mut self, io: &I, client: &Client, server: u16, frame: &[u8]) {
        let pool = &self.pools[client.pool as usize];
        let now_ms = (io.wall_time().0 / 1_000_000) as u64;
        let reply = &mut self.scratch.local;
        reply.clear();
        match pool.config.protocol {
            Protocol::Redis => {
                let args: Vec<&[u8]> = Args::of(frame).into_iter().flatten().map(|a| a.bytes()).collect();
                let version = if client.session.resp3 { Version::Resp3 } else { Version::Resp2 };
                self.store.execute_redis(&args, now_ms, version, reply);
            }
            Protocol::Memcache => {}
        }
        let stats = &pool.stats.servers[server as usize];
        stats.requests.inc();
        stats.request_bytes.add(frame.len() as u64);
        stats.responses.inc();
        stats.response_bytes.add(self.scratch.local.len() as u64);
    }
}
