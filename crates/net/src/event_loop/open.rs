//! Opening connections: name resolution, one address after the other, and timeouts.
//!
//! Each address gets an equal share of the time left, so that one that never answers leaves time for the
//! others.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::{Due, EventLoop, fault_of, token};
use crate::conn::{Opening, Stage};
use crate::resolve;
use crate::stream::Stream;
use crate::{Address, App, ConnId, Fault, SocketOptions};

impl EventLoop {
    pub(super) fn open(&mut self, id: ConnId, to: &Address, options: &SocketOptions) {
        let deadline = self.now + options.connect_timeout;
        let opening = Opening { keepalive: options.keepalive, deadline, ..Opening::default() };
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.timer = Some(self.timers.set(deadline, Due::Conn(id)));
        conn.opening = Some(Box::new(opening));
        match to {
            Address::Unix(path) => self.open_unix(id, path),
            Address::Tcp { host, port } => {
                if let Some(address) = resolve::literal(host, *port) {
                    return self.open_any(id, vec![address]);
                }
                if let Some(opening) = conn.opening.as_mut() {
                    opening.unresolved = true;
                }
                (self.resolve)(id, host.clone(), *port);
            }
        }
    }

    /// Handles the resolver's answer; no addresses means an unknown name.
    pub(crate) fn resolved<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId, found: Vec<SocketAddr>) {
        if found.is_empty() {
            if self.conns.get(id).is_some_and(|c| c.stage == Stage::Opening) {
                self.fail(app, id, Fault::Unresolved);
            }
            return;
        }
        self.open_any(id, found);
        self.connect_failed_yet(app, id);
    }

    fn open_any(&mut self, id: ConnId, addresses: Vec<SocketAddr>) {
        if let Some(opening) = self.conns.get_mut(id).and_then(|c| c.opening.as_mut()) {
            opening.addresses = addresses.into();
            opening.unresolved = false;
        }
        self.open_next(id);
    }

    /// Starts connecting to the next address that does not fail at once. If none is left, the connection's
    /// timer, due at once, reports the failure: a connect never fails from within [`Io::connect`].
    fn open_next(&mut self, id: ConnId) {
        loop {
            let Some(conn) = self.conns.get_mut(id) else { return };
            let Some(opening) = conn.opening.as_mut() else { return };
            let Some(address) = opening.addresses.pop_front() else { break };
            match Stream::connect_tcp(address)
                .and_then(|mut s| s.register(&self.registry, token(id)).map(|()| s))
            {
                Ok(stream) => {
                    stream.tune(opening.keepalive);
                    conn.stream = stream;
                    opening.errno = None;
                    return self.limit_attempt(id);
                }
                Err(e) => opening.errno = e.raw_os_error().or(opening.errno),
            }
        }
        self.give_up_soon(id);
    }

    /// Limits the current attempt to its share of the time.
    fn limit_attempt(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let Some(opening) = conn.opening.as_ref() else { return };
        let left = opening.deadline.since(self.now) / (opening.addresses.len() as u32 + 1);
        if let Some(timer) = conn.timer.take() {
            self.timers.cancel(timer);
        }
        conn.timer = Some(self.timers.set(self.now + left, Due::Conn(id)));
    }

    /// Ends an attempt that has timed out and goes on to the next address, if any.
    pub(super) fn attempt_is_over<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let Some(opening) = conn.opening.as_ref() else { return };
        let fault = match opening.errno {
            Some(errno) => fault_of(&io::Error::from_raw_os_error(errno)),
            None if opening.unresolved => Fault::Unresolved,
            None if !opening.addresses.is_empty() => {
                conn.stream = Stream::None;
                return self.open_next(id);
            }
            None => Fault::ConnectTimeout,
        };
        self.fail(app, id, fault);
    }

    fn open_unix(&mut self, id: ConnId, path: &Path) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        match Stream::connect_unix(path).and_then(|mut s| s.register(&self.registry, token(id)).map(|()| s)) {
            Ok(stream) => conn.stream = stream,
            Err(e) => {
                if let Some(opening) = conn.opening.as_mut() {
                    opening.errno = e.raw_os_error();
                }
                self.give_up_soon(id);
            }
        }
    }

    fn give_up_soon(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if let Some(opening) = conn.opening.as_mut() {
            opening.errno = opening.errno.or(Some(libc::ECONNREFUSED));
        }
        if let Some(timer) = conn.timer.take() {
            self.timers.cancel(timer);
        }
        conn.timer = Some(self.timers.set(self.now, Due::Conn(id)));
    }

    /// Handles an event on a connection being opened: it is established, or the next address is tried.
    pub(super) fn connect_failed_yet<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if matches!(conn.stream, Stream::None) {
            return;
        }
        match conn.stream.take_error() {
            Ok(None) if conn.stream.is_connected() => {}
            Ok(None) => return,
            Ok(Some(e)) | Err(e) => {
                if let Some(opening) = conn.opening.as_mut() {
                    opening.errno = e.raw_os_error();
                }
                conn.stream = Stream::None;
                return self.open_next(id);
            }
        }
        conn.stage = Stage::Open;
        let opening = conn.opening.take();
        if conn.flags.greeting {
            // The TLS handshake has the rest of the time.
            let left = opening.map_or(Duration::ZERO, |opening| opening.deadline.since(self.now));
            self.restart_conn_timer(id, left);
            return self.mark_dirty(id);
        }
        if let Some(timer) = conn.timer.take() {
            self.timers.cancel(timer);
        }
        if conn.outbox.len() > 0 {
            self.mark_dirty(id);
        }
        app.connected(self, id);
    }
}
