//! Room on a server's queue: which clients have to wait, and which requests are refused.
//!
//! ```text
//! 0 ────────── half of that ──────────── long ─────────────────────────────── server_queue_max
//!   all clients read    waiting clients    clients with more than an equal        no request is taken: each stays
//!                       are resumed        share of it are not read               with its client until there is room
//! ```
//! A queue is long at half of `server_queue_max`, at 8192 requests, or at 16 MiB of expected replies,
//! whichever comes first: enough to keep any server busy, yet short enough that the last request is answered
//! soon.
//!
//! A server executes everything it was sent, whether or not its replies are read. So at most [`BULKY_MAX`]
//! requests with long replies are on a queue, or [`UNKNOWN_MAX`] from clients that have had no reply yet, if
//! other replies are short. Further ones stay with their clients, which take turns, and requests with short
//! replies go ahead of them.
//!
//! So a client that pipelines without end fills only its share of the queue, and no other client is refused
//! because of it. A request is refused only if waiting cannot help: the server has let requests time out and
//! its queue is full.

use config::checked;
use net::{ConnId, Io};

use crate::client::{Client, Wait};
use crate::keys::LaneKey;
use crate::proxy::Proxy;
use crate::server::Server;
use crate::server::connection::ServerConn;

/// Unsent bytes on a server connection above which clients that send there are not read.
const SERVER_UNSENT_SOFT: usize = 1 << 20;

/// Length at which a queue is long, whatever its limit,
const LONG: usize = 8192;
/// and expected bytes of its replies at which it is.
const LONG_BYTES: usize = 16 << 20;

/// Most requests on a queue whose replies are long,
const BULKY_MAX: usize = 32;
/// and most whose reply length is unknown. Clients that send one request and leave have to be served at a
/// good rate, even from a distant server.
const UNKNOWN_MAX: usize = 128;

/// Room on a connection's queue for one more request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Enough,
    /// Room for this request, but for no further one of its client at present: the client has its share of a
    /// long queue (`crowded`), or too much is unsent.
    Last {
        crowded: bool,
    },
    /// No room now: the queue has enough requests, or enough with long replies (`bulky`).
    None {
        bulky: bool,
    },
    /// No room, and waiting cannot help.
    Never,
}

/// Queue length above which clients with more than an equal share of the queue are not read.
#[inline]
fn long(conn: &ServerConn, config: &checked::Pool) -> usize {
    (config.server_queue_max as usize / 2).min(LONG).min(conn.reply_size.fit(LONG_BYTES))
}

/// True if one more request makes the queue longer than [`long`].
#[inline]
fn is_long(conn: &ServerConn, config: &checked::Pool) -> bool {
    let len = conn.line.len();
    len >= LONG.min(config.server_queue_max as usize / 2) || conn.reply_size.of(len + 1) > LONG_BYTES
}

/// Most requests on the queue whose replies are or may be long.
#[inline]
fn bulky_max(conn: &ServerConn) -> usize {
    if conn.reply_size.is_bulky() { BULKY_MAX } else { UNKNOWN_MAX }
}

impl Server {
    /// Room on a connection's queue for a client's request of `len` bytes.
    #[inline(always)]
    pub(crate) fn room<I: Io>(&self, io: &I, client: &Client, lane: u16, len: usize) -> Room {
        let conn = &self.conns[lane as usize];
        // A connection that has to be opened first has no queue, and neither has the embedded cache.
        let Some(id) = conn.conn else { return Room::Enough };
        if client.reply_size.is_bulky()
            && conn.bulky >= if client.reply_size.is_known() { BULKY_MAX } else { bulky_max(conn) }
        {
            return Room::None { bulky: true };
        }
        if conn.line.len() >= self.config.server_queue_max as usize {
            return if conn.expired == 0 { Room::None { bulky: false } } else { Room::Never };
        }
        let crowded = is_long(conn, &self.config) && client.waiting() >= self.share_of(conn);
        if crowded || io.unsent(id) + conn.unready.len() + len > SERVER_UNSENT_SOFT {
            Room::Last { crowded }
        } else {
            Room::Enough
        }
    }

    /// A client's equal share of a long queue.
    fn share_of(&self, conn: &ServerConn) -> usize {
        let clients = self.pool_stats.client_connections.get() as usize;
        (long(conn, &self.config) / clients.max(1)).max(1)
    }

    /// Stops reading a client until the queue of a connection has more room.
    #[cold]
    pub(crate) fn throttle<I: Io>(&mut self, io: &mut I, client: &mut Client, lane: u16, room: Room) {
        let conn = &mut self.conns[lane as usize];
        if room == (Room::None { bulky: true }) {
            conn.bulky_waiting.push_back(client.id);
        } else {
            conn.waiting_clients.push(client.id);
        }
        client.session.paused = Some(Wait::Server);
        io.pause(client.id);
        if room != (Room::Last { crowded: false }) {
            self.stats.queue_waits.inc();
        }
        if let (Some(id), true) = (conn.conn, conn.ready()) {
            io.notify_drained(id);
        }
    }

    /// Counts a request refused because of the queue.
    pub(crate) fn count_refusal(&self) {
        self.stats.refused.inc();
        self.pool_stats.refused.inc();
    }

    /// The clients that wait for a connection, if there is room for them now.
    #[inline]
    fn with_room<I: Io>(&mut self, io: &I, lane: u16) -> Vec<ConnId> {
        let conn = &mut self.conns[lane as usize];
        if conn.waiting_clients.is_empty() || conn.line.len() > long(conn, &self.config) / 2 {
            return Vec::new();
        }
        if conn.conn.is_some_and(|id| io.unsent(id) + conn.unready.len() > SERVER_UNSENT_SOFT) {
            return Vec::new();
        }
        std::mem::take(&mut conn.waiting_clients)
    }

