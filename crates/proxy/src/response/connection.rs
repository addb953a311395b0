//! A connection to a server: opened, established, lost, too slow.

use config::checked::Protocol;
use net::Io;
use telemetry::ServerStats;
use wire::memcache::ReplyKind;

use crate::client::Wait;
use crate::fail::Failure;
use crate::health::State;
use crate::keys::{LaneKey, ServerKey};
use crate::notice::Notice;
use crate::proxy::Proxy;
use crate::request::Frame;
use crate::server::Server;
use crate::server_conn::{Expect, Handshake, NOT_NAMED, Owner, Pending, ServerConn};

impl Proxy {
    #[inline]
    pub(crate) fn server_conn(&mut self, lane: LaneKey) -> &mut ServerConn {
        &mut self.servers[lane.server].conns[lane.number as usize]
    }

    /// All connections to servers, open or not.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = (LaneKey, &ServerConn)> {
        self.servers.values().flat_map(Server::lanes)
    }

    #[inline]
    pub(crate) fn server_stats(&self, lane: LaneKey) -> &ServerStats {
        &self.servers[lane.server].stats
    }

    /// Connects to a server if its pool wants that before there is traffic, which finds out about failures again.
    pub(crate) fn preconnect<I: Io>(&mut self, io: &mut I, server: ServerKey) {
        let config = &self.servers[server].config;
        if config.preconnect {
            for number in 0..config.server_connections as u16 {
                self.open_server_conn(io, LaneKey { server, number });
            }
        }
    }

    /// Opens a connection and sends the handshake ahead of everything else: the password, then the protocol version, then the
    /// database.
    pub(crate) fn open_server_conn<I: Io>(&mut self, io: &mut I, lane: LaneKey) {
        let server = &mut self.servers[lane.server];
        let Some(address) = server.address.clone() else { return };
        let id = io.connect(&address, &server.options);
        let (version, probe) = (server.speaks_resp3(lane.number), lane.number == server.probe_lane());
        let (password, db, now) = (server.password.clone(), server.config.db, io.now());
        let conn = &mut server.conns[lane.number as usize];
        conn.conn = Some(id);
        conn.progress = now;
        let (redis, db_wanted) = (server.config.protocol == Protocol::Redis, db > 0);
        let mut shake = |step, request: Vec<u8>| {
            io.send(id, &request);
            let expect = Expect { kind: ReplyKind::Version, keys: 0 };
            conn.line.push_back(Pending { expect, ..Pending::new(Owner::Handshake(step), now, 0) });
            conn.handshakes += 1;
        };
        if redis {
            if let Some(password) = password {
                shake(Handshake::Password, command(&[b"AUTH", password.as_bytes()]));
            }
            if version {
                shake(Handshake::Version, command(&[b"HELLO", b"3"]));
            }
            if db_wanted {
                shake(Handshake::Database, command(&[b"SELECT", db.to_string().as_bytes()]));
            }
            if probe {
                shake(Handshake::Probe, command(&[b"PING"]));
            }
        } else if probe {
            shake(Handshake::Probe, b"version\r\n".to_vec());
        }
        self.recount_server(lane);
        self.server_stats(lane).connects.inc();
        self.set_server(id, lane);
    }

    pub(crate) fn server_connected<I: Io>(&mut self, io: &mut I, lane: LaneKey) {
        let now = io.now();
        let conn = self.server_conn(lane);
        conn.connected = true;
        conn.progress = now;
        self.server_stats(lane).server_connections.inc();
    }

    /// The connection is gone. What may be sent again goes to a fresh connection, once; the rest fails.
    pub(crate) fn server_lost<I: Io>(&mut self, io: &mut I, lane: LaneKey, failure: Failure) {
        let conn = self.server_conn(lane);
        let was_connected = conn.connected;
        let mid_reply = conn.mid_reply;
        if let Some((timer, _)) = conn.timer.take() {
            io.cancel_timer(timer);
        }
        let pausing = std::mem::take(&mut conn.pausing);
        let bulky_waiting = std::mem::take(&mut conn.bulky_waiting);
        let ServerConn { conn: id, line, expired, mut kept, passage, .. } = conn.take();
        self.recount_server(lane);
        if let Some(id) = id {
            self.vacate(id);
        }
        self.count_loss(lane, failure, was_connected);
        if let Some(to) = passage.as_ref().and_then(|passage| passage.client()) {
            self.cut_off(io, lane, to);
        }
        let server = &self.servers[lane.server];
        let waited = line.iter().any(|p| !matches!(p.owner, Owner::Handshake(_)));
        if failure == Failure::Removed {
            // Nothing is to be learnt about it any more.
        } else if lane.number == server.probe_lane() {
            self.servers[lane.server].probe_lost(io, failure);
        } else if waited && failure != Failure::Version {
            self.server_failed(io, lane, failure, was_connected);
        }
        // This loss may have been one too many: an ejected server gets nothing but probes.
        let up = self.servers[lane.server].health.state == State::Up;
        let may_repeat = !matches!(failure, Failure::TimedOut | Failure::Removed) && !failure.is_handshake();
        let again = up && was_connected && may_repeat;
        for (n, pending) in line.into_iter().enumerate() {
            let bytes = kept.front(pending.kept as usize).to_vec();
            kept.drop_front(pending.kept as usize);
            if n < expired || (n == 0 && passage.is_some()) {
                continue;
            }
            let retry = again && pending.again && !(n == 0 && mid_reply) && self.is_wanted(&pending);
            if !retry || !self.send_again(io, lane, &pending, &bytes) {
                self.fail_pending(io, lane, &pending, failure);
            }
        }
        for client in pausing.into_iter().chain(bulky_waiting) {
            self.read_again(io, client, Wait::Server);
        }
    }

    fn count_loss(&self, lane: LaneKey, failure: Failure, was_connected: bool) {
        let stats = self.server_stats(lane);
        if was_connected {
            stats.server_connections.dec();
        } else if failure != Failure::Removed {
            stats.connects_refused.inc();
        }
        match failure {
            Failure::Removed => {}
            Failure::Closed => stats.server_eof.inc(),
            // Counted when the deadline passed.
            Failure::TimedOut if was_connected => {}
            Failure::TimedOut => stats.server_timedout.inc(),
            _ => stats.server_err.inc(),
        }
    }

    /// Requests have failed with their connection, or because it could not be opened.
    fn server_failed<I: Io>(&mut self, io: &mut I, lane: LaneKey, failure: Failure, was_connected: bool) {
        let server = &mut self.servers[lane.server];
        let policy = server.policy();
        if !was_connected || failure.is_handshake() {
            server.health.refused(policy, failure, io.now());
        }
        // A refused handshake was told in the server's own words.
        if !std::mem::replace(&mut server.failing, true) && !failure.is_handshake() {
            let (pool, server) = self.names(lane.server);
            (self.notify)(Notice::ServerFailed { pool, server, reason: failure.reason() });
        }
        if !failure.is_ours() {
            self.count_failure(io, lane.server, failure);
        }
    }

    pub(super) fn server_works(&mut self, lane: LaneKey) {
        self.servers[lane.server].failing = false;
        let (pool, server) = self.names(lane.server);
        (self.notify)(Notice::ServerWorks { pool, server });
    }

    pub(crate) fn names(&self, server: ServerKey) -> (String, String) {
        let server = &self.servers[server];
        (server.config.name.clone(), server.identity.clone())
    }

    /// True if somebody still waits for the reply.
    fn is_wanted(&mut self, pending: &Pending) -> bool {
        match pending.owner {
            Owner::Client(id, _) => self.client_mut(id).is_some(),
            Owner::Part(..) => true,
            Owner::Handshake(_) => false,
        }
    }

    fn send_again<I: Io>(&mut self, io: &mut I, lane: LaneKey, pending: &Pending, bytes: &[u8]) -> bool {
        let again = Pending { kept: 0, asked: NOT_NAMED, again: false, ..*pending };
        let keep = pending.keep_again(bytes);
        let sent = self.enqueue(io, lane, Frame::Slice(bytes), again, keep).is_ok();
        if sent {
            self.server_stats(lane).retries.inc();
        }
        sent
    }

    pub(crate) fn server_drained<I: Io>(&mut self, io: &mut I, lane: LaneKey) {
        self.make_room(io, lane);
    }

    // ---- deadlines ------------------------------------------------------------------------------------------------

    /// The oldest request on a connection may have waited too long. It gets its error; its reply, if it comes, is thrown away, so
    /// that the others on the connection are not harmed. A connection on which nothing has come for twice the timeout
    /// is stuck and replaced.
    pub(crate) fn deadline<I: Io>(&mut self, io: &mut I, lane: LaneKey) {
        if self.servers.get(lane.server).is_none() {
            return;
        }
        let now = io.now();
        self.server_conn(lane).timer = None;
        let patience = self.end_of_patience(io, lane);
        let Some(timeout) = self.servers[lane.server].config.timeout else {
            if let Some(at) = patience {
                self.server_conn(lane).alarm_at(io, lane, at);
            }
            return;
        };
        let mut any = false;
        loop {
            let conn = self.server_conn(lane);
            let at = conn.expired;
            let Some(pending) = conn.line.get(at).copied() else { break };
            // A handshake has no deadline of its own, and must not stand before that of a request that was sent again.
            let handshake = matches!(pending.owner, Owner::Handshake(_));
            if !handshake && pending.at + timeout > now {
                break;
            }
            conn.expired += 1;
            // A reply that is passed on is late only when it does not get on.
            if handshake || (at == 0 && conn.passage.is_some()) {
                continue;
            }
            any = true;
            self.server_stats(lane).request_timeouts.inc();
            self.servers[lane.server].pool_stats.timeouts.inc();
            self.fail_pending(io, lane, &pending, Failure::TimedOut);
        }
        let blameless = self.server_conn(lane).passage.as_ref().is_some_and(|passage| passage.was_held_up());
        if any && !blameless {
            self.server_stats(lane).server_timedout.inc();
            self.server_failed(io, lane, Failure::TimedOut, true);
        }
        let conn = self.server_conn(lane);
        let Some(id) = conn.conn else { return };
        let held_up = conn.passage.as_ref().is_some_and(|passage| passage.is_held_up());
        let stuck = conn.expired > 0 && !held_up;
        let oldest = conn.line.front().filter(|_| stuck).map(|p| p.at.max(conn.progress));
        if let Some(since) = oldest
            && since + timeout * 2 <= now
        {
            io.abort(id);
            return self.server_lost(io, lane, Failure::TimedOut);
        }
        let next = conn.line.get(conn.expired).map(|p| p.at + timeout);
        let stuck = oldest.map(|since| since + timeout * 2);
        if let Some(at) = [next, stuck, patience].into_iter().flatten().min() {
            conn.alarm_at(io, lane, at.max(now));
        }
    }
}

/// A request to a redis server.
fn command(args: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    wire::redis::encode::array(&mut out, args.len());
    for arg in args {
        wire::redis::encode::bulk(&mut out, arg);
    }
    out
}
