//! Publish/subscribe: a client that subscribes has a private connection to the server of its channels, on
//! which everything about them comes as RESP3 pushes.
//!
//! ```text
//! SUBSCRIBE c   once the client's earlier requests are answered ▸ private connection (always RESP3)
//! push ▸ of an acknowledgement: counted    ▸ to the client: as it is, or as an array in RESP2
//!      └ of the last unsubscription        ▸ the connection is given back
//! ```
//! Channels are placed by their name, as keys are; those of one client must live on one server, and patterns
//! need a pool with one. The server's own counts are right, since each subscriber is a connection of its own.
//! If that is lost, its client is closed after an error, as it would be by a Redis: it subscribes again, and
//! knows that messages may be missing. A client with [`UNSENT_MAX`] bytes unsent is closed.

use net::{ConnId, Io};
use wire::redis::{Args, Command, Version, encode};

use crate::client::Client;
use crate::fail::Failure;
use crate::keys::{LaneKey, ServerKey};
use crate::proxy::Proxy;
use crate::request::private::Home;
use crate::response::scanned;

/// Bytes of messages that a subscriber has not taken at which it is closed: Redis' hard limit.
const UNSENT_MAX: usize = 32 << 20;

/// Commands of publish/subscribe that change what a client is subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subscription {
    /// SSUBSCRIBE, SUNSUBSCRIBE.
    pub(super) sharded: bool,
    /// One of those that end a subscription.
    ends: bool,
    patterns: bool,
}

impl Subscription {
    pub(super) fn of(command: &Command) -> Subscription {
        Subscription {
            sharded: command.name.starts_with('s') && command.name != "subscribe",
            ends: command.name.contains("unsub"),
            patterns: command.name.starts_with('p'),
        }
    }
}

/// The plan for such a command.
pub(super) enum Subscribe {
    /// Sent to this server.
    To(ServerKey),
    /// The client is subscribed to nothing: answered here.
    Nothing,
    /// The channels live on several servers, or not where the client is subscribed already.
    Across,
    /// A pattern in a pool with several servers.
    PatternAcross,
    /// No server is left.
    Nowhere,
}

impl Proxy {
    /// Plans a command with these arguments, the name first.
    pub(super) fn plan_subscribe(&mut self, client: &Client, command: &Command, args: Args<'_>) -> Subscribe {
        let subscription = Subscription::of(command);
        let held = client.session.subscribed();
        if subscription.ends {
            return held.map_or(Subscribe::Nothing, |lane| Subscribe::To(lane.server));
        }
        let pool = &mut self.pools[client.pool];
        let home = match pool.servers[..] {
            [only] if self.servers[only].is_in_ring() => Home::One(only),
            [_] | [] => Home::Nowhere,
            _ if subscription.patterns => return Subscribe::PatternAcross,
            _ => {
                let mut servers = args.skip(1).map(|channel| pool.placement.server_of_key(channel.bytes()));
                match servers.next().flatten() {
                    None => Home::Nowhere,
                    Some(first) if servers.all(|server| server == Some(first)) => Home::One(first),
                    Some(_) => Home::Several,
                }
            }
        };
        let elsewhere = client.session.state.as_ref().and_then(|state| state.private);
        match home {
            Home::Nowhere => Subscribe::Nowhere,
            Home::Several => Subscribe::Across,
            Home::One(server)
                if elsewhere.is_some_and(|lane| held != Some(lane) || lane.server != server) =>
            {
                Subscribe::Across
            }
            Home::One(server) => Subscribe::To(server),
        }
    }

