//! Adding and removing listeners while the loop runs.
//!
//! A removed listener is *leaving* for a moment: the kernel accepts no new handshakes for it, those in
//! progress get [`HANDSHAKE`] to end, and then the whole backlog is accepted. Simply closing the socket would
//! reset these clients although they are already connected. With `SO_REUSEPORT` the kernel has spread clients
//! over the shards' sockets, so each shard does this for its own; a client that connects meanwhile gets no
//! answer, retries after a second, and reaches the remaining sockets.
//!
//! When the shard stops, all listeners are closed at once. Whoever is in the backlog of a socket that
//! somebody else holds as well, systemd or a successor, waits there for the next process. A client accepted
//! just before has [`FIRST_BYTES`] to send its request, and is answered: it could not know.

use std::io;
use std::time::Duration;

use mio::Token;

use super::{EventLoop, LISTENER_TOKENS};
use crate::listener::{Listener, ListenerId};
use crate::listeners::Leaving;

/// Longest time that a kernel handshake takes on a lossless network.
const HANDSHAKE: Duration = Duration::from_millis(200);
/// Time between a client's connecting and its first request, if it connects to send one.
const FIRST_BYTES: Duration = Duration::from_millis(200);
/// Time allowed for clients in a backlog while there are no descriptors.
const LEAVING_MAX: Duration = Duration::from_secs(5);

impl EventLoop {
    pub(super) fn add_listener(&mut self, mut listener: Listener) -> io::Result<()> {
        if self.listeners.are_closed() {
            return Err(io::Error::other("the shard is stopping"));
        }
        let place = self.listeners.free_place();
        listener.socket.register(&self.registry, Token(LISTENER_TOKENS + place))?;
        self.listeners.put(place, listener);
        Ok(())
    }

    pub(super) fn remove_listener(&mut self, id: ListenerId) {
        let now = self.now;
        let leaving = Leaving { settled: now + HANDSHAKE, until: now + LEAVING_MAX };
        if self.listeners.begin_leaving(id, leaving) {
            self.accept_at(leaving.settled);
        }
    }

    /// Closes a settled listener after an accept; `empty` means an empty backlog.
    pub(super) fn close_if_settled(&mut self, place: usize, empty: bool) {
        let Some(leaving) = self.listeners.get(place).and_then(|accepting| accepting.leaving) else { return };
        let settled = empty && self.now >= leaving.settled;
        if settled || self.now >= leaving.until {
            self.listeners.close(place);
        }
    }

    /// Schedules the next check of the leaving listeners.
    pub(super) fn watch_leaving(&mut self) {
        if let Some(at) = self.listeners.next_settled(self.now) {
            self.accept_at(at);
        }
    }

    pub(crate) fn close_listeners(&mut self) {
        if !self.listeners.are_closed() {
            self.listeners.close_all();
            let silent = self.conns.iter().filter(|(_, conn)| conn.is_silent()).map(|(id, _)| id);
            self.silent = silent.collect();
        }
    }

    /// True while a client that has just been accepted may still send its first request.
    pub(crate) fn awaits_first_bytes(&mut self) -> bool {
        if self.now >= self.accepted_at + FIRST_BYTES {
            self.silent.clear();
        }
        let conns = &self.conns;
        self.silent.retain(|id| conns.get(*id).is_some_and(crate::conn::Conn::is_silent));
        !self.silent.is_empty()
    }
}
