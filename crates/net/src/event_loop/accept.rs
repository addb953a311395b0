//! Accepting clients, including when file descriptors or client places run out.

use std::io;

use super::{ACCEPT_RETRY, Due, EventLoop, token};
use crate::conn::{Conn, Stage};
use crate::listener::accept_packets;
use crate::stream::Stream;
use crate::{App, ConnId, Instant, ListenOptions};

/// Connections accepted from one listener in one turn.
const ACCEPTS_PER_TURN: usize = 128;

/// Clients left in a listener's backlog.
enum Waiting {
    Nobody,
    Some,
    /// Clients are waiting that cannot be accepted.
    Starved,
}

impl EventLoop {
    /// Accepts the clients waiting at the listener in `place`. True if file descriptors have run out;
    /// accepting then resumes by itself.
    pub(crate) fn accept<A: App<EventLoop>>(&mut self, app: &mut A, place: usize) -> bool {
        let waiting = self.accept_waiting(app, place);
        self.close_if_settled(place, matches!(waiting, Waiting::Nobody));
        match waiting {
            Waiting::Nobody => false,
            Waiting::Some => {
                // An edge-triggered listener does not report this again.
                self.accept_at(self.now);
                false
            }
            Waiting::Starved => {
                self.accept_at(self.now + ACCEPT_RETRY);
                true
            }
        }
    }

    fn accept_waiting<A: App<EventLoop>>(&mut self, app: &mut A, place: usize) -> Waiting {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(accepting) = self.listeners.get(place) else { return Waiting::Nobody };
            let ListenOptions { tag, keepalive, ref tls, backlog: _ } = accepting.listener.options;
            let tls = tls.clone();
            let leaving = accepting.leaving.is_some();
            if !self.places.try_take() {
                let why = format!("all {} descriptors reserved for clients are in use", self.places.max());
                return self.starve(app, &io::Error::other(why));
            }
            match accepting.listener.socket.accept() {
                Ok((stream, peer)) => {
                    stream.tune(keepalive);
                    if leaving {
                        accept_packets(&stream);
                    }
                    self.accepted_at = self.now;
                    if let Some(id) = self.take_in(stream) {
                        if let Some(tls) = &tls {
                            self.begin_server_tls(id, tls);
                        }
                        self.newcomer = tls.map(|tls| (id, tls));
                        app.accepted(self, tag, id, peer);
                        self.newcomer = None;
                    }
                }
                Err(e) => {
                    self.places.give_back();
                    match e.kind() {
                        io::ErrorKind::WouldBlock => return Waiting::Nobody,
                        _ if is_starvation(&e) => return self.starve(app, &e),
                        // The client left before it was accepted, or a network error of that client alone.
                        _ => {}
                    }
                }
            }
        }
        Waiting::Some
    }

    /// Records that no client can be accepted now, and schedules another try.
    fn starve<A: App<EventLoop>>(&mut self, app: &mut A, why: &io::Error) -> Waiting {
        if !std::mem::replace(&mut self.starved, true) {
            app.starved(self, why);
        }
        Waiting::Starved
    }

    /// Schedules [`EventLoop::accept_again`] for `at`, or keeps an earlier time.
    pub(super) fn accept_at(&mut self, at: Instant) {
        match self.accept_timer {
            Some((due, _)) if due <= at => return,
            Some((_, timer)) => self.timers.cancel(timer),
            None => {}
        }
        self.accept_timer = Some((at, self.timers.set(at, Due::Accept)));
    }

    /// Accepts from all listeners, after a shortage or a full turn. A shortage ends when no listener meets
    /// it; the next one is reported again.
    pub(crate) fn accept_again<A: App<EventLoop>>(&mut self, app: &mut A) {
        self.accept_timer = None;
        let mut starved = false;
        for n in 0..self.listeners.len() {
            starved |= self.accept(app, n);
        }
        self.starved &= starved;
        self.watch_leaving();
    }

    /// Adds an open socket that already has its client place to this loop. Input that has already arrived is
    /// reported as if it came now.
    pub(super) fn take_in(&mut self, mut stream: Stream) -> Option<ConnId> {
        let id = self.conns.insert(Conn::new(Stream::None, Stage::Open));
        if stream.register(&self.registry, token(id)).is_err() {
            self.conns.remove(id);
            self.places.give_back();
            return None;
        }
        if let Some(conn) = self.conns.get_mut(id) {
            conn.stream = stream;
        }
        self.clients += 1;
        Some(id)
    }
}

fn is_starvation(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}
