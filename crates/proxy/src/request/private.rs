//! Requests that need a connection of their own: `WATCH`, and those that block.
//!
//! ```text
//! WATCH k     once the client's earlier requests are answered: on a private connection to the server of k
//! GET k       on the same one while keys are watched, so that nothing overtakes
//! EXEC        likewise ▸ its reply ▸ the connection is given back
//! SET k 1     behind EXEC: on the same one; in a cluster it waits for EXEC's reply, since redirects are not
//!             followed there
//! BLPOP k 5   likewise, and nothing more of the client is executed until the reply
//! WAIT 1 100  likewise ([`super::replicas`])
//! ```
//! A client that goes away while it blocks has its private connection closed, whereupon the server
//! forgets it. An element that was popped just then is lost with the connection, as it is in Redis.

use net::{ConnId, Input, Instant, Io};
use wire::redis::{BlockTime, Keys};

use crate::client::{Client, Reply, Seq, Wait};
use crate::fail::Failure;
use crate::keys::{LaneKey, ServerKey};
use crate::proxy::Proxy;
use crate::request::Frame;
use crate::request::forward::{Forwarded, Traits};
use crate::request::replicas::Wanted;
use crate::server::pending::{Owner, Pending};
use crate::server::privates::Departed;

/// A request for a private connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Private {
    /// WATCH on this server.
    Watch(ServerKey),
    /// UNWATCH, on the connection with the watched keys.
    Unwatch,
    /// A blocking command on this server.
    Block(ServerKey, BlockTime),
    /// WAIT, for the replicas of this server.
    Replicas(ServerKey, Wanted),
}

/// The lane for a request of a client whose lane it would otherwise be this one.
pub(super) fn own_lane(client: &Client, lane: LaneKey) -> LaneKey {
    client.session.private_to(lane.server).unwrap_or(lane)
}

/// Bytes behind a blocking request that are read while it blocks, to see whether its client is still there.
const READ_AHEAD: usize = 64 * 1024;

/// Servers on which keys live.
pub(super) enum Home {
    One(ServerKey),
    Several,
    /// No server is left.
    Nowhere,
}

/// Decision on a request for a private connection.
pub(super) enum Admitted {
    Yes,
    Wait(Wait),
    No(Failure),
}

impl Proxy {
    /// The servers of these keys.
    pub(super) fn home_of(&mut self, client: &Client, keys: Keys<'_>) -> Home {
        let placement = &mut self.pools[client.pool].placement;
        let mut servers = keys.map(|key| placement.home_of_key(key.bytes()));
        match servers.next().flatten() {
            None => Home::Nowhere,
            Some(first) if servers.all(|server| server == Some(first)) => Home::One(first),
            Some(_) => Home::Several,
        }
    }

