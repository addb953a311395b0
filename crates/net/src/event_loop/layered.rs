//! Connections with layers (TLS, compression) between the socket and the app: see [`crate::layer`] for the
//! steps.
//!
//! TLS of a listener or a connect is put on the connection before the app learns of it, so that no byte of
//! the app bypasses it in either direction.

use std::io;
use std::time::Duration;

use bytes::BytesMut;

use super::{EventLoop, LINGER, Progress, SCRATCH};
use crate::conn::{Conn, Stage, inbox_memory};
use crate::layer::{LayerError, PLAIN_MAX, Received, Stack};
use crate::options::{ClientTls, ServerTls};
use crate::outbox::LARGE;
use crate::{App, ConnId, Fault, Input, Layer, LayerFault, LayerInfo};

/// Time allowed for a TLS handshake with a client, as nsqd's.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Capacity above which the buffer for decoded bytes is freed.
const PLAIN_KEEP: usize = 256 * 1024;

impl EventLoop {
    /// Puts a layer on an open connection: at once for output, and for input as soon as the app has returned.
    pub(super) fn push_on(&mut self, id: ConnId, layer: &Layer) {
        self.add_layer(id, layer);
        if self.conns.get(id).is_some_and(Conn::handshaking) {
            self.restart_conn_timer(id, HANDSHAKE);
        }
    }

