//! Reading: from the socket to [`App::received`].

use std::io;

use bytes::BytesMut;
use mio::event::Event;

use super::{EventLoop, Progress, SCRATCH, fault_of, id_of};
use crate::conn::{Conn, Stage, inbox_memory};
use crate::{App, ConnId, Fault, Input, LayerFault};

/// Reads of one connection per turn, so that one fast peer cannot starve the others.
const READS_PER_TURN: usize = 4;
/// Most that a connection's buffer grows ahead of the input, whatever length was announced.
const GROW_MAX: usize = 1 << 20;

impl EventLoop {
    pub(crate) fn event<A: App<EventLoop>>(&mut self, app: &mut A, event: &Event) {
        let id = id_of(event.token());
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.stage == Stage::Opening {
            self.connect_failed_yet(app, id);
            match self.conns.get(id) {
                Some(conn) if conn.stage == Stage::Open => {}
                _ => return,
            }
        }
        let Some(conn) = self.conns.get_mut(id) else { return };
        if event.is_writable() && conn.flags.blocked {
            conn.flags.blocked = false;
            self.mark_dirty(id);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            let Some(conn) = self.conns.get_mut(id) else { return };
            conn.flags.readable = true;
            conn.flags.heard = true;
            conn.flags.peer_done |= event.is_read_closed() || event.is_error();
            self.read(app, id);
        }
    }

    pub(crate) fn has_queued(&self) -> bool {
        !self.queued.is_empty()
    }

    /// Reads from the connections left over by the last turn.
    pub(crate) fn read_queued<A: App<EventLoop>>(&mut self, app: &mut A) {
        for id in std::mem::take(&mut self.queued) {
            let Some(conn) = self.conns.get_mut(id) else { continue };
            conn.flags.queued = false;
            self.start_pushed_layer(app, id);
            let Some(conn) = self.conns.get_mut(id) else { continue };
            if conn.flags.show_again && !conn.flags.paused {
                conn.flags.show_again = false;
                if !conn.inbox.is_empty() && conn.stage == Stage::Open {
                    self.show(app, id);
                }
            }
            self.read(app, id);
        }
    }

