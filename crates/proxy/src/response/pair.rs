//! A reply has met its request: who asked?

use net::Io;
use wire::memcache::Silence;

use crate::client::Reply;
use crate::fail::Failure;
use crate::gather::GatherId;
use crate::keys::LaneKey;
use crate::proxy::Proxy;
use crate::server::pending::{Owner, Pending};
use crate::server::scan::Found;

impl Proxy {
    #[inline]
    pub(super) fn pair<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
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
                    self.fail_part(gather, lane, reply.bytes())
                } else {
                    self.gathers.store(gather, part, reply.bytes())
                };
                if finished {
                    self.finish_gather(io, None, gather);
                }
            }
            Owner::Handshake(step) => self.handshake_reply(io, lane, step, reply.bytes(), found.is_error),
        }
    }

    /// A part has failed at its server; true once no part is missing. A request that went to every server gets an error that
    /// says which of them it is from, behind the server's own words: clients look at how an error begins.
    pub(crate) fn fail_part(&mut self, gather: GatherId, lane: LaneKey, error: &[u8]) -> bool {
        match error.strip_suffix(b"\r\n") {
            Some(text) if self.gathers.get_mut(gather).names_servers && text.starts_with(b"-") => {
                let server = self.servers[lane.server].identity.as_bytes();
                let named = [text, b" (server ", server, b")\r\n"].concat();
                self.gathers.fail(gather, &named)
            }
            _ => self.gathers.fail(gather, error),
        }
    }

    /// A request gets an error instead of a reply.
    pub(crate) fn fail_pending<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        pending: &Pending,
        failure: Failure,
    ) {
        let server = &self.servers[lane.server];
        let error = failure.reply(server.config.protocol);
        match pending.owner {
            Owner::Client(id, seq) => {
                server.pool_stats.forward_error.inc();
                let hidden = pending.silence == Silence::Always;
                self.fail(io, id, seq, if hidden { b"" } else { &error }, pending.at);
            }
            Owner::Part(gather, _) => {
                server.pool_stats.forward_error.inc();
                if self.fail_part(gather, lane, &error) {
                    self.finish_gather(io, None, gather);
                }
            }
            Owner::Handshake(_) => {}
        }
    }
}
