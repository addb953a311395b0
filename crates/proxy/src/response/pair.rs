//! A reply has met its request: who asked?

use net::Io;

use crate::client::Reply;
use crate::fail::Failure;
use crate::proxy::Proxy;
use crate::response::receive::Found;
use crate::server::Place;
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
            Owner::Client(id, seq) => self.reply(io, id, seq, reply, pending.at),
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
            Owner::Nobody => {}
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
                self.reply(io, id, seq, Reply::Slice(&error), pending.at);
            }
            Owner::Part(gather, _) => {
                pool.stats.forward_error.inc();
                if self.gathers.fail(gather, &error) {
                    self.finish_gather(io, None, gather);
                }
            }
            Owner::Nobody | Owner::Handshake(_) => {}
        }
    }
}
