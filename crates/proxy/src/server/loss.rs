//! Loss of a server connection: safe requests are resent once, on a new connection; the rest fail.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use net::{ConnId, Io, Unsent};

use crate::client::Wait;
use crate::fail::Failure;
use crate::gather::Merge;
use crate::keys::{LaneKey, ServerKey};
use crate::notice::Notice;
use crate::proxy::Proxy;
use crate::request::{Frame, MULTI};
use crate::server::Server;
use crate::server::connection::ServerConn;
use crate::server::health::State;
use crate::server::kept::{Keep, Kept, Resend};
use crate::server::passage::Passage;
use crate::server::pending::{NOT_NAMED, Owner, Pending, Whole};

/// Requests that were on a lost connection.
struct Lost {
    id: Option<ConnId>,
    was_connected: bool,
    /// Its handshake was not done: no request has left.
    is_unsent: bool,
    mid_reply: bool,
    line: VecDeque<Pending>,
    expired: usize,
    /// Number of requests that may have been executed: the first ones. The others have not left.
    left: usize,
    kept: Kept,
    /// Requests that waited for the handshake.
    unready: Vec<u8>,
    /// Bytes that never left, of the last requests before `unready`, and the beginning of the first of those.
    unsent: Unsent,
    passage: Option<Box<Passage>>,
    /// Clients that are not read because they wait for it.
    waiting: Vec<ConnId>,
}

impl Lost {
    /// True if the request at `n` in the line may be resent: its reply has not begun.
    fn may_repeat(&self, n: usize, pending: &Pending) -> bool {
        self.was_connected && pending.safe && !(n == 0 && self.mid_reply)
    }

    /// Requests at the front of the line of which all bytes have left, or may have: any other cannot have
    /// been executed, since a server needs all of a request.
    fn count_left(&self) -> usize {
        if self.is_unsent {
            return 0;
        }
        let (mut behind, unsent) = (0, self.unsent.bytes.len() - self.unsent.written);
        let never_left = self.line.iter().rev().take_while(|pending| {
            let is_cut = behind < unsent;
            behind += pending.len as usize;
            is_cut
        });
        self.line.len() - never_left.count()
    }

    /// The bytes of the last requests of the line that have not left, or not whole, each with its request's
    /// place. One that has left in part is among them if its beginning is still known.
    fn unsent(&self) -> BTreeMap<usize, Range<usize>> {
        let written = if self.is_unsent { 0 } else { self.unsent.written };
        let mut end = self.unsent_bytes().len();
        let mut places = BTreeMap::new();
        for (n, pending) in self.line.iter().enumerate().rev() {
            let Some(start) = end.checked_sub(pending.len as usize).filter(|_| end > written) else { break };
            if matches!(pending.owner, Owner::Handshake(_)) {
                break;
            }
            places.insert(n, start..end);
            end = start;
        }
        places
    }

    fn unsent_bytes(&self) -> &[u8] {
        if self.is_unsent { &self.unready } else { &self.unsent.bytes }
    }

    /// True if the request at `n` is settled: it has an error, or the beginning of its reply.
    fn is_settled(&self, n: usize) -> bool {
        n < self.expired || (n == 0 && self.passage.is_some())
    }
}

impl Server {
    /// Takes all requests off a lost connection.
    fn lose<I: Io>(&mut self, io: &mut I, lane: u16, failure: Failure) -> Lost {
        let conn = &mut self.conns[lane as usize];
        if let Some((timer, _)) = conn.timer.take() {
            io.cancel_timer(timer);
        }
        let mut waiting = std::mem::take(&mut conn.waiting_clients);
        waiting.extend(std::mem::take(&mut conn.bulky_waiting));
        let is_unsent = !conn.connected || !conn.ready();
        let unsent = conn.conn.map(|id| io.take_unsent(id)).unwrap_or_default();
        let ServerConn { conn: id, connected, mid_reply, line, expired, kept, unready, passage, .. } =
            conn.take();
        self.count_loss(failure, connected);
        Lost {
            id,
            was_connected: connected,
            is_unsent,
            mid_reply,
            line,
            expired,
            left: usize::MAX,
            kept,
            unready,
            unsent,
            passage,
            waiting,
        }
    }

