//! Streaming of replies that are too large to be held.
//!
//! ```text
//! server ─▶ [held up to a sixteenth of the budget] ─▶ streamed ─▶ client, at its turn
//!              └─ past half of the budget, or three quarters of it in use, before its client's turn: an error, and its
//!                 bytes are discarded
//! ```
//! If memory allows, the server is read as fast as it sends. Otherwise the server's connection is not read
//! while the client is behind, and its other clients wait. One client may cause at most as much waiting as a
//! request may take ([`checked::Pool::timeout`](config::checked::Pool), or five seconds without one), plus a
//! second per 10 MiB. A slower client is closed, and the rest of its reply discarded. If the server is lost
//! in the middle, the client is closed: an error cannot be put into the middle of a reply.

use net::{ConnId, Input, Instant, Io};
use wire::memcache::Silence;
use wire::{memcache, redis};

use crate::client::Reply;
use crate::fail::Failure;
use crate::keys::LaneKey;
use crate::notice::Notice;
use crate::proxy::Proxy;
use crate::request::SHARE_MIN;
use crate::server::Server;
use crate::server::connection::ServerConn;
use crate::server::passage::{Passage, Piece};
use crate::server::pending::{Owner, Pending};
use crate::server::scan::Found;

/// Most bytes of a long reply to read before the decision to stream it is made again.
const READ_AHEAD: usize = 1 << 20;

