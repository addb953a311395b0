//! The handshake of a server connection: password, protocol version, database, role.
//!
//! ```text
//! opened ▸ AUTH, HELLO 3, SELECT, ROLE at once ▸ each is accepted ▸ waiting requests are sent
//!                                        ▸ one is refused   ▸ closed; they fail; the next attempt has to wait
//! ```
//! The wait grows up to `server_retry_timeout` ([`crate::server::backoff`]), or the server is ejected and its
//! probe does the same handshake: so it serves again soon after the server's or the pool's password is
//! corrected.
//!
//! In a pool that reads from replicas, ROLE also says whether a replica is connected to its master; and in a
//! cluster they get READONLY ([`crate::server::readonly`]).
//!
//! A master that Sentinels have named has to show that it is one (ROLE), also later, when it declines a write
//! as a replica does: an old master that is back does not know yet that it was replaced.

use bytes::Bytes;
use config::checked::Protocol;
use net::{ConnId, Io};
use wire::memcache::ReplyKind;

use crate::fail::Failure;
use crate::keys::{LaneKey, ServerKey};
use crate::notice::Notice;
use crate::proxy::Proxy;
use crate::server::Server;
use crate::server::command::command;
use crate::server::kept::Resend;
use crate::server::pending::{Expect, Handshake, Owner, Pending};
use crate::server::silence::SILENCE;

impl Server {
    /// Opens a connection and sends the handshake first: password, protocol version, database, role. None
    /// without an address.
    fn open<I: Io>(&mut self, io: &mut I, lane: u16) -> Option<ConnId> {
        let id = io.connect(self.address.as_ref()?, &self.options);
        let (version, probe) = (self.speaks_resp3(lane), lane == self.probe_lane());
        let (password, db, now) = (self.password.clone(), self.database_of(lane), io.now());
        let checks_role = self.is_named_by_sentinels();
        let readonly = self.is_replica_read_from() && lane < self.probe_lane();
        let may_be_replica = self.master.is_some() && lane < self.first_private();
        let conn = &mut self.conns[lane as usize];
        debug_assert_eq!(conn.conn, None, "one would be forgotten");
        conn.conn = Some(id);
        conn.progress = now;
        conn.readonly_asked = readonly;
        let mut shake = |step, request: Vec<u8>| {
            io.send(id, &request);
            let expect = Expect { kind: ReplyKind::Version, keys: 0 };
            conn.line.push_back(Pending { expect, ..Pending::new(Owner::Handshake(step), now, 0) });
            conn.handshakes += 1;
        };
        if self.config.protocol == Protocol::Redis {
            if let Some(password) = password {
                shake(Handshake::Password, command(&[b"AUTH", password.reveal().as_bytes()]));
            }
            if version {
                shake(Handshake::Version, command(&[b"HELLO", b"3"]));
            }
            if db > 0 {
                shake(Handshake::Database, command(&[b"SELECT", db.to_string().as_bytes()]));
            }
            if checks_role {
                shake(Handshake::Role, command(&[b"ROLE"]));
            }
            if readonly {
                shake(Handshake::Readonly, command(&[b"READONLY"]));
            }
            if readonly || may_be_replica && !probe {
                shake(Handshake::Linked, command(&[b"ROLE"]));
            }
            if probe {
                shake(Handshake::Probe, command(&[b"PING"]));
            } else if self.resend.has_another() {
                shake(Handshake::Alive, command(&[b"PING"]));
            }
        } else if probe {
            shake(Handshake::Probe, b"version\r\n".to_vec());
        }
        self.stats.connects.inc();
        Some(id)
    }

    /// Asks for the role on a connection in use. Later requests wait until it is known.
    fn ask_role<I: Io>(&mut self, io: &mut I, lane: u16) {
        let conn = &mut self.conns[lane as usize];
        let Some(id) = conn.conn.filter(|_| conn.ready()) else { return };
        io.send(id, &command(&[b"ROLE"]));
        let expect = Expect { kind: ReplyKind::Version, keys: 0 };
        let owner = Owner::Handshake(Handshake::Role);
        conn.line.push_back(Pending { expect, ..Pending::new(owner, io.now(), 0) });
        conn.unwritten.add_handshake();
        conn.handshakes += 1;
    }

