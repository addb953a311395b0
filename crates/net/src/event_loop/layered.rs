//! Connections with layers (TLS, compression) between the socket and the app: see [`crate::layer`] for the steps.

use std::io;
use std::time::Duration;

use super::{EventLoop, Progress, SCRATCH};
use crate::conn::{Conn, Stage, inbox_memory};
use crate::layer::{LayerError, PLAIN_MAX, Received};
use crate::{App, ConnId, Fault, Layer};

/// Time a TLS handshake may take, as nsqd's.
const HANDSHAKE: Duration = Duration::from_secs(5);

impl EventLoop {
    /// Puts a layer on a connection: from now on for what is sent, and for what arrives once the app has returned.
    pub(super) fn add_layer(&mut self, id: ConnId, layer: &Layer) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let mut stack = conn.layers.take().unwrap_or_default();
        self.wire.clear();
        stack.flush(&mut self.wire);
        let pushed = stack.push(layer, &[]);
        let handshaking = stack.handshaking();
        conn.layers = Some(stack);
        conn.flags.layer_pushed = true;
        conn.flags.layer_bad |= pushed.is_err();
        self.queue_wire(id);
        self.queue_read(id);
        if handshaking {
            self.restart_conn_timer(id, HANDSHAKE);
        }
    }

    /// Sends what is in `wire`.
    fn queue_wire(&mut self, id: ConnId) {
        let wire = std::mem::take(&mut self.wire);
        if let Some(conn) = self.conns.get_mut(id)
            && !wire.is_empty()
        {
            let before = conn.outbox.memory();
            conn.outbox.push(&wire, &mut self.spare);
            self.buffered += conn.outbox.memory() - before;
            self.mark_dirty(id);
        }
        self.wire = wire;
    }

    /// [`crate::Io::send`] on a connection with layers.
    pub(super) fn send_layered(&mut self, id: ConnId, bytes: &[u8]) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let Some(stack) = conn.layers.as_mut() else { return };
        self.wire.clear();
        stack.send(bytes, &mut self.wire);
        self.queue_wire(id);
        self.mark_dirty(id);
    }

    /// Before a write: everything that was gathered is encoded.
    pub(super) fn flush_layers(&mut self, id: ConnId, closing: bool) {
        let Some(stack) = self.conns.get_mut(id).and_then(|c| c.layers.as_mut()) else { return };
        self.wire.clear();
        if closing {
            stack.close(&mut self.wire);
        } else {
            stack.flush(&mut self.wire);
        }
        self.queue_wire(id);
    }

    /// One read, or what is left inside from the last one, through the layers to the app.
    pub(super) fn read_layered<A: App<EventLoop>>(
        &mut self,
        app: &mut A,
        id: ConnId,
    ) -> io::Result<Progress> {
        let Some(conn) = self.conns.get_mut(id) else { return Ok(Progress::Dry) };
        let (mut n, mut progress) = (0, Progress::More);
        if !std::mem::take(&mut conn.flags.layer_more) {
            n = match io::Read::read(&mut conn.stream, &mut self.scratch) {
                Ok(0) => return Ok(Progress::End),
                Ok(n) => n,
                Err(e) => return super::read::dry(conn, e),
            };
            progress = super::read::after_read(conn, n < SCRATCH);
        }
        let scratch = std::mem::take(&mut self.scratch);
        self.decode(app, id, &scratch[..n]);
        self.scratch = scratch;
        Ok(progress)
    }

    /// A layer was pushed while the app was looking at its input: what it has left over is the layer's.
    pub(super) fn start_layer<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if !std::mem::take(&mut conn.flags.layer_pushed) {
            return;
        }
        let left = std::mem::take(&mut conn.inbox);
        conn.want = 0;
        self.buffered -= inbox_memory(&left);
        if let Some(stack) = conn.layers.as_mut() {
            stack.unread(&left);
        }
        if conn.flags.layer_bad {
            return self.fail(app, id, Fault::Layer);
        }
        self.decode(app, id, &[]);
    }

    fn decode<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId, bytes: &[u8]) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        self.wire.clear();
        let (before, held) = (conn.inbox.len(), inbox_memory(&conn.inbox));
        let received = receive(conn, bytes, &mut self.wire);
        let grown = conn.inbox.len() - before;
        self.buffered = self.buffered + inbox_memory(&conn.inbox) - held;
        self.queue_wire(id);
        let received = match received {
            Ok(received) => received,
            Err(_) => {
                // The peer is told why, if it listens.
                self.write(app, id);
                return self.fail(app, id, Fault::Layer);
            }
        };
        if let Some(info) = received.established {
            if let Some(timer) = self.conns.get_mut(id).and_then(|c| c.timer.take()) {
                self.timers.cancel(timer);
            }
            app.layered(self, id, *info);
        }
        if received.more
            && let Some(conn) = self.conns.get_mut(id)
        {
            conn.flags.layer_more = true;
            conn.flags.readable = true;
            self.queue_read(id);
        }
        if grown > 0 && self.conns.get(id).is_some_and(|c| c.inbox.len() >= c.want && !c.flags.paused) {
            self.show(app, id);
        }
        if received.ended {
            self.tell_end(app, id);
        }
    }
}

fn receive(conn: &mut Conn, bytes: &[u8], wire: &mut Vec<u8>) -> Result<Received, LayerError> {
    match conn.layers.as_mut() {
        Some(stack) if conn.stage == Stage::Open => stack.receive(bytes, &mut conn.inbox, PLAIN_MAX, wire),
        _ => Ok(Received::default()),
    }
}