impl Proxy {
    /// Begins to stream a reply of at least `want` bytes, of which `arrived` have come, if it is too large to
    /// be held. True if it did.
    pub(crate) fn is_passed_on<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        arrived: usize,
        want: usize,
    ) -> bool {
        let budget = self.budget.bytes();
        if want <= budget / 16 {
            return false;
        }
        let waits = arrived <= budget / 2 && (arrived <= budget / 16 || !self.is_nearly_full(io));
        self.end_detour_of_front(io, lane);
        self.settle_front(lane, false);
        let conn = self.server_conn(lane);
        let Some(pending) = conn.line.front().copied() else { return false };
        let to = match pending.owner {
            Owner::Handshake(_)
            | Owner::Unwanted
            | Owner::Subscription
            | Owner::Sounding(_)
            | Owner::Detour(_) => return false,
            // Its request has expired.
            _ if conn.expired > 0 => None,
            Owner::Client(id, seq) | Owner::Private(id, seq) => match self.client_mut(id) {
                None => None,
                // Only a whole reply shows whether it is hidden from its client.
                Some(client)
                    if client.is_first(seq)
                        && is_shown(pending.silence)
                        // A message must not come into the middle of a reply.
                        && client.session.subscribed().is_none() =>
                {
                    Some(id)
                }
                Some(_) if waits => return false,
                Some(_) => {
                    self.fail_pending(io, lane, &pending, Failure::TooLarge);
                    None
                }
            },
            Owner::Part(..) if waits => return false,
            Owner::Part(..) => {
                self.fail_pending(io, lane, &pending, Failure::TooLarge);
                None
            }
        };
        self.servers[lane.server].begin_passage(lane.number, to, io.now());
        true
    }

    /// Ends the detour of a connection's oldest request: its reply has begun, and is streamed.
    fn end_detour_of_front<I: Io>(&mut self, io: &mut I, lane: LaneKey) {
        let front = self.server_conn(lane).line.front().map(|pending| pending.owner);
        if let Some(Owner::Detour(id)) = front
            && let Some(owner) = self.detour_begun(io, id)
            && let Some(pending) = self.server_conn(lane).line.front_mut()
        {
            pending.owner = owner;
        }
    }

    /// Sets how many bytes to wait for of a reply that will have `want` bytes.
    pub(crate) fn want_more_of_reply(input: &mut Input<'_>, want: usize) {
        input.want(want.min(input.bytes().len() + READ_AHEAD));
    }

    /// Streams the bytes that have come. False if there is nothing more for now.
    pub(crate) fn pass_on<I: Io>(&mut self, io: &mut I, lane: LaneKey, input: &mut Input<'_>) -> bool {
        let conn = self.server_conn(lane);
        let Some(passage) = conn.passage.as_mut() else { return true };
        let piece = match conn.line.front() {
            Some(pending) => passage.advance(pending, conn.kept.asked(pending), input.bytes()),
            None => Piece::Bad,
        };
        let to = passage.client();
        let n = match piece {
            Piece::Bad => {
                self.break_server_conn(io, lane, input, Failure::Garbage);
                return false;
            }
            Piece::Part(0) => {
                input.want(input.bytes().len() + 1);
                return false;
            }
            Piece::Part(n) | Piece::End(n) => n,
        };
        passage.len += n;
        let bytes = (n > SHARE_MIN).then(|| input.take(n));
        let reply = match &bytes {
            Some(bytes) => Reply::Shared(bytes.clone()),
            None => Reply::Slice(&input.bytes()[..n]),
        };
        let over = matches!(piece, Piece::End(_));
        if over {
            self.end_passage(io, lane, reply);
        } else if let Some(to) = to.filter(|to| self.client_mut(*to).is_some()) {
            self.give_piece(io, lane, to, reply);
        }
        if bytes.is_none() {
            input.consume(n);
        }
        over || !self.server_conn(lane).passage.as_ref().is_some_and(|p| p.is_held_up())
    }

    fn give_piece<I: Io>(&mut self, io: &mut I, lane: LaneKey, to: ConnId, reply: Reply<'_>) {
        self.servers[lane.server].pool_stats.client_reply_bytes.add(reply.len() as u64);
        match reply {
            Reply::Slice(bytes) => io.send(to, bytes),
            Reply::Shared(bytes) => io.send_shared(to, bytes),
        }
        if !self.is_behind(io, lane, to) {
            return;
        }
        if let Some(client) = self.client_mut(to) {
            client.holds_up = Some(lane);
        }
        self.servers[lane.server].hold_up(io, lane.number);
        io.notify_drained(to);
    }

    /// True if the client has so much unsent output that no more is to be read for it.
    fn is_behind<I: Io>(&self, io: &I, lane: LaneKey, to: ConnId) -> bool {
        let (unsent, hard) = (io.unsent(to), self.servers[lane.server].config.client_output_hard_bytes);
        unsent > hard / 2 || (unsent >= SHARE_MIN && self.is_half_full(io))
    }

    /// Resumes a server's connection after the client that held it up has taken its output or is gone.
    pub(crate) fn resume_server<I: Io>(&mut self, io: &mut I, lane: LaneKey) {
        if let Some(server) = self.servers.get_mut(lane.server) {
            server.resume_server(io, lane.number);
        }
    }

    /// Passes on the last piece: the reply takes its slot in the client's line like any other.
    fn end_passage<I: Io>(&mut self, io: &mut I, lane: LaneKey, last: Reply<'_>) {
        let now = io.now();
        let len = self.server_conn(lane).passage.as_ref().map_or(0, |passage| passage.len);
        if self.servers[lane.server].is_notable(lane.number, len, now) {
            self.note_reply(io, lane, len);
        }
        let server = &mut self.servers[lane.server];
        let Some((passage, pending, expired)) = server.conns[lane.number as usize].end_passage() else {
            return;
        };
        let found = Found { len: passage.len, is_error: false, status: None, values: 0 };
        let works = server.count_reply(&found, !expired || passage.client().is_some());
        if let (Some(_), Owner::Client(id, seq) | Owner::Private(id, seq)) = (passage.client(), pending.owner)
        {
            let total = passage.begun.micros_since(pending.at);
            server.stats.record_response(pending.counted.class, total, pending.queue_us);
            self.reply(io, id, seq, last, pending.at + now.since(passage.begun));
            if let Owner::Private(id, _) = pending.owner {
                self.after_private(io, id);
            }
        } else if expired {
            server.stats.late_replies.inc();
        }
        if works {
            self.server_works(lane.server);
        }
    }

    /// Closes a client that has held up a server's connection for too long. Returns when to check again.
    pub(crate) fn end_of_patience<I: Io>(&mut self, io: &mut I, lane: LaneKey) -> Option<Instant> {
        let now = io.now();
        let timeout = self.servers[lane.server].config.timeout;
        let passage = self.server_conn(lane).passage.as_mut()?;
        let (until, to) = (passage.patience(timeout)?, passage.client()?);
        if until > now {
            return Some(until);
        }
        passage.discard_rest();
        let bytes = io.unsent(to);
        self.overflow(io, to, bytes);
        self.resume_server(io, lane);
        None
    }

    /// Closes a client whose server was lost in the middle of its reply.
    pub(crate) fn cut_off<I: Io>(&mut self, io: &mut I, lane: LaneKey, to: ConnId) {
        let Some(mut client) = self.take_client(to) else { return };
        let server = &self.servers[lane.server];
        server.pool_stats.client_err.inc();
        let (pool, server) = server.names();
        (self.notify)(Notice::ReplyCut { pool, server });
        io.abort(to);
        self.forget(&mut client);
    }
}

