//! Room on a server's queue: who has to wait for it, and who is refused.
//!
//! ```text
//! 0 ────────── half of that ──────────── long ─────────────────────────────── server_queue_max
//!   everybody is read   those who wait     clients with more than an equal        nobody's request is taken: each stays
//!                       are read again     share of it are not read any more      with its client until there is room
//! ```
//! A queue is long at half of `server_queue_max`, or at 8192, or when 16 MiB of replies are to come, whichever is least:
//! enough to keep any server busy, and little enough that a request which comes last is answered soon.
//!
//! So a client that pipelines without end fills its share of the queue and no more, and nobody is refused because of it.
//! A request is refused only where waiting cannot help: the server has let requests time out and its queue is full.

use config::checked;
use net::Io;

use crate::client::{Client, Wait};
use crate::place::Place;
use crate::proxy::Proxy;
use crate::request::Frame;
use crate::server_conn::ServerConn;

/// Unsent bytes on a server connection past which the clients that send there are not read.
const SERVER_UNSENT_SOFT: usize = 1 << 20;

/// A queue of this length is long, whatever it may grow to,
const LONG: usize = 8192;
/// and so is one whose replies will have so many bytes.
const LONG_BYTES: usize = 16 << 20;

/// The length from which on clients with more than an equal share of the queue are not read.
#[inline]
fn long(conn: &ServerConn, config: &checked::Pool) -> usize {
    (config.server_queue_max as usize / 2).min(LONG).min(conn.reply_size.fit(LONG_BYTES))
}

/// Is a request to be refused that stands before this queue? It does not get here if it can wait; what does is large, so
/// that its bytes are on their way already, or a part of a request of which other parts were sent, or comes when waiting
/// cannot help.
#[inline]
pub(super) fn is_overfull(conn: &ServerConn, config: &checked::Pool) -> bool {
    let max = config.server_queue_max as usize;
    conn.line.len() >= max && (conn.expired > 0 || conn.line.len() >= max * 2)
}

impl Proxy {
    /// If the queue at `place` is full, the client is not read until there is room, and its request stays where it is: true.
    #[inline]
    pub(super) fn put_off<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        place: Place,
        frame: &Frame<'_>,
    ) -> bool {
        let pool = &mut self.pools[place.pool as usize];
        let conn = &mut pool.servers[place.server as usize].conns[place.slot as usize];
        if conn.line.len() < pool.config.server_queue_max as usize || conn.conn.is_none() {
            return false;
        }
        if matches!(frame, Frame::Shared(_)) || conn.expired > 0 {
            return false;
        }
        client.session.put_off = true;
        if client.session.paused.is_none() {
            client.session.paused = Some(Wait::Server);
            io.pause(client.id);
            conn.pausing.push(client.id);
            pool.stats.servers[place.server as usize].queue_waits.inc();
        }
        true
    }

    /// The same for the servers of a split request, which [`Proxy::sort_keys`] has found.
    pub(super) fn put_off_parts<I: Io>(&mut self, io: &mut I, client: &mut Client, frame: Frame<'_>) -> bool {
        (0..self.scratch.parts.len()).any(|n| {
            let place = self.place_for(client, self.scratch.parts[n].0);
            self.put_off(io, client, place, &frame)
        })
    }

    /// After a request was put on a server connection: should its client be held back before it sends more?
    #[inline]
    pub(super) fn hold_back<I: Io>(&mut self, io: &mut I, client: &mut Client, place: Place) {
        let pool = &mut self.pools[place.pool as usize];
        let conn = &mut pool.servers[place.server as usize].conns[place.slot as usize];
        let Some(id) = conn.conn else { return };
        let unsent = io.unsent(id) + conn.held.len();
        let long = long(conn, &pool.config);
        let full = conn.line.len() > long && {
            let share = long / (pool.stats.client_connections.get() as usize).max(1);
            client.waiting() > share.max(1)
        };
        if (unsent <= SERVER_UNSENT_SOFT && !full) || client.session.paused.is_some() {
            return;
        }
        if full {
            pool.stats.servers[place.server as usize].queue_waits.inc();
        }
        client.session.paused = Some(Wait::Server);
        io.pause(client.id);
        if unsent > SERVER_UNSENT_SOFT && conn.ready() {
            io.notify_drained(id);
        }
        conn.pausing.push(client.id);
    }

    /// After replies have come: the clients that wait for this connection are read again once there is room.
    #[inline]
    pub(crate) fn make_room<I: Io>(&mut self, io: &mut I, place: Place) {
        let pool = &mut self.pools[place.pool as usize];
        let conn = &mut pool.servers[place.server as usize].conns[place.slot as usize];
        if conn.pausing.is_empty() || conn.line.len() > long(conn, &pool.config) / 2 {
            return;
        }
        if conn.conn.is_some_and(|id| io.unsent(id) + conn.held.len() > SERVER_UNSENT_SOFT) {
            return;
        }
        for client in std::mem::take(&mut conn.pausing) {
            self.read_again(io, client, Wait::Server);
        }
    }
}
