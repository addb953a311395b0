//! Output: appended to a connection, written once per turn, and the steps that follow the last byte.

use std::time::Duration;

use bytes::Bytes;

use super::{Due, EventLoop, LINGER, fault_of};
use crate::conn::{Conn, Stage};
use crate::outbox::{GATHERED_MAX, LARGE};
use crate::{App, ConnId, Fault, LayerFault};

/// Output above which a connection is not held back: two gathered pieces.
const HELD_BACK_MAX: usize = 2 * GATHERED_MAX;

impl EventLoop {
    /// Adds output to a connection. Much of it is written at once.
    pub(super) fn append(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(c) = self.conns.get_mut(conn) else { return };
        if !matches!(c.stage, Stage::Open | Stage::Opening) || bytes.is_empty() {
            return;
        }
        if c.layers.is_some() {
            return self.send_layered(conn, bytes);
        }
        let mut taken = 0;
        let at_once = if c.flags.outgoing { GATHERED_MAX } else { LARGE };
        if bytes.len() >= at_once && c.stage == Stage::Open && !c.flags.blocked {
            let before = c.outbox.memory();
            // An error recurs, and is reported, when the connection is written at the end of the turn.
            taken = c.outbox.write_with(&mut c.stream, bytes, &mut self.spare).unwrap_or(0);
            self.buffered -= before - c.outbox.memory();
            if taken == bytes.len() {
                return;
            }
        }
        let before = c.outbox.memory();
        c.outbox.push_begun(bytes, taken, &mut self.spare);
        self.buffered += c.outbox.memory() - before;
        if !c.flags.dirty {
            c.flags.dirty = true;
            self.dirty.push(conn);
        }
    }

    /// Writes output at once if nothing waits before it, and adds what is left. Returns the bytes that wait.
    pub(super) fn append_now(&mut self, conn: ConnId, bytes: &[u8]) -> usize {
        let Some(c) = self.conns.get_mut(conn) else { return 0 };
        let is_free = c.stage == Stage::Open && !c.flags.blocked && c.layers.is_none() && c.outbox.len() == 0;
        let mut rest = bytes;
        if is_free {
            // An error recurs, and is reported, when the rest is written at the end of the turn.
            let taken = c.outbox.write_with(&mut c.stream, bytes, &mut self.spare).unwrap_or(0);
            if taken == bytes.len() {
                return 0;
            }
            rest = &bytes[taken..];
        }
        self.append(conn, rest);
        self.conns.get(conn).map_or(0, Conn::unsent)
    }

    /// Adds output to a connection without a copy, if it is large.
    pub(super) fn append_shared(&mut self, conn: ConnId, bytes: Bytes) {
        let Some(c) = self.conns.get_mut(conn) else { return };
        if !matches!(c.stage, Stage::Open | Stage::Opening) || bytes.is_empty() {
            return;
        }
        if c.layers.is_some() {
            return self.send_layered(conn, &bytes);
        }
        let before = c.outbox.memory();
        c.outbox.push_shared(bytes, &mut self.spare);
        self.buffered = self.buffered + c.outbox.memory() - before;
        self.mark_dirty(conn);
    }

    #[inline]
    pub(super) fn mark_dirty(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id)
            && !conn.flags.dirty
        {
            conn.flags.dirty = true;
            self.dirty.push(id);
        }
    }

    /// True if output of outgoing connections is held back.
    pub(crate) fn holds_back(&self) -> bool {
        !self.held_back.is_empty()
    }

    /// Writes once for each connection with output; with `defer`, outgoing connections with little output
    /// wait until the next call. Failed connections are reported to the app, which may make others dirty:
    /// they are written too.
    pub(crate) fn write_all<A: App<EventLoop>>(&mut self, app: &mut A, defer: bool) {
        let mut wrote = false;
        if !defer {
            self.dirty.append(&mut self.held_back);
        }
        while !self.dirty.is_empty() {
            wrote = true;
            let mut dirty = std::mem::take(&mut self.dirty);
            for id in dirty.drain(..) {
                match self.conns.get(id) {
                    // Its output is on hold.
                    Some(conn) if !conn.flags.dirty => {}
                    Some(conn) if defer && conn.flags.outgoing && conn.unsent() < HELD_BACK_MAX => {
                        self.held_back.push(id);
                    }
                    _ => self.write(app, id),
                }
            }
            if self.dirty.is_empty() {
                self.dirty = dirty;
            }
        }
        if wrote {
            self.spare_since = true;
        } else if self.spare_since && self.buffered == 0 {
            self.spare.release();
            self.spare_since = false;
        }
    }

    pub(super) fn write<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId) {
        if self.conns.get(id).is_some_and(|conn| conn.layers.is_some()) {
            self.flush_layers(id);
        }
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.flags.dirty = false;
        if conn.stage == Stage::Opening || conn.flags.blocked {
            return;
        }
        if conn.outbox.len() > 0 {
            let memory = conn.outbox.memory();
            let result = conn.outbox.write_to(&mut conn.stream, &mut self.spare);
            let left = conn.outbox.len();
            self.buffered -= memory - conn.outbox.memory();
            if let Err(e) = result {
                if conn.stage == Stage::Open {
                    return self.fail(app, id, fault_of(&e));
                }
                return self.close(id);
            }
            conn.flags.blocked = left > 0;
            self.stopwatch.stop(id, self.now);
        }
        if conn.unsent() > 0 {
            return;
        }
        match conn.stage {
            Stage::Finishing if conn.flags.finish_after_handshake => {}
            Stage::Finishing => self.linger(id),
            Stage::Open if conn.flags.notify_drained => {
                conn.flags.notify_drained = false;
                app.drained(self, id);
            }
            _ => {}
        }
    }

    /// Shuts down the sending side once everything is written, and waits for the peer to close.
    fn linger(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.flags.ended {
            return self.close(id);
        }
        conn.stage = Stage::Lingering;
        conn.stream.shutdown_write();
        self.restart_conn_timer(id, LINGER);
        self.discard(id);
    }

    pub(super) fn restart_conn_timer(&mut self, id: ConnId, after: Duration) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if let Some(timer) = conn.timer.take() {
            self.timers.cancel(timer);
        }
        conn.timer = Some(self.timers.set(self.now + after, Due::Conn(id)));
    }

    /// Handles a connection's own timer: a connect that timed out or failed at once, or a finished connection
    /// without progress.
    pub(crate) fn conn_timer<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.timer = None;
        match conn.stage {
            Stage::Opening => self.attempt_is_over(app, id),
            Stage::Finishing => {
                let left = conn.outbox.len();
                if std::mem::replace(&mut conn.want, left) == left {
                    self.close(id);
                } else {
                    self.restart_conn_timer(id, LINGER * 5);
                }
            }
            // An open connection's only timer is that of its TLS handshake.
            Stage::Open => self.fail(app, id, Fault::Layer(LayerFault::Timeout)),
            Stage::Lingering => self.close(id),
        }
    }
}