impl Server {
    fn begin_passage(&mut self, lane: u16, to: Option<ConnId>, now: Instant) {
        let conn = &mut self.conns[lane as usize];
        conn.redis = redis::ReplyScanner::new();
        conn.memcache = memcache::ReplyScanner::new();
        conn.passage = Some(Box::new(Passage::begin(self.config.protocol, to, now)));
    }

    /// Stops reading its connection until the client has taken its output, at most until
    /// [`Passage::patience`] ends.
    fn hold_up<I: Io>(&mut self, io: &mut I, lane: u16) {
        let key = self.lane_key(lane);
        let conn = &mut self.conns[lane as usize];
        let Some(passage) = conn.passage.as_mut() else { return };
        if let Some(until) = passage.hold_up(self.config.timeout, io.now()) {
            conn.alarm_at(io, key, until);
        }
        if let Some(id) = conn.conn {
            io.pause(id);
        }
    }

    fn resume_server<I: Io>(&mut self, io: &mut I, lane: u16) {
        let now = io.now();
        let conn = &mut self.conns[lane as usize];
        if !conn.passage.as_mut().is_some_and(|passage| passage.resume(now)) {
            return;
        }
        // The connection was not read, so it could make no progress.
        conn.progress = now;
        if let Some(id) = conn.conn {
            io.resume(id);
        }
    }
}

impl ServerConn {
    /// Ends the passage: returns it with the request that it answers, and true if that had expired.
    fn end_passage(&mut self) -> Option<(Box<Passage>, Pending, bool)> {
        self.mid_reply = false;
        let (passage, pending) = (self.passage.take()?, self.pop()?);
        let expired = self.expired > 0;
        self.expired -= usize::from(expired);
        self.reply_size.note(passage.len);
        Some((passage, pending, expired))
    }
}

