//! Requests that are not executed: the error that each gets in its place, and whether the requests behind it
//! may be executed.
//!
//! ```text
//! SELECT 1        -ERR …, then the close     a stateful command: INCR was meant for another database
//! INCR k          never executed
//! ```
//! Stateful commands are marked in the tables of `wire`. All earlier requests are answered first. Later ones,
//! in the same packet or another, are discarded (`is_more`), or refused as well ([`super::transaction`]).

use std::time::Duration;

use config::checked::Unsupported;
use net::{Instant, Io};
use wire::memcache;
use wire::redis::{Command, Refusal};

use crate::client::Client;
use crate::fail::Failure;
use crate::keys::PoolKey;
use crate::notice::Notice;
use crate::proxy::Proxy;

/// Interval between notices of a pool's closed clients, per shard.
const TELL_EVERY: Duration = Duration::from_mins(1);

impl Proxy {
    /// Answers a request that was not executed with an error. If the request is stateful, no later request is
    /// executed either: the client is closed after its replies, with this error as the last.
    pub(crate) fn reject<I: Io>(&self, io: &mut I, client: &mut Client, stateful: bool, error: &[u8]) {
        self.give(io, client, error);
        client.session.leaving |= stateful;
    }

    /// Counts an unsupported request. True if its client is closed without an error, as in nutcracker
    /// (`unsupported = "close"`).
    pub(crate) fn unsupported(&self, client: &mut Client) -> bool {
        let pool = &self.pools[client.pool];
        pool.stats.unsupported.inc();
        let closes = pool.config.unsupported == Unsupported::Close;
        if closes {
            pool.stats.client_err.inc();
            client.session.leaving = true;
        }
        closes
    }

    /// Counts a request against the limits of its user and its pool. True if one is reached: the request is
    /// answered with an error.
    pub(super) fn refuse_over_limit<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        silence: memcache::Silence,
    ) -> bool {
        let Some(failure) = self.over_limit(io, client) else { return false };
        let error = failure.reply(self.pools[client.pool].config.protocol);
        self.give(io, client, if silence == memcache::Silence::Always { b"" } else { &error });
        true
    }

    /// Counts a request against the limits of its user and its pool. The error, if one is reached.
    pub(super) fn over_limit<I: Io>(&mut self, io: &I, client: &Client) -> Option<Failure> {
        let pool = &self.pools[client.pool];
        let failure = pool.gate.count_request(client, io.now()).err()?;
        pool.stats.limited.inc();
        Some(failure)
    }

    pub(crate) fn refuse_redis<I: Io>(&mut self, io: &mut I, client: &mut Client, refusal: &Refusal<'_>) {
        if refusal.is_unsupported() && self.unsupported(client) {
            return;
        }
        self.scratch.reply.clear();
        refusal.write(&mut self.scratch.reply);
        let stateful = refusal.stateful();
        let error = std::mem::take(&mut self.scratch.reply);
        self.reject_redis(io, client, stateful, &error);
        self.scratch.reply = error;
        if let Some(command) = stateful {
            self.tell_refused(io.now(), client.pool, command.name);
        }
    }

    /// Answers a Redis request with an error; `stateful` is its command if later requests depend on it.
    pub(super) fn reject_redis<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        stateful: Option<&'static Command>,
        error: &[u8],
    ) {
        let multi = stateful.is_some_and(|command| command.name == "multi");
        self.reject(io, client, stateful.is_some() && !multi, error);
        if multi {
            self.begin_refused_transaction(io, client);
        }
    }

    pub(super) fn refuse_memcache<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        request: &memcache::Request,
        line: &'static str,
    ) {
        if self.unsupported(client) {
            return;
        }
        let stateful = request.row().stateful;
        // A client that is about to be closed gets the error even with noreply.
        let silent = request.noreply() && !stateful;
        self.reject(io, client, stateful, if silent { b"" } else { line.as_bytes() });
        if stateful {
            self.tell_refused(io.now(), client.pool, request.row().name);
        }
    }

    /// Notifies the operator why a client was closed: client libraries often report the close instead of the
    /// error before it.
    pub(crate) fn tell_refused(&mut self, now: Instant, pool: PoolKey, command: &'static str) {
        let pool = &mut self.pools[pool];
        if pool.refusal_told.is_some_and(|told| now.since(told) < TELL_EVERY) {
            return;
        }
        pool.refusal_told = Some(now);
        (self.notify)(Notice::ClientRefused { pool: pool.config.name.clone(), command });
    }
}

