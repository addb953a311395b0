//! Admission: the one place that decides whether a request may be taken now. It runs once per request, when
//! its command, keys and servers are known, and before any of it is sent.
//!
//! ```text
//! bytes ▸ scan ▸ plan ▸ admit ▸ forward, split, answer
//!                         ├─ its requests under way are on replaced connections   Wait::Changeover   resumed at its last reply
//!                         ├─ too many requests wait, or too much is held          Wait::Reply    resumed at a reply
//!                         ├─ it does not take its replies                         Wait::Drain    resumed once it has
//!                         ├─ memory is short, and it has more than its reserve    Wait::Memory, or one of the two above
//!                         ├─ a server's queue has no room                         Wait::Server   resumed when it has
//!                         ├─ in a cluster, it is behind a watch that has ended      Wait::Changeover
//!                         └─ it needs a private connection, and none is free      Wait::Private  resumed when one is
//! ```
//! A client that has to wait is not read. Its request stays in the input and is planned again when the client
//! is read again. A queue that is getting long may take a request and then make its client wait
//! ([`Room::Last`]).
//!
//! A partly received request needs admission as well, to have more of it read.
//!
//! A user's rights are checked earlier, with the plan, and a violation is answered like any other refusal;
//! rate limits are counted later, once a request is taken ([`crate::gate`]).

use net::{Input, Io};

use crate::client::{Client, Wait};
use crate::fail::Failure;
use crate::keys::LaneKey;
use crate::proxy::Proxy;
use crate::request::private::{Admitted, Private};
use crate::request::subscribe::Subscription;
use crate::server::room::Room;

/// Memory of a request that awaits its reply, besides its bytes: its entries in the lines of its client and
/// its server.
const REQUEST: usize = 96;

/// Most bytes of a long request to read before admission is checked again, since memory may have become short
/// meanwhile.
const READ_AHEAD: usize = 64 * 1024;

/// Servers that a request goes to.
#[derive(Debug, Clone, Copy)]
pub(super) enum To {
    /// No server: the proxy answers it.
    Nobody,
    /// Nobody, and it changes the server connections that its client uses.
    Settled,
    /// No server at present: in a cluster it takes a detour.
    Nowhere,
    /// One server, over this connection.
    One(LaneKey),
    /// The servers of the parts in `scratch.parts`.
    Parts,
    /// One server, over a connection that the client has for itself.
    Private(Private),
    /// Feeds, whose servers the proxy asks if need be.
    Feeds(Subscription),
}

/// Decision on a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verdict {
    Take,
    /// It stays in the input; its client waits.
    Wait,
    /// It is answered with an error.
    Refuse(Failure),
}

/// True if more of a client's input is to be scanned. Input after its last request is discarded.
#[inline]
pub(super) fn is_more(client: &Client, input: &mut Input<'_>) -> bool {
    if client.session.leaving {
        input.consume(input.bytes().len());
    }
    client.session.paused.is_none() && !input.bytes().is_empty()
}

