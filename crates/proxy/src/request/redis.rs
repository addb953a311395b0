//! (a) Redis requests: scanned, planned, admitted; then forwarded, or answered here.

mod here;
mod stateful;

use net::{Input, Io};
use wire::redis::{
    Command, Keys, Local, Merge, Parts, ProtocolError, Reason, Refusal, Request, RequestScanner, Route, Scan,
};

use crate::client::{Client, Session, Wait};
use crate::gather::About;
use crate::keys::LaneKey;
use crate::proxy::Proxy;
use crate::request::Partial;
use crate::request::about::about;
use crate::request::admission::{To, Verdict, is_more};
use crate::request::every::ends_scripts;
use crate::request::first_key::command_of;
use crate::request::forward::{Traits, hand_on};
use crate::request::private::Private;
use crate::request::reader::NoReplica;
use crate::request::scan::{self, ScanStep};
use crate::request::subscribe::Subscription;
use crate::request::transaction::Step;
use crate::server::Server;

type Routed<'a> = Result<(&'static Command, Route<'a>), Refusal<'a>>;

/// The plan for a request. Planning changes nothing but scratch buffers.
enum Plan<'a> {
    /// One server answers it; None if no server is left.
    One(Option<LaneKey>, &'static Command),
    /// Cut into the parts in `scratch.parts`.
    Split(&'static Command, Merge, Parts<'a>),
    /// Sent unchanged to the servers in `scratch.parts`.
    Every(&'static Command, Merge),
    /// `SCAN`, sent to one server with its own cursor.
    Scan(ScanStep),
    /// Sent to the only server, which knows more about itself than the proxy does.
    Ask(About),
    /// Part of a transaction.
    Transaction(Step),
    /// Sent on a connection that the client has for itself.
    Private(Private),
    /// Begins or ends subscriptions.
    Subscribe(Subscription),
    /// The proxy answers it.
    Here(Here<'a>),
}

/// The proxy's own answer.
enum Here<'a> {
    Local(Local),
    Refusal(Refusal<'a>),
    /// The client has to send the password first. Holds the command if it is stateful.
    NoPassword(Option<&'static Command>),
    InRefusedTransaction,
    CrossSlot(&'static Command),
    /// No replica may be read from.
    NoReplica,
    /// A command about the cluster that the pool pretends to be.
    Cluster(&'static Command),
    /// `WATCH` of keys of the embedded cache.
    WatchEmbedded,
    /// The embedded cache has no such command.
    NotEmbedded(&'static Command),
    /// A client of RESP2 that is subscribed may not send this.
    Subscribed(&'static Command),
    /// This reply.
    Reply(&'static [u8]),
    /// Its user lacks the right.
    Forbidden(access::Verdict, &'static Command),
}

impl Proxy {
    pub(crate) fn receive_redis<I: Io>(&mut self, io: &mut I, client: &mut Client, input: &mut Input<'_>) {
        let mut scanner = match client.partial.take().map(|p| *p) {
            Some(Partial::Redis(scanner)) => scanner,
            _ => RequestScanner::new(),
        };
        client.session.heard = io.now();
        let (mut requests, mut bytes, mut ahead) = (0u64, 0u64, 0usize);
        while is_more(client, input) {
            if ahead == 0 {
                ahead = self.fetch_ahead(client, input.bytes());
            }
            if self.has_published_enough(client) {
                io.pause(client.id);
                io.resume(client.id);
                break;
            }
            ahead -= 1;
            let pool = &self.pools[client.pool];
            let limits = if client.session.authenticated {
                &pool.redis_limits
            } else {
                &pool.redis_limits_unauthenticated
            };
            let (len, taken) = match scanner.scan(input.bytes(), limits) {
                Scan::Done(request) => (request.len(), self.redis_request(io, client, &request, input)),
                Scan::Inline { len } => (len, self.inline_request(io, client, input, len)),
                Scan::Skip { len } => {
                    input.consume(len);
                    continue;
                }
                Scan::NeedMore { want } => {
                    client.partial = Some(Box::new(Partial::Redis(scanner)));
                    self.read_on(io, client, input, want);
                    break;
                }
                Scan::Bad(error) => {
                    match error {
                        ProtocolError::TooBigRequest => pool.stats.oversized.inc(),
                        _ => pool.stats.protocol_errors.inc(),
                    }
                    self.protocol_error(io, client, error);
                    continue;
                }
            };
            if !taken {
                break;
            }
            requests += 1;
            bytes += len as u64;
        }
        self.pools[client.pool].count_requests(requests, bytes);
        if client.session.paused == Some(Wait::Block) {
            Proxy::watch_blocked(io, client, input);
        }
    }

    /// Answers lost framing: an error after all earlier replies, then the close.
    fn protocol_error<I: Io>(&mut self, io: &mut I, client: &mut Client, error: ProtocolError) {
        self.pools[client.pool].stats.client_err.inc();
        self.scratch.reply.clear();
        error.write(&mut self.scratch.reply);
        self.give(io, client, &self.scratch.reply);
        client.session.leaving = true;
    }

    /// Rewrites a telnet-style line as an array and handles that. False if it has to wait.
    fn inline_request<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        input: &mut Input<'_>,
        len: usize,
    ) -> bool {
        let mut rewritten = std::mem::take(&mut self.scratch.request);
        rewritten.clear();
        let scanned = wire::redis::encode_inline(&input.bytes()[..len], &mut rewritten)
            .map(|_| RequestScanner::new().scan(&rewritten, &self.pools[client.pool].redis_limits));
        let taken = match scanned {
            Ok(Scan::Done(request)) => {
                self.redis_request(io, client, &request, &mut Input::scratch(&rewritten))
            }
            Ok(Scan::Bad(error)) | Err(error) => {
                self.protocol_error(io, client, error);
                true
            }
            Ok(_) => true,
        };
        self.scratch.request = rewritten;
        if taken {
            input.consume(len);
        }
        taken
    }

    /// Takes the request at the front of the input; false if it has to wait.
    #[inline]
    fn redis_request<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        request: &Request,
        input: &mut Input<'_>,
    ) -> bool {
        let (len, unread) = (request.len(), input.bytes().len());
        let frame = &input.bytes()[..len];
        let plan = self.plan_redis(client, request, frame);
        let pool = &self.pools[client.pool];
        let (is_paused, is_monitored) = (pool.pause.is_set(), pool.monitors.is_any());
        if is_paused && plan.is_for_servers() && self.waits_for_pause(io, client, plan.command()) {
            return false;
        }
        match self.admit(io, client, plan.to(), (len, unread)) {
            Verdict::Take => {}
            Verdict::Wait => return false,
            Verdict::Refuse(failure) => {
                self.pools[client.pool].stats.forward_error.inc();
                self.refuse_planned(io, client, &plan, failure, (request, frame));
                input.consume(len);
                return true;
            }
        }
        client.session.next_request();
        client.session.last = self.scratch.planned;
        self.fan_out.is_followed = unread > len;
        if client.session.limited
            && !matches!(plan, Plan::Here(Here::InRefusedTransaction))
            && let Some(failure) = self.over_limit(io, client)
        {
            self.refuse_planned(io, client, &plan, failure, (request, frame));
            input.consume(len);
            return true;
        }
        if is_monitored {
            self.show_monitors(io, client, command_of(request, frame), request.args(frame));
        }
        if let Plan::One(lane, command) = &plan
            && command.is_about_scripts()
        {
            self.see_script(io, client.pool, *lane, command, request.args(frame));
        }
        match plan {
            Plan::One(Some(lane), command) if self.counts_receivers(client, command) => {
                hand_on(input, len, |frame| self.publish(io, client, (lane, command), frame));
            }
            Plan::One(lane, command) => {
                let traits = Traits::of(command);
                hand_on(input, len, |frame| self.forward_one(io, client, lane, frame, traits));
            }
            Plan::Split(command, merge, parts) => {
                self.split_redis(io, client, command, merge, parts, frame);
                input.consume(len);
            }
            Plan::Every(command, merge) => {
                if command.is_about_scripts() {
                    self.see_script(io, client.pool, None, command, request.args(frame));
                }
                let traits = Traits::of(command);
                hand_on(input, len, |frame| self.broadcast_redis(io, client, merge, frame, traits));
            }
            Plan::Scan(step) => {
                self.send_scan(io, client, step, request.args(frame));
                input.consume(len);
            }
            Plan::Private(private) => {
                self.send_private(io, client, private, frame);
                input.consume(len);
            }
            Plan::Subscribe(subscription) => {
                self.take_subscription(io, client, subscription, request.args(frame));
                input.consume(len);
            }
            Plan::Transaction(step) => {
                self.take_transaction_step(io, client, step, frame);
                input.consume(len);
            }
            Plan::Ask(about) => hand_on(input, len, |frame| self.ask_server(io, client, about, frame)),
            Plan::Here(Here::Local(local @ (Local::Auth | Local::Hello)))
                if self.pools[client.pool].gate.needs_login() =>
            {
                let is_decided = self.log_in_redis(io, client, local, request, frame);
                if is_decided {
                    input.consume(len);
                }
                return is_decided;
            }
            Plan::Here(here) => {
                self.answer_redis(io, client, &here, request, frame);
                input.consume(len);
            }
        }
        true
    }

    #[inline]
    fn plan_redis<'a>(&mut self, client: &mut Client, request: &Request, frame: &'a [u8]) -> Plan<'a> {
        let session = &client.session;
        if !session.authenticated || session.state.is_some() {
            return self.plan_restricted(client, request, frame);
        }
        match request.route(frame) {
            Ok((command, Route::One(key))) if permits_at_once(session, command, key.bytes()) => {
                self.scratch.planned = Some(command);
                self.plan_one(client, command, key.bytes())
            }
            routed => self.plan_by_rights(client, request, frame, routed),
        }
    }

    /// Notes the command of the request that is being planned.
    #[inline]
    fn note_planned(&mut self, routed: &Routed<'_>) {
        self.scratch.planned = routed.as_ref().ok().map(|(command, _)| *command);
    }

    /// Plans a request whose user's rights to it are not plain, or which is not for one key.
    fn plan_by_rights<'a>(
        &mut self,
        client: &Client,
        request: &Request,
        frame: &'a [u8],
        routed: Routed<'a>,
    ) -> Plan<'a> {
        self.note_planned(&routed);
        if let Ok((command, _)) = &routed
            && let Some(forbidden) = forbidden(&client.session, command, request, frame)
        {
            return Plan::Here(forbidden);
        }
        self.plan_further(client, routed, request, frame)
    }

    /// Plans a request of a client whose rights are limited.
    #[cold]
    fn plan_restricted<'a>(&mut self, client: &mut Client, request: &Request, frame: &'a [u8]) -> Plan<'a> {
        self.scratch.planned = None;
        if let Some(state) = &client.session.state {
            if state.refused_transaction {
                return Plan::Here(Here::InRefusedTransaction);
            }
            if state.transaction.is_some() {
                return self.plan_in_transaction(client, request, frame);
            }
            if client.session.authenticated {
                return self.plan_with_private(client, request, frame);
            }
        }
        let routed = request.route(frame);
        self.note_planned(&routed);
        if may_come_before_password(&routed) {
            return self.plan_further(client, routed, request, frame);
        }
        let command = routed.map_or_else(|refusal| refusal.stateful(), |(command, _)| Some(command));
        Plan::Here(Here::NoPassword(command.filter(|command| command.stateful)))
    }

    fn plan_further<'a>(
        &mut self,
        client: &Client,
        routed: Routed<'a>,
        request: &Request,
        frame: &'a [u8],
    ) -> Plan<'a> {
        let (command, route) = match routed {
            Ok(found) => found,
            Err(Refusal::Unsupported(command, Reason::Cluster))
                if self.pools[client.pool].pretended.is_some() =>
            {
                let forbidden = forbidden(&client.session, command, request, frame);
                return Plan::Here(forbidden.unwrap_or(Here::Cluster(command)));
            }
            Err(refusal) => return Plan::Here(Here::Refusal(refusal)),
        };
        if !self.permits(client.pool, command.permit) {
            return Plan::Here(Here::Refusal(Refusal::NotPermitted(command)));
        }
        match route {
            Route::One(key) => self.plan_one(client, command, key.bytes()),
            Route::Same(keys) => self.plan_together(client, command, keys),
            Route::Split(merge, parts) => match self.plan_split(client, command, parts) {
                None => Plan::One(None, command),
                Some(Err(NoReplica)) => Plan::Here(Here::NoReplica),
                Some(Ok(())) => match self.scratch.parts[..] {
                    [only] => Plan::One(only.lane, command),
                    _ => Plan::Split(command, merge, parts),
                },
            },
            Route::Every(merge) => {
                self.list_servers(client, Server::is_in_ring);
                self.leave_out_replicas(client.pool);
                if ends_scripts(command) {
                    self.pass_by_scripts();
                }
                match self.scratch.parts[..] {
                    [] => Plan::One(None, command),
                    [only] if !merge.is_of_counts() => Plan::One(only.lane, command),
                    _ => Plan::Every(command, merge),
                }
            }
            Route::Any => Plan::One(self.any_lane(client), command),
            Route::Only(refusal) => match self.pools[client.pool].servers[..] {
                [only] if command.name == "wait" => self.plan_wait(command, only, request.args(frame)),
                [_] => Plan::One(self.any_lane(client), command),
                _ => Plan::Here(Here::Refusal(refusal)),
            },
            Route::Scan => match self.plan_scan(client, request.args(frame)) {
                scan::Scan::Only => Plan::One(self.any_lane(client), command),
                scan::Scan::Step(step) => Plan::Scan(step),
                scan::Scan::Reply(reply) => Plan::Here(Here::Reply(reply)),
            },
            Route::Block(keys, time) => {
                self.plan_private(client, command, keys, |server| Private::Block(server, time))
            }
            Route::Subscribe => Plan::Subscribe(Subscription::of(command, client, request.args(frame))),
            Route::Local(Local::Watch) => match command.keys.find(request.args(frame)) {
                Ok(keys) => self.plan_private(client, command, keys, Private::Watch),
                Err(error) => Plan::Here(Here::Refusal(Refusal::Keys(command, error))),
            },
            Route::Local(Local::Unwatch) if client.session.watched().is_some() => {
                Plan::Private(Private::Unwatch)
            }
            Route::Local(local) => match about(local) {
                Some(about) if self.is_asked_of_a_server(client.pool, about) => {
                    self.list_servers(client, Server::is_in_ring);
                    self.leave_out_replicas(client.pool);
                    self.scratch.parts.truncate(1);
                    Plan::Ask(about)
                }
                _ => Plan::Here(Here::Local(local)),
            },
        }
    }

    /// Plans a command of one key.
    #[inline]
    fn plan_one<'a>(&mut self, client: &Client, command: &'static Command, key: &[u8]) -> Plan<'a> {
        if self.is_replica_read(client, command) {
            return self.plan_read(client, command, key);
        }
        Plan::One(self.lane_of_key(client, key), command)
    }

    /// Plans a command that may go to a replica.
    #[cold]
    fn plan_read<'a>(&mut self, client: &Client, command: &'static Command, key: &[u8]) -> Plan<'a> {
        match self.lane_of_read(client, key) {
            Ok(lane) => Plan::One(lane, command),
            Err(NoReplica) => Plan::Here(Here::NoReplica),
        }
    }

    /// Plans a command whose keys must all live on one server.
    fn plan_together<'a>(&mut self, client: &Client, command: &'static Command, keys: Keys<'_>) -> Plan<'a> {
        let first_key = keys.clone().next();
        let placement = &mut self.pools[client.pool].placement;
        let mut groups = keys.map(|key| placement.group_of(key.bytes()));
        let first = groups.next().flatten();
        if groups.any(|group| group != first) {
            return Plan::Here(Here::CrossSlot(command));
        }
        if let Some(key) = first_key.filter(|_| self.is_replica_read(client, command)) {
            return self.plan_read(client, command, key.bytes());
        }
        let placement = &self.pools[client.pool].placement;
        let server = first.and_then(|group| placement.server_of(group));
        Plan::One(server.map(|server| self.servers[server].lane_of(client)), command)
    }
}