    /// Sends a command of a client that has its private connection. The answer is pushes only.
    pub(super) fn send_subscription<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        command: &Command,
        (frame, channels): (&[u8], usize),
    ) {
        let Some(lane) = client.session.stateful().private else { return };
        if !self.servers[lane.server].is_open(lane.number)
            && let Err(failure) = self.open_for_request(io, lane)
        {
            self.leave_private(client);
            return self.refuse(io, client, failure, wire::memcache::Silence::Never);
        }
        let subscription = Subscription::of(command);
        let state = client.session.stateful();
        state.subscribed = true;
        if !subscription.ends {
            state.unacknowledged += channels as u64;
        }
        self.servers[lane.server].send_alone(io, lane.number, frame);
    }

    /// Answers a command that ends subscriptions of a client that has none.
    pub(super) fn answer_unsubscribe<I: Io>(&self, io: &mut I, client: &mut Client, args: Args<'_>) {
        let version = client.session.version();
        let mut out = Vec::new();
        let mut args = args;
        let Some(name) = args.next() else { return };
        let name = name.bytes().to_ascii_lowercase();
        let mut each = |channel: Option<&[u8]>| {
            let start = out.len();
            encode::array(&mut out, 3);
            if version == Version::Resp3 {
                out[start] = b'>';
            }
            encode::bulk(&mut out, &name);
            match channel {
                Some(channel) => encode::bulk(&mut out, channel),
                None => encode::null(&mut out, version),
            }
            encode::integer(&mut out, 0);
        };
        if args.count_left() == 0 {
            each(None);
        }
        args.for_each(|channel| each(Some(channel.bytes())));
        self.give(io, client, &out);
    }

    /// Passes a push from a private connection on to its client.
    #[cold]
    pub(crate) fn pushed<I: Io>(&mut self, io: &mut I, lane: LaneKey, push: &[u8]) {
        let user = self.servers[lane.server].private(lane.number).and_then(|private| private.user);
        let Some(mut client) = user.and_then(|user| self.take_client(user)) else { return };
        if client.session.subscribed() == Some(lane) {
            self.pass_push(io, &mut client, push);
            if !client.session.subscribed_still() {
                self.leave_private_if_done(&mut client);
            }
        }
        let (id, unsent) = (client.id, io.unsent(client.id));
        let limit = UNSENT_MAX.min(self.pools[client.pool].config.client_output_hard_bytes);
        self.settle(io, client);
        if unsent > limit {
            self.overflow(io, id, unsent);
        }
    }

    fn pass_push<I: Io>(&self, io: &mut I, client: &mut Client, push: &[u8]) {
        let Some(reply) = scanned(push) else { return };
        let mut elements = reply.elements(push);
        let kind = elements.next().map(|(_, kind)| kind).unwrap_or_default();
        let is = |word: &str| kind.strip_suffix(b"\r\n").is_some_and(|kind| kind.ends_with(word.as_bytes()));
        let subject = elements.next().map(|(_, subject)| subject).unwrap_or_default();
        let count = elements.next().and_then(|(count, _)| count.integer());
        let state = client.session.stateful();
        if let Some(count) = count
            && is("subscribe")
        {
            let sharded = is("ssubscribe") || is("sunsubscribe");
            let ends = is("unsubscribe");
            if !ends {
                state.unacknowledged = state.unacknowledged.saturating_sub(1);
            }
            *(if sharded { &mut state.sharded_channels } else { &mut state.channels }) = count as u64;
        }
        let pool = &self.pools[client.pool];
        pool.stats.messages.inc();
        pool.stats.client_reply_bytes.add(push.len() as u64);
        if client.session.resp3 {
            return io.send(client.id, push);
        }
        io.send(client.id, b"*");
        // The only null in a push: the channel of an unsubscription from nothing.
        match push.windows(3).position(|bytes| bytes == b"_\r\n").filter(|_| subject == b"_\r\n") {
            Some(at) => {
                io.send(client.id, &push[1..at]);
                io.send(client.id, b"$-1\r\n");
                io.send(client.id, &push[at + 3..]);
            }
            None => io.send(client.id, &push[1..]),
        }
    }

    /// Closes a client whose subscriptions were lost with their connection.
    pub(crate) fn subscriber_lost<I: Io>(&mut self, io: &mut I, id: ConnId, failure: Failure) {
        let Some(client) = self.client_mut(id) else { return };
        let pool = client.pool;
        self.pools[pool].stats.subscribers_lost.inc();
        let error = failure.reply(self.pools[pool].config.protocol);
        self.dismiss(io, id, &error);
    }
}

#[cfg(test)]
mod tests;