    /// Puts the listener's TLS on an accepted connection.
    pub(super) fn begin_server_tls(&mut self, id: ConnId, tls: &ServerTls) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.plain_answer = tls.plain_answer;
        }
        self.push_on(id, &Layer::TlsServer(tls.config.clone()));
    }

    /// Puts TLS on a connection about to be opened. The handshake counts towards the connect timeout.
    pub(super) fn begin_client_tls(&mut self, id: ConnId, tls: &ClientTls) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.flags.greeting = true;
        }
        self.add_layer(id, &Layer::TlsClient(tls.config.clone(), tls.server_name.clone()));
    }

    fn add_layer(&mut self, id: ConnId, layer: &Layer) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.layers.get_or_insert_default();
        conn.flags.layer_pushed = true;
        let pushed = self.with_layers(id, |stack, wire| {
            stack.flush(wire);
            stack.push(layer, &[])
        });
        if let (Some(Err(error)), Some(conn)) = (pushed, self.conns.get_mut(id)) {
            conn.flags.layer_bad = Some(error.fault());
        }
        self.queue_read(id);
    }

    /// Runs `f` on the layers of a connection, sends what they write, and accounts for what they hold.
    fn with_layers<R>(&mut self, id: ConnId, f: impl FnOnce(&mut Stack, &mut Vec<u8>) -> R) -> Option<R> {
        let stack = self.conns.get_mut(id)?.layers.as_mut()?;
        self.wire.clear();
        let before = stack.memory();
        let result = f(stack, &mut self.wire);
        self.buffered = self.buffered + stack.memory() - before;
        if let Some(buffer) = stack.reclaim() {
            self.spare.give(buffer);
        }
        self.queue_wire(id);
        Some(result)
    }

    /// Sends the contents of `wire`: without a copy if long, else copied behind the queued output.
    fn queue_wire(&mut self, id: ConnId) {
        let mut wire = std::mem::take(&mut self.wire);
        if let Some(conn) = self.conns.get_mut(id)
            && !wire.is_empty()
        {
            let before = conn.outbox.memory();
            if wire.len() >= LARGE {
                conn.outbox.push_shared(std::mem::take(&mut wire).into(), &mut self.spare);
            } else {
                conn.outbox.push(&wire, &mut self.spare);
            }
            self.buffered = self.buffered + conn.outbox.memory() - before;
            self.mark_dirty(id);
        }
        self.wire = wire;
    }

    /// [`crate::Io::send`] on a connection with layers.
    pub(super) fn send_layered(&mut self, id: ConnId, bytes: &[u8]) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let Some(stack) = conn.layers.as_mut() else { return };
        if stack.wants_buffer() {
            stack.lend(self.spare.take());
        }
        let before = stack.memory();
        if stack.gather(bytes) {
            self.buffered = self.buffered + stack.memory() - before;
        } else {
            self.with_layers(id, |stack, wire| stack.send(bytes, wire));
        }
        self.mark_dirty(id);
    }

    /// Encodes everything gathered, before a write.
    pub(super) fn flush_layers(&mut self, id: ConnId) {
        self.with_layers(id, Stack::flush);
    }

    /// Encodes everything and ends the streams, before the last write.
    pub(super) fn close_layers(&mut self, id: ConnId) {
        self.with_layers(id, Stack::close);
    }

    /// Passes one read, or input left inside from the last one, through the layers to the app.
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
        let mut scratch = std::mem::take(&mut self.scratch);
        self.decode(app, id, &mut scratch[..n]);
        self.scratch = scratch;
        Ok(progress)
    }

    /// Starts a layer pushed while the app was reading: the app's unconsumed input goes to the layer.
    #[inline]
    pub(super) fn start_pushed_layer<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId) {
        if self.conns.get(id).is_some_and(|conn| conn.flags.layer_pushed) {
            self.start_layer(app, id);
        }
    }

    #[cold]
    fn start_layer<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.flags.layer_pushed = false;
        if let Some(fault) = conn.flags.layer_bad {
            return self.fail(app, id, Fault::Layer(fault));
        }
        let left = std::mem::take(&mut conn.inbox);
        conn.want = 0;
        self.buffered -= inbox_memory(&left);
        self.with_layers(id, |stack, _| stack.unread(&left));
        self.decode(app, id, &mut []);
    }

    fn decode<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId, bytes: &mut [u8]) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        self.wire.clear();
        let memory = |conn: &Conn| inbox_memory(&conn.inbox) + conn.layers_memory();
        let held = memory(conn);
        // The usual case: nothing is left over, so the bytes need not be kept if the app consumes them all.
        let mut plain = match conn.inbox.is_empty() {
            true => std::mem::take(&mut self.plain),
            false => std::mem::take(&mut conn.inbox),
        };
        let (shared, before) = (plain.is_empty(), plain.len());
        let received = receive(conn, bytes, &mut plain, &mut self.wire);
        if conn.flags.finish_after_handshake {
            // The app has finished the connection.
            plain.truncate(before);
        }
        let grown = plain.len() - before;
        if !shared {
            conn.inbox = std::mem::take(&mut plain);
        }
        self.buffered = self.buffered + memory(conn) - held;
        let received = match received {
            Ok(received) => received,
            Err(error) => return self.layer_failed(app, id, error.fault()),
        };
        self.queue_wire(id);
        if let Some(info) = received.established {
            self.handshake_done(app, id, *info);
        }
        if received.more
            && let Some(conn) = self.conns.get_mut(id)
        {
            conn.flags.layer_more = true;
            conn.flags.readable = true;
            self.queue_read(id);
        }
        if shared {
            self.show_plain(app, id, &plain);
            plain.clear();
            if plain.capacity() <= PLAIN_KEEP {
                self.plain = plain;
            }
        } else {
            let shown = |conn: &Conn| {
                conn.stage == Stage::Open && conn.inbox.len() >= conn.want && !conn.flags.paused
            };
            if grown > 0 && self.conns.get(id).is_some_and(shown) {
                self.show(app, id);
            }
        }
        if received.ended {
            self.tell_end(app, id);
        }
    }

    /// Shows the app decoded bytes; unconsumed ones are kept by the connection.
    fn show_plain<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId, plain: &[u8]) {
        let Some(conn) = self.conns.get(id) else { return };
        if plain.is_empty() || conn.stage != Stage::Open {
            return;
        }
        let (mut consumed, mut want) = (0, 0);
        if !conn.flags.paused {
            let mut input = Input::scratch(plain);
            app.received(self, id, &mut input);
            (consumed, want) = input.outcome();
        }
        self.keep(id, &plain[consumed..], want);
    }

    fn handshake_done<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId, info: LayerInfo) {
        // Output sent meanwhile can leave.
        self.mark_dirty(id);
        let Some(conn) = self.conns.get_mut(id) else { return };
        if std::mem::take(&mut conn.flags.finish_after_handshake) {
            self.close_layers(id);
            return self.restart_conn_timer(id, LINGER * 5);
        }
        let greeting = std::mem::take(&mut conn.flags.greeting);
        if let Some(timer) = conn.timer.take() {
            self.timers.cancel(timer);
        }
        app.layered(self, id, info);
        if greeting && self.conns.get(id).is_some_and(|conn| conn.stage == Stage::Open) {
            app.connected(self, id);
        }
    }

    /// Handles a failure of the layers. The peer gets the reason, from `wire` or in the protocol's own words,
    /// and time to read it.
    fn layer_failed<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId, fault: LayerFault) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.stage != Stage::Open {
            return self.close(id);
        }
        if fault == LayerFault::PlainText && !conn.plain_answer.is_empty() {
            self.wire.clear();
            self.wire.extend_from_slice(conn.plain_answer);
        }
        self.buffered -= conn.layers_memory() + inbox_memory(&conn.inbox);
        conn.layers = None;
        conn.inbox = Default::default();
        conn.stage = Stage::Finishing;
        self.queue_wire(id);
        self.mark_dirty(id);
        self.restart_conn_timer(id, LINGER);
        app.failed(self, id, Fault::Layer(fault));
    }
}

fn receive(
    conn: &mut Conn,
    bytes: &mut [u8],
    plain: &mut BytesMut,
    wire: &mut Vec<u8>,
) -> Result<Received, LayerError> {
    match conn.layers.as_mut() {
        Some(stack) if conn.stage == Stage::Open || conn.flags.finish_after_handshake => {
            stack.receive(bytes, plain, PLAIN_MAX, wire)
        }
        _ => Ok(Received::default()),
    }
}
