//! Requests of a client between a refused `MULTI` and its `EXEC`.
//!
//! ```text
//! MULTI           -ERR …              refused
//! INCR k          -ERR not executed   answered one by one: if the connection closed instead, a client library would resend
//! EXEC            -EXECABORT …, close them on another connection, without the MULTI that has its error already
//! ```
//! `DISCARD` ends it as well. A client that sends neither is closed after [`EXEC_WITHIN`]: it has seen the
//! error and given up.

use std::time::Duration;

use net::Io;
use wire::redis::Request;

use crate::alarm::Alarm;
use crate::answer::OK;
use crate::client::Client;
use crate::proxy::Proxy;
use crate::request::transaction::ABORTED;

/// Time allowed from a refused `MULTI` to its `EXEC`. Requests that a client sent before it saw the error
/// arrive within a round trip.
const EXEC_WITHIN: Duration = Duration::from_secs(1);
const NOT_EXECUTED: &[u8] = b"-ERR not executed, since the MULTI before it was refused\r\n";

impl Proxy {
    /// Notes a refused `MULTI`: no more requests of this client are executed.
    pub(super) fn begin_refused_transaction<I: Io>(&mut self, io: &mut I, client: &mut Client) {
        client.session.stateful().refused_transaction = true;
        self.refused_transactions.push_back((client.id, io.now() + EXEC_WITHIN));
        if self.refused_transactions.len() == 1 {
            io.set_timer(io.now() + EXEC_WITHIN, Alarm::RefusedTransaction.token());
        }
    }

    /// Answers a request of such a client, in order.
    #[cold]
    pub(super) fn refuse_in_transaction<I: Io>(&self, io: &mut I, client: &mut Client, request: &Request) {
        let (reply, ends) = match request.command().map(|command| command.name) {
            Some("exec") => (ABORTED, true),
            Some("discard" | "quit") => (OK, true),
            _ => (NOT_EXECUTED, false),
        };
        self.reject(io, client, ends, reply);
    }

    /// Closes clients that have exceeded [`EXEC_WITHIN`].
    pub(crate) fn end_refused_transactions<I: Io>(&mut self, io: &mut I) {
        let now = io.now();
        while let Some(&(id, due)) = self.refused_transactions.front() {
            if due > now {
                io.set_timer(due, Alarm::RefusedTransaction.token());
                return;
            }
            self.refused_transactions.pop_front();
            if let Some(mut client) = self.take_client(id) {
                client.session.leaving = true;
                self.settle(io, client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use net::{App, ConnId};

    use super::*;
    use crate::testing::World;

    const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\n";
    const ERROR: &str = "-ERR not executed, since the MULTI before it was refused";
    const ABORT: &str = "-EXECABORT Transaction discarded because of previous errors.";

    /// A client and the proxy.
    struct Session {
        world: World,
        client: ConnId,
    }

    impl Session {
        fn new(options: &str) -> Session {
            let mut world = World::new(&format!("{POOL}{options}"));
            let client = world.accept(0);
            Session { world, client }
        }

        /// Sends the lines in pieces of `cut` bytes.
        fn send(&mut self, lines: &[&str], cut: usize) {
            let mut bytes = Vec::new();
            for line in lines {
                wire::redis::encode_inline(line.as_bytes(), &mut bytes).unwrap();
            }
            self.world.receive_in_pieces(self.client, &bytes, cut);
        }

        /// All replies but the first, whether the client was closed, and whether a server got a request.
        fn outcome(&self) -> (Vec<String>, bool, bool) {
            let replies = self.world.sent(self.client);
            let rest = replies.lines().skip(1).map(str::to_owned).collect();
            (rest, self.world.io.closed.contains(&self.client), !self.world.io.connects.is_empty())
        }
    }

    #[test]
    fn each_request_up_to_exec_gets_an_error_and_then_the_client_is_closed() {
        for multi in ["MULTI x", "multi x y"] {
            for (end, reply) in [("EXEC", ABORT), ("exec x", ABORT), ("DISCARD", "+OK"), ("QUIT", "+OK")] {
                for cut in [usize::MAX, 20, 1] {
                    let mut w = Session::new("");
                    w.send(&[multi, "INCR k", "MULTI", "PING", "nosuch", end, "INCR k"], cut);
                    let replies = [ERROR, ERROR, ERROR, ERROR, reply].map(str::to_owned).to_vec();
                    assert_eq!(w.outcome(), (replies, true, false), "{multi} {end} {cut}");
                }
            }
        }
    }

    #[test]
    fn a_client_that_gives_up_is_closed_within_a_second() {
        let mut w = Session::new("");
        w.send(&["MULTI x"], usize::MAX);
        w.world.io.now = w.world.io.now + Duration::from_millis(600);
        let first = w.client;
        w.client = w.world.accept(0);
        w.send(&["MULTI x"], usize::MAX);
        let token = Alarm::RefusedTransaction.token();
        assert_eq!(
            w.world.io.timers.values().filter(|timer| **timer == token).count(),
            1,
            "one for all of them"
        );
        for (wait, closed) in [(399, [false; 2]), (1, [true, false]), (599, [true, false]), (1, [true; 2])] {
            w.world.io.now = w.world.io.now + Duration::from_millis(wait);
            w.world.proxy.timer(&mut w.world.io, token);
            assert_eq!([first, w.client].map(|id| w.world.io.closed.contains(&id)), closed, "{wait}");
        }
        assert!(w.world.proxy.refused_transactions.is_empty());
    }

    /// `MULTI, AUTH password, INCR`: refused for the missing password, with the same consequence.
    #[test]
    fn before_the_password_too() {
        let mut w = Session::new("auth = \"sekret\"\n");
        w.send(&["MULTI", "AUTH sekret", "INCR k", "EXEC"], usize::MAX);
        assert_eq!(w.outcome(), ([ERROR, ERROR, ABORT].map(str::to_owned).to_vec(), true, false));
    }
}