    fn count_loss(&self, failure: Failure, was_connected: bool) {
        if was_connected {
            self.stats.server_connections.dec();
        } else if !matches!(failure, Failure::Removed | Failure::Replaced | Failure::Superseded) {
            self.stats.connects_refused.inc();
        }
        match failure {
            Failure::Removed | Failure::Replaced | Failure::Superseded => {}
            Failure::Closed => self.stats.server_eof.inc(),
            // Counted when the deadline passed.
            Failure::TimedOut if was_connected => {}
            Failure::TimedOut => self.stats.server_timedout.inc(),
            _ => self.stats.server_err.inc(),
        }
    }

    /// Notes that requests have failed with their connection, or because it could not be opened. Returns the
    /// notice, once until the server works again.
    fn note_failure<I: Io>(&mut self, io: &I, failure: Failure, was_connected: bool) -> Option<Notice> {
        if !was_connected || failure.is_handshake() {
            self.health.refused(self.policy(), failure, io.now());
        }
        // A refused handshake was reported with the server's own words.
        if std::mem::replace(&mut self.failing, true) || failure.is_handshake() {
            return None;
        }
        let (pool, server) = self.names();
        let mut reason = failure.reason();
        let silent = was_connected && self.stats.responses.get() == 0 && self.options.tls.is_none();
        if silent && matches!(failure, Failure::Closed | Failure::Reset) {
            reason.push_str("; it has never answered: if it speaks TLS, the pool needs server_tls");
        }
        Some(Notice::ServerFailed { pool, server, reason })
    }
}

impl Proxy {
    /// Closes a connection to a server.
    pub(crate) fn close_lane<I: Io>(&mut self, io: &mut I, lane: LaneKey, failure: Failure) {
        if let Some(id) = self.server_conn(lane).conn {
            io.abort(id);
        }
        self.server_lost(io, lane, failure);
    }

    /// Handles a lost connection.
    pub(crate) fn server_lost<I: Io>(&mut self, io: &mut I, lane: LaneKey, failure: Failure) {
        let mut lost = self.servers[lane.server].lose(io, lane.number, failure);
        if failure != Failure::Removed {
            // It may have lost its scripts with its life.
            self.servers[lane.server].scripts.clear();
        }
        self.recount_server(lane);
        if let Some(id) = lost.id {
            self.vacate(id);
        }
        if lane.number >= self.servers[lane.server].first_private() {
            self.private_lost(lane);
        } else if lane.number == self.servers[lane.server].subscription_lane() {
            self.sources_lost(io, lane, failure);
        }
        if let Some(to) = lost.passage.as_ref().and_then(|passage| passage.client()) {
            self.cut_off(io, lane, to);
        }
        self.draw_conclusions(io, lane, failure, &lost);
        // This loss may have been one too many: an ejected server gets nothing but probes.
        let server = &self.servers[lane.server];
        let up = server.health.state == State::Up && server.drain.is_none();
        let repeats = up && failure.lets_repeat();
        // The master has another address: what has not left for the old one goes there.
        let moves = failure == Failure::Replaced && lane.number < server.first_private();
        let mut unsent = if moves { self.without_torn(&lost) } else { BTreeMap::new() };
        lost.left = lost.count_left();
        for (n, pending) in std::mem::take(&mut lost.line).into_iter().enumerate() {
            let settled = lost.is_settled(n);
            self.log_slow_loss(io, lane, (&pending, settled), lost.kept.beginning(&pending));
            let whole = unsent.remove(&n);
            if !settled && self.leave_to_twin(lane, &pending) {
                lost.kept.release(&pending);
                continue;
            }
            if !settled {
                if whole
                    .is_some_and(|whole| self.send_unsent(io, lane, &pending, &lost.unsent_bytes()[whole]))
                {
                    lost.kept.release(&pending);
                    continue;
                }
                if self.is_held(io, lane, (n, &pending), &lost, failure) {
                    lost.kept.release(&pending);
                    continue;
                }
                if self.goes_to_master(io, lane, (n, &pending), &lost) {
                    lost.kept.release(&pending);
                    continue;
                }
                let again = repeats && lost.may_repeat(n, &pending) && self.is_wanted(&pending);
                if !again || !self.send_again(io, lane, &pending, &lost.kept) {
                    self.fail_pending(io, lane, &pending, failure);
                }
            }
            lost.kept.release(&pending);
        }
        for client in lost.waiting {
            self.resume_client(io, client, Wait::Server);
        }
    }

