//! (c) Turns a server's bytes into replies, each for the oldest request on its connection.

use bytes::Bytes;
use net::{Input, Io};
use telemetry::CommandClass;

use crate::client::Reply;
use crate::fail::Failure;
use crate::keys::LaneKey;
use crate::proxy::Proxy;
use crate::request::SHARE_MIN;
use crate::server::pending::{Owner, Pending};
use crate::server::scan::{Found, Met, Next, Plain, Receiver};
use crate::server::tally::Tally;

/// Size below which replies are copied out of their input buffer when memory is tight. A longer one fills
/// most of its buffer: there is no memory for a copy of it.
const COPY_MAX: usize = 1 << 20;

impl Proxy {
    pub(crate) fn server_received<I: Io>(&mut self, io: &mut I, lane: LaneKey, input: &mut Input<'_>) {
        let mut tally = Tally::default();
        self.take_replies(io, lane, input, &mut tally);
        if let Some(server) = self.servers.get(lane.server) {
            tally.add(&server.stats, &server.pool_stats);
        }
        self.recount_server(lane);
        if self.server_conn(lane).is_waited_for() {
            self.make_room(io, lane);
        }
    }

    fn take_replies<I: Io>(&mut self, io: &mut I, lane: LaneKey, input: &mut Input<'_>, tally: &mut Tally) {
        if self.server_conn(lane).conn.is_none() {
            return;
        }
        self.server_conn(lane).progress = io.now();
        while !input.bytes().is_empty() {
            match self.servers[lane.server].next(lane.number, input.bytes()) {
                Next::Reply(found) => {
                    if !self.take_reply(io, lane, input, &found, tally) {
                        return;
                    }
                }
                Next::Push { len } if lane.number == self.servers[lane.server].subscription_lane() => {
                    if self.has_fanned_out_enough() {
                        return self.read_in_next_turn(io, lane);
                    }
                    self.take_push(io, lane, input, len);
                }
                // About keys that a client tracks, and none does.
                Next::Push { len } => input.consume(len),
                Next::Piece => {
                    if !self.pass_on(io, lane, input) {
                        return;
                    }
                }
                Next::More { want, may_pass } => {
                    if !may_pass || !self.is_passed_on(io, lane, input.bytes().len(), want) {
                        return Self::want_more_of_reply(input, want);
                    }
                }
                Next::Garbage => {
                    let failure = Failure::of_reply(input.bytes());
                    return self.break_server_conn(io, lane, input, failure);
                }
            }
        }
    }

    /// Shows the rest of a connection's input again in the next turn.
    fn read_in_next_turn<I: Io>(&mut self, io: &mut I, lane: LaneKey) {
        if let Some(id) = self.server_conn(lane).conn {
            io.pause(id);
            io.resume(id);
        }
    }

