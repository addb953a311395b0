//! Commands of clients, one file per command.
//!
//! Commands arrive complete, and checked as far as bytes alone allow ([`wire::nsq::Scanner`]). Checks that
//! need topics, channels or rights are made here. Errors are nsqd's, in nsqd's order.

mod auth;
mod close;
mod finish;
mod identify;
mod login;
mod nop;
mod publish;
mod ready;
mod requeue;
mod subscribe;
mod touch;

use net::Io;
use wire::nsq::{Command, Refusal, Verb};

use crate::channel::Refused;
use crate::connection::Connection;
use crate::queue::Queue;

pub(crate) use login::may;

/// Next step of a connection after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Go on with the next command.
    Next,
    /// Go on with the next command once the connection's holdup is over.
    Hold,
    /// Go on with the same command once the connection's holdup is over.
    Again,
    /// Go on with the next command, read through a new layer.
    Leave,
    /// Close the connection.
    Close,
}

impl Queue {
    /// Carries out a command.
    pub(crate) fn carry_out<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Connection,
        command: Command<'_>,
    ) -> Flow {
        match command {
            Command::Fin { id } => self.finish(io, client, id),
            Command::Pub { topic, body } => self.publish_one(io, client, Verb::Pub, topic, body, 0),
            Command::Dpub { topic, delay_ms, body } => {
                self.publish_one(io, client, Verb::Dpub, topic, body, delay_ms)
            }
            Command::Mpub { topic, messages } => self.publish_batch(io, client, topic, messages),
            Command::Rdy { count } => self.ready(client, count),
            Command::Req { id, delay_ms } => self.requeue(io, client, id, delay_ms),
            Command::Touch { id } => self.touch(io, client, id),
            Command::Nop => self.nop(),
            Command::Sub { topic, channel } => self.subscribe(io, client, topic, channel),
            Command::Identify { body } => self.identify(io, client, body),
            Command::Auth { secret } => self.auth(io, client, secret.0),
            Command::Cls => self.close(io, client),
        }
    }

    /// Sends a fatal error.
    fn fail<I: Io>(&mut self, io: &mut I, client: &mut Connection, refusal: &Refusal<'_>) -> Flow {
        self.refuse(io, client, refusal);
        Flow::Close
    }

    /// Sends the error shared by FIN, REQ and TOUCH; the connection stays open.
    fn not_done<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Connection,
        verb: Verb,
        id: [u8; 16],
        why: Refused,
    ) -> Flow {
        let refusal = match why {
            Refused::NotInFlight => Refusal::NotInFlight(verb, id),
            Refused::NotOwner => Refusal::NotOwner(verb, id),
        };
        self.refuse(io, client, &refusal);
        Flow::Next
    }
}
