//! Accepting clients, also when file descriptors or the places of clients run out.

use std::io;

use super::{ACCEPT_RETRY, Due, EventLoop, token};
use crate::conn::{Conn, Stage};
use crate::listener::accept_packets;
use crate::stream::Stream;
use crate::{App, ConnId, Instant, ListenOptions};

/// Connections accepted from one listener in one turn.
const ACCEPTS_PER_TURN: usize = 128;

/// Clients that a listener has left in its backlog.
enum Waiting {
    Nobody,
    Some,
    /// Clients that wait cannot be accepted.
    Starved,
}

impl EventLoop {
    /// Accepts from the listener in `place` whoever waits there. True if file descriptors have run out: it
    /// goes on by itself.
    pub(crate) fn accept<A: App<EventLoop>>(&mut self, app: &mut A, place: usize) -> bool {
        let waiting = self.accept_waiting(app, place);
        self.close_if_settled(place, matches!(waiting, Waiting::Nobody));
        match waiting {
            Waiting::Nobody => false,
            Waiting::Some => {
                // An edge-triggered listener will not say so again.
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
                let why = format!("all {} descriptors that clients may have are taken", self.places.max());
                return self.starve(app, &io::Error::other(why));
            }
            match accepting.listener.socket.accept() {
                Ok((stream, peer)) => {
                    stream.tune(keepalive);
                    if leaving {
                        accept_packets(&stream);
                    }
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
                        // The client went away before we got to it, or a network error that belongs to it
                        // alone.
                        _ => {}
                    }
                }
            }
        }
        Waiting::Some
    }

    /// No client can be accepted now; it is tried again soon.
    fn starve<A: App<EventLoop>>(&mut self, app: &mut A, why: &io::Error) -> Waiting {
        if !std::mem::replace(&mut self.starved, true) {
            app.starved(self, why);
        }
        Waiting::Starved
    }

    /// Has [`EventLoop::accept_again`] called at `at`, or earlier if that was asked for.
    pub(super) fn accept_at(&mut self, at: Instant) {
        match self.accept_timer {
            Some((due, _)) if due <= at => return,
            Some((_, timer)) => self.timers.cancel(timer),
            None => {}
        }
        self.accept_timer = Some((at, self.timers.set(at, Due::Accept)));
    }

    /// Accepts from all listeners, after a shortage or a full turn. A shortage is over when none of them
    /// meets it; the next one is told again.
    pub(crate) fn accept_again<A: App<EventLoop>>(&mut self, app: &mut A) {
        self.accept_timer = None;
        let mut starved = false;
        for n in 0..self.listeners.len() {
            starved |= self.accept(app, n);
        }
        self.starved &= starved;
        self.watch_leaving();
    }

    /// Makes an open socket, which has taken its place, one of this loop's. What has already arrived on it is
    /// told as if it came now.
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
        Some(id)
    }
}

fn is_starvation(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}