    pub(super) fn queue_read(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id)
            && !conn.flags.queued
        {
            conn.flags.queued = true;
            self.queued.push(id);
        }
    }

    fn read<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId) {
        for _ in 0..READS_PER_TURN {
            let Some(conn) = self.conns.get_mut(id) else { return };
            // After a resume, leftover input comes first, before more bytes and before the end is reported.
            // A pause applies to what the app is shown; a handshake goes on.
            let paused = conn.flags.paused && !conn.handshaking();
            if !conn.flags.readable || paused || conn.flags.show_again {
                return;
            }
            match conn.stage {
                Stage::Open => {}
                Stage::Finishing if conn.flags.finish_after_handshake => {}
                Stage::Lingering | Stage::Finishing => return self.discard(id),
                Stage::Opening => return,
            }
            let outcome = if conn.layers.is_some() {
                self.read_layered(app, id)
            } else if conn.inbox.is_empty() {
                self.read_scratch(app, id)
            } else {
                self.read_own(app, id)
            };
            self.start_pushed_layer(app, id);
            match outcome {
                Ok(Progress::More) => {}
                Ok(Progress::Dry) => return,
                Ok(Progress::End) => return self.tell_end(app, id),
                Err(e) => return self.fail(app, id, fault_of(&e)),
            }
        }
        self.queue_read(id);
    }

    pub(super) fn tell_end<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.flags.finish_after_handshake {
            return self.close(id);
        }
        if conn.handshaking() {
            return self.fail(app, id, Fault::Layer(LayerFault::Closed));
        }
        if conn.stage == Stage::Open && !conn.flags.ended {
            conn.flags.ended = true;
            conn.flags.readable = false;
            app.ended(self, id);
        }
    }

    /// The usual case: nothing is left over, so the bytes need not be kept if the app consumes them all.
    fn read_scratch<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId) -> io::Result<Progress> {
        let Some(conn) = self.conns.get_mut(id) else { return Ok(Progress::Dry) };
        let n = match io::Read::read(&mut conn.stream, &mut self.scratch) {
            Ok(n) => n,
            Err(e) => return dry(conn, e),
        };
        if n == 0 {
            return Ok(Progress::End);
        }
        self.arrived += n;
        if !conn.flags.outgoing {
            self.stopwatch.start(id, self.now);
        }
        let progress = after_read(conn, n < SCRATCH);
        let scratch = std::mem::take(&mut self.scratch);
        let mut input = Input::scratch(&scratch[..n]);
        app.received(self, id, &mut input);
        let (consumed, want) = input.outcome();
        self.keep(id, &scratch[consumed..n], want);
        self.scratch = scratch;
        Ok(progress)
    }

    /// Keeps unconsumed input from the shard's own buffers; the connection kept none before.
    pub(super) fn keep(&mut self, id: ConnId, left: &[u8], want: usize) {
        if !left.is_empty()
            && let Some(conn) = self.conns.get_mut(id)
            && conn.stage == Stage::Open
        {
            conn.inbox.reserve((want.min(GROW_MAX)).max(left.len()));
            conn.inbox.extend_from_slice(left);
            conn.want = want;
            self.buffered += inbox_memory(&conn.inbox);
        }
    }

    /// Reads into the buffer after the kept input, to complete a frame.
    fn read_own<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId) -> io::Result<Progress> {
        let Some(conn) = self.conns.get_mut(id) else { return Ok(Progress::Dry) };
        let missing = conn.want.saturating_sub(conn.inbox.len());
        let room = missing.clamp(4096, GROW_MAX.max(conn.inbox.len()));
        let held = inbox_memory(&conn.inbox);
        if conn.inbox.capacity() - conn.inbox.len() < room.min(SCRATCH) {
            conn.inbox.reserve(room);
        }
        let spare = conn.inbox.spare_capacity_mut();
        let room = spare.len();
        let read = conn.stream.read_uninit(spare);
        // SAFETY: the kernel reports how many bytes of the spare capacity it has initialised.
        unsafe { conn.inbox.set_len(conn.inbox.len() + read.as_ref().map_or(0, |n| *n)) };
        self.buffered = self.buffered + inbox_memory(&conn.inbox) - held;
        let n = match read {
            Ok(n) => n,
            Err(e) => return dry(conn, e),
        };
        if n == 0 {
            return Ok(Progress::End);
        }
        self.arrived += n;
        let progress = after_read(conn, n < room);
        if conn.inbox.len() >= conn.want {
            self.show(app, id);
        }
        Ok(progress)
    }

    /// Shows the app the connection's own buffer.
    pub(super) fn show<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let mut inbox = std::mem::take(&mut conn.inbox);
        let held = inbox_memory(&inbox);
        let before = inbox.len();
        let mut input = Input::owned(&mut inbox);
        app.received(self, id, &mut input);
        let (consumed, want) = input.outcome();
        let _ = inbox.split_to(consumed);
        self.buffered -= held;
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.stage != Stage::Open {
            return;
        }
        conn.want = want;
        conn.inbox = remainder(inbox, before);
        self.buffered += inbox_memory(&conn.inbox);
    }

    /// Discards input on a connection that the app has finished.
    pub(super) fn discard(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        for _ in 0..READS_PER_TURN {
            match io::Read::read(&mut conn.stream, &mut self.scratch) {
                Ok(0) => {
                    conn.flags.ended = true;
                    conn.flags.readable = false;
                    if conn.stage == Stage::Lingering {
                        self.close(id);
                    }
                    return;
                }
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    conn.flags.readable = false;
                    return;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.close(id),
            }
        }
        self.queue_read(id);
    }
}

/// Frees the memory of what was consumed of a buffer that had `before` bytes.
fn remainder(inbox: BytesMut, before: usize) -> BytesMut {
    match inbox.len() {
        0 => BytesMut::new(),
        left if left < before && left <= SCRATCH => BytesMut::from(&inbox[..]),
        _ => inbox,
    }
}

/// A short read has emptied the socket, except for a FIN, which only another read can reveal.
pub(super) fn after_read(conn: &mut Conn, short: bool) -> Progress {
    if short && !conn.flags.peer_done {
        conn.flags.readable = false;
        Progress::Dry
    } else {
        Progress::More
    }
}

pub(super) fn dry(conn: &mut Conn, e: io::Error) -> io::Result<Progress> {
    match e.kind() {
        io::ErrorKind::WouldBlock => {
            conn.flags.readable = false;
            Ok(Progress::Dry)
        }
        io::ErrorKind::Interrupted => Ok(Progress::More),
        _ => Err(e),
    }
}
