//! Clients and the network.

use net::Instant;

use super::{Event, World};
use crate::io::NOBODY;
use crate::messaging::client::Around;
use crate::messaging::session::Session;
use crate::network::{End, Happening, LinkId, Travel, Who};
use crate::shard::Ready;

/// Fast links, for clients that drain the rest.
const QUICK: Travel = Travel { latency: (5, 50), segment_max: 70_000, window: [1 << 20; 2] };

impl World {
    pub(super) fn network(&mut self, link: LinkId, end: End, what: Happening) {
        if !self.net.happen(link, end, what) {
            return;
        }
        let (conn, who) = (self.net.link(link).conn, self.net.link(link).who);
        match (end, who) {
            (End::Proxy, _) if what == Happening::Room => self.make_ready(Ready::Writable(conn)),
            (End::Proxy, _) => {
                self.make_ready(Ready::Readable(conn));
                if what == Happening::Reset {
                    // epoll reports EPOLLOUT too.
                    self.make_ready(Ready::Writable(conn));
                }
            }
            (End::Peer, Who::Client(client)) => self.wake_client(client),
            (End::Peer, Who::Backend(_)) => {}
        }
    }

    pub(super) fn connect(&mut self, index: usize) {
        if self.clients[index].session.is_some() || self.healed && !self.clients[index].drains() {
            return;
        }
        if self.daemon.as_ref().is_none_or(|daemon| daemon.stopping) {
            return self.come_back(index);
        }
        let slow = !self.clients[index].drains();
        let travel = if slow { self.scenario.travel } else { QUICK };
        let link = self.net.open(0, NOBODY, Who::Client(index), travel);
        self.sessions.push(Session::new(link));
        let session = self.sessions.len() - 1;
        let mut around = Around {
            net: &mut self.net,
            sessions: &mut self.sessions,
            scenario: &self.scenario,
            uid: &mut self.uid,
            tamper: self.tamper,
        };
        self.clients[index].connected(session, link, &mut around);
        if let Some(listener) = self.daemon.as_ref().map(|daemon| daemon.listener) {
            self.make_ready(Ready::Accept { listener, link });
        }
        self.wake_at(index, Instant(self.net.now.0 + 1));
    }

    /// Schedules a wake-up, unless an earlier one is scheduled, which will schedule the next.
    fn wake_at(&mut self, index: usize, at: Instant) {
        let planned = &mut self.clients[index].wake_at;
        if planned.is_none_or(|planned| planned <= self.net.now || at < planned) {
            *planned = Some(at);
            self.at(at, Event::Wake(index));
        }
    }

    /// Schedules a client's next attempt to connect.
    pub(super) fn come_back(&mut self, index: usize) {
        let longest = if self.healed { 10_000 } else { 100_000 + self.scenario.think_ms * 1000 };
        let after = self.rng.between(1000, longest);
        self.after(after, Event::Connect(index));
    }

    pub(super) fn wake_client(&mut self, index: usize) {
        let mut around = Around {
            net: &mut self.net,
            sessions: &mut self.sessions,
            scenario: &self.scenario,
            uid: &mut self.uid,
            tamper: self.tamper,
        };
        let had = self.clients[index].session.is_some();
        let next = self.clients[index].wake(&mut around);
        if let Some(at) = next {
            let at = at.max(Instant(self.net.now.0 + 1));
            self.wake_at(index, at);
        }
        let client = &self.clients[index];
        if had && client.session.is_none() && (!self.healed || client.drains()) {
            self.come_back(index);
        }
    }
}