    /// Takes as many clients whose replies are or may be long as there is room for.
    #[inline]
    fn with_bulky_room(&mut self, lane: u16) -> Vec<ConnId> {
        let conn = &mut self.conns[lane as usize];
        let max = bulky_max(conn);
        if conn.bulky_waiting.is_empty() || conn.bulky > max / 2 {
            return Vec::new();
        }
        let room = (max - conn.bulky).min(conn.bulky_waiting.len());
        conn.bulky_waiting.drain(..room).collect()
    }
}

impl Proxy {
    /// Resumes the clients that wait for this connection if replies have made room.
    #[inline]
    pub(crate) fn make_room<I: Io>(&mut self, io: &mut I, lane: LaneKey) {
        self.make_bulky_room(io, lane);
        for client in self.servers[lane.server].with_room(io, lane.number) {
            self.resume_client(io, client, Wait::Server);
        }
    }

    #[inline]
    pub(crate) fn make_bulky_room<I: Io>(&mut self, io: &mut I, lane: LaneKey) {
        for client in self.servers[lane.server].with_bulky_room(lane.number) {
            self.resume_client(io, client, Wait::Server);
        }
    }
}

#[cfg(test)]
mod tests {
    use net::{App, Fault};

    use super::*;
    use crate::testing::World;

    const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\n";
    const LARGE: &[u8] = b"*2\r\n$3\r\nGET\r\n$1\r\nl\r\n";
    const SMALL: &[u8] = b"*2\r\n$3\r\nGET\r\n$1\r\ns\r\n";

    /// Clients that send one server many requests.
    struct Crowd {
        world: World,
        server: ConnId,
        /// Bytes each client has sent and the proxy has not taken.
        unread: Vec<(ConnId, Vec<u8>)>,
        answered: usize,
    }

    impl Crowd {
        /// A client that has had a small reply, and the server.
        fn new() -> (Crowd, ConnId) {
            let mut world = World::with_budget(POOL, 1 << 30);
            let client = world.ask(SMALL);
            let server = world.server(0);
            let mut w = Crowd { world, server, unread: Vec::new(), answered: 0 };
            w.answer(1);
            (w, client)
        }

        fn connect(&mut self, requests: usize) -> ConnId {
            let client = self.world.accept(0);
            self.unread.push((client, LARGE.repeat(requests)));
            self.run();
            client
        }

        /// Feeds the proxy the bytes of every client that is not paused.
        fn run(&mut self) {
            loop {
                let before = self.unread.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
                for (client, bytes) in &mut self.unread {
                    if !bytes.is_empty() && !self.world.io.paused.contains(client) {
                        let taken = self.world.receive(*client, bytes);
                        bytes.drain(..taken);
                    }
                }
                if self.unread.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() == before {
                    return;
                }
            }
        }

        /// Keys of the requests that the server has not answered.
        fn queued(&self) -> Vec<u8> {
            let keys =
                self.world.io.sent(self.server).chunks(LARGE.len()).map(|request| request[request.len() - 3]);
            keys.skip(self.answered).collect()
        }

        fn answer(&mut self, count: usize) {
            for key in self.queued().into_iter().take(count) {
                let reply = if key == b's' { b"$1\r\nx\r\n".to_vec() } else { large() };
                self.answered += 1;
                self.world.receive(self.server, &reply);
                self.run();
            }
        }
    }

    fn large() -> Vec<u8> {
        [b"$900000\r\n", "x".repeat(900_000).as_bytes(), b"\r\n"].concat()
    }

    #[test]
    fn what_a_hundred_clients_ask_for_does_not_hold_up_another() {
        let (mut w, healthy) = Crowd::new();
        let hoarders: Vec<ConnId> = (0..100).map(|_| w.connect(200)).collect();
        for round in 0..40 {
            // They do not read their replies.
            for hoarder in &hoarders {
                let bytes = if w.world.io.sent(*hoarder).is_empty() { 0 } else { 2 << 20 };
                w.world.io.unsent.insert(*hoarder, bytes);
            }
            let max = if round == 0 { UNKNOWN_MAX } else { BULKY_MAX };
            assert!(w.queued().len() <= max, "{}", w.queued().len());
            w.world.receive(healthy, SMALL);
            let ahead = w.queued().len();
            assert_eq!(w.queued().last(), Some(&b's'));
            w.answer(ahead);
            assert!(w.world.io.sent(healthy).ends_with(b"$1\r\nx\r\n"));
        }
        let served = hoarders.iter().filter(|id| !w.world.io.sent(**id).is_empty()).count();
        assert_eq!(served, 100, "each has its turn");
    }

    #[test]
    fn a_turn_that_nobody_takes_passes_on() {
        let (mut w, _) = Crowd::new();
        let first = [64, 64].map(|requests| w.connect(requests));
        assert_eq!(w.queued().len(), UNKNOWN_MAX);
        let gone: Vec<ConnId> = (0..2 * UNKNOWN_MAX).map(|_| w.connect(1)).collect();
        let last = w.connect(1);
        for client in gone {
            w.world.proxy.failed(&mut w.world.io, client, Fault::Reset);
        }
        w.unread.retain(|(client, _)| first.contains(client) || *client == last);
        w.answer(UNKNOWN_MAX);
        w.run();
        // Nothing more comes from the server; time passes.
        for _ in 0..20 {
            w.world.pass_time(std::time::Duration::from_millis(100));
            w.run();
        }
        assert_eq!(w.queued(), b"l", "{:?} {:?}", w.unread.len(), w.world.io.paused);
        w.answer(1);
        assert!(w.world.io.sent(last) == large());
    }
}
