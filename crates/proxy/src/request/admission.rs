//! May this request be taken now? Asked here of all that may stand against it: of the client before its bytes are looked at, of
//! the servers' queues once it is known where it goes.
//!
//! ```text
//! bytes ▸ may_scan ▸ scan ▸ route ▸ has_room ▸ send
//!           │                         └─ a queue is full            Wait::Server   read again when there is room
//!           ├─ too many requests wait, or too much is held          Wait::Reply    read again at a reply
//!           ├─ what it has sent is on connections that are given up   Wait::Changeover  read again once it has all replies
//!           ├─ it does not take its replies                         Wait::Drain    read again once it has
//!           └─ memory is short, and it has more than its reserve    Wait::Memory, or one of the two above
//! ```
//! A client that has to wait is not read, and its request stays where it is. The request before may have been the last for now:
//! then [`Server::throttle`](crate::server::Server) has seen to it that the client waits already.

use net::{Input, Io};

use crate::client::{Client, Wait};
use crate::keys::LaneKey;
use crate::proxy::Proxy;
use crate::request::Frame;

/// Memory of a request that awaits its reply, beside its bytes: its places in the lines of its client and its server.
const REQUEST: usize = 96;

impl Proxy {
    /// Is there more of this client's input to scan, and may it be scanned now? What comes after a client's last request is thrown
    /// away.
    #[inline]
    pub(super) fn may_scan<I: Io>(&mut self, io: &mut I, client: &mut Client, input: &mut Input<'_>) -> bool {
        let unread = input.bytes().len();
        if client.session.leaving {
            input.consume(unread);
            return false;
        }
        unread > 0 && self.admit(io, client, unread)
    }

    /// May another request of this client be taken, of which `unread` bytes or more are there?
    fn admit<I: Io>(&mut self, io: &mut I, client: &mut Client, unread: usize) -> bool {
        if client.session.paused.is_some() {
            // The request before this one has to wait for its server.
            return false;
        }
        let Some(wait) = self.obstacle(io, client, unread) else { return true };
        match wait {
            Wait::Drain => io.notify_drained(client.id),
            Wait::Memory => self.starving.push(client.id),
            Wait::Reply | Wait::Server | Wait::Changeover => {}
        }
        client.session.paused = Some(wait);
        io.pause(client.id);
        false
    }

    /// Event the client has to wait for.
    #[inline]
    fn obstacle<I: Io>(&mut self, io: &I, client: &mut Client, unread: usize) -> Option<Wait> {
        let pool = &self.pools[client.pool];
        if client.changeover != pool.changeover {
            if client.waiting() > 0 {
                return Some(Wait::Changeover);
            }
            client.changeover = pool.changeover;
        }
        let config = &pool.config;
        if client.waiting() >= config.client_pipeline_max as usize {
            // Read again at the reply that brings the line under half of its limit.
            return Some(Wait::Reply);
        }
        if client.held_bytes() + client.reply_size.of(client.waiting()) > config.client_output_soft_bytes {
            // Read again at a reply: it lets some of them go, and shows how long replies are.
            return Some(Wait::Reply);
        }
        let unsent = io.unsent(client.id);
        if unsent > config.client_output_soft_bytes {
            return Some(Wait::Drain);
        }
        self.recount_client(client);
        if self.is_plenty(io) {
            return None;
        }
        let reserve = self.reserve();
        let waiting = client.held_bytes() + client.waiting() * REQUEST;
        if waiting + unread + unsent <= reserve {
            None
        } else if unsent > 0 {
            Some(Wait::Drain)
        } else if waiting > reserve {
            Some(Wait::Reply)
        } else {
            Some(Wait::Memory)
        }
    }

    /// Is there room for a request on the connection that it goes to? If not, its client waits.
    #[inline]
    pub(super) fn has_room<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        lane: LaneKey,
        frame: &Frame<'_>,
    ) -> bool {
        !self.servers[lane.server].defer(io, client, lane.number, frame)
    }

    /// Admission by the queues of all connections that the parts of a request go to, which are in `scratch.parts`.
    pub(super) fn have_room<I: Io>(&mut self, io: &mut I, client: &mut Client, frame: Frame<'_>) -> bool {
        (0..self.scratch.parts.len()).all(|part| {
            let lane = self.lane_for(client, self.scratch.parts[part].server);
            self.has_room(io, client, lane, &frame)
        })
    }
}
