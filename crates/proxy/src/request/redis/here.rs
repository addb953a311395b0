//! Requests that are answered or refused here, by their plan.

use config::checked::Protocol;
use net::Io;
use wire::redis::Request;

use super::{Here, Plan};
use crate::client::Client;
use crate::fail::Failure;
use crate::proxy::Proxy;
use crate::request::first_key::command_of;
use crate::request::reader::NO_REPLICA;
use crate::request::transaction::Step;
use crate::response::aborted_by;

impl Proxy {
    /// Refuses a request whose plan cannot be carried out: a queue is full, or a limit is reached. What it
    /// would have begun must not be taken for begun, nor a transaction be executed without it.
    #[cold]
    pub(super) fn refuse_planned<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        plan: &Plan<'_>,
        failure: Failure,
        (request, frame): (&Request, &[u8]),
    ) {
        let error = failure.reply(Protocol::Redis);
        match plan {
            Plan::Transaction(Step::Exec(_) | Step::ExecLater(_) | Step::Discard) => {
                self.end_transaction(client);
                self.end_watch(client);
                self.give(io, client, &aborted_by(&error));
            }
            Plan::Transaction(_) => self.take_transaction_step(io, client, Step::Spoil(error), b""),
            _ => {
                let stateful = command_of(request, frame).filter(|command| command.stateful);
                self.reject_redis(io, client, stateful, &error);
            }
        }
    }

    #[cold]
    pub(super) fn answer_redis<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        here: &Here<'_>,
        request: &Request,
        frame: &[u8],
    ) {
        let pool = &self.pools[client.pool];
        match here {
            Here::Local(local) => self.answer(io, client, *local, request, frame),
            Here::Refusal(refusal) => self.refuse_redis(io, client, refusal),
            Here::NoPassword(stateful) => {
                pool.stats.denied.inc();
                let error = if pool.gate.needs_login() { crate::gate::NOAUTH } else { crate::answer::NOAUTH };
                self.reject_redis(io, client, *stateful, error);
            }
            Here::Forbidden(verdict, command) => {
                pool.stats.denied.inc();
                let error = format!("-{}\r\n", verdict.redis_error(command));
                let stateful = Some(*command).filter(|command| command.stateful);
                self.reject_redis(io, client, stateful, error.as_bytes());
            }
            Here::Cluster(command) => {
                self.answer_as_cluster(io, client, command, request.args(frame).nth(2));
            }
            Here::NoReplica => {
                pool.stats.no_server.inc();
                self.give(io, client, NO_REPLICA);
            }
            Here::WatchEmbedded => self.watch_embedded(io, client, request.args(frame)),
            Here::NotEmbedded(command) => {
                let error = format!("-ERR '{}' is not served by the embedded cache\r\n", command.name);
                self.give(io, client, error.as_bytes());
            }
            Here::Subscribed(command) => {
                let error = format!(
                    "-ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
                     context\r\n",
                    command.name
                );
                self.give(io, client, error.as_bytes());
            }
            Here::Reply(reply) => self.give(io, client, reply),
            Here::InRefusedTransaction => self.refuse_in_transaction(io, client, request),
            Here::CrossSlot(command) => {
                pool.stats.cross_slot.inc();
                self.scratch.reply.clear();
                let in_cluster = pool.placement.slots().is_some();
                crate::answer::cross_slot(
                    in_cluster,
                    pool.config.hash_tag,
                    command.name,
                    &mut self.scratch.reply,
                );
                self.give(io, client, &self.scratch.reply);
            }
        }
    }
}
