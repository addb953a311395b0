//! What a server answers to a connection's first requests: the password, the protocol version, the database.
//!
//! ```text
//! opened ▸ AUTH, HELLO 3, SELECT at once ▸ each is accepted ▸ requests that waited go out
//!                                        ▸ one is refused   ▸ closed; they fail; the next attempt after a while
//! ```
//! The wait grows up to `server_retry_timeout` ([`crate::backoff`]), or the server is ejected and its probe does the same
//! handshake: so it serves again soon after its password or ours was corrected.

use bytes::Bytes;
use net::Io;

use crate::fail::Failure;
use crate::keys::LaneKey;
use crate::notice::Notice;
use crate::proxy::Proxy;
use crate::server_conn::Handshake;

impl Proxy {
    /// A reply to one of the handshake's requests.
    pub(super) fn handshake_reply<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        step: Handshake,
        reply: &[u8],
        is_error: bool,
    ) {
        let failure = match step {
            Handshake::Probe => return self.probe_answered(io, lane, reply, is_error),
            Handshake::Password => Failure::Password,
            Handshake::Version => Failure::Version,
            Handshake::Database => Failure::Database,
        };
        if is_error {
            self.tell_refusal(lane, reply);
            if !needs_no_password(step, reply) {
                return self.handshake_refused(io, lane, failure);
            }
        }
        let conn = self.server_conn(lane);
        conn.handshakes -= 1;
        conn.unneeded_password |= is_error;
        if conn.handshakes == 0 {
            self.handshake_done(io, lane);
        }
    }

    fn tell_refusal(&mut self, lane: LaneKey, reply: &[u8]) {
        let server = &mut self.servers[lane.server];
        if !std::mem::replace(&mut server.refuses, true) {
            let answer = String::from_utf8_lossy(reply.trim_ascii()).into_owned();
            let (pool, server) = self.names(lane.server);
            (self.notify)(Notice::HandshakeRefused { pool, server, answer });
        }
    }

    /// What follows on this connection would be refused, or reach another database, or be answered in another version: it is
    /// closed, and the next one asks again.
    fn handshake_refused<I: Io>(&mut self, io: &mut I, lane: LaneKey, failure: Failure) {
        if failure == Failure::Version {
            // It is good enough for everybody else.
            let server = &mut self.servers[lane.server];
            server.resp3.failed(failure, server.config.server_retry_timeout, io.now());
        }
        if let Some(id) = self.server_conn(lane).conn {
            io.abort(id);
        }
        self.server_lost(io, lane, failure);
    }

    /// Requests may go straight to the socket from now on.
    fn handshake_done<I: Io>(&mut self, io: &mut I, lane: LaneKey) {
        let server = &mut self.servers[lane.server];
        if server.speaks_resp3(lane.number) {
            server.resp3.reset();
        }
        let conn = &mut server.conns[lane.number as usize];
        server.refuses = conn.unneeded_password;
        if !conn.held.is_empty()
            && let Some(id) = conn.conn
        {
            let held = std::mem::take(&mut conn.held);
            let holds_back = !conn.pausing.is_empty();
            io.send_shared(id, Bytes::from(held));
            if holds_back {
                io.notify_drained(id);
            }
        }
    }
}