#[cfg(test)]
mod tests {
    use net::ConnId;

    use super::*;
    use crate::testing::World;

    const REDIS: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\n";
    const INCR: &str = "INCR k";
    /// Answers of the server, in turn.
    const REPLIES: &[u8] = b":1\r\n:2\r\n:3\r\n:4\r\n";

    /// Command lines encoded as RESP arrays.
    fn packet(lines: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            wire::redis::encode_inline(line.as_bytes(), &mut bytes).unwrap();
        }
        bytes
    }

    /// A client and the proxy.
    struct Session {
        world: World,
        client: ConnId,
    }

    impl Session {
        fn new(options: &str) -> Session {
            let mut world = World::new(&format!("{REDIS}{options}"));
            let client = world.accept(0);
            Session { world, client }
        }

        fn receive(&mut self, bytes: &[u8]) {
            self.world.receive(self.client, bytes);
        }

        /// Answers everything the server was sent, and returns it.
        fn serve(&mut self) -> String {
            if self.world.io.connects.is_empty() {
                return String::new();
            }
            let conn = self.world.server(0);
            let sent = self.world.sent(conn);
            let count = sent.matches("INCR").count();
            self.world.receive(conn, &REPLIES[..4 * count]);
            sent
        }

        fn is_closed(&self) -> bool {
            self.world.io.closed.contains(&self.client)
        }

        fn replies(&self) -> String {
            self.world.sent(self.client)
        }
    }

    /// True if the second of two INCR around `request` is executed: in one packet, in two, and one byte at a
    /// time.
    fn goes_on(options: &str, request: &str) -> bool {
        let whole = packet(&[INCR, request, INCR]);
        let cuts = [whole.len(), whole.len() - packet(&[INCR]).len(), 1];
        let outcomes = cuts.map(|cut| {
            let mut w = Session::new(options);
            w.world.receive_in_pieces(w.client, &whole, cut);
            assert!(!w.is_closed(), "{request}: not before everything is answered");
            let executed = w.serve().matches("INCR").count();
            let replies = w.replies();
            assert!(replies.starts_with(":1\r\n-"), "{request}: {replies}");
            assert_eq!(replies.lines().count(), executed + 1, "{request}: {replies}");
            assert_eq!(w.is_closed(), executed == 1, "{request}");
            executed == 2
        });
        assert_eq!(outcomes, [outcomes[0]; 3], "{request}: however it arrives");
        outcomes[0]
    }

    /// The issue's `SELECT 1, SET`; for `MULTI` see [`super::super::transaction`].
    #[test]
    fn nothing_is_executed_behind_a_refused_command_that_it_depends_on() {
        let ends = [
            "WATCH",
            "SELECT 1",
            "SELECT x",
            "SELECT",
            "SELECT 0 1",
            "RESET x",
            "client reply",
            "CLIENT TRACKING ON",
            "SUBSCRIBE",
            "PSUBSCRIBE",
            "SSUBSCRIBE",
            "MONITOR",
            "SYNC",
            "PSYNC ? -1",
            "REPLCONF ACK 1",
            "ASKING",
            "SCRIPT DEBUG YES",
        ];
        for request in &ends {
            assert!(!goes_on("", request), "{request}");
        }
    }

    #[test]
    fn the_client_stays_after_any_other_refusal() {
        let stays = [
            "FLUSHALL",
            "DEBUG SLEEP 1",
            "GET",
            "NOSUCH",
            "EXEC",
            "DISCARD",
            "READONLY",
            "READWRITE",
            "CLIENT CACHING YES",
            "CLIENT MAINT_NOTIFICATIONS ON",
            "CLIENT SETNAME 'a b'",
            "HELLO 4",
            "HELLO 3 SETNAME 'a b'",
            "AUTH x",
            "AUTH someone x",
            "HELLO 3 AUTH someone x",
        ];
        for request in &stays {
            assert!(goes_on("", request), "{request}");
        }
    }

    #[test]
    fn an_unsupported_command_closes_without_a_word_if_the_pool_says_so() {
        for request in ["FLUSHALL", "MONITOR", "SELECT 1"] {
            let mut w = Session::new("unsupported = \"close\"\n");
            w.receive(&packet(&[INCR, request, INCR]));
            assert_eq!(w.serve().matches("INCR").count(), 1, "{request}");
            assert_eq!((w.replies().as_str(), w.is_closed()), (":1\r\n", true), "{request}");
        }
    }

    /// `WATCH, AUTH password, INCR`: refused for the missing password, with the same consequence.
    #[test]
    fn a_stateful_command_before_the_password_closes_too() {
        let options = "auth = \"sekret\"\n";
        for request in ["WATCH k", "SELECT 0", "SUBSCRIBE c", "CLIENT REPLY OFF"] {
            let mut w = Session::new(options);
            w.receive(&packet(&["GET k", request, "AUTH sekret", INCR]));
            let noauth = "-NOAUTH Authentication required\r\n".repeat(2);
            assert_eq!((w.serve().as_str(), w.replies(), w.is_closed()), ("", noauth, true), "{request}");
        }
        let mut w = Session::new(options);
        w.receive(&packet(&["GET k", "AUTH wrong", "AUTH sekret", "SELECT 0", "AUTH wrong", INCR]));
        assert_eq!(w.serve(), "", "nothing is executed behind a wrong password");
        let replies = ["NOAUTH", "ERR", "OK", "OK", "ERR", "NOAUTH"];
        let got = w.replies();
        assert!(got.lines().zip(replies).all(|(line, word)| line[1..].starts_with(word)), "{got}");
        assert!(!w.is_closed());
    }

    /// Client libraries often report the close instead of the error that came before it.
    #[test]
    fn the_operator_is_told_once_a_minute_why_clients_are_closed() {
        let mut w = World::new(REDIS);
        let (notices, given) = std::sync::mpsc::channel();
        w.proxy.notify = Box::new(move |notice| notices.send(notice).unwrap());
        let told = |command| vec![Notice::ClientRefused { pool: "p".into(), command }];
        for (seconds, request, expected) in [
            (0, "FLUSHALL", vec![]),
            (0, "MONITOR", told("monitor")),
            (59, "MONITOR", vec![]),
            (1, "SELECT 1", told("select")),
            (30, "SELECT 1", vec![]),
        ] {
            w.io.now = w.io.now + Duration::from_secs(seconds);
            w.ask(packet(&[request]));
            assert_eq!(given.try_iter().collect::<Vec<_>>(), expected, "{request}");
        }
    }

    #[test]
    fn a_memcached_client_that_wants_no_reply_gets_none() {
        let memcached = "protocol = \"memcache\"\n";
        for (request, replies, closed) in [
            ("shutdown\r\nmn\r\n", "CLIENT_ERROR shutdown is not available through a proxy\r\nMN\r\n", false),
            ("cache_memlimit 1 noreply\r\nlru mode flat noreply\r\nmn\r\n", "MN\r\n", false),
            ("watch fetchers\r\nmn\r\n", "CLIENT_ERROR watch is not available through a proxy\r\n", true),
            ("watch noreply\r\nmn\r\n", "CLIENT_ERROR watch is not available through a proxy\r\n", true),
        ] {
            let mut w = Session::new(memcached);
            w.receive(request.as_bytes());
            assert_eq!((w.replies().as_str(), w.is_closed()), (replies, closed), "{request}");
        }
    }
}