    /// The requests that have not left, without the rest of a transaction whose beginning has: its requests
    /// must not be executed by themselves.
    fn without_torn(&self, lost: &Lost) -> BTreeMap<usize, Range<usize>> {
        let mut unsent = lost.unsent();
        while let Some(entry) = unsent.first_entry() {
            let is_part = match lost.line[*entry.key()].owner {
                Owner::Part(gather, _) => self.gathers.get(gather).merge == Merge::Exec,
                _ => false,
            };
            if !is_part || lost.unsent_bytes()[entry.get().clone()] == *MULTI {
                break;
            }
            entry.remove();
        }
        unsent
    }

    /// Applies a loss to the server's health.
    fn draw_conclusions<I: Io>(&mut self, io: &mut I, lane: LaneKey, failure: Failure, lost: &Lost) {
        if matches!(failure, Failure::Removed | Failure::Replaced | Failure::Superseded) {
            return;
        }
        self.doubt_master(io, lane.server);
        self.doubt_server(io, lane.server);
        let server = &mut self.servers[lane.server];
        let waited = lost.line.iter().any(|p| p.owner.is_awaited());
        if lane.number == server.probe_lane() {
            server.probe_lost(io, failure);
        } else if waited && failure != Failure::Version && !server.is_without_database(lane.number, failure) {
            self.server_failed(io, lane.server, failure, lost.was_connected);
        }
    }

    /// Doubts the map of a cluster whose node does not answer.
    fn doubt_server<I: Io>(&mut self, io: &I, server: ServerKey) {
        let server = &self.servers[server];
        if server.resend == Resend::All && server.drain.is_none() {
            self.doubt(io.now(), server.pool);
        }
    }

    /// Handles requests that failed with their connection, or because it could not be opened.
    pub(crate) fn server_failed<I: Io>(
        &mut self,
        io: &mut I,
        server: ServerKey,
        failure: Failure,
        was_connected: bool,
    ) {
        self.doubt_master(io, server);
        self.doubt_server(io, server);
        let notice = self.servers[server].note_failure(io, failure, was_connected);
        self.tell(notice);
        if !failure.is_ours() {
            self.count_failure(io, server, failure);
        }
    }