    /// Handles an established connection.
    pub(crate) fn connected<I: Io>(&mut self, io: &mut I, lane: u16) {
        let conn = &mut self.conns[lane as usize];
        conn.connected = true;
        conn.progress = io.now();
        self.stats.server_connections.inc();
    }

    /// Handles an accepted handshake step. `complains`: the server answered that it needs no password.
    fn step_done<I: Io>(&mut self, io: &mut I, lane: u16, complains: bool) {
        let conn = &mut self.conns[lane as usize];
        conn.handshakes -= 1;
        conn.unneeded_password |= complains;
        if conn.handshakes == 0 {
            self.handshake_done(io, lane);
        }
    }

    /// Ends the handshake: sends the requests that waited for it; later ones go straight to the socket.
    fn handshake_done<I: Io>(&mut self, io: &mut I, lane: u16) {
        if self.speaks_resp3(lane) {
            self.resp3.reset();
        }
        if self.database_of(lane) != self.config.db {
            self.other_databases.reset();
        }
        let conn = &mut self.conns[lane as usize];
        self.refuses = conn.unneeded_password;
        if !conn.unready.is_empty()
            && let Some(id) = conn.conn
        {
            let unready = std::mem::take(&mut conn.unready);
            let holds_back = !conn.waiting_clients.is_empty();
            io.send_shared(id, Bytes::from(unready));
            if holds_back {
                io.notify_drained(id);
            }
        }
    }

    /// Notice of a refused handshake, once until one is accepted.
    fn refusal(&mut self, reply: &[u8]) -> Option<Notice> {
        if std::mem::replace(&mut self.refuses, true) {
            return None;
        }
        let answer = String::from_utf8_lossy(reply.trim_ascii()).into_owned();
        let (pool, server) = self.names();
        Some(Notice::HandshakeRefused { pool, server, answer })
    }
}

impl Proxy {
    /// Connects to a server ahead of traffic if its pool has `preconnect`. Failures are left for traffic to
    /// find.
    pub(crate) fn preconnect<I: Io>(&mut self, io: &mut I, server: ServerKey) {
        let config = &self.servers[server].config;
        if config.preconnect {
            let first = self.servers[server].first_of_database(None);
            for number in first..first + config.server_connections as u16 {
                if !self.servers[server].is_open(number) {
                    self.open_lane(io, LaneKey { server, number });
                }
            }
        }
    }

    /// Opens a connection to a server.
    pub(crate) fn open_lane<I: Io>(&mut self, io: &mut I, lane: LaneKey) {
        if let Some(id) = self.servers[lane.server].open(io, lane.number) {
            let server = &mut self.servers[lane.server];
            if server.resend == Resend::All {
                let at = io.now() + SILENCE;
                server.conns[lane.number as usize].alarm_at(io, lane, at);
            }
            self.recount_server(lane);
            self.set_server(id, lane);
        }
    }

