//! A reply has met its request: who asked?

use net::Io;
use wire::memcache::Silence;

use crate::client::Reply;
use crate::fail::Failure;
use crate::place::Place;
use crate::proxy::Proxy;
use crate::response::receive::Found;
use crate::server_conn::{Owner, Pending};

impl Proxy {
    #[inline]
    pub(super) fn pair<I: Io>(
        &mut self,
        io: &mut I,
        place: Place,
        pending: &Pending,
        reply: Reply<'_>,
        found: &Found,
    ) {
        match pending.owner {
            Owner::Client(id, seq) => {
                let hidden = found.status.is_some_and(|status| pending.silence.hides(status));
                self.reply(io, id, seq, if hidden { Reply::Slice(b"") } else { reply }, pending.at);
            }
            Owner::Part(gather, part) => {
                let finished = if found.is_error {
                    self.gathers.fail(gather, reply.bytes())
                } else {
                    self.gathers.store(gather, part, reply.bytes())
                };
                if finished {
                    self.finish_gather(io, None, gather);
                }
            }
            Owner::Handshake(step) => self.handshake_reply(io, place, step, reply.bytes(), found.is_error),
        }
    }

    /// A request gets an error instead of a reply.
    pub(crate) fn fail_pending<I: Io>(&mut self, io: &mut I, pool: u16, pending: &Pending, failure: Failure) {
        let pool = &self.pools[pool as usize];
        let error = failure.reply(pool.config.protocol);
        match pending.owner {
            Owner::Client(id, seq) => {
                pool.stats.forward_error.inc();
                let hidden = pending.silence == Silence::Always;
                self.reply(io, id, seq, Reply::Slice(if hidden { b"" } else { &error }), pending.at);
            }
            Owner::Part(gather, _) => {
                pool.stats.forward_error.inc();
                if self.gathers.fail(gather, &error) {
                    self.finish_gather(io, None, gather);
                }
            }
            Owner::Handshake(_) => {}
        }
    }
}