impl Plan<'_> {
    fn to(&self) -> To {
        match self {
            Plan::One(Some(lane), _) => To::One(*lane),
            Plan::Transaction(Step::ExecLater(_)) => To::Nowhere,
            Plan::Transaction(step) => step.lane().map_or(To::Nobody, To::One),
            Plan::Private(private) => To::Private(*private),
            Plan::Subscribe(subscription) => To::Feeds(*subscription),
            Plan::Split(..) | Plan::Every(..) | Plan::Scan(_) | Plan::Ask(_) => To::Parts,
            Plan::One(None, _) => To::Nowhere,
            Plan::Here(Here::Local(Local::Select | Local::Reset)) => To::Settled,
            Plan::Here(_) => To::Nobody,
        }
    }

    /// True if servers get it: it waits while its pool's clients are paused.
    fn is_for_servers(&self) -> bool {
        !matches!(self, Plan::Here(_) | Plan::Subscribe(_))
            && !matches!(self, Plan::Transaction(step) if step.lane().is_none())
    }

    /// Its command; None for a transaction, or what needs a private connection.
    fn command(&self) -> Option<&'static Command> {
        match self {
            Plan::One(_, command) | Plan::Split(command, ..) | Plan::Every(command, _) => Some(command),
            Plan::Scan(_) | Plan::Ask(_) => wire::redis::command::lookup(b"scan"),
            Plan::Transaction(_) | Plan::Private(_) | Plan::Subscribe(_) | Plan::Here(_) => None,
        }
    }
}

/// True if a client has no user, or its user plainly may run this command on this key alone.
#[inline]
fn permits_at_once(session: &Session, command: &Command, key: &[u8]) -> bool {
    session.user.as_ref().is_none_or(|user| user.permits_at_once(command, key))
}

/// The refusal of a request that the client's user may not send.
fn forbidden<'a>(
    session: &Session,
    command: &'static Command,
    request: &Request,
    frame: &'a [u8],
) -> Option<Here<'a>> {
    let verdict = session.user.as_ref()?.verdict(command, request, frame);
    (!verdict.is_allowed()).then_some(Here::Forbidden(verdict, command))
}

/// True for commands allowed before a client has sent the pool's password.
fn may_come_before_password(routed: &Routed<'_>) -> bool {
    matches!(routed, Ok((_, Route::Local(Local::Auth | Local::Hello | Local::Quit | Local::Reset))))
}