/// True for the error of a server that wants no password: what follows is served all the same. So a password can be given to
/// the proxy before it is to the servers.
fn needs_no_password(step: Handshake, reply: &[u8]) -> bool {
    let says = |words: &str| memchr::memmem::find(reply, words.as_bytes()).is_some();
    step == Handshake::Password && (says("without any password configured") || says("no password is set"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use net::{App, ConnId, Input, Peer};

    use super::*;
    use crate::health::State;
    use crate::testing::{FakeIo, proxy};

    const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\nauth = \"old\"\n\
                        db = 3\nserver_retry_timeout = \"1s\"\n";
    const GET: &[u8] = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
    const AUTH_AND_SELECT: &[u8] = b"*2\r\n$4\r\nAUTH\r\n$3\r\nold\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n";
    const WRONG: &[u8] = b"-WRONGPASS invalid username-password pair\r\n";
    const NOAUTH: &[u8] = b"-NOAUTH the server did not accept the pool's password\r\n";

    struct World {
        io: FakeIo,
        proxy: Proxy,
    }

    impl World {
        fn new(more: &str) -> World {
            let mut io = FakeIo::default();
            let proxy = proxy(&mut io, &format!("{POOL}{more}"));
            World { io, proxy }
        }

        fn state(&self) -> State {
            self.proxy.servers.values().next().expect("a server").health.state
        }

        fn receive(&mut self, conn: ConnId, bytes: &[u8]) {
            self.proxy.received(&mut self.io, conn, &mut Input::scratch(bytes));
        }

        /// A new client's request.
        fn ask(&mut self, hello: &[u8]) -> ConnId {
            let client = self.io.open();
            self.proxy.accepted(&mut self.io, 0, client, Peer::Unix);
            self.receive(client, b"*2\r\n$4\r\nAUTH\r\n$3\r\nold\r\n");
            self.receive(client, &[hello, GET].concat());
            client
        }

        fn answer(&self, client: ConnId) -> String {
            let all = String::from_utf8_lossy(self.io.sent(client)).into_owned();
            all.strip_prefix("+OK\r\n").expect("its own password is right").to_owned()
        }

        /// The server connection that was opened last, which says this.
        fn server(&mut self, says: &[u8]) -> ConnId {
            let conn = self.io.connects.last().expect("opened").0;
            self.proxy.connected(&mut self.io, conn);
            self.receive(conn, says);
            conn
        }

        fn pass_time(&mut self, time: Duration) {
            self.io.now = self.io.now + time;
            while let Some(due) = self.io.timers.first_entry().filter(|t| t.key().0 <= self.io.now) {
                let token = due.remove();
                self.proxy.timer(&mut self.io, token);
            }
        }
    }

    #[test]
    fn a_connection_whose_password_was_refused_is_closed_and_tried_again() {
        let mut w = World::new("");
        let client = w.ask(b"");
        let server = w.server(&[WRONG, b"-NOAUTH Authentication required.\r\n"].concat());
        assert_eq!(w.answer(client).as_bytes(), NOAUTH);
        assert!(w.io.closed.contains(&server));
        assert_eq!(w.io.sent(server), AUTH_AND_SELECT, "no request reaches it");

        // Until the wait is over nobody asks again.
        let early = w.ask(b"");
        assert_eq!((w.answer(early).as_bytes(), w.io.connects.len()), (NOAUTH, 1));
        // However long that has been going on, the right password is found within the retry time.
        for _ in 0..20 {
            w.pass_time(Duration::from_secs(1));
            let client = w.ask(b"");
            w.server(WRONG);
            assert_eq!(w.answer(client).as_bytes(), NOAUTH);
        }
        assert_eq!(w.io.connects.len(), 21);
        w.pass_time(Duration::from_secs(1));
        let late = w.ask(b"");
        let server = w.server(b"+OK\r\n+OK\r\n");
        w.receive(server, b"$1\r\nv\r\n");
        assert_eq!(w.answer(late), "$1\r\nv\r\n");
        let next = w.ask(b"");
        w.receive(server, b"$1\r\nw\r\n");
        assert_eq!((w.answer(next).as_str(), w.io.connects.len()), ("$1\r\nw\r\n", 22));
    }

    #[test]
    fn the_wait_grows_though_another_step_was_accepted() {
        let mut w = World::new("");
        for round in 0..10 {
            let client = w.ask(b"");
            w.server(b"+OK\r\n-ERR DB index is out of range\r\n");
            let refused = "-ERR the server did not accept the pool's database\r\n";
            assert_eq!(w.answer(client), refused);
            assert_eq!(w.io.connects.len(), round + 1);
            if round < 9 {
                w.pass_time(Duration::from_secs(1));
            }
        }
        w.pass_time(Duration::from_millis(700));
        w.ask(b"");
        assert_eq!(w.io.connects.len(), 10);
    }

    #[test]
    fn a_server_that_refuses_the_password_is_ejected_and_its_probe_authenticates() {
        let mut w = World::new("auto_eject_hosts = true\nserver_failure_limit = 2\n");
        for _ in 0..2 {
            let client = w.ask(b"");
            w.server(WRONG);
            assert_eq!(w.answer(client).as_bytes(), NOAUTH);
        }
        assert_eq!(w.state(), State::Ejected);
        for _ in 0..10 {
            let before = w.io.connects.len();
            w.pass_time(Duration::from_secs(1));
            assert_eq!(w.io.connects.len(), before + 1, "each retry time a probe");
            let probe = w.server(WRONG);
            assert_eq!(w.io.sent(probe), [AUTH_AND_SELECT, b"*1\r\n$4\r\nPING\r\n"].concat());
            assert_eq!(w.state(), State::Ejected);
        }
        w.pass_time(Duration::from_secs(1));
        w.server(b"+OK\r\n+OK\r\n+PONG\r\n");
        assert_eq!(w.state(), State::Up);
    }

    #[test]
    fn a_server_that_wants_no_password_is_served_all_the_same() {
        let (old, new) = (
            b"-ERR Client sent AUTH, but no password is set\r\n".as_slice(),
            b"-ERR AUTH <password> called without any password configured for the default user. Are you sure \
              your configuration is correct?\r\n",
        );
        for refusal in [old, new] {
            let mut w = World::new("");
            let client = w.ask(b"");
            w.server(&[refusal, b"+OK\r\n$1\r\nv\r\n"].concat());
            assert_eq!(w.answer(client), "$1\r\nv\r\n");
        }
    }

    #[test]
    fn a_server_without_resp3_is_asked_for_it_now_and_then_and_serves_the_others() {
        let mut w = World::new("");
        let refused = "-ERR the server does not speak RESP3 (HELLO 3)\r\n";
        let hello: &[u8] = b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n";
        let client = w.ask(hello);
        let conn = w.server(b"+OK\r\n-ERR unknown command 'HELLO'\r\n");
        assert!(w.io.closed.contains(&conn) && w.answer(client).ends_with(refused));
        let second = w.ask(hello);
        assert!(w.io.connects.len() == 1 && w.answer(second).ends_with(refused));
        let other = w.ask(b"");
        w.server(b"+OK\r\n+OK\r\n$1\r\nv\r\n");
        assert_eq!(w.answer(other), "$1\r\nv\r\n");
    }
}