    /// Takes a whole reply from the front of the input. False if nothing more can be read for now.
    #[inline]
    fn take_reply<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        input: &mut Input<'_>,
        found: &Found,
        tally: &mut Tally,
    ) -> bool {
        let server = &mut self.servers[lane.server];
        let us = server.waited_us(lane.number, io.now());
        let is_notable = server.notable.takes(found.len, us);
        let reply = (found, &input.bytes()[..found.len]);
        let plain = if is_notable { None } else { server.meet_plain(lane.number, reply, us, tally) };
        let Some(Plain { receiver, len, works }) = plain else {
            return self.take_special_reply(io, lane, input, found, is_notable);
        };
        if works {
            self.server_works(lane.server);
        }
        let (id, seq) = match receiver {
            Receiver::Client(id, seq) => (id, seq),
            Receiver::Transaction(gather) => {
                input.consume(found.len);
                self.queued(io, gather);
                return true;
            }
        };
        let pool = if len < SHARE_MIN {
            let pool = self.hand_over(io, id, seq, Reply::Slice(&input.bytes()[..len]));
            input.consume(found.len);
            pool
        } else {
            let bytes = self.detach(io, input, len);
            self.hand_over(io, id, seq, Reply::Shared(bytes))
        };
        if pool.is_some() {
            tally.handed_over(len);
        }
        true
    }

    /// Takes a reply that is looked at before it goes to a client, or that goes elsewhere.
    fn take_special_reply<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        input: &mut Input<'_>,
        found: &Found,
        is_notable: bool,
    ) -> bool {
        if !self.fits_part(lane, found, input.bytes()) {
            self.server_conn(lane).mid_reply = true;
            self.break_server_conn(io, lane, input, Failure::Garbage);
            return false;
        }
        self.settle_front(lane, found.is_error);
        if found.is_error {
            let error = &input.bytes()[..found.len];
            if self.servers[lane.server].is_named_by_sentinels() {
                self.check_master(io, lane, error);
            }
            if self.is_sent_with_script(io, lane, found, error)
                || self.is_turned_away(io, lane, found, error)
                || self.is_left_to_master(io, lane, found, error)
            {
                input.consume(found.len);
                return true;
            }
        }
        if self.is_asked_again(io, lane, found, &input.bytes()[..found.len]) {
            input.consume(found.len);
            return true;
        }
        if is_notable {
            self.note_reply(io, lane, found.len);
        }
        let hedges = self.servers[lane.server].hedge_wait.is_some();
        let opened = self.server_conn(lane).conn;
        let met = self.meet_special(lane, (found, &input.bytes()[..found.len]), io.now());
        if let (true, Met::Request(pending)) = (hedges, &met)
            && pending.counted.class == CommandClass::Read
        {
            self.note_hedged_time(lane.server, io.now().micros_since(pending.at));
        }
        self.deliver(io, lane, input, &met, found);
        if self.server_conn(lane).conn != opened {
            // The handshake failed and took the connection with it.
            input.consume(input.bytes().len());
            return false;
        }
        true
    }

    /// Gives a reply to its receiver, and consumes it.
    fn deliver<I: Io>(&mut self, io: &mut I, lane: LaneKey, input: &mut Input<'_>, met: &Met, found: &Found) {
        match met {
            Met::Request(pending) if found.len >= SHARE_MIN => {
                let bytes = self.detach(io, input, found.len);
                self.pair(io, lane, pending, Reply::Shared(bytes), found);
            }
            Met::Request(pending) => {
                self.pair(io, lane, pending, Reply::Slice(&input.bytes()[..found.len]), found);
                input.consume(found.len);
            }
            Met::Late => input.consume(found.len),
        }
    }

    /// Takes the first `len` bytes in their own memory.
    fn detach<I: Io>(&self, io: &I, input: &mut Input<'_>, len: usize) -> Bytes {
        // Without a copy, a reply keeps its whole input buffer alive, its neighbours included.
        if len < COPY_MAX && self.is_tight(io) {
            let bytes = Bytes::copy_from_slice(&input.bytes()[..len]);
            input.consume(len);
            bytes
        } else {
            input.take(len)
        }
    }

    /// False for a reply to a part of a request that does not have the required form.
    #[inline]
    fn fits_part(&self, lane: LaneKey, found: &Found, bytes: &[u8]) -> bool {
        let conn = &self.servers[lane.server].conns[lane.number as usize];
        match conn.line.front() {
            // An expired request has no gather record any more.
            Some(Pending { owner: Owner::Part(gather, _), expect, .. }) if conn.expired == 0 => {
                found.is_error || self.gathers.fits(*gather, expect.keys, bytes)
            }
            _ => true,
        }
    }

    /// Closes a connection whose server sent garbage or an unrequested reply: nothing more on it can be
    /// trusted.
    pub(crate) fn break_server_conn<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        input: &mut Input<'_>,
        failure: Failure,
    ) {
        input.consume(input.bytes().len());
        self.close_lane(io, lane, failure);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::World;

    const REDIS: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\n";
    const MEMCACHE: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nprotocol = \"memcache\"\n\
                            servers = [\"127.0.0.1:11:1 a\"]\n";

    const GET: &str = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    const SET: &str = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";

    #[test]
    fn a_length_below_minus_one_fails_those_who_wait_and_the_connection() {
        let mut w = World::new(REDIS);
        let clients = [GET, SET, GET].map(|request| w.ask(request));
        let server = w.server(0);
        w.receive(server, b"$-5\r\n+OK\r\n$1\r\nv\r\n");
        assert!(w.io.closed.contains(&server));
        let error = "-ERR Invalid argument\r\n";
        assert_eq!((w.sent(clients[0]).as_str(), w.sent(clients[1]).as_str()), (error, error));
        // Safe requests without a reply are resent.
        let server = w.server(1);
        assert_eq!((w.sent(server).as_str(), w.sent(clients[2]).as_str()), (GET, ""));
        w.receive(server, b"$1\r\nv\r\n");
        assert_eq!(w.sent(clients[2]), "$1\r\nv\r\n");
    }

    #[test]
    fn a_reply_that_is_none_to_the_part_of_a_request_fails_the_connection() {
        let two = format!("{REDIS}distribution = \"modula\"\nhash = \"fnv1a_64\"\n")
            .replace("1 a\"", "1 a\", \"127.0.0.1:12:1 b\"");
        // Keys `a` and `b` live on different servers.
        let words = |name: &str, words: &[&str]| {
            let words = words.iter().map(|w| format!("${}\r\n{w}\r\n", w.len())).collect::<String>();
            format!("*{}\r\n${}\r\n{name}\r\n{words}", words.matches('$').count() + 1, name.len())
        };
        let cases = [
            ("MGET", &["a", "b"][..], "*2\r\n$1\r\n1\r\n$1\r\n2\r\n", "*1\r\n$1\r\n1\r\n"),
            ("MGET", &["a", "b"], "*-1\r\n", "*1\r\n$-1\r\n"),
            ("MGET", &["a", "b"], "+OK\r\n", "*1\r\n$1\r\n1\r\n"),
            ("DEL", &["a", "b"], "+OK\r\n", ":1\r\n"),
            ("MSET", &["a", "1", "b", "2"], ":1\r\n", "+OK\r\n"),
        ];
        for (name, args, wrong, right) in cases {
            let mut w = World::new(&two);
            let client = w.ask(words(name, args));
            let (one, other) = (w.server(0), w.server(1));
            w.receive(one, right.as_bytes());
            w.receive(other, wrong.as_bytes());
            assert_eq!(w.sent(client), "-ERR Invalid argument\r\n", "{name} {wrong:?}");
            assert!(w.io.closed.contains(&other) && !w.io.closed.contains(&one));
        }
    }

    #[test]
    fn a_value_of_another_key_is_given_to_nobody() {
        let long = format!("get {}\r\n", (0..400).map(|n| format!("key{n}")).collect::<Vec<_>>().join(" "));
        let requests =
            ["get a\r\n", "gets a b\r\n", "gat 60 a\r\n", "  get   a   b\n", &long, "mg a k v O1\r\n"];
        for request in requests {
            let wrong = if request.starts_with("mg") {
                "VA 6 kother O1\r\nsecret\r\n"
            } else if request.starts_with("gets") {
                "VALUE other 0 6 1\r\nsecret\r\nEND\r\n"
            } else {
                "VALUE other 0 6\r\nsecret\r\nEND\r\n"
            };
            let mut w = World::new(MEMCACHE);
            let (client, next) = (w.ask(request), w.ask("get other\r\n"));
            let server = w.server(0);
            w.receive(server, wrong.as_bytes());
            assert_eq!(w.sent(client), "SERVER_ERROR Invalid argument\r\n", "{request:?}");
            assert!(w.io.closed.contains(&server));
            // The next request is resent, and its reply is checked again.
            let server = w.server(1);
            assert_eq!((w.sent(server).as_str(), w.sent(next).as_str()), ("get other\r\n", ""));
            w.receive(server, b"VALUE a 0 1\r\nx\r\nEND\r\n");
            assert_eq!(w.sent(next), "SERVER_ERROR Invalid argument\r\n");
        }
    }

    #[test]
    fn the_values_that_were_asked_for_come_through() {
        let long = format!("get {}\r\n", (0..400).map(|n| format!("key{n}")).collect::<Vec<_>>().join(" "));
        let cases = [
            ("get a\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n"),
            ("  get   a   b\n", "VALUE a 0 1\r\nx\r\nVALUE b 0 1\r\ny\r\nEND\r\n"),
            ("gat 60 a b\r\n", "VALUE b 0 1\r\nx\r\nEND\r\n"),
            (&long, "VALUE key7 0 1\r\nx\r\nVALUE key399 0 1\r\ny\r\nEND\r\n"),
            ("mg a k v O1\r\n", "VA 1 ka O1\r\nx\r\n"),
            ("mg a v O1\r\n", "VA 1 O1\r\nx\r\n"),
            ("ms a 1 O1 k\r\nx\r\n", "HD O1 ka\r\n"),
        ];
        for (request, reply) in cases {
            let mut w = World::new(MEMCACHE);
            // Twice, so that the kept bytes of the first are in front of those of the second.
            let clients = [w.ask(request), w.ask("set k 0 0 1\r\nx\r\n"), w.ask(request)];
            let server = w.server(0);
            w.receive(server, [reply, "STORED\r\n", reply].concat().as_bytes());
            assert_eq!(clients.map(|c| w.sent(c)), [reply, "STORED\r\n", reply]);
        }
    }
}
