//! Listeners that come and go while the loop runs.
//!
//! A listener that goes is *leaving* for a moment: the kernel takes no new handshakes for it, those that have
//! begun get [`HANDSHAKE`] to end, and everybody who is in the backlog by then is accepted. A socket that is
//! just closed resets them all, though they were told that they are connected. With `SO_REUSEPORT` the kernel
//! has spread clients over the sockets of the shards, so that each shard does this for its own; a client that
//! asks anew meanwhile is not answered, tries again after a second, and meets the sockets that are left then.

use std::io;
use std::time::Duration;

use mio::Token;

use super::{EventLoop, LISTENER_TOKENS};
use crate::listener::{Listener, ListenerId};
use crate::listeners::Leaving;

/// Time that a handshake of the kernel takes at most, on a network without losses.
const HANDSHAKE: Duration = Duration::from_millis(200);
/// Time that clients in a backlog are waited for while there are no descriptors.
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

    /// After a listener was accepted from; `empty` says that nobody was left.
    pub(super) fn close_if_settled(&mut self, place: usize, empty: bool) {
        let Some(leaving) = self.listeners.get(place).and_then(|accepting| accepting.leaving) else { return };
        let settled = empty && self.now >= leaving.settled;
        if settled || self.now >= leaving.until {
            self.listeners.close(place);
        }
    }

    /// Plans to look again at those that leave.
    pub(super) fn watch_leaving(&mut self) {
        if let Some(at) = self.listeners.next_settled(self.now) {
            self.accept_at(at);
        }
    }

    pub(crate) fn close_listeners(&mut self) {
        self.listeners.close_all();
    }
}