    /// Handles a reply to a handshake request.
    pub(crate) fn handshake_reply<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        step: Handshake,
        reply: &[u8],
        is_error: bool,
    ) {
        let failure = match step {
            Handshake::Probe => return self.probe_answered(io, lane, reply, is_error),
            // An error is a sign of life, too.
            Handshake::Alive => {
                self.servers[lane.server].step_done(io, lane.number, false);
                self.turn_lane_by_standing(io, lane);
                return self.wake_detours_to(io, lane.server);
            }
            // A server that refuses it declines the reads, which then go to the master.
            Handshake::Readonly => {
                self.server_conn(lane).readonly = !is_error;
                return self.servers[lane.server].step_done(io, lane.number, false);
            }
            Handshake::Turned { readonly } => {
                self.server_conn(lane).readonly = readonly && !is_error;
                return;
            }
            Handshake::Linked if self.is_unlinked(io, lane, reply) => return,
            Handshake::Linked => return self.servers[lane.server].step_done(io, lane.number, false),
            Handshake::TurnedLinked => {
                self.is_unlinked(io, lane, reply);
                return;
            }
            Handshake::Password => Failure::Password,
            Handshake::Version => Failure::Version,
            Handshake::Database => Failure::Database,
            Handshake::Role => Failure::Demoted,
        };
        if step == Handshake::Role && !is_error && !wire::redis::sentinel::is_master(reply) {
            return self.handshake_refused(io, lane, failure);
        }
        if is_error {
            let notice = self.servers[lane.server].refusal(reply);
            self.tell(notice);
            if !needs_no_password(step, reply) {
                return self.handshake_refused(io, lane, failure);
            }
        }
        self.servers[lane.server].step_done(io, lane.number, is_error);
    }

    /// Takes the role of a node that may be a replica. One that is not connected to its master is not read
    /// from until it is reported to be: the connection is closed, and its reads go to the master. A server
    /// that does not say is believed.
    fn is_unlinked<I: Io>(&mut self, io: &mut I, lane: LaneKey, reply: &[u8]) -> bool {
        let server = &mut self.servers[lane.server];
        let is_unlinked = server.standing.is_fit && wire::redis::replication::is_unlinked(reply);
        if is_unlinked {
            server.standing.is_fit = false;
            self.close_lane(io, lane, Failure::Superseded);
        }
        is_unlinked
    }

    /// Closes a connection whose handshake was refused: its requests would be refused, reach another
    /// database, or be answered in another protocol version. The next connection tries again.
    fn handshake_refused<I: Io>(&mut self, io: &mut I, lane: LaneKey, failure: Failure) {
        if failure == Failure::Version {
            // Clients of RESP2 can still use the server.
            let server = &mut self.servers[lane.server];
            server.resp3.failed(failure, server.config.server_retry_timeout, io.now());
        }
        let server = &mut self.servers[lane.server];
        if server.is_without_database(lane.number, failure) {
            server.other_databases.failed(failure, server.config.server_retry_timeout, io.now());
        }
        if failure == Failure::Demoted {
            self.doubt_master(io, lane.server);
        }
        self.close_lane(io, lane, failure);
    }

    /// Looks whether a server that has declined a request is still a master.
    #[cold]
    pub(crate) fn check_master<I: Io>(&mut self, io: &mut I, lane: LaneKey, error: &[u8]) {
        let declines = [&b"-READONLY "[..], b"-MASTERDOWN "].iter().any(|code| error.starts_with(code));
        let pool = self.servers[lane.server].pool;
        // A script can make up the error, so that it is no more than a doubt.
        if declines && self.doubt(io.now(), pool) {
            self.servers[lane.server].ask_role(io, lane.number);
        }
    }
}