/// True if a long reply is sent to its client whatever its contents.
fn is_shown(silence: Silence) -> bool {
    matches!(silence, Silence::Never | Silence::OnMiss)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use net::{App, Fault};

    use crate::testing::World;

    // The budget is 1 MiB here: replies over 64 KiB are streamed, those over 512 KiB do not wait for their
    // turn.
    const ONE: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\ntimeout = \"2s\"\n\
                       client_output_hard_bytes = \"4MiB\"\n";
    const TWO: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nhash = \"fnv1a_64\"\ndistribution = \"modula\"\n\
                       servers = [\"127.0.0.1:11:1 a\", \"127.0.0.1:12:1 b\"]\n";
    const MEMCACHE: &str =
        "[pool.p]\nlisten = \"127.0.0.1:1\"\nprotocol = \"memcache\"\nservers = [\"127.0.0.1:11:1 a\"]\n";
    const GET: &[u8] = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
    const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

    /// Advances the clock, runs due timers and ends the turn.
    fn pass_time(w: &mut World, time: Duration) {
        w.pass_time(time);
        w.proxy.turn_end(&mut w.io);
    }

    #[test]
    fn a_large_reply_is_passed_on_while_it_comes() {
        let mut w = World::new(ONE);
        let client = w.ask([GET, PING, GET].concat());
        let server = w.server(0);
        assert_eq!(w.receive(server, b"$100000\r\nabc"), 12);
        assert_eq!(w.io.sent(client), b"$100000\r\nabc");
        assert_eq!(w.receive(server, &vec![b'x'; 99_000]), 99_000);
        assert_eq!(w.receive(server, &[&[b'y'; 997][..], b"\r\n$1\r\nz\r\n"].concat()), 1006);
        let sent = w.io.sent(client);
        assert_eq!(sent.len(), 9 + 100_000 + 2 + 7 + 7);
        assert!(sent.ends_with(b"y\r\n+PONG\r\n$1\r\nz\r\n"));
    }

    #[test]
    fn a_memcached_server_cannot_fill_the_memory() {
        // An endless value, and many values; a client whose reply is next, and one that waits for an earlier
        // reply.
        let many = |n: usize| -> String { (0..n).map(|n| format!(" k{n}")).collect() };
        let values = |n: usize| -> Vec<u8> {
            (0..n).flat_map(|n| format!("VALUE k{n} 0 60000\r\n{:60000}\r\n", "").into_bytes()).collect()
        };
        let cases = [
            (" k0".to_owned(), [&b"VALUE k0 0 1000000000\r\n"[..], &vec![b'x'; 1_000_000]].concat()),
            (many(20), values(20)),
        ];
        for (keys, reply) in cases {
            let mut w = World::new(MEMCACHE);
            let client = w.ask(format!("get{keys}\r\nget x\r\n").as_bytes());
            let server = w.server(0);
            let (mut shown, mut taken, mut most) = (0, 0, 0);
            while shown < reply.len() {
                shown = (shown + 7000).min(reply.len());
                taken += w.receive(server, &reply[taken..shown]);
                most = most.max(shown - taken);
            }
            assert!(most < 80_000, "{most} bytes are held");
            assert!(w.io.sent(client) == &reply[..taken] && taken > reply.len() - 10);
            // The client is gone: the rest is discarded.
            w.proxy.failed(&mut w.io, client, Fault::Reset);
            let rest = b"x".repeat(7000);
            assert_eq!(w.receive(server, &rest), 7000);
        }
    }

    #[test]
    fn a_memcached_reply_that_is_passed_on_ends_where_it_ends() {
        let mut w = World::new(MEMCACHE);
        let client = w.ask(b"gets a b\r\nget x\r\nma n q\r\n");
        let server = w.server(0);
        let large =
            [&b"VALUE a 0 100000 1\r\n"[..], &vec![b'x'; 100_000], b"\r\nVALUE b 0 1 2\r\ny\r\nEND\r\n"]
                .concat();
        let replies = [&large[..], b"END\r\nHD\r\n"].concat();
        let mut taken = 0;
        for shown in (0..replies.len()).step_by(1009).chain([replies.len()]) {
            taken += w.receive(server, &replies[taken..shown]);
        }
        assert!(w.io.sent(client) == [&large[..], b"END\r\n"].concat());
        // A block for a key that the client did not ask for, in the middle.
        let client = w.ask(b"get a b\r\n");
        w.receive(server, &large[..50_000]);
        w.receive(server, b"");
        assert!(w.io.closed.contains(&server), "cas was not asked for");
        assert!(w.io.sent(client).starts_with(b"SERVER_ERROR"));
    }

    #[test]
    fn what_waits_for_its_turn_goes_when_memory_is_short() {
        let mut w = World::new(TWO);
        let client = w.ask(b"*3\r\n$4\r\nMGET\r\n$1\r\na\r\n$1\r\nb\r\n");
        let (first, second) = (w.server(0), w.server(1));
        let large = [b"*1\r\n$600000\r\n".as_slice(), &vec![b'x'; 100_000]].concat();
        assert_eq!(w.receive(first, &large), 0, "there is room");
        w.io.buffered = 900 << 10;
        assert_eq!(w.receive(first, &[&large[..], b"x"].concat()), large.len() + 1);
        assert_eq!(w.receive(second, b"*1\r\n$1\r\nv\r\n"), 11);
        assert!(w.io.sent(client).starts_with(b"-ERR the reply is too large"));
    }

    #[test]
    fn a_reply_that_fits_waits_until_it_is_whole() {
        let mut w = World::new(ONE);
        let client = w.ask(GET);
        let server = w.server(0);
        assert_eq!(w.receive(server, b"$60000\r\nabc"), 0);
        assert_eq!(w.io.sent(client), b"");
    }

    #[test]
    fn a_part_that_is_too_large_to_wait_is_an_error() {
        let mut w = World::new(TWO);
        // Keys `a` and `b` live on different servers.
        let client = w.ask(b"*3\r\n$4\r\nMGET\r\n$1\r\na\r\n$1\r\nb\r\n");
        let (first, second) = (w.server(0), w.server(1));
        let large = [b"*1\r\n$600000\r\n".as_slice(), &vec![b'x'; 500_000]].concat();
        assert_eq!(w.receive(first, &large), 0, "it may still fit");
        let larger = [&large[..], &vec![b'x'; 50_000]].concat();
        assert_eq!(w.receive(first, &larger), larger.len(), "thrown away");
        assert_eq!(w.receive(second, b"*1\r\n$1\r\nv\r\n"), 11);
        let text = "-ERR the reply is too large to wait for its turn (memory_budget): ask for it alone\r\n";
        assert_eq!(String::from_utf8_lossy(w.io.sent(client)), text);
        assert_eq!(w.receive(first, &[&vec![b'x'; 50_000][..], b"\r\n"].concat()), 50_002);
        // The connection is in step.
        let other = w.ask(b"*3\r\n$4\r\nMGET\r\n$1\r\na\r\n$1\r\nb\r\n");
        w.receive(second, b"*1\r\n$1\r\n2\r\n");
        w.receive(first, b"*1\r\n$1\r\n1\r\n");
        let values = w.io.sent(other).to_vec();
        assert!(values == b"*2\r\n$1\r\n1\r\n$1\r\n2\r\n" || values == b"*2\r\n$1\r\n2\r\n$1\r\n1\r\n");
    }

    #[test]
    fn a_client_that_is_behind_holds_up_the_server_for_a_while() {
        let mut w = World::new(ONE);
        let client = w.ask(GET);
        let other = w.ask(GET);
        let server = w.server(0);
        w.io.unsent.insert(client, 3 << 20);
        assert_eq!(w.receive(server, b"$100000\r\nabc"), 12);
        assert_eq!(w.io.paused, [server]);
        // It takes its output, and falls behind again.
        pass_time(&mut w, Duration::from_millis(1500));
        w.io.unsent.clear();
        w.proxy.drained(&mut w.io, client);
        assert_eq!(w.io.paused, []);
        w.io.unsent.insert(client, 3 << 20);
        assert_eq!(w.receive(server, &[b'x'; 1000]), 1000);
        assert_eq!(w.io.paused, [server]);
        pass_time(&mut w, Duration::from_millis(400));
        assert!(!w.io.closed.contains(&client));
        pass_time(&mut w, Duration::from_millis(200));
        assert!(w.io.closed.contains(&client), "two seconds in all");
        assert_eq!(w.io.paused, []);
        assert_eq!(w.io.sent(other), b"-ERR Connection timed out\r\n");
        assert!(!w.proxy.servers.values().any(|server| server.failing), "it is not the server's fault");
        // The rest of its reply is discarded, and the late reply after it.
        let third = w.ask(GET);
        let rest = [&vec![b'x'; 98_997][..], b"\r\n$1\r\n2\r\n$1\r\n3\r\n"].concat();
        assert_eq!(w.receive(server, &rest), rest.len());
        assert_eq!(w.io.sent(third), b"$1\r\n3\r\n");
    }

    #[test]
    fn who_has_got_a_beginning_gets_no_error_behind_it() {
        let mut w = World::new(ONE);
        let client = w.ask([GET, GET].concat());
        let server = w.server(0);
        w.receive(server, b"$100000\r\nabc");
        w.proxy.failed(&mut w.io, server, Fault::Reset);
        assert_eq!(w.io.sent(client), b"$100000\r\nabc");
        assert!(w.io.closed.contains(&client));

        // The same with garbage in the middle of the reply.
        let client = w.ask(GET);
        let server = w.server(w.io.connects.len() - 1);
        w.receive(server, b"$100000\r\nabc");
        w.receive(server, &vec![b'x'; 100_000]);
        assert!(w.io.closed.contains(&client) && w.io.closed.contains(&server));
    }

    #[test]
    fn a_client_that_goes_away_lets_the_server_be_read() {
        let mut w = World::new(ONE);
        let client = w.ask(GET);
        let server = w.server(0);
        w.io.unsent.insert(client, 3 << 20);
        w.receive(server, b"$100000\r\nabc");
        assert_eq!(w.io.paused, [server]);
        w.proxy.failed(&mut w.io, client, Fault::Reset);
        w.proxy.turn_end(&mut w.io);
        assert_eq!(w.io.paused, []);
        let other = w.ask(GET);
        let rest = [&vec![b'x'; 99_997][..], b"\r\n$1\r\n2\r\n"].concat();
        assert_eq!(w.receive(server, &rest), rest.len());
        assert_eq!(w.io.sent(other), b"$1\r\n2\r\n");
    }
}