impl Proxy {
    /// Decides on the request of `len` bytes at the front of a client's input of `unread` bytes.
    #[inline]
    pub(super) fn admit<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        to: To,
        (len, unread): (usize, usize),
    ) -> Verdict {
        if let Some(wait) = self.obstacle(io, client, unread) {
            self.make_wait(io, client, wait);
            return Verdict::Wait;
        }
        match to {
            To::One(_) | To::Parts if client.session.state.is_some() && self.is_behind_watch(client) => {
                self.make_wait(io, client, Wait::Changeover);
                Verdict::Wait
            }
            To::Nobody => Verdict::Take,
            To::Settled => self.admit_settled(io, client),
            To::Feeds(subscription) if subscription.has_to_wait(client) => {
                self.make_wait(io, client, Wait::Changeover);
                Verdict::Wait
            }
            To::Feeds(_) => Verdict::Take,
            To::Nowhere => self.admit_detour(io, client),
            To::One(lane) => {
                let server = &mut self.servers[lane.server];
                match server.room(io, client, lane.number, len) {
                    Room::Enough => Verdict::Take,
                    room @ Room::Last { .. } => {
                        server.throttle(io, client, lane.number, room);
                        Verdict::Take
                    }
                    room @ Room::None { .. } => {
                        server.throttle(io, client, lane.number, room);
                        Verdict::Wait
                    }
                    Room::Never => {
                        server.count_refusal();
                        Verdict::Refuse(Failure::Overloaded)
                    }
                }
            }
            To::Parts => self.admit_parts(io, client, len),
            To::Private(private) => match self.admit_private(io, client, private) {
                Admitted::Yes => Verdict::Take,
                Admitted::No(failure) => Verdict::Refuse(failure),
                Admitted::Wait(wait) => {
                    self.make_wait(io, client, wait);
                    Verdict::Wait
                }
            },
        }
    }

    /// Admission of a request that changes the connections of its client: none may be under way over others.
    #[cold]
    fn admit_settled<I: Io>(&mut self, io: &mut I, client: &mut Client) -> Verdict {
        if client.waiting() == 0 || self.pools[client.pool].config.databases == 1 {
            return Verdict::Take;
        }
        self.make_wait(io, client, Wait::Changeover);
        Verdict::Wait
    }

    /// True in a cluster for a client that watches nothing any more and whose requests on its private
    /// connection are not answered yet. What it sends now has to wait for them: on that connection it would
    /// not follow a redirect, and on another it could overtake.
    #[cold]
    fn is_behind_watch(&self, client: &Client) -> bool {
        let Some(state) = &client.session.state else { return false };
        state.private.is_some()
            && !state.watching
            && client.waiting() > 0
            && self.pools[client.pool].placement.slots().is_some()
    }

    /// Admission of a request that takes a detour: in a cluster its client must have no other under way,
    /// which it could overtake.
    #[cold]
    fn admit_detour<I: Io>(&mut self, io: &mut I, client: &mut Client) -> Verdict {
        if client.waiting() == 0 || self.pools[client.pool].placement.slots().is_none() {
            return Verdict::Take;
        }
        self.make_wait(io, client, Wait::Changeover);
        Verdict::Wait
    }

    /// Admission by the queues of all servers that get a part of the request. A refused part does not stop
    /// the others.
    fn admit_parts<I: Io>(&mut self, io: &mut I, client: &mut Client, len: usize) -> Verdict {
        let mut last = None;
        let each = len / self.scratch.parts.len().max(1);
        if client.waiting() > 0 && self.scratch.parts.iter().any(|part| part.lane.is_none()) {
            return self.admit_detour(io, client);
        }
        for part in &mut self.scratch.parts {
            let Some(lane) = part.lane else { continue };
            let (server, number) = (&mut self.servers[lane.server], lane.number);
            let room = server.room(io, client, number, each);
            match room {
                Room::Enough => {}
                Room::Last { .. } => last = last.or(Some((lane, room))),
                Room::None { .. } => {
                    server.throttle(io, client, number, room);
                    return Verdict::Wait;
                }
                Room::Never => part.refused = true,
            }
        }
        if let Some((lane, room)) = last {
            self.servers[lane.server].throttle(io, client, lane.number, room);
        }
        Verdict::Take
    }

    /// Reads more of a request that cannot be scanned further before `want` bytes have arrived, if admission
    /// allows.
    pub(super) fn read_on<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        input: &mut Input<'_>,
        want: usize,
    ) {
        let unread = input.bytes().len();
        if let Verdict::Take = self.admit(io, client, To::Nobody, (unread, unread)) {
            input.want(want.min(unread + READ_AHEAD));
        }
    }

    fn make_wait<I: Io>(&mut self, io: &mut I, client: &mut Client, wait: Wait) {
        match wait {
            Wait::Drain => io.notify_drained(client.id),
            Wait::Memory => self.starving.push(client.id),
            Wait::Reply
            | Wait::Server
            | Wait::Changeover
            | Wait::Login
            | Wait::Pause
            | Wait::Private
            | Wait::Block => {}
        }
        client.session.paused = Some(wait);
        io.pause(client.id);
    }

    /// Event the client has to wait for, whatever its request is.
    #[inline]
    fn obstacle<I: Io>(&mut self, io: &I, client: &mut Client, unread: usize) -> Option<Wait> {
        let pool = &self.pools[client.pool];
        if client.changeover != pool.changeover {
            if client.waiting() > 0 {
                return Some(Wait::Changeover);
            }
            client.changeover = pool.changeover;
        }
        let config = &pool.config;
        if client.waiting() >= config.client_pipeline_max as usize {
            // Read again at the reply that brings the line under half of its limit.
            return Some(Wait::Reply);
        }
        if client.early_bytes() + client.reply_size.of(client.waiting()) > config.client_output_soft_bytes {
            // Read again at a reply: it shortens the line and shows how long replies are.
            return Some(Wait::Reply);
        }
        let unsent = io.unsent(client.id);
        if unsent > config.client_output_soft_bytes {
            return Some(Wait::Drain);
        }
        self.recount_client(client);
        if self.is_plenty(io) {
            return None;
        }
        let reserve = self.reserve();
        let waiting = client.early_bytes() + client.waiting() * REQUEST;
        if waiting + unread + unsent <= reserve {
            None
        } else if unsent > 0 {
            Some(Wait::Drain)
        } else if waiting > reserve {
            Some(Wait::Reply)
        } else {
            Some(Wait::Memory)
        }
    }
}

