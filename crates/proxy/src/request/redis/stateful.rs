//! Plans for clients whose earlier commands count: in a transaction, or with a private connection.

use wire::redis::{Args, Command, Keys, Local, Refusal, Request, Route};

use super::{Here, Plan, forbidden};
use crate::client::Client;
use crate::keys::ServerKey;
use crate::proxy::Proxy;
use crate::request::private::{Home, Private, own_lane};
use crate::request::replicas::Wanted;
use crate::request::transaction::Step;

impl Proxy {
    /// Plans a request of a client that has a private connection: its requests to the server of that one use
    /// it, so that none overtakes another.
    pub(super) fn plan_with_private<'a>(
        &mut self,
        client: &mut Client,
        request: &Request,
        frame: &'a [u8],
    ) -> Plan<'a> {
        self.leave_private_if_done(client);
        let routed = request.route(frame);
        self.note_planned(&routed);
        if let Ok((command, _)) = &routed
            && let Some(forbidden) = forbidden(&client.session, command, request, frame)
        {
            return Plan::Here(forbidden);
        }
        if !client.session.resp3
            && client.session.is_subscribed()
            && let Ok((command, route)) = &routed
            && !matches!(route, Route::Subscribe | Route::Local(Local::Ping | Local::Quit | Local::Reset))
        {
            return Plan::Here(Here::Subscribed(command));
        }
        match self.plan_further(client, routed, request, frame) {
            Plan::One(Some(lane), command) => Plan::One(Some(own_lane(client, lane)), command),
            plan => {
                self.scratch
                    .parts
                    .iter_mut()
                    .for_each(|part| part.lane = part.lane.map(|lane| own_lane(client, lane)));
                plan
            }
        }
    }

    /// Plans a request that needs a private connection to the server of these keys.
    pub(super) fn plan_private<'a>(
        &mut self,
        client: &Client,
        command: &'static Command,
        keys: Keys<'_>,
        private: impl Fn(ServerKey) -> Private,
    ) -> Plan<'a> {
        match self.home_of(client, keys) {
            Home::Several => Plan::Here(Here::CrossSlot(command)),
            Home::Nowhere => Plan::One(None, command),
            Home::One(server) if self.servers[server].is_local() => match command.name {
                "watch" => Plan::Here(Here::WatchEmbedded),
                name if local::redis::serves(name) => {
                    Plan::One(Some(self.servers[server].lane_of(client)), command)
                }
                _ => Plan::Here(Here::NotEmbedded(command)),
            },
            Home::One(server) => match client.session.state.as_ref().and_then(|state| state.private) {
                // A client has one private connection; it watches keys on another server.
                Some(held) if held.server != server => Plan::Here(Here::CrossSlot(command)),
                _ => Plan::Private(private(server)),
            },
        }
    }

    /// Plans `WAIT` in a pool of one server.
    pub(super) fn plan_wait<'a>(
        &self,
        command: &'static Command,
        server: ServerKey,
        args: Args<'_>,
    ) -> Plan<'a> {
        if self.servers[server].is_local() {
            return Plan::Here(Here::NotEmbedded(command));
        }
        match Wanted::of(args) {
            Ok(wanted) => Plan::Private(Private::Replicas(server, wanted)),
            Err(error) => Plan::Here(Here::Reply(error)),
        }
    }

    /// Plans a request between MULTI and EXEC.
    pub(super) fn plan_in_transaction<'a>(
        &mut self,
        client: &Client,
        request: &Request,
        frame: &'a [u8],
    ) -> Plan<'a> {
        let routed = request.route(frame);
        self.note_planned(&routed);
        let step = match routed {
            Err(refusal @ Refusal::Arity(command)) if command.name == "exec" => {
                let mut error = Vec::new();
                refusal.write(&mut error);
                Step::Abort(error)
            }
            Err(refusal) => Step::refused(&refusal),
            Ok((command, route)) => match forbidden(&client.session, command, request, frame) {
                Some(Here::Forbidden(verdict, command)) => {
                    let error = format!("-{}\r\n", verdict.redis_error(command));
                    Step::Spoil(error.into_bytes())
                }
                _ => self.transaction_step(client, command, route),
            },
        };
        match step {
            Step::Leave(local) => Plan::Here(Here::Local(local)),
            step => Plan::Transaction(step),
        }
    }
}
