//! (d) A reply takes its place in the client's line, and leaves when its turn has come.

use net::{ConnId, Instant, Io};

use crate::client::{Reply, Seq, Wait};
use crate::proxy::Proxy;

impl Proxy {
    /// The reply of a server.
    #[inline]
    pub(crate) fn reply<I: Io>(&mut self, io: &mut I, id: ConnId, seq: Seq, reply: Reply<'_>, at: Instant) {
        self.put_reply(io, id, (seq, at), reply, true);
    }

    /// An error in the place of a server's reply: it says nothing about the length of the next ones.
    pub(crate) fn fail<I: Io>(&mut self, io: &mut I, id: ConnId, seq: Seq, error: &[u8], at: Instant) {
        self.put_reply(io, id, (seq, at), Reply::Slice(error), false);
    }

    #[inline]
    fn put_reply<I: Io>(
        &mut self,
        io: &mut I,
        id: ConnId,
        (seq, at): (Seq, Instant),
        reply: Reply<'_>,
        of_server: bool,
    ) {
        // A client that has gone away gets nothing.
        let Some(client) = self.client_mut(id) else { return };
        let before = client.held_bytes();
        let len = reply.len();
        if of_server {
            client.reply_size.note(len);
        }
        client.fulfil(io, seq, reply);
        let after = client.held_bytes();
        let (pool, waiting, session) = (client.pool, client.waiting(), &client.session);
        let (leaving, paused) = (session.leaving, session.paused);
        let change = client.recount();
        self.held.apply(change);
        let pool = &self.pools[pool];
        pool.count_reply(len);
        pool.stats.latency.record(io.now().since(at).as_micros() as u64);
        let waits = after + io.unsent(id);
        if waits > pool.config.client_output_hard_bytes {
            return self.overflow(io, id, waits);
        }
        if paused == Some(Wait::Reply)
            && (waiting <= pool.config.client_pipeline_max as usize / 2 || after < before)
        {
            self.resume_client(io, id, Wait::Reply);
        }
        if paused == Some(Wait::Changeover) && waiting == 0 {
            self.resume_client(io, id, Wait::Changeover);
        }
        if (leaving || self.hand_over.is_some())
            && waiting == 0
            && let Some(client) = self.take_client(id)
        {
            self.settle(io, client);
        }
    }
}