    /// Holds a request of a cluster pool until another node can serve it: one that has not left, or is safe.
    /// False if it has to fail.
    fn is_held<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        (n, pending): (usize, &Pending),
        lost: &Lost,
        failure: Failure,
    ) -> bool {
        let in_cluster = self.servers[lane.server].resend == Resend::All;
        let has_left = n < lost.left;
        let may = !has_left || lost.may_repeat(n, pending);
        if !in_cluster || !may || failure.is_handshake() || self.stop.is_some() || !self.is_wanted(pending) {
            return false;
        }
        if let Owner::Part(gather, _) = pending.owner
            && let Some(piece) = &mut self.gathers.get_mut(gather).piece
        {
            piece.is_unsent = !has_left;
            return false;
        }
        let bytes = lost.kept.whole(pending);
        self.hold_lost(io, lane, pending, bytes.as_ref().map(Frame::bytes), failure)
    }

    /// Sends a read that a replica has lost to its master, in a pool with Sentinels. False if it has to fail.
    fn goes_to_master<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        (n, pending): (usize, &Pending),
        lost: &Lost,
    ) -> bool {
        let Some(master) = self.servers[lane.server].fallback(lane.number) else { return false };
        let may = n >= lost.left || lost.may_repeat(n, pending);
        may && self.is_wanted(pending) && self.send_again(io, master, pending, &lost.kept)
    }

    /// True if the reply is still wanted.
    fn is_wanted(&mut self, pending: &Pending) -> bool {
        match pending.owner {
            Owner::Client(id, _) | Owner::Private(id, _) => self.client_mut(id).is_some(),
            Owner::Part(..) | Owner::Detour(_) => true,
            Owner::Handshake(_) | Owner::Unwanted | Owner::Subscription | Owner::Sounding(_) => false,
        }
    }

    /// Sends a request that has not left yet. False if it cannot be sent, or nobody waits for its reply.
    fn send_unsent<I: Io>(&mut self, io: &mut I, lane: LaneKey, pending: &Pending, bytes: &[u8]) -> bool {
        if !self.is_wanted(pending) {
            return false;
        }
        let fresh = Pending { kept: 0, asked: NOT_NAMED, whole: Whole::Nowhere, ..*pending };
        let keep = Keep { safe: pending.safe, ..Keep::default() };
        self.enqueue(io, lane, Frame::Slice(bytes), fresh, keep).is_ok()
    }

    /// Resends on `lane` the first request in `kept`. False if it is not kept whole, or cannot be sent.
    fn send_again<I: Io>(&mut self, io: &mut I, lane: LaneKey, pending: &Pending, kept: &Kept) -> bool {
        let Some(frame) = kept.whole(pending) else { return false };
        let again = Pending { kept: 0, asked: NOT_NAMED, whole: Whole::Nowhere, safe: false, ..*pending };
        let keep = Keep::again(frame.bytes(), kept.asked(pending));
        let sent = self.enqueue(io, lane, frame, again, keep).is_ok();
        if sent {
            self.servers[lane.server].stats.retries.inc();
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use net::{App, Fault};

    use crate::testing::World;

    const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\n";

    /// `GET` or `SET` of a key, with `len` bytes.
    fn request(name: &str, len: usize) -> Vec<u8> {
        let key = "k".repeat(len);
        let value = if name == "SET" { "$1\r\nv\r\n" } else { "" };
        let count = if name == "SET" { 3 } else { 2 };
        format!("*{count}\r\n$3\r\n{name}\r\n${len}\r\n{key}\r\n{value}").into_bytes()
    }

    #[test]
    fn a_read_is_sent_again_however_long_it_is_and_once() {
        for len in [1, 1100, 60_000, 100_000, 300_000] {
            let mut w = World::with_budget(POOL, 16 << 20);
            let (get, set) = (request("GET", len), request("SET", len));
            let (reader, writer) = (w.ask(&get), w.ask(&set));
            let first = w.server(0);
            assert!(w.io.sent(first) == [&get[..], &set].concat(), "{len}");
            w.proxy.failed(&mut w.io, first, Fault::Reset);
            assert_eq!(
                (w.sent(reader), w.sent(writer)),
                (String::new(), "-ERR Connection reset by peer\r\n".into())
            );
            let second = w.server(1);
            assert!(w.io.sent(second) == get, "{len}");
            w.proxy.failed(&mut w.io, second, Fault::Reset);
            assert_eq!(w.sent(reader), "-ERR Connection reset by peer\r\n");
            assert_eq!(w.io.connects.len(), 2);
        }
    }

    #[test]
    fn memory_of_what_is_kept_is_counted_until_the_reply() {
        for len in [60_000, 300_000] {
            let mut w = World::with_budget(POOL, 16 << 20);
            let client = w.ask(request("GET", 1));
            let server = w.server(0);
            w.receive(server, b"$-1\r\n");
            let before = w.proxy.census().held;
            assert_eq!(w.receive(client, &request("GET", len)), request("GET", len).len());
            let kept = w.proxy.census();
            assert_eq!(kept.held, kept.held_counted);
            assert!(kept.held >= before + len, "{kept:?}");
            w.receive(server, b"$-1\r\n");
            let after = w.proxy.census();
            assert_eq!(after.held, after.held_counted);
            assert!(after.held <= before + (64 << 10), "{after:?}");
        }
    }
}