/// True for the error of a server that requires no password: it serves the requests that follow. So the proxy
/// can be given a password before its servers are.
fn needs_no_password(step: Handshake, reply: &[u8]) -> bool {
    let says = |words: &str| memchr::memmem::find(reply, words.as_bytes()).is_some();
    step == Handshake::Password && (says("without any password configured") || says("no password is set"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use net::ConnId;

    use crate::server::health::State;
    use crate::testing::World;

    const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\nauth = \"old\"\n\
                        db = 3\nserver_retry_timeout = \"1s\"\n";
    const GET: &[u8] = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
    const AUTH_AND_SELECT: &[u8] = b"*2\r\n$4\r\nAUTH\r\n$3\r\nold\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n";
    const WRONG: &[u8] = b"-WRONGPASS invalid username-password pair\r\n";
    const NOAUTH: &[u8] = b"-NOAUTH the server did not accept the pool's password\r\n";

    fn world(more: &str) -> World {
        World::new(&format!("{POOL}{more}"))
    }

    fn state(w: &World) -> State {
        w.proxy.servers.values().next().expect("a server").health.state
    }

    /// A new client with a request.
    fn ask(w: &mut World, hello: &[u8]) -> ConnId {
        let client = w.ask(b"*2\r\n$4\r\nAUTH\r\n$3\r\nold\r\n");
        w.receive(client, &[hello, GET].concat());
        client
    }

    fn answer(w: &World, client: ConnId) -> String {
        w.sent(client).strip_prefix("+OK\r\n").expect("its own password is right").to_owned()
    }

    /// The server connection that was opened last, after it answered `says`.
    fn last_server(w: &mut World, says: &[u8]) -> ConnId {
        let conn = w.server(w.io.connects.len() - 1);
        w.receive(conn, says);
        conn
    }

    #[test]
    fn a_connection_whose_password_was_refused_is_closed_and_tried_again() {
        let mut w = world("");
        let client = ask(&mut w, b"");
        let server = last_server(&mut w, &[WRONG, b"-NOAUTH Authentication required.\r\n"].concat());
        assert_eq!(answer(&w, client).as_bytes(), NOAUTH);
        assert!(w.io.closed.contains(&server));
        assert_eq!(w.io.sent(server), AUTH_AND_SELECT, "no request reaches it");

        // No request opens a connection before the wait is over.
        let early = ask(&mut w, b"");
        assert_eq!((answer(&w, early).as_bytes(), w.io.connects.len()), (NOAUTH, 1));
        // However many attempts failed, a corrected password works within the retry time.
        for _ in 0..20 {
            w.pass_time(Duration::from_secs(1));
            let client = ask(&mut w, b"");
            last_server(&mut w, WRONG);
            assert_eq!(answer(&w, client).as_bytes(), NOAUTH);
        }
        assert_eq!(w.io.connects.len(), 21);
        w.pass_time(Duration::from_secs(1));
        let late = ask(&mut w, b"");
        let server = last_server(&mut w, b"+OK\r\n+OK\r\n");
        w.receive(server, b"$1\r\nv\r\n");
        assert_eq!(answer(&w, late), "$1\r\nv\r\n");
        let next = ask(&mut w, b"");
        w.receive(server, b"$1\r\nw\r\n");
        assert_eq!((answer(&w, next).as_str(), w.io.connects.len()), ("$1\r\nw\r\n", 22));
    }

    #[test]
    fn the_wait_grows_though_another_step_was_accepted() {
        let mut w = world("");
        for round in 0..10 {
            let client = ask(&mut w, b"");
            last_server(&mut w, b"+OK\r\n-ERR DB index is out of range\r\n");
            let refused = "-ERR the server did not accept the pool's database\r\n";
            assert_eq!(answer(&w, client), refused);
            assert_eq!(w.io.connects.len(), round + 1);
            if round < 9 {
                w.pass_time(Duration::from_secs(1));
            }
        }
        w.pass_time(Duration::from_millis(700));
        ask(&mut w, b"");
        assert_eq!(w.io.connects.len(), 10);
    }

    #[test]
    fn a_server_that_refuses_the_password_is_ejected_and_its_probe_authenticates() {
        let mut w = world("auto_eject_hosts = true\nserver_failure_limit = 2\n");
        for _ in 0..2 {
            let client = ask(&mut w, b"");
            last_server(&mut w, WRONG);
            assert_eq!(answer(&w, client).as_bytes(), NOAUTH);
        }
        assert_eq!(state(&w), State::Ejected);
        for _ in 0..10 {
            let before = w.io.connects.len();
            w.pass_time(Duration::from_secs(1));
            assert_eq!(w.io.connects.len(), before + 1, "each retry time a probe");
            let probe = last_server(&mut w, WRONG);
            assert_eq!(w.io.sent(probe), [AUTH_AND_SELECT, b"*1\r\n$4\r\nPING\r\n"].concat());
            assert_eq!(state(&w), State::Ejected);
        }
        w.pass_time(Duration::from_secs(1));
        last_server(&mut w, b"+OK\r\n+OK\r\n+PONG\r\n");
        assert_eq!(state(&w), State::Up);
    }

    #[test]
    fn a_server_that_wants_no_password_is_served_all_the_same() {
        let (old, new) = (
            b"-ERR Client sent AUTH, but no password is set\r\n".as_slice(),
            b"-ERR AUTH <password> called without any password configured for the default user. Are you sure \
              your configuration is correct?\r\n",
        );
        for refusal in [old, new] {
            let mut w = world("");
            let client = ask(&mut w, b"");
            last_server(&mut w, &[refusal, b"+OK\r\n$1\r\nv\r\n"].concat());
            assert_eq!(answer(&w, client), "$1\r\nv\r\n");
        }
    }

    #[test]
    fn a_server_without_resp3_is_asked_for_it_now_and_then_and_serves_the_others() {
        let mut w = world("");
        let refused = "-ERR the server does not speak RESP3 (HELLO 3)\r\n";
        let hello: &[u8] = b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n";
        let client = ask(&mut w, hello);
        let conn = last_server(&mut w, b"+OK\r\n-ERR unknown command 'HELLO'\r\n");
        assert!(w.io.closed.contains(&conn) && answer(&w, client).ends_with(refused));
        let second = ask(&mut w, hello);
        assert!(w.io.connects.len() == 1 && answer(&w, second).ends_with(refused));
        let other = ask(&mut w, b"");
        last_server(&mut w, b"+OK\r\n+OK\r\n$1\r\nv\r\n");
        assert_eq!(answer(&w, other), "$1\r\nv\r\n");
    }
}
