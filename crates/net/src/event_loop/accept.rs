//! Accepting clients, also when file descriptors run out.

use std::io;

use super::{ACCEPT_RETRY, Due, EventLoop, token};
use crate::conn::{Conn, Stage};
use crate::listener::ListenSocket;
use crate::stream::Stream;
use crate::{App, ConnId, Peer};

/// Connections accepted from one listener in one turn.
const ACCEPTS_PER_TURN: usize = 128;

impl EventLoop {
    pub(crate) fn accept<A: App<EventLoop>>(&mut self, app: &mut A, listener: usize) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(l) = self.listeners.get(listener) else { return };
            let (tag, keepalive) = (l.tag, l.keepalive);
            let accepted = match &l.socket {
                ListenSocket::Tcp(l) => l.accept().map(|(s, a)| (Stream::Tcp(s), Peer::Tcp(a))),
                ListenSocket::Unix(l) => l.accept().map(|(s, _)| (Stream::Unix(s), Peer::Unix)),
            };
            match accepted {
                Ok((stream, peer)) => {
                    stream.tune(keepalive);
                    if let Some(id) = self.take_in(stream) {
                        app.accepted(self, tag, id, peer);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if is_starvation(&e) => {
                    if !self.starved {
                        self.starved = true;
                        app.starved(self, &e);
                        self.timers.set(self.now + ACCEPT_RETRY, Due::Accept);
                    }
                    return;
                }
                // The client went away before we got to it, or a network error that belongs to it alone.
                Err(_) => {}
            }
        }
        // More may be waiting, and an edge-triggered listener will not say so again.
        self.timers.set(self.now, Due::Accept);
    }

    /// Accepts from all listeners, after a shortage or a full turn.
    pub(crate) fn accept_again<A: App<EventLoop>>(&mut self, app: &mut A) {
        self.starved = false;
        for n in 0..self.listeners.len() {
            self.accept(app, n);
        }
    }

    /// Makes an open socket one of this loop's. What has already arrived on it is told as if it came now.
    pub(super) fn take_in(&mut self, mut stream: Stream) -> Option<ConnId> {
        let id = self.conns.insert(Conn::new(Stream::None, Stage::Open));
        if stream.register(&self.registry, token(id)).is_err() {
            self.conns.remove(id);
            return None;
        }
        if let Some(conn) = self.conns.get_mut(id) {
            conn.stream = stream;
        }
        Some(id)
    }

    pub(crate) fn close_listeners(&mut self) {
        self.listeners.clear();
    }
}

fn is_starvation(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}
