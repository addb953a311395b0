//! (d) A reply takes its place in the client's line, and leaves when its turn has come.

use net::{ConnId, Instant, Io};

use crate::client::{Reply, Seq, Wait};
use crate::proxy::Proxy;

impl Proxy {
    #[inline]
    pub(crate) fn reply<I: Io>(&mut self, io: &mut I, id: ConnId, seq: Seq, reply: Reply<'_>, at: Instant) {
        // A client that has gone away gets nothing.
        let Some(client) = self.client_mut(id) else { return };
        let before = client.held_bytes();
        let len = reply.len();
        client.reply_size.note(len);
        client.fulfil(io, seq, reply);
        let after = client.held_bytes();
        let (pool, waiting, session) = (client.pool, client.waiting(), &client.session);
        let (leaving, paused) = (session.leaving, session.paused);
        let change = client.recount();
        self.held.apply(change);
        let pool = &self.pools[pool as usize];
        pool.count_reply(len);
        pool.stats.latency.record(io.now().since(at).as_micros() as u64);
        let waits = after + io.unsent(id);
        if waits > pool.config.client_output_hard_bytes {
            return self.overflow(io, id, waits);
        }
        if paused == Some(Wait::Reply)
            && (waiting <= pool.config.client_pipeline_max as usize / 2 || after < before)
        {
            self.read_again(io, id, Wait::Reply);
        }
        if leaving
            && waiting == 0
            && let Some(client) = self.take_client(id)
        {
            self.settle(io, client);
        }
    }
}
