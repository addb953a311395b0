//! Redis requests: scanned, answered here, or sent on their way.

use net::{Input, Io};
use wire::redis::{Command, Local, ProtocolError, Refusal, Request, RequestScanner, Route, Scan};

use crate::client::Client;
use crate::proxy::Proxy;
use crate::request::about::about;
use crate::request::forward::Traits;
use crate::request::receive::want_more;
use crate::request::{Frame, Partial, SHARE_MIN};

impl Proxy {
    pub(super) fn receive_redis<I: Io>(&mut self, io: &mut I, client: &mut Client, input: &mut Input<'_>) {
        let mut scanner = match client.partial.take().map(|p| *p) {
            Some(Partial::Redis(scanner)) => scanner,
            _ => RequestScanner::new(),
        };
        let mut requests = 0u64;
        let mut bytes = 0u64;
        while self.may_scan(io, client, input) {
            let pool = &self.pools[client.pool];
            let limits = if client.session.authenticated {
                &pool.redis_limits
            } else {
                &pool.redis_limits_unauthenticated
            };
            match scanner.scan(input.bytes(), limits) {
                Scan::Done(request) => {
                    if request.len() >= SHARE_MIN {
                        let frame = input.take(request.len());
                        self.redis_request(io, client, &request, Frame::Shared(&frame));
                    } else {
                        self.redis_request(
                            io,
                            client,
                            &request,
                            Frame::Slice(&input.bytes()[..request.len()]),
                        );
                        if std::mem::take(&mut client.session.deferred) {
                            break;
                        }
                        input.consume(request.len());
                    }
                    requests += 1;
                    bytes += request.len() as u64;
                }
                Scan::Skip { len } => input.consume(len),
                Scan::Inline { len } => {
                    self.inline_request(io, client, &input.bytes()[..len]);
                    if std::mem::take(&mut client.session.deferred) {
                        break;
                    }
                    input.consume(len);
                    requests += 1;
                    bytes += len as u64;
                }
                Scan::NeedMore { want } => {
                    want_more(input, want);
                    client.partial = Some(Box::new(Partial::Redis(scanner)));
                    break;
                }
                Scan::Bad(error) => {
                    match error {
                        ProtocolError::TooBigRequest => pool.stats.oversized.inc(),
                        _ => pool.stats.protocol_errors.inc(),
                    }
                    self.protocol_error(io, client, error);
                }
            }
        }
        self.count_requests(client.pool, requests, bytes);
    }

    /// The framing is lost: an error after all earlier replies, then the end.
    fn protocol_error<I: Io>(&mut self, io: &mut I, client: &mut Client, error: ProtocolError) {
        self.pools[client.pool].stats.client_err.inc();
        self.scratch.reply.clear();
        error.write(&mut self.scratch.reply);
        self.give(io, client, &self.scratch.reply);
        client.session.leaving = true;
    }

    /// A telnet-style line is rewritten as an array and then treated as one.
    fn inline_request<I: Io>(&mut self, io: &mut I, client: &mut Client, line: &[u8]) {
        let mut rewritten = std::mem::take(&mut self.scratch.request);
        rewritten.clear();
        match wire::redis::encode_inline(line, &mut rewritten) {
            Ok(_) => {
                let limits = self.pools[client.pool].redis_limits;
                match RequestScanner::new().scan(&rewritten, &limits) {
                    Scan::Done(request) => self.redis_request(io, client, &request, Frame::Slice(&rewritten)),
                    Scan::Bad(error) => self.protocol_error(io, client, error),
                    _ => {}
                }
            }
            Err(error) => self.protocol_error(io, client, error),
        }
        self.scratch.request = rewritten;
    }

    fn redis_request<I: Io>(&mut self, io: &mut I, client: &mut Client, request: &Request, frame: Frame<'_>) {
        if client.session.in_refused_transaction {
            return self.refuse_in_transaction(io, client, request);
        }
        let routed = request.route(frame.bytes());
        if !client.session.authenticated && !may_come_before_password(&routed) {
            self.pools[client.pool].stats.denied.inc();
            let command = routed.map_or_else(|refusal| refusal.stateful(), |(command, _)| Some(command));
            let stateful = command.filter(|command| command.stateful);
            return self.reject_redis(io, client, stateful, crate::answer::NOAUTH);
        }
        let (command, route) = match routed {
            Ok(found) => found,
            Err(refusal) => return self.refuse_redis(io, client, &refusal),
        };
        match route {
            Route::One(key) => {
                let server = self.pools[client.pool].placement.server_of_key(key.bytes());
                self.forward_one(io, client, server, frame, Traits::redis(command.retry_safe()));
            }
            Route::Same(keys) => self.forward_together(io, client, command, keys, frame),
            Route::Split(merge, parts) => self.split_redis(io, client, command, merge, parts, frame),
            Route::Every(merge) => {
                self.broadcast_redis(io, client, merge, frame, Traits::redis(command.retry_safe()));
            }
            Route::Local(local) => match about(local) {
                Some(about) if self.is_asked_of_a_server(client.pool) => {
                    self.ask_server(io, client, about, frame)
                }
                _ => self.answer(io, client, local, request, frame.bytes()),
            },
        }
    }

    /// A command of several keys that must live on one server.
    fn forward_together<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        command: &'static Command,
        keys: wire::redis::Keys<'_>,
        frame: Frame<'_>,
    ) {
        let pool = &mut self.pools[client.pool];
        let mut groups = keys.map(|key| pool.placement.group_of(key.bytes()));
        let first = groups.next().flatten();
        if groups.all(|group| group == first) {
            let server = first.and_then(|group| pool.placement.server_of(group));
            return self.forward_one(io, client, server, frame, Traits::redis(command.retry_safe()));
        }
        pool.stats.cross_slot.inc();
        self.scratch.reply.clear();
        crate::answer::cross_slot(pool.config.hash_tag, command.name, &mut self.scratch.reply);
        self.give(io, client, &self.scratch.reply);
    }
}

/// Commands allowed before a client has given the pool's password.
fn may_come_before_password(routed: &Result<(&'static Command, Route<'_>), Refusal<'_>>) -> bool {
    matches!(routed, Ok((_, Route::Local(Local::Auth | Local::Hello | Local::Quit | Local::Reset))))
}