    /// Admits a request for a private connection, which its client has then.
    #[cold]
    pub(super) fn admit_private<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        private: Private,
    ) -> Admitted {
        let (server, keeps_order) = match private {
            Private::Unwatch => return Admitted::Yes,
            Private::Watch(server) => (server, client.session.private_to(server).is_some()),
            Private::Block(server, _) | Private::Replicas(server, _) => (server, false),
        };
        if !keeps_order && client.waiting() > 0 {
            // Its earlier requests are on other connections, and must not be overtaken.
            return Admitted::Wait(Wait::Changeover);
        }
        if client.session.private_to(server).is_some() {
            return Admitted::Yes;
        }
        let Some(lane) = self.take_private(io, client, server, client.session.resp3) else {
            let waits = self.wait_for_private(io, client, server);
            return if waits { Admitted::Wait(Wait::Private) } else { Admitted::No(Failure::NoPrivate) };
        };
        let state = client.session.stateful();
        (state.private, state.waits_until) = (Some(lane), None);
        Admitted::Yes
    }

    /// Sends a request on the private connection that its client has.
    #[cold]
    pub(super) fn send_private<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        private: Private,
        frame: &[u8],
    ) {
        let seq = client.next_seq();
        let state = client.session.stateful();
        let Some(lane) = state.private else { return };
        match private {
            Private::Unwatch => (state.watching, state.dirty, state.watch_broken) = (false, false, false),
            Private::Watch(_) => state.watch(seq),
            Private::Block(_, time) => {
                state.blocked = true;
                self.set_block_time(lane, Some(time));
            }
            Private::Replicas(_, wanted) => return self.begin_counting(io, client, lane, wanted),
        }
        if self.forward_private(io, client, lane, frame) && matches!(private, Private::Block(..)) {
            client.session.paused = Some(Wait::Block);
        }
    }

    /// Forwards a request on a private connection; false if that failed at once.
    pub(super) fn forward_private<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        lane: LaneKey,
        frame: &[u8],
    ) -> bool {
        let owner = Owner::Private(client.id, client.next_seq());
        let pending = Pending::new(owner, io.now(), frame.len());
        match self.forward(io, client, lane, Frame::Slice(frame), pending, Traits::redis(false).keep) {
            Forwarded::Queued | Forwarded::Answered | Forwarded::Blocks(_) => {
                client.add_slot();
                true
            }
            Forwarded::Refused(failure) => {
                self.leave_private(client);
                self.refuse(io, client, failure, wire::memcache::Silence::Never);
                false
            }
        }
    }

    /// Gives a client's private connection back.
    pub(crate) fn leave_private(&mut self, client: &mut Client) {
        let Some(state) = &mut client.session.state else { return };
        let Some(lane) = state.private.take() else { return };
        let watched = std::mem::take(&mut state.dirty);
        (state.watching, state.blocked, state.counting) = (false, false, None);
        client.session.rest();
        self.departed.push(Departed { lane, user: client.id, watched });
    }

    /// Gives a client's private connection back if it needs it no longer: nothing of it is under way.
    pub(crate) fn leave_private_if_done(&mut self, client: &mut Client) {
        if client.waiting() == 0
            && let Some(state) = &client.session.state
            && !state.watching
        {
            self.leave_private(client);
        }
    }

    /// Notes the answer to a request on a private connection, before its client gets it.
    #[cold]
    pub(crate) fn private_answered(&mut self, (id, seq): (ConnId, Seq), is_error: bool) {
        if let Some(state) = self.client_mut(id).and_then(|client| client.session.state.as_mut()) {
            state.watch_answered(seq, is_error);
        }
    }

    /// Takes a server's reply on a private connection, to the request that was accepted at `at`.
    #[cold]
    pub(crate) fn answered_in_private<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        (id, seq): (ConnId, Seq),
        (reply, is_error): (Reply<'_>, bool),
        at: Instant,
    ) {
        if self.is_counting(id) {
            return self.replicas_told(io, lane, (id, seq), reply.bytes());
        }
        self.private_answered((id, seq), is_error);
        self.reply(io, id, seq, reply, at);
        self.after_private(io, id);
    }

    /// After a reply on a private connection: a client that needs it no longer gives it back, and one that
    /// was blocked is served again.
    #[cold]
    pub(crate) fn after_private<I: Io>(&mut self, io: &mut I, id: ConnId) {
        let Some(mut client) = self.take_client(id) else { return };
        if let Some(state) = &mut client.session.state {
            (state.blocked, state.counting) = (false, None);
            if let Some(lane) = state.private {
                self.set_block_time(lane, None);
            }
        }
        self.leave_private_if_done(&mut client);
        if client.session.paused == Some(Wait::Block) {
            client.session.paused = None;
            // What came meanwhile is shown again.
            io.pause(id);
            io.resume(id);
        }
        self.settle(io, client);
    }

    /// Keeps reading a client that is blocked, so that its end is noticed.
    pub(super) fn watch_blocked<I: Io>(io: &mut I, client: &Client, input: &mut Input<'_>) {
        let unread = input.bytes().len();
        if client.session.paused != Some(Wait::Block) || unread == 0 {
            return;
        }
        if unread > READ_AHEAD {
            io.pause(client.id);
        } else {
            input.want(unread + 1);
        }
    }

    /// Closes a client that has gone, or has to go, while it was blocked. False if it was not.
    pub(crate) fn end_blocked<I: Io>(&mut self, io: &mut I, client: &mut Client) -> bool {
        let is_blocked = client.session.paused == Some(Wait::Block);
        if is_blocked {
            io.abort(client.id);
            self.forget(client);
        }
        is_blocked
    }
}

#[cfg(test)]
mod tests;