#[cfg(test)]
mod tests {
    use net::ConnId;

    use crate::testing::World;

    /// Keys `a` and `b` live on different servers. A queue is full with four requests.
    const TWO: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nhash = \"fnv1a_64\"\ndistribution = \"modula\"\n\
                       servers = [\"127.0.0.1:11:1 a\", \"127.0.0.1:12:1 b\"]\nserver_queue_max = 4\n\
                       timeout = \"1s\"\n";
    const GET_A: &[u8] = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
    const GET_B: &[u8] = b"*2\r\n$3\r\nGET\r\n$1\r\nb\r\n";
    const MGET: &[u8] = b"*3\r\n$4\r\nMGET\r\n$1\r\na\r\n$1\r\nb\r\n";
    const MISS: &[u8] = b"$-1\r\n";

    /// Four clients wait for the first server.
    fn full() -> (World, ConnId, ConnId) {
        let mut w = World::new(TWO);
        for _ in 0..4 {
            w.ask(GET_A);
        }
        let first = w.server(0);
        w.ask(GET_B);
        let second = w.server(1);
        assert_eq!((w.io.sent(first), w.io.sent(second)), (&GET_A.repeat(4)[..], GET_B));
        (w, first, second)
    }

    #[test]
    fn a_request_waits_for_room_however_large_it_is() {
        let value = "x".repeat(100_000);
        let large = format!("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\n{value}\r\n").into_bytes();
        for request in [GET_A, &large] {
            let (mut w, first, _) = full();
            let client = w.accept(0);
            assert_eq!(w.receive(client, request), 0, "it stays where it is");
            assert!(w.io.paused.contains(&client));
            w.receive(first, &MISS.repeat(4));
            assert!(!w.io.paused.contains(&client));
            assert_eq!(w.receive(client, request), request.len());
            assert!(w.io.sent(first).ends_with(request));
        }
    }

    #[test]
    fn a_request_in_parts_is_taken_as_a_whole() {
        let (mut w, first, second) = full();
        let client = w.accept(0);
        assert_eq!(w.receive(client, MGET), 0);
        assert_eq!(w.io.sent(second), GET_B, "no part of it has gone out");
        assert_eq!(w.proxy.gathers.open_count(), 0);
        w.receive(first, &MISS.repeat(4));
        assert_eq!(w.receive(client, MGET), MGET.len());
        assert_eq!(w.sent(second).matches("mget").count(), 1);
    }

    #[test]
    fn where_waiting_cannot_help_a_request_is_refused_and_a_part_of_one_too() {
        let (mut w, _, second) = full();
        w.pass_time(std::time::Duration::from_millis(1001));
        let overloaded = "-ERR too many requests wait for this server (server_queue_max)\r\n";
        let client = w.ask([GET_A, GET_B].concat());
        assert_eq!(w.sent(client), overloaded, "and what follows it is served");
        assert!(w.io.sent(second).ends_with(GET_B));
        let client = w.ask(MGET);
        assert_eq!(w.sent(second).matches("mget").count(), 1);
        w.receive(second, b"$-1\r\n$-1\r\n*1\r\n$-1\r\n");
        assert_eq!(w.sent(client), overloaded);
        let refused: Vec<u64> = w.proxy.servers.values().map(|server| server.stats.refused.get()).collect();
        assert_eq!(refused, [2, 0]);
    }

    #[test]
    fn a_request_that_waits_is_counted_once() {
        let (mut w, first, _) = full();
        let client = w.accept(0);
        let pool = |w: &World| {
            let stats = &w.proxy.pools.values().next().expect("a pool").stats;
            (stats.client_requests.get(), stats.no_server.get())
        };
        let before = pool(&w);
        assert_eq!(w.receive(client, GET_A), 0);
        assert_eq!(pool(&w), before);
        w.receive(first, &MISS.repeat(4));
        w.receive(client, GET_A);
        assert_eq!(pool(&w), (before.0 + 1, 0));
    }
}
